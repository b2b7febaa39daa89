"""The text form: tables and colours on a terminal where rich is installed, else plain, with the same content."""

from __future__ import annotations

import importlib.util
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from flake8_task_lifecycle.audit.report import Holds, Problem, Promise, Proof, Report, Site, Verdict
from flake8_task_lifecycle.audit.writers.inert import visible

WIDTH = 100
SMALLEST_WIDTH = 40

_TONES = {
    Verdict.SAFE: "green",
    Verdict.SCOPED: "green",
    Verdict.AT_RISK: "bold red",
    Verdict.UNRESOLVED: "yellow",
    Holds.YES: "green",
    Holds.NO: "bold red",
    Holds.UNKNOWN: "yellow",
}
_LABEL_GAP = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A label and the lines beside it; ``tone`` is a style of rich for the label."""

    label: str
    lines: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with rows under it."""

    title: str
    rows: tuple[Row, ...]
    tone: str = "bold"


def write(report: Report, *, width: int = WIDTH, colour: bool = False) -> str:
    """The report as text that fits a width in characters where its words do.

    ``colour`` asks for tables and colours, which rich draws; without rich the text is plain.
    """
    sections = [*_sections(report)]
    width = max(width, SMALLEST_WIDTH)
    if colour and importlib.util.find_spec("rich") is not None:
        return _drawn(sections, width)
    return "\n".join(line.rstrip() for section in sections for line in _plain(section, width))


def _plain(section: Section, width: int) -> Iterator[str]:
    yield from textwrap.wrap(section.title, width, break_long_words=False, break_on_hyphens=False)
    indent = max((len(row.label) for row in section.rows), default=0) + _LABEL_GAP
    for row in section.rows:
        head = f"  {row.label.ljust(indent)}"
        for line in row.lines or ("",):
            yield from textwrap.wrap(
                line,
                width,
                initial_indent=head,
                subsequent_indent=" " * (indent + 2),
                break_long_words=False,
                break_on_hyphens=False,
            ) or [head]
            head = " " * (indent + 2)
    yield ""


def _drawn(sections: list[Section], width: int) -> str:
    """The sections as rich draws them. Nothing in them is taken for markup."""
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system="standard", width=width, no_color=False, legacy_windows=False
    )
    for section in sections:
        console.print(Text(section.title, style=section.tone), overflow="fold")
        if section.rows:
            table = Table(box=box.ROUNDED, show_header=False, expand=True)
            table.add_column(no_wrap=True, overflow="fold")
            table.add_column(ratio=1, overflow="fold")
            for row in section.rows:
                table.add_row(Text(row.label, style=row.tone or "bold"), Text("\n".join(row.lines)))
            console.print(table)
        console.print()
    return out.getvalue()


def _sections(report: Report) -> Iterator[Section]:
    for number, site in enumerate(report.sites, 1):
        title = f"{number}. {site.verdict.value}: {visible(site.expression)}"
        yield Section(title, tuple(_site_rows(site)), _TONES[site.verdict])
    if report.problems:
        yield Section("Findings", tuple(_problem_rows(report.problems)))
    promises = tuple(Row(one.holds.value, tuple(_promise_lines(one)), _TONES[one.holds]) for one in report.compliance)
    yield Section("Compliance", promises)
    for title, lines in (
        ("Recommendations", report.recommendations),
        ("Not read", tuple(f"{loss.file}: {loss.why}" for loss in report.unreadable)),
        ("Rules that failed", tuple(f"{loss.file}: {loss.why}" for loss in report.lost)),
        ("Stale entries of the baseline", report.stale),
        ("Warnings", report.warnings),
    ):
        if lines:
            yield Section(title, tuple(Row(f"{at}.", (visible(line),)) for at, line in enumerate(lines, 1)))
    options = (f"{visible(name)}: {visible(value)}" for name, value in report.options.items() if value)
    yield Section("Options", tuple(Row("-", (line,)) for line in options))
    yield Section("Summary", tuple(_summary(report)))


