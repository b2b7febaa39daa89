"""The rules, one file a code: each asks the facts a few questions and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.rules import tlc001_dangling_task, tlc900_task_site


class Rule(NamedTuple):
    """A code, its name, and the check that yields its findings."""

    code: str
    name: str
    check: Callable[[Facts], Iterator[Finding]]


RULES = (
    Rule("TLC001", "dangling-task", tlc001_dangling_task.check),
    Rule("TLC900", "task-site", tlc900_task_site.check),
)
