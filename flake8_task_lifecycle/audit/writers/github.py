"""The findings as workflow commands, which GitHub shows as annotations at the lines they speak of."""

from __future__ import annotations

from collections.abc import Iterator

from flake8_task_lifecycle.audit.report import Loss, Problem, Report
from flake8_task_lifecycle.audit.writers import words
from flake8_task_lifecycle.audit.writers.inert import visible

_COMMANDS = {"high": "error", "medium": "warning", "low": "notice"}


def write(report: Report) -> str:
    """A line a finding, the worst first, as GitHub shows only the first ten of a kind for each step.

    What is suppressed is left out. Files that could not be read or judged, and stale entries of a baseline, are errors,
    as they are for the exit status; what is odd about the options is a warning.
    """
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for loss in report.unreadable:
        yield _lost(loss, "file not read")
    for loss in report.lost:
        yield _lost(loss, "file not judged whole")
    for warning in report.warnings:
        yield _command("warning", warning, title="options of the audit")
    for problem in words.worst_first(words.counted(report)):
        yield _annotation(problem)
    for entry in report.stale:
        yield _command("error", f"no finding matches it any more: {entry}", title="stale entry of the baseline")


def _annotation(problem: Problem) -> str:
    return _command(
        _COMMANDS.get(problem.severity, "warning"),
        problem.message,
        file=problem.file,
        line=str(problem.line),
        col=str(problem.column),
        title=f"{problem.code} {problem.name}",
    )


def _lost(loss: Loss, title: str) -> str:
    return _command("error", loss.why, file=loss.file, title=title)


def _command(name: str, message: str, **properties: str) -> str:
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {given}::{_data(message)}"


def _data(text: str) -> str:
    """A message as the runner reads it: on one line, with nothing in it that would be decoded to something else."""
    return visible(text).replace("%", "%25")


def _property(text: str) -> str:
    """A value between the commas and colons of a command. A line end in a path is kept, encoded: the path is real."""
    lines = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(lines).replace(":", "%3A").replace(",", "%2C")
