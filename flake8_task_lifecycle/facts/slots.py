"""The places that hold a task beyond the call that spawned it, and everything the project does with each.

A slot is an attribute of a class, a global of a module, or a collection held by one of these. Its events are plain
data: what happens to the task (or to the old one), in which function, where.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cache, cached_property, partial
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.computed import key_looked_up, may_name
from flake8_task_lifecycle.facts.families import ancestors, classes_of, related
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.model import Known, Span
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_TAKERS = frozenset({"pop", "popleft", "popitem", "get_nowait", "remove", "discard", "clear", "difference_update"}) | {
    "intersection_update",
    "symmetric_difference_update",
}
_COLLECTION_METHODS = frozenset(word for kind in (list, set, dict, deque, defaultdict) for word in dir(kind))
_ADDERS = frozenset({"append", "add", "insert", "appendleft", "extend", "extendleft", "update", "setdefault"})


class Kind(Enum):
    """What happens to what a slot holds."""

    CANCEL = "cancel"
    AWAIT = "await"
    REQUEST = "request"
    OBSERVE = "observe"
    CLEAR = "clear"
    STORE = "store"
    TEST = "test"
    HANDED = "handed"
    ADD = "add"
    REMOVE = "remove"


RELEASING = frozenset({Kind.CANCEL, Kind.AWAIT})


class SlotEvent(NamedTuple):
    """One event. ``function`` is the qualified name inside its module, "" at module level.

    ``sure``: the receiver is known to be the slot's owner; an unsure one may be. ``path`` is the other module's file,
    "" for the slot's own.
    """

    kind: Kind
    function: str
    span: Span
    path: str = ""
    sure: bool = True


class Place(NamedTuple):
    """Which slot: ``home`` is the qualified name of the class or module, ``name`` how the source writes it."""

    home: str
    attribute: str
    name: str
    is_global: bool = False
    is_collection: bool = False

    @property
    def owner(self) -> str:
        """The class or module by its own name."""
        return self.home.rpartition(".")[2] or "the module"


class Slot(NamedTuple):
    """A slot with its events in the module that spawns."""

    place: Place
    events: tuple[SlotEvent, ...]


class Slots:
    """The slots of one module."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._events: dict[Place, tuple[SlotEvent, ...]] = {}
        self.places = cache(self._places)
        self.released_in = cache(self._find_released_in)
        self.replaced_in = cache(self._find_replaced_in)

    def of(self, spawn: Spawn) -> Slot | None:
        """The slot that a spawn's task is put into; None when it is put into none, or into several."""
        places = self.places(spawn)
        if len(places) != 1:
            return None
        return Slot(places[0], self.events(places[0]))

    def _places(self, spawn: Spawn) -> tuple[Place, ...]:
        """Every slot that takes the task; a place that cannot be told is left out."""
        if spawn.scoped or spawn.form is Form.CALLBACK:
            return ()
        found = map(self.place_of, self._facts.owners.kept(spawn.value))
        return tuple(dict.fromkeys(place for place in found if place is not None))

    def place_of(self, use: Use) -> Place | None:
        """The slot that a use keeps its value in; None when it cannot be told."""
        target = use.target
        if target is None or target.root() is not self._facts.tree.module:
            return None
        in_collection = not isinstance(target, nodes.AssignAttr | nodes.AssignName)
        return self._place(target, in_collection)

    def _place(self, target: nodes.NodeNG, in_collection: bool) -> Place | None:
        facts = self._facts
        target = _container(target)
        match target:
            case nodes.AssignAttr() | nodes.Attribute():
                home = self._home(target.expr)
                if home is None:
                    return None
                return Place(home, target.attrname, dotted(target) or target.attrname, False, in_collection)
            case nodes.AssignName() | nodes.Name():
                binding = facts.names.binding(target, target.name)
                if binding is None:
                    return None
                if isinstance(binding.scope, nodes.Module):
                    home = facts.module.name if facts.module is not None else ""
                    return Place(home, target.name, target.name, True, in_collection)
                if isinstance(binding.scope, nodes.ClassDef):
                    return Place(facts.qualified(binding.scope), target.name, target.name, False, in_collection)
                values = [getattr(store.parent, "value", None) for store in binding.nodes]
                if len(values) == 1 and isinstance(values[0], nodes.Attribute) and in_collection:
                    return self._place(values[0], in_collection)
        return None

    def _home(self, receiver: nodes.NodeNG) -> str | None:
        """The class that holds an attribute of an object; None unless it is one class, and one of the project."""
        own = self._facts.evaluator.classes.of_self(receiver)
        if own is not None:
            return self._facts.qualified(own)
        names = classes_of(self._facts, receiver)
        if names is None or len(names) != 1:
            return None
        name = next(iter(names))
        if self._facts.class_named(name) is not None:
            return name
        return self._facts.world.ask(
            name, lambda home, node: home.qualified(node) if isinstance(node, nodes.ClassDef) else None
        )

    @cached_property
    def _lineages(self) -> dict[str, frozenset[str]]:
        return {}

    def lineage(self, home: str) -> frozenset[str]:
        """The qualified names of the class ``home`` and its bases."""
        if home not in self._lineages:
            found = self._facts.class_named(home)
            if found is not None:
                self._lineages[home] = ancestors(self._facts, found)
            else:
                asked = self._facts.world.ask(
                    home, lambda facts, node: ancestors(facts, node) if isinstance(node, nodes.ClassDef) else None
                )
                self._lineages[home] = asked or frozenset({home})
        return self._lineages[home]

    def events(self, place: Place) -> tuple[SlotEvent, ...]:
        """What the module that spawns does with a slot."""
        if place not in self._events:
            self._events[place] = tuple(events_in(self._facts, place, self.lineage(place.home)))
        return self._events[place]

    def _find_released_in(self, place: Place) -> frozenset[str]:
        """The functions that release what a slot holds; none where it is handed to somebody too."""
        own = self.events(place)
        if any(event.kind is Kind.HANDED for event in own):
            return frozenset()
        return frozenset(event.function for event in own if event.kind in RELEASING)

    def _find_replaced_in(self, place: Place) -> frozenset[str]:
        """The functions that put something else, or nothing, into a slot."""
        return frozenset(event.function for event in self.events(place) if event.kind in {Kind.CLEAR, Kind.STORE})

    def elsewhere(self, place: Place) -> tuple[SlotEvent, ...] | None:
        """What the project's other modules do with a slot; None when that cannot be told within the budget.

        A wide question: for a finding about to be reported only.
        """
        others = self._facts.world.mentioning(place.attribute)
        if others is None:
            return None
        lineage = self.lineage(place.home)
        return tuple(event for other in others for event in events_in(other, place, lineage, other.source.name))


