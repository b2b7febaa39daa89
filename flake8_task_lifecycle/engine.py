"""Source to findings: the one engine that flake8 and the audit drive."""

from __future__ import annotations

import ast
import logging
from collections.abc import Sequence

from flake8_task_lifecycle.facts import facts_of
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


def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
    """Findings of one file, sorted by position and code.

    ``tree`` is what ``ast.parse`` made of ``lines``; it is left unchanged. ``name`` is the display name, which
    need not exist. A rule that fails is left out, and so are all of them when no tree can be built (input nested
    too deeply); the loss is logged at debug level.
    """
    with collector_paused():
        findings = _found(tree, Source(lines, name), options)
    return sorted(_told_once(findings), key=lambda finding: (finding.span, finding.code, finding.message))


def _found(tree: ast.Module, source: Source, options: Options) -> list[Finding]:
    findings: list[Finding] = []
    try:
        facts = facts_of(tree, source, options)
    except Exception:
        if not GUARD:
            raise
        _log.debug("%s: not analysed", source.name, exc_info=True)
        return findings
    for rule in RULES:
        if rule.code not in options.codes:
            continue
        try:
            findings += rule.check(facts)
        except Exception:
            if not GUARD:
                raise
            _log.debug("%s: %s lost", source.name, rule.code, exc_info=True)
    return findings


def _told_once(findings: list[Finding]) -> list[Finding]:
    excluded = {(finding.span, code) for finding in findings for code in EXCLUDES.get(finding.code, ())}
    return [finding for finding in findings if (finding.span, finding.code) not in excluded]
