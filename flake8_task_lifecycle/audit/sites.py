"""The rows of the audit: what the facts know of each spawn, the findings that concern it, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.audit.inquiry import Inquiry
from flake8_task_lifecycle.audit.problems import problem_of
from flake8_task_lifecycle.audit.reasoning import action_of, reasons_of, unknowns_of
from flake8_task_lifecycle.audit.report import Lifetime, Owner, OwnerKind, Problem, Proof, Site, Verdict
from flake8_task_lifecycle.engine import Examination
from flake8_task_lifecycle.facts import Facts
from flake8_task_lifecycle.facts.account import Account, account_of
from flake8_task_lifecycle.facts.account_lines import Line, expression_text, path_of
from flake8_task_lifecycle.facts.mentions import Where
from flake8_task_lifecycle.facts.sites import Task
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.source import is_test
from flake8_task_lifecycle.tree import collector_paused

_SEVERITIES = ("high", "medium", "low")
_ON_THE_WAY = frozenset({"TLC003", "TLC010", "TLC011", "TLC102", "TLC104"})
_OF_A_STEP = frozenset({"TLC003", "TLC004", "TLC010", "TLC011", "TLC108"})
_WITH_A_YIELD = frozenset({Where.LIFESPAN, Where.CONTEXT, Where.FIXTURE})


def sites_of(examination: Examination, file: str, inquiry: Inquiry) -> list[Site]:
    """The sites of an examined file, called ``file`` in the report, in source order; none when it has no facts.

    A site that cannot be looked into is unresolved, and says so.
    """
    facts = examination.facts
    if facts is None:
        return []
    inquiry.remember(facts.source.name, examination.findings)
    with collector_paused():
        return [_site(facts, index, file, inquiry) for index in range(len(facts.tasks))]


def _site(facts: Facts, index: int, file: str, inquiry: Inquiry) -> Site:
    try:
        return _Row(facts, account_of(facts, index, inquiry.callers), file, inquiry).site()
    except Exception as error:
        if not engine.GUARD:
            raise
        return _lost(facts, facts.tasks[index], file, type(error).__name__)


@dataclass(frozen=True, slots=True)
class _Row:
    """One site in the making."""

    facts: Facts
    account: Account
    file: str
    inquiry: Inquiry

    def site(self) -> Site:
        account = self.account
        related = tuple(self._related())
        counted = [problem for problem in related if not problem.suppressed]
        verdict = self._verdict(counted, is_excused=len(counted) < len(related))
        unknown = unknowns_of(account, self._place)
        if verdict is Verdict.UNRESOLVED and account.holds.kind == "nobody":
            unknown = ("nobody holds it, and TLC001, which says so, is not in force", *unknown)
        return Site(
            file=self.file,
            line=account.span.line,
            column=account.span.column + 1,
            end_line=account.span.end_line,
            end_column=account.span.end_column + 1,
            spawner=account.spawner,
            expression=account.expression,
            coroutine=account.runs.name or "unknown",
            purpose=account.runs.purpose,
            qualname=account.qualname,
            module=account.module,
            owner=Owner(OwnerKind(account.holds.kind), account.holds.name, account.instance),
            lifetime=Lifetime(account.lives.kind),
            lifetime_evidence=self._proofs(account.lives.evidence),
            shutdown=self._proofs(account.release.steps) + self._proofs(account.callers),
            guard=self._proof(account.guard) if account.guard is not None else None,
            cancellation=account.way.answer,
            handlers=self._proofs(account.way.handlers),
            exceptions=account.seen.answer,
            observers=self._proofs(account.seen.observers),
            verdict=verdict,
            risk=next((one for one in _SEVERITIES if any(problem.severity == one for problem in counted)), "none"),
            codes=tuple(sorted({problem.code for problem in counted})),
            action=action_of(verdict, counted, unknown),
            reasoning=reasons_of(account, related, self._place),
            unknown=unknown,
            is_test=is_test(self.file) or account.qualname.rpartition(".")[2].startswith("test_"),
            related=related,
        )

    def _verdict(self, counted: list[Problem], *, is_excused: bool) -> Verdict:
        account = self.account
        if account.holds.kind == "scope":
            return Verdict.SCOPED
        if counted:
            return Verdict.AT_RISK
        is_lost = account.holds.kind == "nobody" and not account.holds.trusted and not is_excused
        return Verdict.UNRESOLVED if account.owned or account.released or is_lost else Verdict.SAFE

    def _place(self, path: str) -> str:
        return self.file if path == self.account.path else self.inquiry.shown(path)

    def _proof(self, line: Line) -> Proof:
        note = line.note
        if line.what in {"cancel", "await", "suppress", "clear", "close"} and line.function:
            note = f"in {line.function}" + (f", {note}" if note else "")
        return Proof(line.what, self._place(line.path), line.line, note, line.text)

    def _proofs(self, lines: tuple[Line, ...]) -> tuple[Proof, ...]:
        return tuple(map(self._proof, lines))

    def _related(self) -> Iterator[Problem]:
        """The findings that concern the site, in its own file first, each once."""
        own = self.account.path
        told: dict[tuple[str, Finding], None] = {}
        for path, finding in [*self._here(), *self._on_the_way(), *self._at_steps(), *self._in_the_chain()]:
            told[path, finding] = None
        for path, finding in sorted(told, key=lambda one: (one[0] != own, one[0], one[1].span, one[1].code)):
            known_as = self.facts.source.name if path == own else path
            lines = self.facts.source.lines if path == own else self.inquiry.lines(path)
            hidden = self.inquiry.hidden(known_as, finding)
            yield problem_of(finding, self._place(path), lines, hidden, self._place)

    def _here(self) -> Iterator[tuple[str, Finding]]:
        """The findings at the spawn, and those that give it as their evidence."""
        span = self.account.span
        for finding in self._findings(self.account.path):
            own_evidence = (one.span for one in finding.evidence if not one.path)
            if finding.code != "TLC900" and (finding.span == span or span in own_evidence):
                yield self.account.path, finding

    def _on_the_way(self) -> Iterator[tuple[str, Finding]]:
        """The findings at what a cancellation meets inside of the task."""
        places = {line.place for line in self.account.way.handlers if self._may_be_told(line)}
        yield from self._at(places, lambda finding: finding.code in _ON_THE_WAY)

    def _may_be_told(self, line: Line) -> bool:
        return line.what != "passes" or not self.inquiry.codes.isdisjoint({"TLC102", "TLC104"})

    def _at_steps(self) -> Iterator[tuple[str, Finding]]:
        """The findings at the lines that end the task."""
        places = {step.place for step in self.account.release.steps if step.what != "clear"}
        yield from self._at(places, lambda finding: finding.code in _OF_A_STEP)

    def _in_the_chain(self) -> Iterator[tuple[str, Finding]]:
        """The calls of its release that never run, or that a ``yield`` which raises leaves out."""
        chain = self.account.chain
        if chain is None:
            return
        yield from self._at({(one.path, one.line) for one in chain.dropped}, lambda finding: finding.code == "TLC012")
        if chain.end in _WITH_A_YIELD:
            for path in sorted({step.path for step in chain.steps}):
                lines = {step.line for step in chain.steps if step.path == path}
                for finding in self._findings(path):
                    if finding.code == "TLC006" and any(one.span.line in lines for one in finding.evidence):
                        yield path, finding

    def _at(self, places: set[tuple[str, int]], wanted: Callable[[Finding], bool]) -> Iterator[tuple[str, Finding]]:
        for path in sorted({path for path, _ in places}):
            for finding in self._findings(path):
                if wanted(finding) and (path, finding.span.line) in places:
                    yield path, finding

    def _findings(self, path: str) -> tuple[Finding, ...]:
        return self.inquiry.findings(self.facts.source.name if path == self.account.path else path)


def _lost(facts: Facts, task: Task, file: str, why: str) -> Site:
    """The row of a site that could not be looked into."""
    reason = f"the site could not be looked into: {why}"
    return Site(
        file=file,
        line=task.span.line,
        column=task.span.column + 1,
        end_line=task.span.end_line,
        end_column=task.span.end_column + 1,
        spawner=task.spawner,
        expression=expression_text(facts.source, task.span),
        coroutine=task.coroutine or "unknown",
        purpose="unknown",
        qualname=task.qualname,
        module=facts.module.name if facts.module is not None else "",
        owner=Owner(OwnerKind.UNKNOWN),
        lifetime=Lifetime.UNKNOWN,
        lifetime_evidence=(),
        shutdown=(),
        guard=None,
        cancellation="unknown",
        handlers=(),
        exceptions="unknown",
        observers=(),
        verdict=Verdict.UNRESOLVED,
        risk="none",
        codes=(),
        action=f"Look at the site: {reason}.",
        reasoning=(f"{reason[0].upper()}{reason[1:]} ({path_of(facts)}:{task.span.line}).",),
        unknown=(reason,),
        is_test=is_test(file),
    )
