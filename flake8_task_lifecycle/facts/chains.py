"""The chain of calls that reaches a function from outside: from a lifespan, an exit method, a signal, a main."""

from __future__ import annotations

from typing import NamedTuple

from flake8_task_lifecycle.facts.account_lines import Line
from flake8_task_lifecycle.facts.callers import Callers, Function
from flake8_task_lifecycle.facts.mentions import Entry, Mention, Where
from flake8_task_lifecycle.facts.unreleased import STOPS

_MAX_STEPS = 8
_MAX_FUNCTIONS = 80
_MAX_CALLERS = 20
# How good an end of a chain is: sure to run at shutdown, run by the program, run by somebody, by a test.
_RANKS: dict[Where | None, int] = {
    **dict.fromkeys((Where.LIFESPAN, Where.EXIT, Where.SIGNAL, Where.ATEXIT, Where.HOOK), 0),
    **dict.fromkeys((Where.MAIN, Where.MODULE), 1),
    **dict.fromkeys((Where.CONTEXT, Where.STACK, Where.FRAMEWORK), 2),
    **dict.fromkeys((Where.FIXTURE, Where.TEST), 3),
}
_NOWHERE = 9
_INSIDE = frozenset({Where.CALL, Where.STACK, Where.CALLBACK, Where.HANDED})
_ENDS = frozenset({Where.LIFESPAN, Where.SIGNAL, Where.ATEXIT, Where.HOOK, Where.MAIN, Where.MODULE})


class Chain(NamedTuple):
    """The calls from the function ``start`` outwards.

    ``end``: where it ends, None when nothing outside is known to reach it. ``entry`` is what the outermost function is;
    ``reason`` says why the chain may go on unseen. ``dropped`` are calls that make the coroutine of the first function
    and never run it.
    """

    start: Function
    steps: tuple[Mention, ...] = ()
    end: Where | None = None
    entry: Entry | None = None
    reason: str = ""
    dropped: tuple[Mention, ...] = ()


class _Path(NamedTuple):
    function: Function
    steps: tuple[Mention, ...]


def chain_of(callers: Callers, function: Function) -> Chain:
    """The best chain that reaches a function: one that ends outside, soonest and at the first file and line.

    Code that is no test goes first. A function that something outside calls itself has a chain without steps.
    """
    if function not in callers.chains:
        callers.chains[function] = _find(callers, function)
    return callers.chains[function]


def _find(callers: Callers, function: Function) -> Chain:
    mentions, doubt = callers.of(function)
    own_is_test = callers.is_test(function.path)
    chains = _search(callers, function, with_tests=own_is_test)
    if not own_is_test and all(chain.end is None for chain in chains):
        chains += _search(callers, function, with_tests=True)
    best = min(chains, key=badness)
    dropped = tuple(one for one in mentions if one.dropped)
    return best._replace(steps=_completed(callers, best), reason=best.reason or doubt, dropped=dropped)


def badness(chain: Chain) -> tuple[int, int, list[tuple[str, int]]]:
    """What a better chain has less of: how poor its end is, its length, and its first lines."""
    rank = _RANKS.get(chain.end, _NOWHERE) if chain.end is not None else _NOWHERE
    if chain.end is None and chain.steps and not STOPS.match(chain.steps[-1].function.rpartition(".")[2]):
        rank += 1
    return rank, len(chain.steps), [(step.path, step.line) for step in chain.steps]


def _search(callers: Callers, function: Function, *, with_tests: bool) -> list[Chain]:
    found: list[Chain] = []
    waiting, seen = [_Path(function, ())], {function}
    while waiting:
        path = waiting.pop(0)
        if any(len(chain.steps) <= len(path.steps) and _RANKS.get(chain.end) == 0 for chain in found):
            break
        profile = callers.profile(path.function)
        entry = profile.entry if profile is not None else None
        if entry is not None:
            found.append(Chain(function, path.steps, entry.where, entry))
            if entry.where is not Where.CONTEXT:
                continue
        mentions, reason = callers.of(path.function)
        further = [one for one in mentions if not one.dropped and (with_tests or not callers.is_test(one.path))]
        outside = entry is not None
        for one in further[:_MAX_CALLERS] if len(path.steps) < _MAX_STEPS else ():
            steps = (*path.steps, one)
            outer = Function(one.path, one.function)
            if one.where in _ENDS or not one.function:
                found.append(Chain(function, steps, one.where if one.where in _ENDS else Where.MODULE))
            elif one.where is Where.HANDED:
                found.append(Chain(function, steps, None, None, f"it is {one.how}"))
            elif outer not in seen and len(seen) < _MAX_FUNCTIONS:
                seen.add(outer)
                waiting.append(_Path(outer, steps))
            else:
                continue
            outside = True
        if not outside:
            end = Where.STACK if path.steps and path.steps[-1].where is Where.STACK else None
            found.append(Chain(function, path.steps, end, None, reason))
    return found


def _completed(callers: Callers, chain: Chain) -> tuple[Mention, ...]:
    """The steps, with the line that gives a lifespan to its application, or enters an object whose exit method ends."""
    if chain.entry is None or chain.entry.where not in {Where.LIFESPAN, Where.EXIT} or not chain.steps:
        return chain.steps
    last = chain.steps[-1]
    for one in callers.of(Function(last.path, last.function))[0]:
        if not callers.is_test(one.path) and (one.where is Where.LIFESPAN or chain.entry.where is Where.EXIT):
            return (*chain.steps, one)
    return chain.steps


def lines_of(callers: Callers, chain: Chain) -> tuple[Line, ...]:
    """The chain as lines; of a function that something outside calls itself, the line that defines it."""
    profile = callers.profile(chain.start)
    if not chain.steps:
        if chain.entry is None or profile is None:
            return ()
        note = f"{chain.start.name}, {chain.entry.what}"
        return (Line("caller", chain.start.path, profile.line, note, profile.text, chain.start.name),)
    lines = []
    for index, step in enumerate(chain.steps):
        outer = callers.profile(Function(step.path, step.function)) if step.function else None
        entry = outer.entry if outer is not None and step.where in _INSIDE else None
        called = chain.start.name if not index else chain.steps[index - 1].function
        note = f"{called} is {step.how}" + (f", {entry.what}" if entry is not None else "")
        lines.append(Line("caller", step.path, step.line, note, step.text, step.function))
    return tuple(lines)
