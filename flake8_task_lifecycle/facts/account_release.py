"""Every step that ends a held task: cancels, waits, what takes their exception, clears, and requests to its loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.account_lines import Line, line_at, path_of
from flake8_task_lifecycle.facts.account_owner import Holds, class_names
from flake8_task_lifecycle.facts.callers import Callers
from flake8_task_lifecycle.facts.guards import ONCE, looks_before, names_slot
from flake8_task_lifecycle.facts.lifetimes import long_lived_spawn
from flake8_task_lifecycle.facts.readers import may_give
from flake8_task_lifecycle.facts.repeats import runs_once
from flake8_task_lifecycle.facts.requests import request_nodes, signals_of
from flake8_task_lifecycle.facts.slots import Kind, Place, kind_of, touches_in
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_FILES = 120
_ENDS = {Kind.CANCEL: "cancel", Kind.AWAIT: "await"}


class Release(NamedTuple):
    """How a task comes to its end. ``steps`` by file and line; ``unsure`` are steps whose receiver is not resolved.

    ``handed``: where it goes that cannot be followed; ``reason``: why there may be steps that were not seen.
    """

    steps: tuple[Line, ...] = ()
    unsure: tuple[Line, ...] = ()
    handed: tuple[Line, ...] = ()
    reason: str = ""

    @property
    def ends(self) -> tuple[Line, ...]:
        """The steps that end the task: clears and suppressions apart."""
        return tuple(step for step in self.steps if step.what in {"cancel", "await", "close"})


def release_of(facts: Facts, spawn: Spawn, holds: Holds, callers: Callers) -> Release:
    """The steps that end the task of a spawn, wherever they are."""
    if holds.places:
        return _of_places(facts, spawn, holds.places, callers)
    uses = [
        use
        for use in facts.owners.of(spawn.value).uses
        if use.target is None or use.target is spawn.value or may_give(facts, spawn.value, use.target)
    ]
    own = [*uses, *_captured(facts, spawn)]
    steps = [step for use in own for step in _steps_of_use(facts, use, use.target)]
    steps += _roundabout(facts, spawn)
    if spawn.form is Form.THREADSAFE:
        steps += [line_at(facts, use.target, "await") for use in own if kind_of(use) is Kind.OBSERVE and use.target]
    handed = tuple(
        line_at(facts, spawn.node, "handed", f"handed to '{use.holder.partition(':')[2]}'")
        for use in uses
        if use.fate is Fate.HANDED
    )
    return Release(_sorted(steps), (), handed)


def _captured(facts: Facts, spawn: Spawn) -> Iterator[Use]:
    """The uses that nested functions make of the local names of a task."""
    function = enclosing_function(spawn.node)
    if function is None:
        return
    frame = facts.frame(function)
    for name in sorted(facts.uses.of(spawn.value).names):
        for load, _ in frame.captured[name]:
            yield facts.uses.of(load)


def _roundabout(facts: Facts, spawn: Spawn) -> Iterator[Line]:
    """The cancels and waits in the function that spawns which reach the task through what a wait returned."""
    function = enclosing_function(spawn.node)
    for node in walk(function.body) if function is not None else ():
        match node:
            case nodes.Call(func=nodes.Attribute(attrname="cancel")):
                if _comes_from(facts, node.func.expr, spawn):
                    yield line_at(facts, node, "cancel")
            case nodes.Await(value=nodes.Call()):
                if any(_comes_from(facts, one, spawn) for one in node.value.args):
                    yield line_at(facts, node, "await")
                    yield from _takers(facts, node)
            case nodes.Call() if last_word(node.func) == "as_completed":
                if any(_comes_from(facts, one, spawn) for one in node.args):
                    yield line_at(facts, node, "await")


def _comes_from(facts: Facts, expression: nodes.NodeNG, spawn: Spawn) -> bool:
    found = facts.holders.spawns_of(facts.holders.origins(expression))
    return any(one.node is spawn.node for one in found) and expression is not spawn.node


def _steps_of_use(facts: Facts, use: Use, fallback: nodes.NodeNG | None) -> Iterator[Line]:
    kind = kind_of(use)
    node = use.target if use.target is not None and use.target.root() is facts.tree.module else fallback
    if kind not in _ENDS or node is None:
        return
    yield line_at(facts, node, _ENDS[kind])
    if kind is Kind.AWAIT:
        yield from _takers(facts, node)


def _takers(facts: Facts, waiting: nodes.NodeNG) -> Iterator[Line]:
    """What takes the cancellation that comes out of a wait for a cancelled task."""
    node, parent = waiting, waiting.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef | nodes.Lambda):
        match parent:
            case nodes.With() if node in parent.body:
                for context, _ in parent.items:
                    if facts.handlers.managers.suppressed(context).cancellation:
                        yield line_at(facts, context, "suppress")
            case nodes.Try() | nodes.TryStar() if node in parent.body:
                for handler in parent.handlers:
                    if facts.exceptions.caught(handler.type).cancellation:
                        yield line_at(facts, handler, "suppress")
                        break
        node, parent = parent, parent.parent


def _of_places(facts: Facts, spawn: Spawn, places: tuple[Place, ...], callers: Callers) -> Release:
    found = Release()
    for place in places:
        near, far, reason = _files(facts, place, callers)
        part = _merged([_in_module(facts, place, facts), *_in_files(facts, place, near, callers)])
        if not part.ends:
            part = _merged([part, *_in_files(facts, place, far, callers)])
        found = _merged([found, part, Release(reason=reason if not part.ends else "")])
    local = [step for use in facts.owners.of(spawn.value).uses for step in _steps_of_use(facts, use, use.target)]
    found = _merged([found, Release(_sorted(local))])
    if found.ends or long_lived_spawn(facts, spawn).is_no:
        return found
    return _merged([found, _requests(facts, spawn, callers)])


def _files(facts: Facts, place: Place, callers: Callers) -> tuple[list[Path], list[Path], str]:
    """The other files that may touch a slot: those that name its class or an instance of it, the rest, and a reason."""
    word = place.attribute if place.is_global else f".{place.attribute}"
    hits = callers.mentioning(path_of(facts), (word,))
    if hits is None:
        return [], [], "the project is too large to search"
    own = path_of(facts)
    hits = [(path, text) for path, text in hits if str(path) != own]
    if place.is_global:
        return [path for path, _ in hits[:_MAX_FILES]], [], ""
    hints = {*class_names(facts, place), *(one.name.rpartition(":")[2] for one in callers.instances(own, place.home))}
    near = [path for path, text in hits if any(hint in text for hint in hints)]
    far = [path for path, _ in hits if path not in set(near)]
    too_many = len(near) > _MAX_FILES or len(far) > _MAX_FILES
    return near[:_MAX_FILES], far[:_MAX_FILES], f"too many files mention '{word}'" if too_many else ""


def _in_files(facts: Facts, place: Place, paths: list[Path], callers: Callers) -> Iterator[Release]:
    for path in paths:
        other = callers.facts(path)
        if other is not None:
            yield _in_module(other, place, facts)


def _in_module(home: Facts, place: Place, facts: Facts) -> Release:
    """What one module does with a slot of the module that spawns."""
    is_foreign = home.module is not None and home.module.name != place.home if place.is_global else home is not facts
    steps: list[Line] = []
    unsure: list[Line] = []
    handed: list[Line] = []
    for touch in touches_in(home, place, facts.slots.lineage(place.home), is_foreign=is_foreign):
        function = enclosing_function(touch.node)
        if touch.kind in _ENDS:
            (steps if touch.sure else unsure).extend(_ends_at(home, touch.node, touch.kind))
        elif touch.kind in {Kind.CLEAR, Kind.REMOVE} and touch.sure and function is not None:
            if function.name not in ONCE and _empties(touch.node, touch.kind):
                steps.append(line_at(home, touch.node, "clear", _how_cleared(touch.node)))
        elif touch.kind is Kind.HANDED:
            handed.append(line_at(home, touch.node, "handed"))
    return Release(_sorted(steps), _sorted(unsure), _sorted(handed))


def _ends_at(home: Facts, node: nodes.NodeNG, kind: Kind) -> Iterator[Line]:
    """The lines at which the task that is read at a node is cancelled or waited for."""
    use = home.uses.of(node)
    uses = [use, *home.owners.aliases(node, use)] if use.names else [use]
    found = [step for one in uses if kind_of(one) is kind for step in _steps_of_use(home, one, node)]
    yield from found or [line_at(home, node, _ENDS[kind])]


def _empties(node: nodes.NodeNG, kind: Kind) -> bool:
    """Whether a slot is emptied for good: an item that is taken out for another use does not count."""
    method = node.parent
    return kind is Kind.CLEAR or (isinstance(method, nodes.Attribute) and method.attrname in {"clear", "discard"})


def _how_cleared(node: nodes.NodeNG) -> str:
    method = node.parent
    bound = isinstance(method, nodes.Attribute) and not isinstance(method.parent, nodes.Call | nodes.Expr)
    passed = (
        isinstance(method, nodes.Attribute) and isinstance(method.parent, nodes.Call) and method in method.parent.args
    )
    return "a finished task leaves the collection" if bound or passed else ""


def _requests(facts: Facts, spawn: Spawn, callers: Callers) -> Release:
    """The lines that ask the loop of a coroutine to end, by a flag, an event or a sentinel that it looks at."""
    signals = signals_of(facts, spawn)
    if not signals.words and not signals.reads_stream:
        return Release()
    note = "asks its loop to end"
    steps = [line_at(facts, node, "close", note) for _, node in request_nodes(facts, spawn.node, signals)]
    if not steps and signals.words:
        own = path_of(facts)
        near = callers.mentioning(own, tuple(sorted(f".{word}" for word in signals.words))) or []
        for path, text in near[:_MAX_FILES]:
            if str(path) != own and any(name in text for name in signals.owners):
                other = callers.facts(path)
                found = request_nodes(other, None, signals) if other is not None else ()
                steps += [line_at(other, node, "close", note) for _, node in found if other is not None]
    return Release(_sorted(steps))


def _merged(parts: Iterable[Release]) -> Release:
    found = list(parts)
    return Release(
        _sorted(step for part in found for step in part.steps),
        _sorted(step for part in found for step in part.unsure),
        _sorted(step for part in found for step in part.handed),
        next((part.reason for part in found if part.reason), ""),
    )


def _sorted(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines by file and line, each once."""
    return tuple(sorted(dict.fromkeys(lines), key=lambda line: (line.path, line.line, line.what)))


