"""gather-leaves-siblings: `gather` without `return_exceptions` leaves the other tasks running when one fails.

## What it does
Finds an awaited `asyncio.gather` over coroutines, or over tasks that the function has spawned, one of which can raise,
when nothing releases the others on the way out.

## Why it is bad
The first exception goes to the waiter at once, and the others run on without an owner: they work for a caller that has
given up, and their own exceptions are never read.

## Example
```python
import asyncio


async def load(fetch):
    return await asyncio.gather(fetch("users"), fetch("orders"))
```

## Use instead
A group cancels the others and waits for them:

```python
import asyncio


async def load(fetch):
    async with asyncio.TaskGroup() as group:
        users = group.create_task(fetch("users"))
        orders = group.create_task(fetch("orders"))
    return users.result(), orders.result()
```

or let all of them end, and look at what they gave:

```python
import asyncio


async def load(fetch):
    return await asyncio.gather(fetch("users"), fetch("orders"), return_exceptions=True)
```

## Known limits
Awaitables that come from elsewhere are their owner's business. A gather that is stored first is not looked at, nor is
what `asyncio.run` is given: the runner cancels and awaits what is left.

## When to leave it off
Where the children are short and harmless. Then running on for a moment costs nothing.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.gather>
- <https://docs.python.org/3/library/asyncio-task.html#task-groups>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC105"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every gather whose siblings run on when one of them fails."""
    for gather in facts.joined.gathers:
        what = f" ({gather.coroutine})" if gather.coroutine else ""
        yield Finding(
            CODE,
            gather.span,
            f"asyncio.gather{what} leaves the others running when one fails: "
            "use a TaskGroup, or return_exceptions=True and look at the results",
            subject=gather.coroutine or "gather",
            qualname=gather.qualname,
        )
