"""finally-discards-cancellation: leaving a ``finally`` by ``return``, ``break`` or ``continue`` loses the cancellation.

## What it does
Finds `return`, `break` and `continue` in the `finally` of a coroutine whose `try` statement waits for something. The
jumps of a loop inside the `finally` are none of its business, nor is a nested function, nor a statement under a test
of a name that the `try` body sets.

## Why it is bad
A jump out of a `finally` throws away the exception that led there: every error, and the cancellation too. The
coroutine then ends normally, or its loop goes round again, although its task was cancelled.

## Example
```python
async def load(connection):
    result = None
    try:
        result = await connection.read()
    finally:
        connection.close()
        return result
```

## Use instead
```python
async def load(connection):
    try:
        return await connection.read()
    finally:
        connection.close()
```

## Known limits
A test in the `finally` that tells the normal way from the others is trusted when it reads a name set in the body.

## When to leave it off
Nowhere: Python 3.14 warns of these statements too (PEP 765).

## References
- <https://docs.python.org/3/reference/compound_stmts.html#finally-clause>
- <https://peps.python.org/pep-0765/>
"""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.finals import discards
from flake8_task_lifecycle.model import Finding

CODE = "TLC011"


def check(facts: Facts) -> Iterator[Finding]:
    """A finding for every jump out of a ``finally`` that a cancellation can reach."""
    for discard in discards(facts):
        yield Finding(
            CODE,
            discard.span,
            f"{discard.keyword!r} in a finally of {discard.qualname} discards cancellation: move it out of the finally",
            subject=discard.keyword,
            qualname=discard.qualname,
        )