def _container(target: nodes.NodeNG) -> nodes.NodeNG:
    """The collection at the root of ``jobs[key]`` and ``jobs.setdefault(key, [])``."""
    while True:
        match target:
            case nodes.Subscript():
                target = target.value
            case nodes.Call() if isinstance(target.func, nodes.Attribute) and target.func.attrname in {
                "setdefault",
                "get",
            }:
                target = target.func.expr
            case _:
                return target


class Touch(NamedTuple):
    """A node that names a slot, and what happens there. ``sure`` as for an event."""

    kind: Kind
    node: nodes.NodeNG
    sure: bool = True


def events_in(facts: Facts, place: Place, lineage: frozenset[str], path: str = "") -> Iterator[SlotEvent]:
    """What one module does with a slot, in no set order."""
    for touch in touches_in(facts, place, lineage, is_foreign=bool(path)):
        yield _event(facts, touch, path)


def touches_in(facts: Facts, place: Place, lineage: frozenset[str], *, is_foreign: bool) -> Iterator[Touch]:
    """The same with the nodes; ``is_foreign``: the module is not the one that spawns."""
    if place.is_global:
        yield from _touches_of_global(facts, place, is_foreign)
        return
    answers: dict[str, Known] = {}
    named = facts.attribute(place.attribute)
    found = [(order, node, known) for own, known in named.sharing(place.home, lineage) for order, node in own]
    for order, node in named.of_others:
        key = f"{dotted(node.expr)}@{qualified_name(node)}"
        if key not in answers or not dotted(node.expr):
            answers[key] = related(facts, node.expr, place.home, lineage, place.attribute)
        found.append((order, node, answers[key]))
    for _, node, known in sorted(found, key=itemgetter(0)):
        if known is not Known.NO and not is_other_thing(facts, place, node):
            for kind in _kinds(facts, place, node):
                yield Touch(kind, node, known is Known.YES)
    yield from _by_name(facts, place)


