"""ungrouped-tasks: tasks that one coroutine spawns and awaits could be one TaskGroup.

## What it does
Finds coroutines that spawn tasks and do nothing with them but await each to its end, one by one or by `gather`, so
that an `asyncio.TaskGroup` could hold them. It speaks only where the lowest Python version is known to be 3.11 or
later: by the option `tlc-min-python`, else by `requires-python` of the nearest `pyproject.toml`. One finding for each
function, at its first such spawn.

## Why it is bad
When one of the tasks fails, or the coroutine is cancelled while it waits for another, the rest run on with nobody to
wait for them. A group cancels and awaits them.

## Example
```python
import asyncio


async def load(name):
    await asyncio.sleep(1)
    return name


async def load_both():
    first = asyncio.create_task(load("first"))
    second = asyncio.create_task(load("second"))
    return [await first, await second]
```

## Use instead
```python
import asyncio


async def load(name):
    await asyncio.sleep(1)
    return name


async def load_both():
    async with asyncio.TaskGroup() as group:
        first = group.create_task(load("first"))
        second = group.create_task(load("second"))
    return [first.result(), second.result()]
```

## Known limits
A group raises an `ExceptionGroup`: callers that catch the exception of a task have to catch it with `except*`. Tasks
that are cancelled, tested, given a timeout or handed on are left alone, and so are those of a generator, which must
not yield inside a group. Clean-up is left alone too, since a group would cancel the rest of it when one part fails, and
so is `ensure_future` of what is not known to be a coroutine, since a group takes no future.

## When to leave it off
For code that has to tell the exception of one task from that of another.

## References
- <https://docs.python.org/3/library/asyncio-task.html#task-groups>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.grouping import Ungrouped, ungrouped
from flake8_task_lifecycle.model import Finding

CODE = "TLC106"
_TASK_GROUP = (3, 11)


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every function whose tasks could be one group, where the project's Python has groups."""
    if facts.min_python is None or facts.min_python < _TASK_GROUP:
        return
    for tasks in ungrouped(facts):
        yield Finding(
            CODE,
            tasks.span,
            _message(tasks),
            subject=", ".join(tasks.what),
            qualname=tasks.function,
            evidence=tasks.evidence,
        )


def _message(tasks: Ungrouped) -> str:
    what = f" ({', '.join(tasks.what)})" if tasks.what else ""
    if tasks.several:
        return (
            f"tasks{what} are spawned and awaited in {tasks.function!r}: "
            "spawn them in an asyncio.TaskGroup, which cancels the rest when one fails"
        )
    return (
        f"task{what} is spawned and awaited in {tasks.function!r}: "
        "spawn it in an asyncio.TaskGroup, which ends it when the code in between fails"
    )
