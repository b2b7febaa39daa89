"""What a cancellation and an error meet inside of a task: handlers on the coroutine's way, and who sees an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.absorbers import ARRANGED, ASKS, CALLERS_RAISE, CANCELLED_HERE, ENDS, RAISES, Judged
from flake8_task_lifecycle.facts.account_lines import Line, line_at, line_of, path_of
from flake8_task_lifecycle.facts.finals import discards
from flake8_task_lifecycle.facts.lifetimes import long_lived_spawn
from flake8_task_lifecycle.facts.observed import observed
from flake8_task_lifecycle.facts.raising import risk
from flake8_task_lifecycle.facts.shelters import ANY, exceptions, is_broad, is_seen
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import ask, outer_functions, spawned_functions, targets
from flake8_task_lifecycle.facts.values import External
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Known
from flake8_task_lifecycle.names import last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 4
_MAX_FUNCTIONS = 60
_BROAD = frozenset({"Exception", "BaseException"})
_WHY = {
    RAISES: "raises it again",
    ASKS: "asks who was cancelled",
    CANCELLED_HERE: "only takes that of the task it has cancelled itself",
    ARRANGED: "only takes that which it has arranged for itself",
    ENDS: "ends the task there",
    CALLERS_RAISE: "leaves it to its callers, all of which raise",
}


class Way(NamedTuple):
    """What a cancellation meets: ``answer`` is ``passes``, ``swallowed`` or ``unknown`` with its reason.

    ``functions`` are the coroutine functions that were looked at, by path and qualified name.
    """

    answer: str
    handlers: tuple[Line, ...] = ()
    functions: tuple[tuple[str, str], ...] = ()
    reason: str = ""


class Seen(NamedTuple):
    """Who sees an error of a task: ``answer`` is ``observed``, ``handled``, ``unobserved`` or ``unknown``."""

    answer: str
    observers: tuple[Line, ...] = ()
    reason: str = ""


def way_of(facts: Facts, spawn: Spawn) -> Way:
    """The handlers that a cancellation of the task can meet, in its coroutine and in the coroutines it awaits."""
    found = spawned_functions(facts, spawn)
    if not found:
        return Way("unknown", reason="what runs is not resolved")
    seen: dict[tuple[str, str], None] = {}
    lines: list[Line] = []

    def visit(home: Facts, function: nodes.FunctionDef, depth: int) -> bool:
        key = (path_of(home), qualified_name(function))
        if key in seen or len(seen) >= _MAX_FUNCTIONS:
            return True
        seen[key] = None
        lines.extend(_handlers(home, function))
        for node in walk(function.body) if depth else ():
            if isinstance(node, nodes.Await) and isinstance(node.value, nodes.Call):
                for target in targets(home, node.value):
                    ask(home, target, lambda inner, one: visit(inner, one, depth - 1))
        return True

    answers = [ask(facts, target, lambda home, one: visit(home, one, _MAX_DEPTH)) for target in found]
    for target in outer_functions(facts, spawn):
        ask(facts, target, lambda home, one: visit(home, one, 0))
    ordered = tuple(sorted(dict.fromkeys(lines), key=lambda line: (line.path, line.line)))
    if any(line.what == "swallows" for line in ordered):
        return Way("swallowed", ordered, tuple(seen))
    doubtful = next((line for line in ordered if line.what == "unknown"), None)
    if doubtful is not None:
        return Way("unknown", ordered, tuple(seen), doubtful.note)
    outside = [
        target.name
        for target, answer in zip(found, answers, strict=True)
        if answer is None and isinstance(target, External) and not target.name.startswith("asyncio.")
    ]
    if outside:
        return Way("unknown", ordered, tuple(seen), f"'{outside[0]}' is not of the project")
    return Way("passes", ordered, tuple(seen))


def _handlers(facts: Facts, function: nodes.FunctionDef) -> Iterator[Line]:
    """Every handler and context manager of one function that stands around a wait and may take an exception."""
    if not isinstance(function, nodes.AsyncFunctionDef):
        return
    judged = {one.node: one for one in facts.handlers.judged if one.function is function}
    for node in walk(function.body):
        if isinstance(node, nodes.Try | nodes.TryStar):
            for handler in node.handlers:
                if handler in judged:
                    yield _judged(facts, judged[handler])
                elif any(True for _ in facts.handlers.waits(handler, function)):
                    yield line_at(facts, handler, "passes", f"'{_written(handler)}' takes no cancellation")
        elif node in judged:
            yield _judged(facts, judged[node])
    name = qualified_name(function)
    for discard in discards(facts):
        if discard.qualname == name:
            line = discard.span.line
            text = facts.source.lines[line - 1].strip()
            yield Line("swallows", path_of(facts), line, f"'{discard.keyword}' in a finally throws it away", text, name)


def _judged(facts: Facts, judged: Judged) -> Line:
    answer, text = judged.absorber.swallows, judged.absorber.text
    match answer.known:
        case Known.YES:
            return line_at(facts, judged.node, "swallows", f"'{text}' swallows it")
        case Known.NO:
            return line_at(facts, judged.node, "passes", f"'{text}' {_WHY.get(answer.reason, f'({answer.reason})')}")
        case Known.UNKNOWN:
            why = answer.reason or "not known"
            return line_at(facts, judged.node, "unknown", f"whether '{text}' swallows it is not known: {why}")


def _written(handler: nodes.ExceptHandler) -> str:
    return f"except {handler.type.as_string()}" if handler.type is not None else "except"


class _Inside(NamedTuple):
    """What a coroutine function does about its own errors."""

    risky: bool
    broad: bool
    handlers: tuple[Line, ...]


def seen_by(facts: Facts, spawn: Spawn) -> Seen:
    """Who sees an error of the task of a spawn: its own handlers, a waiter, a callback, nobody."""
    if spawn.scoped:
        return Seen("observed", reason="the scope raises it")
    found = spawned_functions(facts, spawn)
    inside = [answer for target in found if (answer := ask(facts, target, _inside)) is not None]
    lived = long_lived_spawn(facts, spawn)
    resolved = bool(found) and len(inside) == len(found)
    handlers = tuple(dict.fromkeys(line for one in inside for line in one.handlers))
    if resolved and lived.is_yes and not any(one.risky for one in inside):
        return Seen("handled", handlers, "" if handlers else "nothing in its loop is seen to raise")
    if resolved and not lived.is_yes and all(one.broad for one in inside):
        return Seen("handled", handlers)
    around = [answer for target in outer_functions(facts, spawn) if (answer := ask(facts, target, _inside)) is not None]
    if any(one.broad for one in around):
        return Seen("handled", tuple(line for one in around for line in one.handlers))
    outcome = observed(facts, spawn)
    if outcome.is_yes:
        lines = tuple(line_of(facts, one, "observed") for one in outcome.evidence)
        return Seen("observed", lines, outcome.reason)
    if outcome.known is Known.UNKNOWN:
        return Seen("unknown", (), outcome.reason)
    return Seen("unobserved")


def _inside(facts: Facts, function: nodes.FunctionDef) -> _Inside:
    waits = [node for node in walk(function.body) if isinstance(node, nodes.Await | nodes.AsyncFor | nodes.AsyncWith)]
    handlers = [
        line_at(facts, handler, "handled", f"'{_written(handler)}' in {qualified_name(function)}")
        for node in walk(function.body)
        if isinstance(node, nodes.Try | nodes.TryStar) and any(map(node.parent_of, waits))
        for handler in node.handlers
        if is_broad(facts, handler) and (exceptions(facts, handler.type) or last_word(handler.type) in _BROAD)
    ]
    broad = bool(waits) and all(is_seen(facts, node, ANY, None, function) for node in waits)
    return _Inside(risk(facts, function) is not None, broad, tuple(sorted(handlers, key=lambda line: line.line)))
