"""undrained-background-tasks: one-shot tasks are kept, and nothing waits for them or cancels them at shutdown.

## What it does
Finds tasks that come to an end of their own, kept in an attribute, a global, or a collection that each leaves when it
is done, while nothing in the project ever awaits or cancels what is kept there. A task whose wrapper also returns it
counts when every call in the project drops what it gets. One finding for each place, at its first such store.

Tasks that loop without end are TLC002's business, and so is the one-shot that a stopping method forgets.

## Why it is bad
Keeping a task saves it from the garbage collector, but not from the end of the program: what is still running then is
cut off in the middle, and a message is half sent or a row is not written.

## Example
```python
import asyncio

background = set()


async def deliver(message):
    await asyncio.sleep(0.1)
    print(message)


def send(message):
    task = asyncio.create_task(deliver(message))
    background.add(task)
    task.add_done_callback(background.discard)
```

## Use instead
```python
import asyncio

background = set()


async def deliver(message):
    await asyncio.sleep(0.1)
    print(message)


def send(message):
    task = asyncio.create_task(deliver(message))
    background.add(task)
    task.add_done_callback(background.discard)


async def shutdown():
    await asyncio.gather(*background, return_exceptions=True)
```

## Known limits
A coroutine that cannot be resolved is taken for a one-shot only where its task leaves a collection when it is done.
Whoever may read the place in a way that does not resolve may release it, so the rule is silent there.

## When to leave it off
For programs whose background work may be lost when they end.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task>
- <https://docs.python.org/3/library/asyncio-runner.html#asyncio.run>, which cancels what is left
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.unreleased import HeldTask
from flake8_task_lifecycle.model import Finding

CODE = "TLC103"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every slot whose one-shot tasks nothing drains."""
    for task in facts.held.undrained():
        yield Finding(
            CODE, task.span, _message(task), subject=task.name, qualname=task.qualname, evidence=task.evidence
        )


def _message(task: HeldTask) -> str:
    what = f"tasks in {task.name!r}" if task.is_collection else f"task {task.name!r}"
    if task.coroutine:
        what += f" ({task.coroutine})"
    are, them = ("are", "them") if task.is_collection else ("is", "it")
    return f"{what} {are} neither awaited nor cancelled at shutdown: await {them} where the program stops"
