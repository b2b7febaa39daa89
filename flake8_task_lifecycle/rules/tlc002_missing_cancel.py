"""missing-cancel: an object, class, module or collection holds a task that nothing ever releases.

## What it does
Finds tasks that loop without end, kept in an attribute, a global or a collection, while nothing that can reach that
place ever cancels them, awaits them, or asks their loop to stop. It also finds the one-shot task that a stopping
method forgets while it releases the other tasks of the same object.

The search covers the module, the bases and subclasses of the class, and every file of the project whose text holds
the name. Wherever a reader of the name cannot be resolved, or the place is handed on, the rule stays silent.

## Why it is bad
The task outlives the object it belongs to: it goes on polling a closed connection, keeps the object alive, and is
still pending when the event loop ends.

## Example
```python
import asyncio


class Poller:
    def __init__(self, source):
        self.source = source

    def start(self):
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            print(await self.source.read())
            await asyncio.sleep(1)
```

## Use instead
```python
import asyncio
import contextlib


class Poller:
    def __init__(self, source):
        self.source = source

    def start(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self):
        while True:
            print(await self.source.read())
            await asyncio.sleep(1)
```

A flag or an event that the loop itself tests, and a method of the owner sets, is a release too.

## Known limits
A coroutine that cannot be resolved is taken to end. A task in a local variable of a long-running function is not
looked at. An attribute of an object of unknown class is left alone.

## When to leave it off
For programs whose tasks run until the process ends, and that cancel nothing on purpose.

## References
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
- <https://docs.python.org/3/library/asyncio-runner.html#asyncio.run>, which cancels what is left
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.unreleased import HeldTask
from flake8_task_lifecycle.model import Finding

CODE = "TLC002"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every slot whose task nothing can end."""
    for task in facts.held.unreleased():
        yield Finding(
            CODE, task.span, _message(task), subject=task.name, qualname=task.qualname, evidence=task.evidence
        )


def _message(task: HeldTask) -> str:
    what = f"tasks in {task.name!r}" if task.is_collection else f"task {task.name!r}"
    if task.coroutine:
        what += f" ({task.coroutine})"
    are = "are" if task.is_collection else "is"
    if task.stopper:
        others = f"which releases the other tasks of {task.owner}"
        return f"{what} {are} forgotten by {task.stopper!r}, {others}: cancel it there"
    if task.is_global:
        return f"{what} {are} never cancelled or awaited by anything: release it where the program shuts down"
    return f"{what} {are} never cancelled or awaited by {task.owner}: release it in the method that stops {task.owner}"
