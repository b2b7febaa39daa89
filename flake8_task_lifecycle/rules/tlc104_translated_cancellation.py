"""translated-cancellation: a handler turns cancellation into another exception.

## What it does
Finds handlers that catch `asyncio.CancelledError` (or `BaseException`, everything, `trio.Cancelled`, ...) around
something that waits, and on every path raise something else, chained or not, there or after the handler.

## Why it is bad
Whoever cancelled the coroutine waits for `CancelledError`. With another exception the task does not count as
cancelled: a task group takes it for a failure and cancels the others, `asyncio.timeout` does not turn it into a
`TimeoutError`, and a broad `except Exception` further out swallows it.

## Example
```python
import asyncio


class QueryFailed(Exception):
    pass


async def query(connection, text):
    try:
        return await connection.fetch(text)
    except (OSError, asyncio.CancelledError) as error:
        raise QueryFailed(text) from error
```

## Use instead
```python
import asyncio


class QueryFailed(Exception):
    pass


async def query(connection, text):
    try:
        return await connection.fetch(text)
    except OSError as error:
        raise QueryFailed(text) from error
```

A cancellation that the same code asked for may get a name of its own:

```python
import asyncio


async def give_up(task):
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        raise TimeoutError from None
```

## Known limits
A handler that raises the cancellation on one path and something else on another is taken to know why. Exceptions that
end the program (`SystemExit`, `KeyboardInterrupt`), subclasses of `CancelledError`, and an `AssertionError`, which says
that its line is never reached, are no translation.

## When to leave it off
In a library whose interface promises an exception of its own for a cancelled call.

## References
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
- <https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.CancelledError>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC104"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every handler that raises something else in place of a cancellation."""
    for translation in facts.endings.translated:
        absorber = translation.absorber
        yield Finding(
            CODE,
            absorber.span,
            f"{absorber.text!r} in {absorber.qualname} turns cancellation into {translation.raised}: "
            f"re-raise {absorber.caught}",
            subject=absorber.text,
            qualname=absorber.qualname,
        )
