"""task-leaks-on-error: a local task is left running when something between its spawn and its release goes wrong.

## What it does
Follows every task that a local holds from its spawn to where it is awaited, cancelled or handed on, and reports it
when a step on the way can raise or be cancelled and no handler, `finally` or context manager then releases the task.
The message names the first line that does it.

## Why it is bad
The function is gone and its task runs on, without an owner: it works on what its caller has given up, its exception is
never read, and the loop, which holds it weakly, may lose it at any time.

## Example
```python
import asyncio


async def heartbeat(send):
    while True:
        await send("alive")
        await asyncio.sleep(1)


async def session(connection):
    beat = asyncio.create_task(heartbeat(connection.send))
    await connection.serve()
    beat.cancel()
    await asyncio.wait([beat])
```

## Use instead
```python
import asyncio


async def heartbeat(send):
    while True:
        await send("alive")
        await asyncio.sleep(1)


async def session(connection):
    beat = asyncio.create_task(heartbeat(connection.send))
    try:
        await connection.serve()
    finally:
        beat.cancel()
        await asyncio.wait([beat])
```

or let a group wait for it:

```python
import asyncio


async def fetch_both(fetch):
    async with asyncio.TaskGroup() as group:
        first = group.create_task(fetch(1))
        second = group.create_task(fetch(2))
    return first.result(), second.result()
```

## Known limits
Calls of functions outside the project are taken not to raise unless they are awaited. A second fault, in a `finally`
or `except` that is already cleaning up, is not followed. Where a test decides on the way whether the task is released,
the rule is silent, and so it is in what `asyncio.run` is given: the runner cancels and awaits what is left.

## When to leave it off
In code whose background tasks may outlive a failed request. Everywhere else it is worth a look, finding by finding.

## References
- <https://docs.python.org/3/library/asyncio-task.html#task-groups>
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.leaks import Leak
from flake8_task_lifecycle.facts.thrown import Way
from flake8_task_lifecycle.model import Finding

CODE = "TLC101"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every local task that an exception or a cancellation leaves running."""
    for leak in facts.leaks.all:
        yield Finding(
            CODE, leak.span, _message(leak), subject=leak.name, qualname=leak.qualname, evidence=leak.evidence
        )


def _message(leak: Leak) -> str:
    what = f"task {leak.name!r}" if leak.single else f"task in {leak.name!r}"
    coroutine = f" ({leak.coroutine})" if leak.coroutine else ""
    match leak.way:
        case Way.ERROR:
            how = f"if line {leak.line} raises"
        case Way.CANCELLED:
            how = f"if {leak.qualname} is cancelled at line {leak.line}"
        case Way.CLOSED:
            how = f"if {leak.qualname} is closed at line {leak.line}"
    return f"{what}{coroutine} is left running {how}: release it in a finally, or use a TaskGroup"