def guard_of(facts: Facts, spawn: Spawn, holds: Holds) -> tuple[Line | None, str]:
    """The line that keeps a second start from overwriting the first task; without one, why there is no second start."""
    function = enclosing_function(spawn.node)
    if len(holds.places) != 1 or function is None:
        return None, ""
    place = holds.places[0]
    store = next((use.target for use in facts.owners.of(spawn.value).uses if use.fate is Fate.KEPT), None)
    if store is None or enclosing_function(store) is not function:
        return None, ""
    if place.is_collection and not isinstance(store.parent, nodes.Subscript):
        return None, ""
    found = list(looks_before(facts, function, store, place, facts.slots.events(place)))
    if place.is_collection:
        found = [node for node in found if any(names_slot(one, place) for one in walk(_tested(node)))]
    if found:
        best = min(found, key=lambda node: (_guard_rank(node, place, store), node.lineno or 0))
        return line_at(facts, best.statement(), "guard", _guard_note(best, place)), ""
    once = runs_once(facts, function)
    return None, once.reason if once is not None and once.is_no else ""


def _guard_rank(node: nodes.NodeNG, place: Place, store: nodes.NodeNG) -> int:
    """How far a guard is from the slot: a test of the slot itself comes first, then one around the store."""
    tests = list(walk(_tested(node)))
    if any(names_slot(one, place) or _is_named(one, place) for one in tests):
        return 0
    if not tests:
        return 3
    return 1 if node.parent_of(store) else 2


def _is_named(node: nodes.NodeNG, place: Place) -> bool:
    """``hasattr(self, "_task")``."""
    return isinstance(node, nodes.Const) and node.value == place.attribute


def _tested(node: nodes.NodeNG) -> list[nodes.NodeNG]:
    match node:
        case nodes.If() | nodes.While() | nodes.Assert() | nodes.IfExp():
            return [node.test]
        case nodes.Match():
            return [node.subject]
    return []


def _guard_note(node: nodes.NodeNG, place: Place) -> str:
    tests = _tested(node)
    if tests:
        return f"tests '{' '.join(tests[0].as_string().split())}' before the store"
    if isinstance(node, nodes.Call):
        return f"calls '{dotted(node.func) or 'a function'}' before the store"
    return f"looks at '{place.name}' before the store"