def is_other_thing(facts: Facts, place: Place, load: nodes.NodeNG) -> bool:
    """Whether an attribute of a collection's name is another thing: a method of it is called that no collection has.

    Of a collection that is not known to be of a builtin class nothing is said.
    """
    method = load.parent
    is_called = isinstance(method, nodes.Attribute) and isinstance(method.parent, nodes.Call)
    if not is_called or method.parent.func is not method or method.attrname in _COLLECTION_METHODS:
        return False
    return place.is_collection and not place.is_global and _is_builtin(facts, place)


def _is_builtin(facts: Facts, place: Place) -> bool:
    question = partial(_binds_builtins, attribute=place.attribute)
    owner = facts.class_named(place.home)
    return question(facts, owner) if owner is not None else bool(facts.world.ask(place.home, question))


def _binds_builtins(facts: Facts, owner: nodes.NodeNG, attribute: str) -> bool:
    if not isinstance(owner, nodes.ClassDef):
        return False
    values = [getattr(store.parent, "value", None) for store in facts.evaluator.classes.stores(owner, attribute)]
    made = [known_names(facts.evaluator.of(value), instance=True) for value in values if value is not None]
    return bool(made) and all(one is not None and one <= library.CONTAINER_CLASSES for one in made)


def _touches_of_global(facts: Facts, place: Place, is_foreign: bool) -> Iterator[Touch]:
    if not is_foreign:
        for name in facts.plain_names.of(place.attribute):
            binding = facts.names.binding(name, name.name)
            if binding is None or isinstance(binding.scope, nodes.Module):
                for kind in _kinds(facts, place, name):
                    yield Touch(kind, name)
        return
    for node in [
        *facts.tree.attribute_loads.get(place.attribute, ()),
        *facts.tree.attribute_stores.get(place.attribute, ()),
    ]:
        names = classes_of(facts, node.expr)
        if names is not None and place.home in names:
            for kind in _kinds(facts, place, node):
                yield Touch(kind, node)
    for name in facts.plain_names.of(place.attribute):
        if _is_imported(facts, name, place):
            for kind in _kinds(facts, place, name):
                yield Touch(kind, name)


def _is_imported(facts: Facts, name: nodes.NodeNG, place: Place) -> bool:
    binding = facts.names.binding(name, name.name)
    return binding is not None and any(
        isinstance(store, nodes.ImportFrom) and place.home.endswith(store.modname.rpartition(".")[2])
        for store in binding.nodes
    )


def _by_name(facts: Facts, place: Place) -> Iterator[Touch]:
    """``getattr(self, "_task")``, ``getattr(self, name)`` over names, ``self.__dict__``: readers that nobody sees."""
    for word in ("getattr", "attrgetter", "delattr", "vars"):
        for call in facts.tree.calls.get(word, ()):
            position = 0 if word == "attrgetter" else 1
            given = call.args[position] if len(call.args) > position else None
            text = given.value if isinstance(given, nodes.Const) else None
            named = isinstance(text, str)
            if isinstance(text, str) and place.attribute not in text.split("."):
                continue
            if word == "vars":
                given = key_looked_up(call)
            if word in {"getattr", "vars"} and given is not None and not may_name(facts, given, place.attribute):
                continue
            receiver = call.args[0] if call.args and word != "attrgetter" else None
            if receiver is not None and not named and not _may_hold(facts, receiver, place):
                continue
            yield Touch(Kind.HANDED, call, sure=False)
    for node in facts.tree.attribute_loads.get("__dict__", ()):
        key = key_looked_up(node)
        if _may_hold(facts, node.expr, place) and (key is None or may_name(facts, key, place.attribute)):
            yield Touch(Kind.HANDED, node, sure=False)


