"""The baseline: findings that are known, by code, path, qualified name and subject, so that only new ones count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from flake8_task_lifecycle.audit.errors import AuditError
from flake8_task_lifecycle.audit.files import reason
from flake8_task_lifecycle.audit.report import Problem

SCHEMA = 1
BASELINE = "baseline"
_FIELDS = ("code", "path", "qualname", "subject")


class Entry(NamedTuple):
    """What identifies a finding across edits."""

    code: str
    path: str
    qualname: str
    subject: str

    def __str__(self) -> str:
        """The entry in one line, for people."""
        within = f" in {self.qualname}" if self.qualname else ""
        return f"{self.code} {self.path}: {self.subject or 'no subject'}{within}"


Known = Counter[Entry]
"""How many findings of each kind are known."""


def entry_of(problem: Problem) -> Entry:
    """The entry that a finding has, or would have, in a baseline."""
    return Entry(problem.code, problem.file, problem.qualname, problem.subject)


def read(path: Path) -> Known:
    """The entries of a baseline file. Raises AuditError when it is missing or malformed."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AuditError(f"baseline {path}: no such file: --update-baseline writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"baseline {path}: {reason(error)}") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AuditError(f"baseline {path}: this is no JSON: {reason(error)}") from None
    if not isinstance(content, dict) or not isinstance(content.get("findings"), list):
        raise AuditError(f"baseline {path}: this is no baseline: it has no list 'findings'")
    if content.get("schema") != SCHEMA:
        raise AuditError(f"baseline {path}: its schema is {content.get('schema')!r}, and this version reads {SCHEMA}")
    known: Known = Counter()
    for number, one in enumerate(content["findings"], 1):
        known[_entry(one, f"baseline {path}: finding {number}")] += one.get("count", 1)
    return known


def _entry(one: object, where: str) -> Entry:
    if not isinstance(one, dict):
        raise AuditError(f"{where} is no object")
    for name in _FIELDS:
        if not isinstance(one.get(name), str):
            raise AuditError(f"{where} has no text {name!r}")
    count = one.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise AuditError(f"{where} has the count {count!r}, which is no number from 1")
    return Entry(*(one[name] for name in _FIELDS))


def write(path: Path, known: Known) -> None:
    """Writes a baseline file, sorted. Raises AuditError when it cannot be written."""
    found = [entry._asdict() | {"count": count} for entry, count in sorted(known.items()) if count > 0]
    text = json.dumps({"schema": SCHEMA, "tool": "flake8-task-lifecycle", "findings": found}, indent=2) + "\n"
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        raise AuditError(f"baseline {path}: {reason(error)}") from None


def apply(
    known: Known, problems: Iterable[Problem], was_searched: Callable[[Entry], bool]
) -> tuple[list[Problem], list[str]]:
    """The findings with the known ones marked, and the entries that none matches any more.

    Of several equal findings the first ones are the known. What a comment or the configuration hides needs no entry.
    ``was_searched`` says whether this run would have found what an entry stands for; else it is left alone.
    """
    left = Counter(known)
    marked: list[Problem] = []
    for problem in problems:
        entry = entry_of(problem)
        if not problem.suppressed and left[entry] > 0:
            left[entry] -= 1
            problem = replace(problem, suppressed=BASELINE)
        marked.append(problem)
    stale = [
        f"{entry}{f' (recorded {known[entry]}, found {known[entry] - count})' if known[entry] > 1 else ''}"
        for entry, count in sorted(left.items())
        if count > 0 and was_searched(entry)
    ]
    return marked, stale


def updated(known: Known, problems: Sequence[Problem], was_searched: Callable[[Entry], bool]) -> Known:
    """The baseline of what was found, with the old entries that this run did not look for."""
    kept = Counter({entry: count for entry, count in known.items() if not was_searched(entry)})
    return kept + Counter(entry_of(problem) for problem in problems if problem.suppressed in {"", BASELINE})
