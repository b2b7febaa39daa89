"""silent-task-death: a long-lived task can die of an exception that nothing observes.

## What it does
Finds tasks whose coroutine loops without end, where a step in the loop can raise outside every broad handler, and
nobody sees how the task ends: no done callback reads its result or exception, nobody awaits it before it is
cancelled, nobody polls it, and nothing starts it again once it is done.

## Why it is bad
asyncio keeps the exception of a task for whoever awaits it, and logs "Task exception was never retrieved" only when
the task itself is garbage collected. As long as an attribute holds the task, nothing is logged at all: the loop that
polls, renews or delivers has ended, and the program goes on as if it still ran.

## Example
```python
import asyncio


async def fetch():
    reader, writer = await asyncio.open_connection("localhost", 80)
    writer.close()


class Poller:
    def start(self):
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            await fetch()
            await asyncio.sleep(60)

    async def stop(self):
        self._task.cancel()
```

## Use instead
```python
import asyncio
import logging

_log = logging.getLogger(__name__)


async def fetch():
    reader, writer = await asyncio.open_connection("localhost", 80)
    writer.close()


class Poller:
    def start(self):
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            try:
                await fetch()
            except Exception:
                _log.exception("fetch failed")
            await asyncio.sleep(60)

    async def stop(self):
        self._task.cancel()
```

Where one failure should end the work, let somebody see it:

```python
import asyncio
import logging

_log = logging.getLogger(__name__)


async def fetch():
    reader, writer = await asyncio.open_connection("localhost", 80)
    writer.close()


def report(task):
    if not task.cancelled() and task.exception() is not None:
        _log.error("poller died", exc_info=task.exception())


class Poller:
    def start(self):
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(report)

    async def _run(self):
        while True:
            await fetch()
            await asyncio.sleep(60)
```

## Known limits
A coroutine that cannot be resolved is left alone, and so is a task that is handed to code which cannot be read. Calls
of unknown synchronous functions are taken not to raise.

## When to leave it off
Where a watchdog outside the program notices that the work has stopped.

## References
- <https://docs.python.org/3/library/asyncio-dev.html#detect-never-retrieved-exceptions>
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.exception>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.deaths import deaths
from flake8_task_lifecycle.model import Finding

CODE = "TLC007"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every long-lived task that can die unseen."""
    for death in deaths(facts):
        what = f"task {death.owner!r} ({death.coroutine})" if death.owner else f"task of {death.coroutine!r}"
        yield Finding(
            CODE,
            death.span,
            f"{what} can die unseen: {death.step!r} may raise in its loop, and nothing reads the outcome:"
            " catch and log Exception in the loop, or add a done callback that reads exception()",
            subject=death.owner or death.coroutine,
            qualname=death.qualname,
            evidence=death.evidence,
        )
