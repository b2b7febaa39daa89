"""never-started-coroutine: a coroutine of the project is made and dropped, so it never runs.

## What it does
Finds statements that call an `async def` of the project and drop the coroutine, and coroutine functions given, as
they are or in a lambda or a partial, to what only calls plain callbacks: `call_soon`, `call_later`, `call_at`,
`call_soon_threadsafe`, `add_done_callback`, `add_signal_handler`, `add_reader`, `add_writer`, `signal.signal`,
`atexit.register`, `threading.Thread` and `threading.Timer`.

## Why it is bad
Calling a coroutine function runs nothing of it: it makes a coroutine that runs only when it is awaited or given to a
task. The code after the call goes on as if the work were done; at best a `RuntimeWarning` tells of it later.

## Example
```python
import asyncio


async def save(record):
    await asyncio.sleep(1)


async def on_record(record):
    save(record)


def install(loop, signum):
    loop.add_signal_handler(signum, save)
```

## Use instead
```python
import asyncio


async def save(record):
    await asyncio.sleep(1)


async def on_record(record):
    await save(record)
```

A plain callback starts a task and keeps it:

```python
import asyncio


class Saver:
    async def save(self):
        await asyncio.sleep(1)

    def on_signal(self):
        self._saving = asyncio.create_task(self.save())


def install(loop, signum, saver):
    loop.add_signal_handler(signum, saver.on_signal)
```

## Known limits
What does not resolve to a function of the project is left alone, as are functions with decorators other than those
of the standard library that change nothing, methods that a subclass overrides with a plain function, and methods of a
protocol. A function of another module is seen where the receiver of the call is imported, annotated or made from a
class in the file.

## When to leave it off
Nowhere.

## References
- <https://docs.python.org/3/library/asyncio-dev.html#detect-never-awaited-coroutines>
- <https://docs.python.org/3/library/asyncio-task.html#coroutines>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.dropped import dropped
from flake8_task_lifecycle.model import Finding

CODE = "TLC012"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every coroutine that is made and never run."""
    for one in dropped(facts):
        if one.registrar:
            message = (
                f"coroutine function {one.coroutine!r} is given to {one.registrar!r}, which only calls it:"
                " it never runs; give it a plain function that starts and keeps a task"
            )
        else:
            message = (
                f"coroutine {one.coroutine!r} is called and dropped: it never runs;"
                " await it, or spawn a task and keep it"
            )
        yield Finding(CODE, one.span, message, subject=one.coroutine, qualname=one.qualname, evidence=one.evidence)