def _may_hold(facts: Facts, receiver: nodes.NodeNG, place: Place) -> bool:
    owner = facts.evaluator.classes.of_self(receiver)
    return owner is not None and facts.qualified(owner) == place.home


def _event(facts: Facts, touch: Touch, path: str) -> SlotEvent:
    function = enclosing_function(touch.node)
    name = qualified_name(function) if function is not None else ""
    return SlotEvent(touch.kind, name, facts.source.span_of(touch.node), path, touch.sure)


def _kinds(facts: Facts, place: Place, node: nodes.NodeNG) -> Iterable[Kind]:
    """What happens at one node that names the slot."""
    match node:
        case nodes.DelAttr() | nodes.DelName():
            return (Kind.CLEAR, Kind.REMOVE) if place.is_collection else (Kind.CLEAR,)
        case nodes.AssignAttr() | nodes.AssignName():
            return _kinds_of_store(node)
    kinds: set[Kind] = set()
    if place.is_collection:
        kinds |= _kinds_in_collection(node)
        if _is_target(node):
            return kinds
    use = facts.uses.of(node)
    uses = [use, *facts.owners.aliases(node, use)] if use.names else [use]
    for one in uses:
        kind = kind_of(one)
        if kind is not None:
            kinds.add(kind)
    return sorted(kinds or {Kind.TEST}, key=lambda kind: kind.value)


def kind_of(use: Use) -> Kind | None:
    """What a use does to the task that it takes; None for what does nothing to it."""
    match use.fate:
        case Fate.AWAITED:
            return Kind.AWAIT
        case Fate.RELEASED:
            method = last_word(use.target) if use.target is not None and not use.by_canceller else "cancel"
            return Kind.OBSERVE if method in {"result", "exception"} else Kind.CANCEL
        case Fate.KEPT | Fate.CALLER | Fate.HANDED:
            return Kind.HANDED
    return None


def _kinds_of_store(node: nodes.NodeNG) -> tuple[Kind, ...]:
    statement = node.parent
    if isinstance(statement, nodes.AnnAssign) and statement.value is None:
        return ()
    if isinstance(statement, nodes.AugAssign):
        return (Kind.REMOVE,) if statement.op in {"-=", "&=", "^="} else (Kind.ADD,)
    value = getattr(statement, "value", None)
    empty = isinstance(value, nodes.Const) and value.value is None
    if isinstance(value, nodes.Tuple):
        empty = all(isinstance(one, nodes.Const) or one is node for one in value.elts)
    return (Kind.CLEAR,) if empty else (Kind.STORE,)


def _kinds_in_collection(node: nodes.NodeNG) -> set[Kind]:
    inner = node
    while isinstance(inner.parent, nodes.Subscript) and inner.parent.value is inner:
        inner = inner.parent
        if isinstance(inner.parent, nodes.Delete):
            return {Kind.REMOVE}
        if isinstance(inner.parent, nodes.Assign) and inner in inner.parent.targets:
            return {Kind.REMOVE} if isinstance(inner.slice, nodes.Slice) else {Kind.ADD}
    method = inner.parent
    if isinstance(method, nodes.Attribute) and method.expr is inner:
        if method.attrname in _TAKERS or _is_queue_get(method):
            return {Kind.REMOVE}
        if method.attrname in _ADDERS:
            return {Kind.ADD}
    return set()


def _is_queue_get(method: nodes.Attribute) -> bool:
    """``queue.get()``: with an argument it is a dictionary's, which takes nothing out."""
    call = method.parent
    return method.attrname == "get" and isinstance(call, nodes.Call) and not (call.args or call.keywords)


def _is_target(node: nodes.NodeNG) -> bool:
    """Whether the node is the collection of a subscript that is assigned to or deleted."""
    while isinstance(node.parent, nodes.Subscript) and node.parent.value is node:
        node = node.parent
    statement = node.parent
    return isinstance(statement, nodes.Delete) or (
        isinstance(statement, nodes.Assign) and any(node is target for target in statement.targets)
    )
