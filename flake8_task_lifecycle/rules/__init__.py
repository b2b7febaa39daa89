"""The rules, one file a code: each asks the facts a few questions and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import OPT_IN_CODES
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
    tlc101_task_leaks_on_error,
    tlc102_cancellation_ends_as_success,
    tlc103_undrained_background_tasks,
    tlc104_translated_cancellation,
    tlc105_gather_leaves_siblings,
    tlc106_ungrouped_tasks,
    tlc107_shield_orphans_task,
    tlc108_stop_hides_outer_cancel,
    tlc109_unreached_release,
    tlc900_task_site,
)

Severity = Literal["high", "medium", "low"]

MEDIUM = frozenset({"TLC004", "TLC006", "TLC008", "TLC009"})


class Rule(NamedTuple):
    """A code, its name, and the check that yields its findings."""

    code: str
    name: str
    check: Callable[[Facts], Iterator[Finding]]

    @property
    def on_by_default(self) -> bool:
        """Whether the rule runs without being asked for."""
        return self.code not in OPT_IN_CODES

    @property
    def severity(self) -> Severity:
        """How bad a finding is: low for every opt-in code."""
        if not self.on_by_default:
            return "low"
        return "medium" if self.code in MEDIUM else "high"


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
    Rule("TLC101", "task-leaks-on-error", tlc101_task_leaks_on_error.check),
    Rule("TLC102", "cancellation-ends-as-success", tlc102_cancellation_ends_as_success.check),
    Rule("TLC103", "undrained-background-tasks", tlc103_undrained_background_tasks.check),
    Rule("TLC104", "translated-cancellation", tlc104_translated_cancellation.check),
    Rule("TLC105", "gather-leaves-siblings", tlc105_gather_leaves_siblings.check),
    Rule("TLC106", "ungrouped-tasks", tlc106_ungrouped_tasks.check),
    Rule("TLC107", "shield-orphans-task", tlc107_shield_orphans_task.check),
    Rule("TLC108", "stop-hides-outer-cancel", tlc108_stop_hides_outer_cancel.check),
    Rule("TLC109", "unreached-release", tlc109_unreached_release.check),
    Rule("TLC900", "task-site", tlc900_task_site.check),
)
