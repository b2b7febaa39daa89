"""cancel-without-await: a coroutine cancels a task it holds and nothing waits for it to finish.

## What it does
Finds `task.cancel()` in an `async def` where neither that function afterwards, nor another function of the task's
owner, waits for the task: by `await`, `gather`, `wait`, `wait_for`, `shield`, a helper, a loop over the collection,
or an event that the task's own coroutine sets at its end. The receiver must be a task on evidence of a spawn.

## Why it is bad
`cancel()` only asks: it has the exception thrown into the coroutine at its next step. Until then the task still runs,
and its `except` and `finally` blocks run later than the code after `cancel()`, which closes the very things they use.
When the loop stops first they do not run at all, and an error in them is seen by nobody.

## Example
```python
import asyncio


class Poller:
    async def start(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        self._task.cancel()

    async def _run(self):
        try:
            while True:
                await self.poll()
        finally:
            await self.close_connection()

    async def poll(self):
        await asyncio.sleep(1)

    async def close_connection(self):
        await asyncio.sleep(0)
```

## Use instead
```python
import asyncio


class Poller:
    async def start(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self):
        try:
            while True:
                await self.poll()
        finally:
            await self.close_connection()

    async def poll(self):
        await asyncio.sleep(1)

    async def close_connection(self):
        await asyncio.sleep(0)
```

## Known limits
A task that is given to a function which cannot be read is taken to be waited for there, and so is one that any
function of its owner awaits. Nothing is said in a plain function, which cannot wait, in a main, whose runner waits for
what is left, nor of a task whose coroutine has nothing to clean up.

## When to leave it off
Where tasks are cancelled in bulk on the way to the end of the program, and nothing they hold needs closing.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancel>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC004"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every cancellation that nothing waits for, though the function could."""
    for cancel in facts.cancellations.all:
        if cancel.unawaited.is_yes:
            what = f" ({cancel.coroutine})" if cancel.coroutine else ""
            yield Finding(
                CODE,
                cancel.span,
                f"task {cancel.name!r}{what} is cancelled and nothing waits for it to finish:"
                " await it after cancel(), so that its clean-up is done",
                subject=cancel.name,
                qualname=cancel.qualname,
                evidence=cancel.unawaited.evidence,
            )