def _site_rows(site: Site) -> Iterator[Row]:
    yield Row("FILE", (visible(site.file),))
    yield Row("LINE", (f"{site.line}, column {site.column}{', test code' if site.is_test else ''}",))
    if site.qualname:
        yield Row("SPAWNED IN", (visible(site.qualname),))
    yield Row("TASK PURPOSE", (visible(site.purpose),))
    if site.coroutine and site.coroutine != site.purpose:
        yield Row("COROUTINE", (visible(site.coroutine),))
    yield Row("OWNER", (_owner(site),))
    yield Row("LIFETIME", (site.lifetime.value, *_proofs(site.lifetime_evidence)))
    yield Row("SHUTDOWN BEHAVIOR", (*_proofs(site.shutdown),) or ("none seen",))
    yield Row("SECOND START", (_proof(site.guard) if site.guard is not None else "no guard is known",))
    yield Row("CANCELLATION", (visible(site.cancellation), *_proofs(site.handlers)))
    yield Row("EXCEPTIONS", (visible(site.exceptions), *_proofs(site.observers)))
    yield Row("RISK", (*_risk(site),), _TONES[site.verdict])
    yield Row("DETAILS/ACTION", (visible(site.action),))
    if site.reasoning:
        yield Row("REASONING", tuple(f"{at}. {visible(sentence)}" for at, sentence in enumerate(site.reasoning, 1)))
    if site.unknown:
        yield Row("UNKNOWN", tuple(visible(clause) for clause in site.unknown))


def _owner(site: Site) -> str:
    owner = site.owner
    name = f"{visible(owner.name)} ({owner.kind.value})" if owner.name else owner.kind.value
    return f"{name}, instance {visible(owner.instance)}" if owner.instance else name


def _risk(site: Site) -> Iterator[str]:
    yield f"{visible(site.risk)}{': ' if site.codes else ''}{', '.join(site.codes)}"
    for problem in site.related:
        yield f"{problem.code} {problem.name} ({problem.severity}): {visible(problem.message)}{_hidden(problem)}"


def _hidden(problem: Problem) -> str:
    return f" [suppressed: {problem.suppressed}]" if problem.suppressed else ""


def _proofs(proofs: tuple[Proof, ...]) -> Iterator[str]:
    return map(_proof, proofs)


def _proof(proof: Proof) -> str:
    note = f", {visible(proof.note)}" if proof.note else ""
    text = f": {visible(proof.text)}" if proof.text else ""
    return f"{visible(proof.what)}, {visible(proof.file)}:{proof.line}{note}{text}"


def _problem_rows(problems: tuple[Problem, ...]) -> Iterator[Row]:
    for problem in problems:
        place = f"{visible(problem.file)}:{problem.line}:{problem.column}"
        tone = "dim" if problem.suppressed else "bold red"
        yield Row(
            f"{problem.code} {problem.severity}", (f"{place} {visible(problem.message)}{_hidden(problem)}",), tone
        )


def _promise_lines(promise: Promise) -> Iterator[str]:
    yield visible(promise.title)
    count = Counter(f"{problem.code}{_hidden(problem)}" for problem in promise.broken_by)
    if count:
        yield "against it: " + ", ".join(f"{code} ({number})" for code, number in sorted(count.items()))
    if promise.unresolved:
        yield f"{promise.unresolved} {'site leaves' if promise.unresolved == 1 else 'sites leave'} it open"
    if promise.unchecked:
        yield f"not asked: {', '.join(promise.unchecked)}"


def _summary(report: Report) -> Iterator[Row]:
    totals = report.totals
    yield Row("files", (str(report.files),))
    yield Row("task sites", (f"{totals.sites}: production {totals.production}, tests {totals.tests}",))
    yield Row(
        "verdicts",
        (f"safe {totals.safe}, scoped {totals.scoped}, at risk {totals.at_risk}, unresolved {totals.unresolved}",),
    )
    hidden = sum(1 for problem in report.problems if problem.suppressed)
    yield Row("findings", (f"{len(report.problems) - hidden}, and {hidden} suppressed",))
    yield Row("root", (visible(report.root),))
    yield Row("version", (f"flake8-task-lifecycle {visible(report.version)}",))
