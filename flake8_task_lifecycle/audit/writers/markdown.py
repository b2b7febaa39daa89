"""The report as a Markdown document that can be handed in, or shown as the summary of a job.

Names, paths and source stand in code spans, sentences are escaped; a word that a reader of Markdown would turn into a
link or a mention by itself becomes a code span too. So no text of the audited project makes markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from flake8_task_lifecycle.audit.report import Problem, Proof, Report, Site
from flake8_task_lifecycle.audit.writers import words
from flake8_task_lifecycle.audit.writers.inert import visible

_MARKUP = re.compile(r"[\\`*_\[\]<>&~|$]")
_OPENS_BLOCK = re.compile(r"[-+#=:>]|\d+(?=[.)](?:\s|$))")
_LINKED_BY_ITSELF = re.compile(r"://|www\.|@|#\d|^mailto:", re.IGNORECASE)
_PIECES = re.compile(r"`([^`]+)`|(\S+)|(\s+)")
_NAME = re.compile(r"""([(\["']*)(\w[^\s`'"]*_[^\s`'"]*?|_[^\s`'"]*?)([)\].,;:'"]*)""")
_TICKS = re.compile(r"`+")
_NAMED = 20


def write(report: Report) -> str:
    """The whole report in CommonMark with the tables of GitHub."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from _head(report)
    yield from _totals(report)
    yield from _compliance(report)
    yield from _sites(report)
    yield from _elsewhere(report)
    yield from _listed("Recommendations", (prose(one) for one in report.recommendations), ordered=True)
    yield from _listed("Suppressed findings", (_suppressed(problem) for problem in words.hidden(report)))
    yield from _listed(
        "Stale entries of the baseline", (code(entry) for entry in report.stale), "No finding matches these any more:"
    )
    yield from _listed(
        "Files not read",
        (f"{code(loss.file)}: {prose(loss.why)}" for loss in report.unreadable),
        "Nothing is known of:",
    )
    yield from _listed("Warnings", map(prose, report.warnings))
    yield from _listed("Files not judged whole", (f"{code(loss.file)}: {prose(loss.why)}" for loss in report.lost))


def code(text: str) -> str:
    """A text of unknown origin as a code span; ``""`` for none."""
    shown = visible(text)
    if not shown:
        return ""
    fence = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    # A blank at both ends is taken off by the reader, unless there is nothing else.
    padded = f" {shown} " if shown.strip() and (shown[0] in "` " or shown[-1] in "` ") else shown
    return f"{fence}{padded}{fence}"


def prose(text: str) -> str:
    """A sentence of unknown origin as inert text.

    What stands between single backticks stays code, and names with an underscore become code: they read better so than
    with their underscores escaped.
    """
    pieces = []
    for quoted, word, blank in _PIECES.findall(visible(text).strip()):
        if blank:
            pieces.append(" ")
        elif quoted or _LINKED_BY_ITSELF.search(word):
            pieces.append(code(quoted or word))
        elif name := _NAME.fullmatch(word):
            pieces += [_escaped(name[1]), code(name[2]), _escaped(name[3])]
        else:
            pieces.append(_escaped(word))
    joined = "".join(pieces)
    opening = _OPENS_BLOCK.match(joined)
    if opening is None:
        return joined
    end = opening.end()
    return f"{joined[:end]}\\{joined[end:]}" if opening[0].isdigit() else f"\\{joined}"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", text)


def _code_in_cell(text: str) -> str:
    """A code span in a table, where a bar would end the cell and readers differ on how to escape it."""
    return code(text).replace("|", "\\x7c")


def _head(report: Report) -> Iterator[str]:
    yield "# Audit of asyncio tasks"
    yield ""
    yield f"- Project: {code(report.root)}"
    yield f"- Made by: flake8-task-lifecycle {prose(report.version)}"
    yield f"- Files looked at: {report.files}"
    given = {name: value for name, value in sorted(report.options.items()) if value}
    yield f"- Options in force:{'' if given else ' the defaults'}"
    yield from (f"  - {code(name)}: {code(value)}" for name, value in given.items())
    if empty := [name for name in sorted(report.options) if name not in given]:
        yield f"  - not set: {', '.join(map(code, empty))}"


def _totals(report: Report) -> Iterator[str]:
    totals = report.totals
    counts = {"at-risk": totals.at_risk, "unresolved": totals.unresolved, "scoped": totals.scoped, "safe": totals.safe}
    yield from ("", "## Totals", "", "| | count | |", "|---|---:|---|")
    yield f"| task sites | {totals.sites} | {totals.production} in production code, {totals.tests} in tests |"
    for verdict, word in words.VERDICTS.items():
        yield f"| {word} | {counts[verdict.value]} | {words.VERDICT_MEANINGS[verdict]} |"
    yield f"| findings | {len(words.counted(report))} | {len(words.hidden(report))} more are suppressed |"


def _compliance(report: Report) -> Iterator[str]:
    if report.compliance:
        yield from ("", "## Compliance", "")
    for promise in report.compliance:
        yield f"- **{prose(promise.title)}**: {prose(words.held(promise))}"
        for problem in promise.broken_by[:_NAMED]:
            yield f"  - {_where(problem.file, problem.line)} {problem.code} {prose(problem.name)}{_hidden_by(problem)}"
        if len(promise.broken_by) > _NAMED:
            yield f"  - and {len(promise.broken_by) - _NAMED} more"


def _sites(report: Report) -> Iterator[str]:
    if not report.sites:
        yield from ("", "## Task sites", "", "None was found.")
        return
    yield from ("", "## Task sites", "", "| | verdict | codes | place | coroutine |", "|---:|---|---|---|---|")
    for number, site in enumerate(report.sites, 1):
        codes = ", ".join(map(prose, site.codes))
        place, coroutine = _code_in_cell(f"{site.file}:{site.line}"), _code_in_cell(site.coroutine) or "unknown"
        yield f"| {number} | {words.VERDICTS[site.verdict]} | {codes} | {place} | {coroutine} |"
    for number, site in enumerate(report.sites, 1):
        yield from _site(number, site)


def _site(number: int, site: Site) -> Iterator[str]:
    yield from ("", f"### {number}. {_where(site.file, site.line)}: {words.VERDICTS[site.verdict]}", "")
    yield f"- FILE: {code(site.file)}{' (test code)' if site.is_test else ''}"
    yield f"- LINE: {site.line}, column {site.column}"
    yield f"- SPAWNED BY: {code(site.expression)}{_within(site.qualname)}"
    yield f"- TASK PURPOSE: {code(site.purpose) if site.purpose == site.coroutine else prose(site.purpose)}"
    yield f"- OWNER: {_owner(site)}"
    yield f"- LIFETIME: {words.LIFETIMES[site.lifetime]}"
    yield from _proofs(site.lifetime_evidence)
    yield f"- SHUTDOWN BEHAVIOR: {'' if site.shutdown else 'nothing is known to end it'}".rstrip()
    yield from _proofs(site.shutdown)
    yield f"- RISK: {prose(site.risk)}{_codes(site)}"
    yield from (f"  - {problem.code} {prose(problem.message)}{_hidden_by(problem)}" for problem in site.related)
    yield "- DETAILS:"
    yield f"  - second start: {_proof(site.guard) if site.guard else 'no guard is known'}"
    yield f"  - cancellation: {prose(words.CANCELLATION.get(site.cancellation, site.cancellation))}"
    yield from _proofs(site.handlers, "    ")
    yield f"  - exceptions: {prose(words.EXCEPTIONS.get(site.exceptions, site.exceptions))}"
    yield from _proofs(site.observers, "    ")
    yield from (f"  - not known: {prose(one)}" for one in site.unknown)
    yield f"- ACTION: {prose(site.action)}"
    yield "- REASONING:"
    yield from (f"  {place}. {prose(sentence)}" for place, sentence in enumerate(site.reasoning, 1))


def _within(qualname: str) -> str:
    return f" in {code(qualname)}" if qualname else ""


def _owner(site: Site) -> str:
    text = words.owner_kind(site.owner)
    if site.owner.name:
        text += f" {code(site.owner.name)}"
    return f"{text}, held by {code(site.owner.instance)}" if site.owner.instance else text


def _codes(site: Site) -> str:
    return f" ({', '.join(map(prose, site.codes))})" if site.codes else ""


def _proofs(proofs: Iterable[Proof], indent: str = "  ") -> Iterator[str]:
    for proof in proofs:
        yield f"{indent}- {_proof(proof)}"


def _proof(proof: Proof) -> str:
    text = f"{prose(proof.what)}, {_where(proof.file, proof.line)}"
    if proof.text:
        text += f": {code(proof.text)}"
    return f"{text} ({prose(proof.note)})" if proof.note else text


def _where(file: str, line: int) -> str:
    return code(f"{file}:{line}")


def _elsewhere(report: Report) -> Iterator[str]:
    at_sites = {problem for site in report.sites for problem in site.related}
    others = [problem for problem in words.counted(report) if problem not in at_sites]
    yield from _listed("Findings apart from the sites", map(_problem, others))


def _problem(problem: Problem) -> str:
    return f"{_where(problem.file, problem.line)} {problem.code} {prose(problem.message)}"


def _suppressed(problem: Problem) -> str:
    return f"{_problem(problem)}{_hidden_by(problem)}"


def _hidden_by(problem: Problem) -> str:
    return f" (suppressed: {prose(problem.suppressed)})" if problem.suppressed else ""


def _listed(title: str, items: Iterable[str], lead: str = "", *, ordered: bool = False) -> Iterator[str]:
    """A section of one list; nothing when the list is empty."""
    listed = list(items)
    if not listed:
        return
    yield from ("", f"## {title}", "")
    if lead:
        yield from (lead, "")
    for number, item in enumerate(listed, 1):
        yield f"{number}. {item}" if ordered else f"- {item}"
