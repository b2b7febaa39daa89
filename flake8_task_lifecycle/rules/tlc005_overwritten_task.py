"""overwritten-task: a held task is replaced while it may still be running.

## What it does
Finds functions that store a newly spawned, endlessly looping task in an attribute or a global, can run twice on one
object, and never look first: no path to the store tests the old task or a state of its owner, releases the old task,
or hands it to the new one.

## Why it is bad
The second call drops the only reference to the first task. Both loops run from then on, every message is handled
twice, and only the second can ever be cancelled.

## Example
```python
import asyncio


class Poller:
    def __init__(self, source):
        self.source = source
        self._task = None

    def start(self):
        self._task = asyncio.create_task(self._run())

    def stop(self):
        self._task.cancel()

    async def _run(self):
        while True:
            print(await self.source.read())
```

## Use instead
```python
import asyncio


class Poller:
    def __init__(self, source):
        self.source = source
        self._task = None

    def start(self):
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def stop(self):
        self._task.cancel()

    async def _run(self):
        while True:
            print(await self.source.read())
```

## Known limits
A method of a class with a base outside the project, a private function without a visible caller, and a hook that the
project calls by a computed name are left alone: who calls them how often does not show. A store under a key
(`self._tasks[key] = ...`) is not looked at.

## When to leave it off
Where every object is started once by convention, and nothing but the convention says so.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.done>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.unreleased import HeldTask
from flake8_task_lifecycle.model import Finding

CODE = "TLC005"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every store that can replace a task which still runs."""
    for task in facts.held.overwritten():
        yield Finding(
            CODE, task.span, _message(task), subject=task.name, qualname=task.qualname, evidence=task.evidence
        )


def _message(task: HeldTask) -> str:
    what = f"task {task.name!r}" + (f" ({task.coroutine})" if task.coroutine else "")
    when = f"by {task.qualname!r} itself" if task.by_itself else f"when {task.qualname!r} runs again"
    return f"{what} is replaced {when}, and the old one runs on: cancel it first, or return while it is not done()"
