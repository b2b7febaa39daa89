"""dangling-task: the reference to a spawned task is lost.

## What it does
Finds tasks that nobody holds: spawned as a bare statement, bound to a local that is never read again, held on one
path of a function and dropped on another, put into a collection that is itself dropped, or spawned by a callback
whose result nobody takes. Calls of the project's own functions that return a task they spawned count as spawns.

## Why it is bad
The event loop keeps only weak references to tasks. A task that nothing else refers to may disappear at any moment,
half done, when the garbage collector runs; nobody can cancel it, wait for it, or see the exception it raised.

## Example
```python
import asyncio


async def deliver(message):
    await asyncio.sleep(1)


def on_message(message):
    asyncio.create_task(deliver(message))
```

## Use instead
```python
import asyncio

_deliveries = set()


async def deliver(message):
    await asyncio.sleep(1)


def on_message(message):
    task = asyncio.create_task(deliver(message))
    _deliveries.add(task)
    task.add_done_callback(_deliveries.discard)
```

Where something waits for the work anyway, a task group says so:

```python
import asyncio


async def deliver(message):
    await asyncio.sleep(1)


async def on_messages(messages):
    async with asyncio.TaskGroup() as group:
        for message in messages:
            group.create_task(deliver(message))
```

## Known limits
A task handed to a function that cannot be read is taken to be kept there. A receiver of `create_task` that is
neither shown nor named to be an event loop is left alone. A file without `async` and without any word that spawns
is not looked at, so a dropped call there of a wrapper defined in another module is missed. In a file without a word
that spawns such a call is seen where its receiver is imported, annotated or made from a class in that file.

## When to leave it off
Nowhere: a task that may be dropped is better run in a task group, or not at all.

## References
- <https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task>, "Save a reference to the result"
- <https://github.com/python/cpython/issues/91887>, tasks that disappear while they run
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.sites import Task
from flake8_task_lifecycle.facts.spawns import Form
from flake8_task_lifecycle.model import Finding, Known

CODE = "TLC001"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every task that a normal path leaves without an owner."""
    for task in facts.tasks:
        if task.unheld.is_yes:
            yield Finding(
                CODE,
                task.span,
                _message(task),
                subject=task.local or task.coroutine,
                qualname=task.qualname,
                evidence=task.unheld.evidence,
            )


def _message(task: Task) -> str:
    what = f"task of {task.coroutine!r}" if task.coroutine else f"task from {task.spawner!r}"
    match task.form:
        case Form.THREADSAFE if task.observed is Known.NO:
            return (
                f"{what} is submitted and its future dropped: an exception that leaves it is lost without a log line;"
                " keep the future and read its result"
            )
        case Form.THREADSAFE:
            return f"{what} is submitted and its future held by nobody: it can vanish half done; keep the future"
        case Form.CALLBACK:
            return f"{what} is spawned by a callback and its result is dropped: let the callback store the task"
        case Form.GATHER:
            return f"{what} is gathered and the result dropped: it can vanish half done; await the gather"
    if task.local:
        return f"{what} is held only by {task.local!r}, which is lost: await it, store it, or use a TaskGroup"
    return f"{what} is held by nobody but the event loop, weakly: store it, await it, or use a TaskGroup"
