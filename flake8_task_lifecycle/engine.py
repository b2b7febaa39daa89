"""Source to findings: the one engine that flake8 and the audit drive."""

from __future__ import annotations

import ast
import logging
from collections.abc import Sequence
from typing import NamedTuple

from flake8_task_lifecycle.facts import Facts, facts_of
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.rules import RULES
from flake8_task_lifecycle.source import Source
from flake8_task_lifecycle.tree import collector_paused

_log = logging.getLogger("flake8.task_lifecycle")

GUARD = True
"""Whether a rule that fails is logged and left out; the tests switch it off to see the failure."""


EXCLUDES = {
    "TLC001": frozenset({"TLC002", "TLC005", "TLC007", "TLC008", "TLC101"}),
    "TLC003": frozenset({"TLC102", "TLC104"}),
}
"""What is not said again of the very place that a code is reported at."""


class Examination(NamedTuple):
    """What there is to say of one file: its facts, and its findings sorted by position and code, each told once.

    ``facts`` is None when no tree could be built (input nested too deeply). ``lost`` are the code of a rule that
    failed, or "" for the file itself, each with the reason in one clause.
    """

    facts: Facts | None
    findings: tuple[Finding, ...]
    lost: tuple[tuple[str, str], ...] = ()


def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
    """Findings of one file, sorted by position and code.

    ``tree`` is what ``ast.parse`` made of ``lines``; it is left unchanged. ``name`` is the display name, which
    need not exist. A rule that fails is left out, and so are all of them when no tree can be built (input nested
    too deeply); the loss is logged at debug level.
    """
    with collector_paused():
        return list(examine(tree, lines, name, options).findings)


def examine(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> Examination:
    """The findings of one file with the facts behind them, and what was lost on the way.

    Takes what ``check`` takes; the facts stay usable for as long as they are held.
    """
    source = Source(lines, name)
    with collector_paused():
        try:
            facts = facts_of(tree, source, options)
        except Exception as error:
            _lost(source, "", error)
            return Examination(None, (), (("", _reason(error)),))
        findings, lost = _found(facts, source, options)
    ordered = sorted(_told_once(findings), key=lambda finding: (finding.span, finding.code, finding.message))
    return Examination(facts, tuple(ordered), tuple(lost))


def _found(facts: Facts, source: Source, options: Options) -> tuple[list[Finding], list[tuple[str, str]]]:
    findings: list[Finding] = []
    lost: list[tuple[str, str]] = []
    for rule in RULES:
        if rule.code not in options.codes:
            continue
        try:
            findings += rule.check(facts)
        except Exception as error:
            _lost(source, rule.code, error)
            lost.append((rule.code, _reason(error)))
    return findings, lost


def _lost(source: Source, code: str, error: Exception) -> None:
    """Logs the loss of a rule, or of the whole file; under tests it is raised instead."""
    if not GUARD:
        raise error
    _log.debug("%s: %s", source.name, f"{code} lost" if code else "not analysed", exc_info=error)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _told_once(findings: list[Finding]) -> list[Finding]:
    excluded = {(finding.span, code) for finding in findings for code in EXCLUDES.get(finding.code, ())}
    return [finding for finding in findings if (finding.span, finding.code) not in excluded]
