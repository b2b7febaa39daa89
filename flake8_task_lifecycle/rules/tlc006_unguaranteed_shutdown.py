"""unguaranteed-shutdown: what stops a task stands after a `yield`, where an exception leaves it out.

## What it does
Finds, in an `@asynccontextmanager` or a lifespan generator, a task spawned before the `yield`, or a `thing.start()`
that spawns one, whose `cancel()`, `await` or `stop()` stands after the `yield` outside `finally`, `async with`, an
exit stack or a task group. In a pytest fixture, which is resumed after its test whatever happened, only where a step
that can raise stands between the `yield` and the release.

## Why it is bad
An exception in the body of the `async with` is raised at the `yield`. What stands after it does not run: the task
lives on without an owner, and with it the connection or file it holds.

## Example
```python
import asyncio
from contextlib import asynccontextmanager


async def poll():
    while True:
        await asyncio.sleep(1)


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(poll())
    yield
    task.cancel()
    await asyncio.wait([task])
```

## Use instead
```python
import asyncio
from contextlib import asynccontextmanager


async def poll():
    while True:
        await asyncio.sleep(1)


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(poll())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
```

## Known limits
A `start()` that does not resolve to something that spawns is left alone, and so is whatever an exit stack or an
unknown function was given.

## When to leave it off
Where the generator is never thrown into, as by a framework that ends the process instead.

## References
- <https://docs.python.org/3/library/contextlib.html#contextlib.asynccontextmanager>
- <https://www.starlette.io/lifespan/>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.shutdown import Role, Unguaranteed
from flake8_task_lifecycle.model import Finding

CODE = "TLC006"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every thing started before a yield whose stop may be left out."""
    for thing in facts.shutdown.unguaranteed:
        yield Finding(
            CODE, thing.span, _message(thing), subject=thing.name, qualname=thing.qualname, evidence=thing.evidence
        )


def _message(thing: Unguaranteed) -> str:
    what = f" ({thing.what})" if thing.what and not thing.started else ""
    name = f"{thing.name!r}, started here," if thing.started else f"task {thing.name!r}{what}"
    if thing.role is Role.FIXTURE:
        return f"{name} is stopped only if nothing between the yield and its stop raises: stop it in a finally"
    return f"{name} is stopped only if the yield does not raise: put the yield in a try and the stop in its finally"
