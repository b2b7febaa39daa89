"""cancellation-ends-as-success: a task's own coroutine takes its cancellation at its very end.

## What it does
Finds the handlers and `suppress(asyncio.CancelledError)` that stand at the end of a task's outermost coroutine, take
its cancellation, and let it return.

## Why it is bad
The task ends, as it should, but as if it had done its work: `task.cancelled()` is false, `await task` gives None where
a result was expected, and done callbacks cannot tell the two apart.

## Example
```python
import asyncio


async def poll(read):
    try:
        while True:
            print(await read())
    except asyncio.CancelledError:
        print("no longer polling")


def start(read):
    return asyncio.create_task(poll(read))
```

## Use instead
```python
import asyncio


async def poll(read):
    try:
        while True:
            print(await read())
    except asyncio.CancelledError:
        print("no longer polling")
        raise


def start(read):
    return asyncio.create_task(poll(read))
```

## Known limits
What `asyncio.run` is given is left out, and so is a coroutine that somebody awaits directly: there the same handler is
[swallowed-cancellation](TLC003.md).

## When to leave it off
Where nobody asks the task how it ended. Then the handler does no harm.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancelled>
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC102"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every place that ends a cancelled task as if it had succeeded."""
    for absorber in facts.endings.as_success:
        yield Finding(
            CODE,
            absorber.span,
            f"{absorber.text!r} ends the task of {absorber.qualname} as if it had succeeded, so its cancelled() is "
            f"false: re-raise {absorber.caught}",
            subject=absorber.text,
            qualname=absorber.qualname,
        )
