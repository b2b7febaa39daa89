"""The rules, one file a code: each asks the facts a few questions and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

from flake8_task_lifecycle.options import OPT_IN_CODES

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts
    from flake8_task_lifecycle.model import Finding

Severity = Literal["high", "medium", "low"]

MEDIUM = frozenset({"TLC004", "TLC006", "TLC008", "TLC009"})


class Rule(NamedTuple):
    """A code and its name, which are those of its module too; that is loaded when something asks the rule."""

    code: str
    name: str

    @property
    def module(self) -> ModuleType:
        """The module that says what the rule flags, and checks for it."""
        return import_module(f"{__name__}.{self.code.lower()}_{self.name.replace('-', '_')}")

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The findings of the rule in the file of these facts."""
        check: Callable[[Facts], Iterator[Finding]] = self.module.check
        return check(facts)

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
    Rule("TLC001", "dangling-task"),
    Rule("TLC002", "missing-cancel"),
    Rule("TLC003", "swallowed-cancellation"),
    Rule("TLC004", "cancel-without-await"),
    Rule("TLC005", "overwritten-task"),
    Rule("TLC006", "unguaranteed-shutdown"),
    Rule("TLC007", "silent-task-death"),
    Rule("TLC008", "growing-task-collection"),
    Rule("TLC009", "abandoned-pending-tasks"),
    Rule("TLC010", "suppressed-cancellation"),
    Rule("TLC011", "finally-discards-cancellation"),
    Rule("TLC012", "never-started-coroutine"),
    Rule("TLC101", "task-leaks-on-error"),
    Rule("TLC102", "cancellation-ends-as-success"),
    Rule("TLC103", "undrained-background-tasks"),
    Rule("TLC104", "translated-cancellation"),
    Rule("TLC105", "gather-leaves-siblings"),
    Rule("TLC106", "ungrouped-tasks"),
    Rule("TLC107", "shield-orphans-task"),
    Rule("TLC108", "stop-hides-outer-cancel"),
    Rule("TLC109", "unreached-release"),
    Rule("TLC900", "task-site"),
)
