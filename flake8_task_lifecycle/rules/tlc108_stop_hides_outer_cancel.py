"""stop-hides-outer-cancel: the wait for a task that was cancelled here takes a cancellation from outside as well.

## What it does
Finds `task.cancel()` followed by `await task` under `suppress(asyncio.CancelledError)` or under a handler that does
not raise, in the same function or in another one of the owner. Asking `task.cancelled()` of the awaited task does not
help: whoever cancels the waiting coroutine cancels the task that it awaits first.

## Why it is bad
Both cancellations arrive as the same exception. If the coroutine that stops the task is itself cancelled at that
moment, by a timeout, a task group or the end of the program, it takes this for the end of the task and goes on: the
cancellation is lost.

## Example
```python
import asyncio
import contextlib


async def stop(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
```

## Use instead
`asyncio.wait` does not raise what its tasks raise, and lets a cancellation of the waiting coroutine through:

```python
import asyncio


async def stop(task):
    task.cancel()
    await asyncio.wait([task])
```

or ask who was cancelled:

```python
import asyncio


async def stop(task):
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        if asyncio.current_task().cancelling():
            raise
```

## Known limits
A helper that awaits the task for its caller is judged where the helper stands. Tests are left out, and so is the end of
a task's own coroutine, which [cancellation-ends-as-success](TLC102.md) looks at.

## When to leave it off
Where nothing ever cancels the code that stops the program. The pattern is common and mostly harmless; this code is for
libraries whose users do cancel.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancelling>
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.wait>
- <https://github.com/python/cpython/issues/103486>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC108"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every wait in which a cancellation of the waiting coroutine is lost."""
    for hiding in facts.endings.hiding:
        absorber = hiding.absorber
        yield Finding(
            CODE,
            absorber.span,
            f"{absorber.text!r} around {hiding.awaited!r} also takes a cancellation of {absorber.qualname} itself: "
            "await asyncio.wait([task]), or re-raise if current_task().cancelling()",
            subject=hiding.awaited,
            qualname=absorber.qualname,
        )
