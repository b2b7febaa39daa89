"""task-site: one line for every spawn, with its owner and verdict.

## What it does
Reports every expression that starts a task, sound or not: what spawns it, what runs, who owns the task, whether it
is released, and the verdict. It is a window, not a fault finder: for editors, for the tests of the facts, and for
the audit.

## Why it is bad
It is not: most task sites are sound.

## Example
```python
import asyncio


async def poll():
    await asyncio.sleep(1)


class Poller:
    def start(self):
        self._task = asyncio.create_task(poll())
```

## Use instead
Code without tasks has no task sites.

```python
import asyncio


async def poll():
    await asyncio.sleep(1)


async def run():
    await poll()
```

## Known limits
`released` is `unknown` for a task that an attribute, a global or a collection holds.

## When to leave it off
Everywhere but where you want the list: it is off until a prefix longer than `TLC` selects it.

## References
- <https://docs.python.org/3/library/asyncio-task.html#creating-tasks>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding

CODE = "TLC900"


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for every spawn of the file."""
    for task in facts.tasks:
        site = task.site
        message = (
            f"task site: spawner={site.spawner} coroutine={site.coroutine} owner={site.owner}"
            f" released={site.released.value} verdict={site.verdict}"
        )
        if site.reason:
            message += f" ({site.reason})"
        yield Finding(CODE, site.span, message, subject=site.coroutine, qualname=site.qualname)
