"""growing-task-collection: finished tasks are never removed from a collection that outlives the call.

## What it does
Finds tasks added, again and again, to a list, set or dictionary that an object, a class or a module holds, when no
code takes anything out of it: no `discard`, `remove`, `pop`, `clear` or `del`, no re-assignment, no filter. It also
finds the done callback that takes out the wrong task, because it closes over a name that is bound again before the
task is done.

## Why it is bad
A finished task keeps its result, its exception with the traceback and every local in it. The collection, and the
memory of the process, grow with every message.

## Example
```python
import asyncio


class Bus:
    def __init__(self, handler):
        self.handler = handler
        self._tasks = []

    async def handle(self, message):
        await self.handler(message)

    def publish(self, message):
        self._tasks.append(asyncio.create_task(self.handle(message)))
```

```python
import asyncio


class Bus:
    def __init__(self, handler):
        self.handler = handler
        self._tasks = set()

    def publish_all(self, messages):
        for message in messages:
            task = asyncio.create_task(self.handler(message))
            self._tasks.add(task)
            task.add_done_callback(lambda _: self._tasks.discard(task))
```

## Use instead
```python
import asyncio


class Bus:
    def __init__(self, handler):
        self.handler = handler
        self._tasks = set()

    async def handle(self, message):
        await self.handler(message)

    def publish(self, message):
        task = asyncio.create_task(self.handle(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
```

## Known limits
Methods named as a start (`start`, `run`, `connect`, `setup`) are taken to run once in an object's life. A collection
that is handed to anything is left alone, and so is one that the object was given, since its owner may empty it, and one
of an object that each call is given.

## When to leave it off
For short scripts.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task>, the example with `discard`
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.unreleased import HeldTask
from flake8_task_lifecycle.model import Finding

CODE = "TLC008"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every collection that keeps its finished tasks."""
    for task in facts.held.growing():
        yield Finding(
            CODE, task.span, _message(task), subject=task.name, qualname=task.qualname, evidence=task.evidence
        )


def _message(task: HeldTask) -> str:
    if task.wrong_removal:
        return (
            f"the done callback removes from {task.name!r} whatever its name is bound to by then, not this task:"
            f" give add_done_callback the bound 'discard' of {task.name!r}"
        )
    return (
        f"tasks are added to {task.name!r} and never removed, so the finished pile up:"
        f" add_done_callback the bound 'discard' of a set"
    )
