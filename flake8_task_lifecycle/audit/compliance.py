"""What the findings and sites add up to: totals, the eight promises, and recommendations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from flake8_task_lifecycle.audit.report import Holds, Problem, Promise, Site, Totals, Verdict
from flake8_task_lifecycle.options import DEFAULT_CODES
from flake8_task_lifecycle.rules import RULES

BASELINE = "baseline"
SHOWN_PLACES = 3
SHOWN_REASONS = 3

UNCONTROLLED, OWNED, LIFECYCLE, SHUTDOWN = "no-uncontrolled-tasks", "owned", "explicit-lifecycle", "guaranteed-shutdown"
EXCEPTIONS, LEAK, ZOMBIE, SILENT = "exception-control", "no-leak", "no-zombie", "no-silent-failure"

PROMISES = {
    UNCONTROLLED: "No uncontrolled background tasks",
    OWNED: "Every task is owned",
    LIFECYCLE: "Every lifecycle is explicit",
    SHUTDOWN: "Shutdown is guaranteed",
    EXCEPTIONS: "Exceptions and cancellation are under control",
    LEAK: "No task leaks",
    ZOMBIE: "No task outlives its cancellation",
    SILENT: "No task fails silently",
}
"""The names of the promises and what each says, in the order of the report."""

BREAKS = {
    "TLC001": (UNCONTROLLED, OWNED),
    "TLC002": (LIFECYCLE, SHUTDOWN, LEAK),
    "TLC003": (SHUTDOWN, EXCEPTIONS, ZOMBIE),
    "TLC004": (SHUTDOWN, ZOMBIE),
    "TLC005": (OWNED, LIFECYCLE, LEAK),
    "TLC006": (SHUTDOWN,),
    "TLC007": (EXCEPTIONS, SILENT),
    "TLC008": (LEAK,),
    "TLC009": (UNCONTROLLED, OWNED, LEAK),
    "TLC010": (SHUTDOWN, EXCEPTIONS, ZOMBIE),
    "TLC011": (SHUTDOWN, EXCEPTIONS, ZOMBIE),
    "TLC012": (LIFECYCLE, SILENT),
    "TLC101": (SHUTDOWN, LEAK),
    "TLC102": (EXCEPTIONS,),
    "TLC103": (SHUTDOWN,),
    "TLC104": (EXCEPTIONS,),
    "TLC105": (UNCONTROLLED, LEAK),
    "TLC106": (LIFECYCLE,),
    "TLC107": (UNCONTROLLED, OWNED),
    "TLC108": (EXCEPTIONS,),
    "TLC109": (LIFECYCLE, SHUTDOWN),
}
"""The promises that a finding of each code breaks."""


class Mend(NamedTuple):
    """What one and several findings of a code are called, and what to do about them."""

    one: str
    many: str
    action: str


_MENDS = {
    "TLC001": Mend(
        "task that nobody holds", "tasks that nobody holds", "store it, await it, or put it into a TaskGroup"
    ),
    "TLC002": Mend(
        "task that nothing releases", "tasks that nothing releases", "cancel and await it in what stops its owner"
    ),
    "TLC003": Mend(
        "handler that swallows cancellation", "handlers that swallow cancellation", "re-raise CancelledError in it"
    ),
    "TLC004": Mend(
        "task that is cancelled and not waited for",
        "tasks that are cancelled and not waited for",
        "await it after cancel()",
    ),
    "TLC005": Mend(
        "task that a second start replaces",
        "tasks that a second start replaces",
        "cancel the old one first, or return while it is not done",
    ),
    "TLC006": Mend("stop that an exception skips", "stops that an exception skips", "move it into a finally"),
    "TLC007": Mend(
        "task that can die unseen",
        "tasks that can die unseen",
        "catch and log in its loop, or read its exception in a done callback",
    ),
    "TLC008": Mend(
        "collection that only grows", "collections that only grow", "discard a finished task in a done callback"
    ),
    "TLC009": Mend(
        "wait that leaves tasks running", "waits that leave tasks running", "cancel and await what is pending after it"
    ),
    "TLC010": Mend(
        "context manager that hides cancellation",
        "context managers that hide cancellation",
        "use it only around a task that is cancelled there",
    ),
    "TLC011": Mend(
        "jump out of a finally that discards cancellation",
        "jumps out of a finally that discard cancellation",
        "move it out of the finally",
    ),
    "TLC012": Mend("coroutine that never runs", "coroutines that never run", "await it, or spawn a task and keep it"),
    "TLC101": Mend(
        "task that leaks on an error", "tasks that leak on an error", "release it in a finally, or use a TaskGroup"
    ),
    "TLC102": Mend(
        "coroutine whose cancellation ends as success",
        "coroutines whose cancellation ends as success",
        "re-raise CancelledError at its end",
    ),
    "TLC103": Mend(
        "background task that shutdown does not wait for",
        "background tasks that shutdown does not wait for",
        "gather it, or cancel and await it, in what stops its owner",
    ),
    "TLC104": Mend(
        "handler that translates cancellation",
        "handlers that translate cancellation",
        "let CancelledError through as itself",
    ),
    "TLC105": Mend(
        "gather that leaves siblings running",
        "gathers that leave siblings running",
        "use a TaskGroup, or return_exceptions",
    ),
    "TLC106": Mend(
        "group of tasks that is awaited by hand", "groups of tasks that are awaited by hand", "use a TaskGroup"
    ),
    "TLC107": Mend("shield that orphans its task", "shields that orphan their tasks", "keep the task and await it"),
    "TLC108": Mend(
        "stop that hides a cancellation from outside",
        "stops that hide a cancellation from outside",
        "wait with asyncio.wait or gather, which hides none",
    ),
    "TLC109": Mend(
        "release that nothing reaches", "releases that nothing reaches", "call or register it where the owner ends"
    ),
}

_ORDER = {"high": 0, "medium": 1, "low": 2}
_NAMES = {rule.code: rule.name for rule in RULES}


def totals(sites: Sequence[Site]) -> Totals:
    """How many sites there are, in production and in tests, and of each verdict."""
    verdicts = Counter(site.verdict for site in sites)
    tests = sum(site.is_test for site in sites)
    return Totals(
        sites=len(sites),
        production=len(sites) - tests,
        tests=tests,
        safe=verdicts[Verdict.SAFE],
        scoped=verdicts[Verdict.SCOPED],
        at_risk=verdicts[Verdict.AT_RISK],
        unresolved=verdicts[Verdict.UNRESOLVED],
    )


def promises(
    sites: Sequence[Site], problems: Sequence[Problem], in_force: Collection[str], *, complete: bool
) -> tuple[Promise, ...]:
    """The compliance list.

    A finding breaks its promises, and one that the baseline knows still does. What a comment or the configuration
    hides is somebody's judgement: it leaves the promise UNKNOWN, and so do sites that are unresolved in its respect,
    a code that is on by default and not in force, and files or rules that were lost (``complete`` is false then).
    """
    return tuple(
        _promise(name, title, sites, [one for one in problems if name in BREAKS[one.code]], in_force, complete=complete)
        for name, title in PROMISES.items()
    )


def _promise(
    name: str, title: str, sites: Sequence[Site], against: list[Problem], in_force: Collection[str], *, complete: bool
) -> Promise:
    unresolved = sum(_OPEN.get(name, _is_unresolved)(site) for site in sites)
    unchecked = tuple(sorted(code for code in DEFAULT_CODES if name in BREAKS[code] and code not in in_force))
    if any(one.suppressed in {"", BASELINE} for one in against):
        holds = Holds.NO
    elif against or unresolved or unchecked or not complete:
        holds = Holds.UNKNOWN
    else:
        holds = Holds.YES
    return Promise(name, title, holds, tuple(against), unresolved, unchecked)


def _is_unresolved(site: Site) -> bool:
    return site.verdict is Verdict.UNRESOLVED


def _hides_exceptions(site: Site) -> bool:
    return _is_unresolved(site) or site.exceptions in {"unknown", "unobserved"}


def _hides_cancellation(site: Site) -> bool:
    return _is_unresolved(site) or site.cancellation in {"unknown", "swallowed"}


_OPEN: dict[str, Callable[[Site], bool]] = {
    EXCEPTIONS: lambda site: _hides_exceptions(site) or _hides_cancellation(site),
    ZOMBIE: _hides_cancellation,
    SILENT: _hides_exceptions,
}
"""When a site leaves a promise open; where nothing is said, when it is unresolved."""


def recommendations(
    sites: Sequence[Site], problems: Sequence[Problem], stale: Sequence[str], in_force: Collection[str]
) -> tuple[str, ...]:
    """What to do, most severe first: one sentence for each code that was found, and for what stayed open."""
    return tuple(_recommended(sites, problems, stale, in_force))


def _recommended(
    sites: Sequence[Site], problems: Sequence[Problem], stale: Sequence[str], in_force: Collection[str]
) -> Iterator[str]:
    by_code: defaultdict[str, list[Problem]] = defaultdict(list)
    for one in problems:
        if one.suppressed in {"", BASELINE}:
            by_code[one.code].append(one)
    for code, found in sorted(by_code.items(), key=lambda item: (_ORDER[item[1][0].severity], -len(item[1]), item[0])):
        yield _for_code(code, found)
    off = sorted(DEFAULT_CODES.difference(in_force))
    if off:
        yield f"Turn on {', '.join(off)}, which the options in force leave out, for an audit that is whole."
    hidden = Counter(one.suppressed for one in problems if one.suppressed not in {"", BASELINE})
    if hidden:
        by = ", ".join(f"{count} by {what}" for what, count in sorted(hidden.items()))
        yield f"Look again at what is suppressed: {by}."
    open_sites = [site for site in sites if site.verdict is Verdict.UNRESOLVED]
    if open_sites:
        yield _for_open(open_sites)
    if stale:
        entries = "entry that matches nothing" if len(stale) == 1 else "entries that match nothing"
        yield f"Take {len(stale)} {entries} out of the baseline: --update-baseline does it."


def _for_code(code: str, found: list[Problem]) -> str:
    mend = _MENDS[code]
    known = sum(one.suppressed == BASELINE for one in found)
    old = f", {known} known to the baseline" if known else ""
    what = mend.one if len(found) == 1 else mend.many
    places = list(dict.fromkeys(_place(one) for one in found))
    rest = len(places) - SHOWN_PLACES
    where = ", ".join(places[:SHOWN_PLACES]) + (f", and {rest} more" if rest > 0 else "")
    return f"{len(found)} {what} ({code} {_NAMES[code]}{old}): {mend.action}. See {where}."


def _place(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}"
    return f"{problem.subject} in {place}" if problem.subject else place


def _for_open(sites: list[Site]) -> str:
    reasons = Counter(reason for site in sites for reason in dict.fromkeys(site.unknown))
    common = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_REASONS]
    what = "site that stays" if len(sites) == 1 else "sites that stay"
    why = "; ".join(f"{reason} ({count})" for reason, count in common)
    return f"Read by hand the {len(sites)} {what} unresolved{f', mostly: {why}' if why else ''}."
