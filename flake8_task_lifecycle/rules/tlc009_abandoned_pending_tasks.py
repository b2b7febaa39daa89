"""abandoned-pending-tasks: a wait leaves tasks running, and they are dropped.

## What it does
Finds `asyncio.wait` with a `timeout`, `FIRST_COMPLETED` or `FIRST_EXCEPTION` whose pending set is dropped or read only
in a test, when tasks passed to it were spawned in the same function and nothing else holds or releases them; and a
loop over `as_completed` that `break`, `return` or a timeout leaves early, over tasks or coroutines made there.

## Why it is bad
Neither call cancels what has not finished. The losers of the race run on without an owner: they do their work after
it was given up, hold their connections, and their exceptions are never read.

## Example
```python
import asyncio


async def fetch(mirror):
    await asyncio.sleep(1)
    return mirror


async def fastest(mirrors):
    tasks = [asyncio.create_task(fetch(mirror)) for mirror in mirrors]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done.pop().result()
```

## Use instead
```python
import asyncio


async def fetch(mirror):
    await asyncio.sleep(1)
    return mirror


async def fastest(mirrors):
    tasks = [asyncio.create_task(fetch(mirror)) for mirror in mirrors]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return done.pop().result()
```

## Known limits
A pending set that is handed to anything is taken to be released there. Tasks that come from elsewhere are their
owner's business. A module that itself cancels or awaits whatever tasks there are (`asyncio.all_tasks()`) is left alone.

## When to leave it off
Where the losers of a race are meant to run to their end: keep them in a set then, and the rule is silent anyway.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.wait>
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.as_completed>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC009"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every wait that leaves tasks running with nobody to hold them."""
    for wait in facts.pending.abandoned:
        what = f" ({wait.coroutine})" if wait.coroutine else ""
        yield Finding(
            CODE,
            wait.span,
            f"{wait.waiter} over tasks spawned here{what} {wait.how}: cancel and await the rest",
            subject=wait.coroutine or wait.waiter,
            qualname=wait.qualname,
            evidence=wait.evidence,
        )
