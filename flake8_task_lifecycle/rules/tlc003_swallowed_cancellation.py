"""swallowed-cancellation: an ``except`` in a coroutine catches cancellation, and a path leaves it without raising.

## What it does
Finds handlers that catch `asyncio.CancelledError` (or `BaseException`, everything, `trio.Cancelled`, what
`anyio.get_cancelled_exc_class()` gives) around something that waits, and let the coroutine go on as if nothing had
happened. Aliases, tuples of exceptions and constants of other modules are followed. A handler passes when it always
raises, when it waits for a task that the same code cancelled, when it asks who was cancelled, or when it ends the
outermost coroutine of a task.

## Why it is bad
Cancellation is an exception thrown into the coroutine once. Whoever swallows it takes it away from everybody else:
`task.cancel()` then has no effect, timeouts do not end, a task group waits for ever, and the program hangs at
shutdown. In a loop, the task cannot be cancelled at all.

## Example
```python
import asyncio


async def poll(read, handle):
    while True:
        try:
            await handle(await read())
        except BaseException:
            print("could not poll")
```

## Use instead
```python
import asyncio


async def poll(read, handle):
    while True:
        try:
            await handle(await read())
        except asyncio.CancelledError:
            print("no longer polling")
            raise
        except Exception:
            print("could not poll")
```

A task that the function has cancelled itself may be waited for:

```python
import asyncio


async def stop(task):
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
```

## Known limits
Only handlers in an `async def` are judged. A handler whose exception types cannot be resolved is left alone, and so
is one at the end of a coroutine that may be started as a task somewhere: a loop without end that the project neither
starts nor awaits nor hands on is taken for one.

## When to leave it off
Nowhere; mark the rare handler that means it with `# noqa: TLC003` and say why.

## References
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
- <https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.CancelledError>, "should be re-raised"
- <https://trio.readthedocs.io/en/stable/reference-core.html#trio.Cancelled>
- <https://anyio.readthedocs.io/en/stable/cancellation.html#finalization>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.absorbers import Absorber, Place
from flake8_task_lifecycle.model import Finding

CODE = "TLC003"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every handler through which a cancellation gets lost."""
    for absorber in facts.handlers.all:
        if absorber.place is Place.HANDLER and absorber.swallows.is_yes:
            yield Finding(
                CODE,
                absorber.span,
                _message(absorber),
                subject=absorber.text,
                qualname=absorber.qualname,
                evidence=absorber.swallows.evidence,
            )


def _message(absorber: Absorber) -> str:
    start = f"{absorber.text!r} in {absorber.qualname} swallows cancellation"
    if absorber.goes_on:
        return f"{start} and its loop goes on, so the task cannot be cancelled: re-raise {absorber.caught}"
    return f"{start}: re-raise {absorber.caught}"
