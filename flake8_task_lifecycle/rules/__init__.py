"""The rules, one file a code: each asks the facts a few questions and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.rules import (
    tlc001_dangling_task,
    tlc002_missing_cancel,
    tlc003_swallowed_cancellation,
    tlc004_cancel_without_await,
    tlc005_overwritten_task,
    tlc006_unguaranteed_shutdown,
    tlc007_silent_task_death,
    tlc008_growing_task_collection,
    tlc009_abandoned_pending_tasks,
    tlc010_suppressed_cancellation,
    tlc011_finally_discards_cancellation,
    tlc012_never_started_coroutine,
    tlc900_task_site,
)


class Rule(NamedTuple):
    """A code, its name, and the check that yields its findings."""

    code: str
    name: str
    check: Callable[[Facts], Iterator[Finding]]


RULES = (
    Rule("TLC001", "dangling-task", tlc001_dangling_task.check),
    Rule("TLC002", "missing-cancel", tlc002_missing_cancel.check),
    Rule("TLC003", "swallowed-cancellation", tlc003_swallowed_cancellation.check),
    Rule("TLC004", "cancel-without-await", tlc004_cancel_without_await.check),
    Rule("TLC005", "overwritten-task", tlc005_overwritten_task.check),
    Rule("TLC006", "unguaranteed-shutdown", tlc006_unguaranteed_shutdown.check),
    Rule("TLC007", "silent-task-death", tlc007_silent_task_death.check),
    Rule("TLC008", "growing-task-collection", tlc008_growing_task_collection.check),
    Rule("TLC009", "abandoned-pending-tasks", tlc009_abandoned_pending_tasks.check),
    Rule("TLC010", "suppressed-cancellation", tlc010_suppressed_cancellation.check),
    Rule("TLC011", "finally-discards-cancellation", tlc011_finally_discards_cancellation.check),
    Rule("TLC012", "never-started-coroutine", tlc012_never_started_coroutine.check),
    Rule("TLC900", "task-site", tlc900_task_site.check),
)
