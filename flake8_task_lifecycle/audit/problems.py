"""A finding of a rule as the report has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flake8_task_lifecycle.audit.report import Problem, Proof
from flake8_task_lifecycle.model import Evidence, Finding
from flake8_task_lifecycle.rules import RULES

_RULES = {rule.code: rule for rule in RULES}


def problem_of(
    finding: Finding, file: str, lines: Sequence[str], suppressed: str = "", shown: Callable[[str], str] = str
) -> Problem:
    """The finding in a file called ``file`` in the report, whose text is ``lines``; columns count from 1 there.

    ``shown`` turns the path of another file that the evidence lies in into its name in the report.
    """
    rule, span = _RULES[finding.code], finding.span
    return Problem(
        code=finding.code,
        name=rule.name,
        severity=rule.severity,
        file=file,
        line=span.line,
        column=span.column + 1,
        end_line=span.end_line,
        end_column=span.end_column + 1,
        message=finding.message,
        subject=finding.subject,
        qualname=finding.qualname,
        suppressed=suppressed,
        evidence=tuple(_proof(one, file, lines, shown) for one in finding.evidence),
    )


def _proof(evidence: Evidence, file: str, lines: Sequence[str], shown: Callable[[str], str]) -> Proof:
    line = evidence.span.line
    if evidence.path:
        return Proof("evidence", shown(evidence.path), line, evidence.note)
    text = lines[line - 1].strip() if 1 <= line <= len(lines) else ""
    return Proof("evidence", file, line, evidence.note, text)
