"""unreached-release: a task can be released, but nothing in the project calls what releases it.

## What it does
Finds tasks kept in an attribute, a global or a collection that only methods release which nothing in the project
calls, registers or names in a string. A call by another method of the same object counts as far as that method is
reached itself. The search covers every file of the project whose text holds the method's name.

A method that something outside the project may call is taken to be called: a special method, an override in a class
with a base class from elsewhere, a decorated function, a handler by its name (`on_...`).

## Why it is bad
The class looks sound: it has a `stop()` that cancels and awaits. But the program never calls it, so the task runs on
when its owner is done with, and is cut off when the event loop ends.

## Example
```python
import asyncio
import contextlib


class Poller:
    def start(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self):
        while True:
            await asyncio.sleep(1)


async def main():
    poller = Poller()
    poller.start()
    await asyncio.sleep(10)
```

## Use instead
```python
import asyncio
import contextlib


class Poller:
    def start(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self):
        while True:
            await asyncio.sleep(1)


async def main():
    poller = Poller()
    poller.start()
    try:
        await asyncio.sleep(10)
    finally:
        await poller.stop()
```

## Known limits
A call on an object of unknown class counts as a call of every method of that name, so a method with a common name is
rarely found. Calls by the tests of a project count too.

## When to leave it off
For libraries: it is their users who call `stop()`.

## References
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.reach import unreached
from flake8_task_lifecycle.model import Finding

CODE = "TLC109"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every slot whose releasing methods are reached by nothing."""
    for task in unreached(facts):
        what = f"task {task.name!r} ({task.coroutine})" if task.coroutine else f"task {task.name!r}"
        message = f"{what} is released only by {task.release!r}, which nothing in the project calls or registers"
        yield Finding(
            CODE,
            task.span,
            f"{message}: call it where the owner is done with",
            subject=task.name,
            qualname=task.qualname,
            evidence=task.evidence,
        )
