"""What the writers for people call things."""

from __future__ import annotations

from flake8_task_lifecycle.audit.report import Holds, Lifetime, Owner, OwnerKind, Problem, Promise, Report, Verdict

VERDICTS = {
    Verdict.AT_RISK: "at risk",
    Verdict.UNRESOLVED: "unresolved",
    Verdict.SCOPED: "scoped",
    Verdict.SAFE: "safe",
}
"""The verdicts from the worst to the best."""

VERDICT_MEANINGS = {
    Verdict.AT_RISK: "a rule has a finding here",
    Verdict.UNRESOLVED: "nothing is held against it; its owner or its release is unknown",
    Verdict.SCOPED: "a scope, such as a TaskGroup, waits for it",
    Verdict.SAFE: "owned and released",
}

HOLDS = {Holds.YES: "holds", Holds.NO: "broken", Holds.UNKNOWN: "not known"}

OWNERS = {
    OwnerKind.ATTRIBUTE: "attribute",
    OwnerKind.GLOBAL: "module global",
    OwnerKind.COLLECTION: "collection",
    OwnerKind.LOCAL: "local variable",
    OwnerKind.SCOPE: "scope",
    OwnerKind.CALLER: "the caller",
    OwnerKind.CALLEE: "the called function",
    OwnerKind.AWAITED: "awaited where it is spawned",
    OwnerKind.NOBODY: "nobody",
    OwnerKind.UNKNOWN: "unknown",
}

LIFETIMES = {
    Lifetime.APPLICATION: "as long as the application",
    Lifetime.OWNER: "as long as its owner",
    Lifetime.FUNCTION: "as long as the function that spawns it",
    Lifetime.SCOPE: "as long as its scope",
    Lifetime.ONE_SHOT: "one shot: it ends by itself",
    Lifetime.UNKNOWN: "unknown",
}

CANCELLATION = {
    "passes": "passes through every handler on its way",
    "swallowed": "is swallowed",
    "unknown": "unknown whether it passes",
}

EXCEPTIONS = {
    "observed": "observed",
    "unobserved": "not observed",
    "handled": "handled by the coroutine itself",
    "unknown": "unknown whether they are observed",
}

_WORST_FIRST = {"high": 0, "medium": 1, "low": 2}


def counted(report: Report) -> list[Problem]:
    """The findings that nothing hides, in the report's order."""
    return [problem for problem in report.problems if not problem.suppressed]


def hidden(report: Report) -> list[Problem]:
    """The findings that count for nothing, in the report's order."""
    return [problem for problem in report.problems if problem.suppressed]


def worst_first(problems: list[Problem]) -> list[Problem]:
    """Findings by severity; those of one severity keep their order."""
    return sorted(problems, key=lambda problem: _WORST_FIRST.get(problem.severity, len(_WORST_FIRST)))


def held(promise: Promise) -> str:
    """Whether a promise holds, and what stands against it."""
    counting = sum(not problem.suppressed for problem in promise.broken_by)
    text = f"{HOLDS[promise.holds]} by {number(counting, 'finding')}" if counting else HOLDS[promise.holds]
    if quiet := len(promise.broken_by) - counting:
        text += f", {quiet} suppressed"
    if promise.unresolved:
        text += f", {number(promise.unresolved, 'site')} unresolved"
    return f"{text}, {' and '.join(promise.unchecked)} not in force" if promise.unchecked else text


def owner_kind(owner: Owner) -> str:
    """What kind of thing holds the task, in words."""
    return OWNERS[owner.kind]


def number(count: int, noun: str) -> str:
    """A count and its noun: ``1 site``, ``2 sites``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
