"""The sentences of the audit: why a site got its verdict, what stayed unknown, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from flake8_task_lifecycle.audit.report import Problem, Verdict
from flake8_task_lifecycle.facts.account import Account
from flake8_task_lifecycle.facts.account_lines import Line
from flake8_task_lifecycle.facts.mentions import Where
from flake8_task_lifecycle.source import is_test

Shown = Callable[[str], str]
_SEVERITIES = ("high", "medium", "low")
_HELD_BY = {
    "attribute": "'{name}' holds the task",
    "global": "the module's global '{name}' holds the task",
    "collection": "the collection '{name}' holds the task",
    "local": "the local '{name}' holds the task",
    "caller": "the task is returned by '{name}', so the caller holds it",
    "callee": "'{name}' holds the task",
    "awaited": "the task is awaited where it is spawned",
    "scope": "the scope '{name}' holds the task and waits for it",
    "nobody": "nobody holds the task",
    "unknown": "who holds the task is not known",
}
_LIVES = {
    "application": "it lives as long as the application",
    "owner": "it lives as long as its owner lets it",
    "function": "the function that spawns it bounds it",
    "scope": "it ends with its scope",
    "one-shot": "it comes to an end of its own",
    "unknown": "how long it lives is not known",
}
_STEPS = {
    "cancel": "cancels it",
    "await": "waits for it",
    "suppress": "takes the cancellation of that wait",
    "clear": "clears the place",
    "close": "asks its loop to end",
}
_BOUNDS = {"cancel": "it is cancelled", "await": "it is awaited", "close": "its loop is asked to end"} | {
    "scope": "its scope is left",
}
_LISTED = 3
_ORDER = ("cancel", "close", "await", "suppress", "clear")
_PROSE = frozenset({"a", "an", "how", "it", "its", "no", "nobody", "nothing", "the", "there", "who", "whether", "look"})


def reasons_of(account: Account, related: Sequence[Problem], shown: Shown) -> tuple[str, ...]:
    """Whole sentences, each from a piece of evidence, in the order in which one would argue."""
    return tuple(_sentence(clause) for clause in _clauses(account, related, shown))


def _sentence(clause: str) -> str:
    start = clause[0].upper() + clause[1:] if clause.split(" ", 1)[0] in _PROSE else clause
    return start if start.endswith((".", "!", "?")) else f"{start}."


def _clauses(account: Account, related: Sequence[Problem], shown: Shown) -> Iterator[str]:
    def at(line: Line) -> str:
        return f"{shown(line.path)}:{line.line}"

    what = account.runs.name or "a coroutine that is not resolved"
    where = f"{account.qualname} starts" if account.qualname else "the module starts"
    yield f"{where} {what} with {account.spawner} ({shown(account.path)}:{account.span.line})"
    held = _HELD_BY[account.holds.kind].format(name=account.holds.name)
    yield f"{held}, and {account.holds.trusted}" if account.holds.trusted else held
    if account.instance:
        yield f"its owner is the module-level instance {account.instance}"
    proofs = ", ".join(f"{_why(line)} ({at(line)})" for line in account.lives.evidence)
    yield _LIVES[account.lives.kind] + (f": {proofs}" if proofs else "")
    if account.guard is not None:
        yield f"a second start is guarded: {account.guard.function} {account.guard.note} ({at(account.guard)})"
    elif account.once:
        yield f"there is no second start: {account.once}"
    yield from _ending(account, at)
    for line in account.callers:
        yield f"{line.note} ({at(line)})"
    for one in account.chain.dropped if account.chain is not None else ():
        yield f"'{one.text}' makes the coroutine of its release and never runs it ({shown(one.path)}:{one.line})"
    yield from _inside(account, at)
    for problem in related:
        hidden = f", suppressed by {problem.suppressed}" if problem.suppressed else ""
        yield f"{problem.code} ({problem.severity}{hidden}): {problem.message} ({problem.file}:{problem.line})"


def _why(line: Line) -> str:
    return f"it {line.note}" if line.what == "loop" else _BOUNDS.get(line.what, line.note or line.what)


def _ending(account: Account, at: Callable[[Line], str]) -> Iterator[str]:
    """What each function does to end the task, in one clause a function."""
    told = [step for step in account.release.steps if step.what in _STEPS]
    for key in dict.fromkeys((step.path, step.function) for step in told):
        own = [step for step in told if (step.path, step.function) == key]
        kinds = sorted({step.what for step in own}, key=_ORDER.index)
        done = [
            f"{_done(kind, account)} ({', '.join(at(step) for step in own if step.what == kind)})" for kind in kinds
        ]
        listed = done[0] if len(done) == 1 else f"{', '.join(done[:-1])} and {done[-1]}"
        yield f"{key[1] or 'the module'} {listed}"


def _done(kind: str, account: Account) -> str:
    if kind == "clear" and account.holds.kind == "collection":
        return "takes it out of the collection"
    return _STEPS[kind]


def _inside(account: Account, at: Callable[[Line], str]) -> Iterator[str]:
    way, seen = account.way, account.seen
    told = [f"{line.note} ({at(line)})" for line in way.handlers]
    match way.answer:
        case "passes":
            yield _passing(told)
        case "swallowed":
            lost = [f"{line.note} ({at(line)})" for line in way.handlers if line.what == "swallows"]
            yield f"a cancellation is lost on its way: {'; '.join(lost)}"
        case _:
            yield f"whether a cancellation passes is not known: {way.reason}"
    by = "; ".join(f"{line.note} ({at(line)})" for line in seen.observers)
    match seen.answer:
        case "handled":
            yield f"an error does not leave it: {by or seen.reason}"
        case "observed":
            yield f"its outcome is observed: {by or seen.reason}"
        case "unobserved":
            yield "nothing reads its outcome: an error of it is seen when the task is collected, or never"
        case _:
            yield f"whether its outcome is observed is not known: {seen.reason}"


def _passing(told: list[str]) -> str:
    if not told:
        return "no handler stands in a cancellation's way"
    if len(told) > _LISTED:
        return f"a cancellation passes through the {len(told)} handlers on its way, such as {told[0]}"
    return f"a cancellation passes: {'; '.join(told)}"


def unknowns_of(account: Account, shown: Shown) -> tuple[str, ...]:
    """What stayed unknown and why, the owner and the release first."""
    found = [
        f"owner: {account.owned}" if account.owned else "",
        f"release: {account.released}" if account.released else "",
        f"purpose: {account.runs.reason}" if account.runs.reason else "",
        f"lifetime: {account.lives.reason or 'nothing bounds it'}" if account.lives.kind == "unknown" else "",
        _unknown_chain(account, shown),
        f"cancellation: {account.way.reason}" if account.way.answer == "unknown" else "",
        f"exceptions: {account.seen.reason}" if account.seen.answer == "unknown" else "",
    ]
    found += [
        f"release: '{line.text}' ({shown(line.path)}:{line.line}) may end it too; its receiver is not resolved"
        for line in account.release.unsure
        if not account.released
    ]
    return tuple(dict.fromkeys(one for one in found if one))


def _unknown_chain(account: Account, shown: Shown) -> str:
    chain = account.chain
    if chain is None:
        return ""
    if chain.end is not None:
        by_tests = bool(account.callers) and is_test(shown(account.callers[-1].path))
        only_tests = by_tests and not is_test(shown(account.path))
        return f"callers: only tests are seen to call {chain.start.name}" if only_tests else ""
    names = [chain.start.name, *(step.function for step in chain.steps)]
    if chain.steps and chain.steps[-1].where is Where.HANDED:
        return f"callers: {names[-2]} is {chain.steps[-1].how}, and who calls it from there is not followed"
    doubt = f"; {chain.reason}" if chain.reason else ""
    return f"callers: who calls {names[-1]} is not seen in the project{doubt}"


def action_of(verdict: Verdict, problems: Sequence[Problem], unknown: Sequence[str]) -> str:
    """What to do, in one sentence: the mend of the worst finding, what to look at, or ``none``."""
    if problems:
        worst = min(problems, key=lambda problem: _SEVERITIES.index(problem.severity))
        mend = _mend(worst.message)
        return _sentence(mend[0].upper() + mend[1:] if mend.split(" ", 1)[0].replace("-", "").isalpha() else mend)
    if verdict is Verdict.UNRESOLVED:
        return _sentence(f"look at what stayed unknown: {unknown[0]}") if unknown else "Look at the site."
    return "none"


def _mend(message: str) -> str:
    """The part of a message that says what to do: after its last colon, and after a semicolon in that."""
    return message.rpartition(": ")[2].rpartition("; ")[2]
