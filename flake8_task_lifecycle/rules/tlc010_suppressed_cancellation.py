"""suppressed-cancellation: a context manager hides cancellation from the coroutine that uses it.

## What it does
Finds `with contextlib.suppress(asyncio.CancelledError)` and `suppress(BaseException)` around something that waits,
and the same through a class of the project whose `__exit__` or `__aexit__` always returns true. It passes where
[swallowed-cancellation](TLC003.md) would: around a wait for a task that the same code cancelled, or at the end of a
task's outermost coroutine.

## Why it is bad
Whoever cancels the coroutine while it waits there is ignored: it goes on after the `with` block. Timeouts and task
groups around it do not end.

## Example
```python
import asyncio
import contextlib


async def next_message(queue):
    message = None
    with contextlib.suppress(asyncio.CancelledError):
        message = await queue.get()
    return message
```

## Use instead
```python
import asyncio


async def next_message(queue):
    try:
        async with asyncio.timeout(5):
            return await queue.get()
    except TimeoutError:
        return None
```

After the function's own `cancel()` it is right:

```python
import asyncio
import contextlib


async def stop(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
```

## Known limits
An `ExitStack` that is given the `suppress`, and context managers from outside the project, are not looked through.

## When to leave it off
Nowhere; mark the rare block that means it with `# noqa: TLC010` and say why.

## References
- <https://docs.python.org/3/library/contextlib.html#contextlib.suppress>
- <https://docs.python.org/3/library/asyncio-task.html#task-cancellation>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.absorbers import Absorber, Place
from flake8_task_lifecycle.model import Finding

CODE = "TLC010"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every context manager through which a cancellation gets lost."""
    for absorber in facts.handlers.all:
        if absorber.place is not Place.HANDLER and absorber.swallows.is_yes:
            yield Finding(
                CODE,
                absorber.span,
                _message(absorber),
                subject=absorber.text,
                qualname=absorber.qualname,
                evidence=absorber.swallows.evidence,
            )


def _message(absorber: Absorber) -> str:
    start = f"{absorber.text!r} in {absorber.qualname} hides cancellation"
    loop = " and its loop goes on, so the task cannot be cancelled" if absorber.goes_on else ""
    if absorber.place is Place.MANAGER:
        return f"{start}{loop}, as its exit method always returns true: let {absorber.caught} through"
    return f"{start}{loop}: suppress it only around a task cancelled here"
