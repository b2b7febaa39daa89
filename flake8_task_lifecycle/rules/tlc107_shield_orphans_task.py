"""shield-orphans-task: `await shield(coro())` starts a task that nobody holds once the waiter is cancelled.

## What it does
Finds `await asyncio.shield(...)` over a coroutine that is made in the call, or over a task spawned in it.

## Why it is bad
`shield` keeps the inner task from being cancelled with its waiter, and that is all: the task it makes of a coroutine is
known to nobody else. After the cancellation the loop holds it weakly, nothing waits for it, and its exception is never
read. The documentation of `shield` asks for a reference to the task.

## Example
```python
import asyncio


async def save(document):
    await asyncio.sleep(1)
    print(document)


async def handle(document):
    await asyncio.shield(save(document))
```

## Use instead
```python
import asyncio

saving = set()


async def save(document):
    await asyncio.sleep(1)
    print(document)


async def handle(document):
    task = asyncio.create_task(save(document))
    saving.add(task)
    task.add_done_callback(saving.discard)
    await asyncio.shield(task)
```

## Known limits
Only coroutines that resolve, of the project or of asyncio, are reported, and none that only waits for what others hold
(`asyncio.wait`, `Event.wait`). What a local alone holds is lost as well when the function is cancelled; that is
[task-leaks-on-error](TLC101.md)'s kind of question and not asked here.

## When to leave it off
In programs whose shielded clean-up is short and whose loop outlives it anyway.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.shield>, "Important: Save a reference"
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC107"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every shield whose task is orphaned by a cancellation of its waiter."""
    for shield in facts.joined.shields:
        what = f" of {shield.coroutine!r}" if shield.coroutine else ""
        yield Finding(
            CODE,
            shield.span,
            f"task{what} is held by nobody once {shield.qualname} is cancelled: "
            "spawn it first, keep it where it outlives the call, and shield the task",
            subject=shield.coroutine or "shield",
            qualname=shield.qualname,
        )
