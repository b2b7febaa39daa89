"""Whether anything in the project calls or registers the method that releases a task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import decorator_names, is_abstract
from flake8_task_lifecycle.facts.families import has_outside_base
from flake8_task_lifecycle.facts.repeats import stands_for
from flake8_task_lifecycle.facts.requests import requests_in, signals_of
from flake8_task_lifecycle.facts.slots import RELEASING, Kind, Place
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.model import Evidence, Known, Span
from flake8_task_lifecycle.names import enclosing_class, enclosing_function, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_PLAIN = frozenset({"staticmethod", "classmethod", "override", "final", "deprecated", "typechecked"})
_CALLED_BY_NAME = re.compile(
    r"__\w+__\Z|_*(?:on|handle|test)_|main\Z|lifespan|(?:cog|component)_|teardown|connection_lost"
)
_MAX_DEPTH = 4


class Unreached(NamedTuple):
    """A task whose releasing methods are reached by nothing. ``release`` is the first of them."""

    span: Span
    name: str
    coroutine: str
    release: str
    qualname: str
    evidence: tuple[Evidence, ...]


def unreached(facts: Facts) -> Iterator[Unreached]:
    """The slots whose task could be released, but by methods alone that nothing calls; at the first such store."""
    told: set[Place] = set()
    for spawn in facts.spawns.all():
        places = facts.held.held_only(spawn)
        if len(places) != 1 or told.intersection(places):
            continue
        releases = _releases(facts, spawn, places[0])
        if not releases or any(_is_reached(home, one, _MAX_DEPTH, frozenset()) for home, one in releases):
            continue
        if facts.held.swept():
            continue
        told.update(places)
        home, release = releases[0]
        yield Unreached(
            facts.source.span_of(spawn.node),
            places[0].name,
            facts.coroutines.name(spawn.coroutine),
            qualified_name(release),
            qualified_name(spawn.node),
            (facts.evidence(spawn.node, "spawned here"), home.evidence(release, "releases it, and is never called")),
        )


def _releases(facts: Facts, spawn: Spawn, place: Place) -> list[tuple[Facts, nodes.FunctionDef]]:
    """The functions that release what a slot holds; none when that cannot be told."""
    own = facts.slots.events(place)
    released = facts.slots.released_in(place)
    if not released or any(_is_reached_here(facts, name) for name in released):
        return []
    signals = signals_of(facts, spawn)
    asked = set(requests_in(facts, spawn.node, signals))
    others = facts.slots.elsewhere(place)
    if others is None or any(event.kind is Kind.HANDED for event in others) or not asked <= released:
        return []
    for word in sorted(signals.words):
        modules = facts.world.mentioning(word)
        if modules is None or any(True for other in modules for _ in requests_in(other, None, signals)):
            return []
    found: list[tuple[Facts, nodes.FunctionDef]] = []
    for path, name in sorted({(event.path, event.function) for event in (*own, *others) if event.kind in RELEASING}):
        home = _facts_at(facts, path)
        function = _function(home, name) if home is not None else None
        if home is None or function is None:
            return []
        found.append((home, function))
    return found


def _is_reached_here(facts: Facts, name: str) -> bool:
    """Whether a release needs no further search: it is no method that only a call by its name could reach."""
    function = _function(facts, name)
    return function is None or _is_called_by_others(facts, function)


def _facts_at(facts: Facts, path: str) -> Facts | None:
    if not path:
        return facts
    project = facts.world.project
    return facts.world.facts(project.module_at(Path(path))) if project is not None else None


def _function(facts: Facts, name: str) -> nodes.FunctionDef | None:
    found = facts.functions_named(name)
    return found[0] if len(found) == 1 else None


def _is_called_by_others(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether something that the project does not show may call a function: by its name, decorator or base class."""
    if enclosing_function(function) is not None or _CALLED_BY_NAME.match(function.name):
        return True
    if not _PLAIN.issuperset(decorator_names(function)):
        return True
    owner = enclosing_class(function)
    return owner is not None and has_outside_base(facts, owner)


def _is_reached(facts: Facts, function: nodes.FunctionDef, depth: int, seen: frozenset[str]) -> bool:
    """Whether a function is called or registered somewhere, or that cannot be told.

    A call by another method of the same object counts only as far as that method is reached itself.
    """
    name = facts.qualified(function)
    if depth == 0 or _is_called_by_others(facts, function):
        return True
    others = None if _is_looked_up(facts, function) else facts.world.mentioning(function.name)
    if others is None:
        return True
    relays: list[tuple[Facts, nodes.FunctionDef]] = []
    for other in [facts, *(one for one in others if one is not facts)]:
        if function.name in other.quoted:
            return True
        for node in _mentions(other, function):
            known = _may_be(facts, function, other, node)
            if not known:
                continue
            caller = enclosing_function(node)
            is_call = isinstance(node.parent, nodes.Call) and node.parent.func is node
            if caller is None or not is_call or not _is_relay(other, caller, facts, function):
                return True
            relays.append((other, caller))
    return any(
        _is_reached(other, caller, depth - 1, seen | {name})
        for other, caller in relays
        if other.qualified(caller) not in seen | {name}
    )


def _is_looked_up(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether its module looks methods up by names that it makes: ``getattr(self, name)``, ``inspect.getmembers``."""
    calls = facts.tree.calls
    if calls.get("getmembers") or calls.get("dir") or calls.get("methodcaller"):
        return True
    looked_up = (call.args[1] for call in calls.get("getattr", ()) if len(call.args) > 1)
    if enclosing_class(function) is not None and not all(isinstance(name, nodes.Const) for name in looked_up):
        return True
    prefix, underscore, _ = function.name.strip("_").partition("_")
    start = re.compile(rf"""["']{re.escape(prefix)}_(?:["'{{%]|$)""") if underscore else None
    return start is not None and any(prefix in line and start.search(line) for line in facts.source.lines)


def _mentions(facts: Facts, function: nodes.FunctionDef) -> Iterator[nodes.NodeNG]:
    yield from facts.tree.attribute_loads.get(function.name, ())
    if enclosing_class(function) is None:
        words = {function.name, *(alias for alias, original in facts.tree.aliases if original == function.name)}
        for word in sorted(words):
            yield from (one for one in facts.plain_names.of(word) if isinstance(one, nodes.Name))


def _may_be(facts: Facts, function: nodes.FunctionDef, other: Facts, node: nodes.NodeNG) -> bool:
    """Whether a name or attribute stands for the function, perhaps by what only promises it: an abstract method."""
    if stands_for(facts, function, other, node) is not Known.NO:
        return True
    return any(
        isinstance(value, Definition | External) and ask(other, value, lambda _, one: is_abstract(one)) is True
        for value in other.evaluator.of(node)
    )


def _is_relay(other: Facts, caller: nodes.FunctionDef, facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a caller is a method of the same class, or of one below or above it."""
    one, home = enclosing_class(caller), enclosing_class(function)
    return (
        one is not None
        and home is not None
        and (one in facts.evaluator.classes.hierarchy(home) or home in other.evaluator.classes.hierarchy(one))
    )
