"""Who reads what holds a task: every read, in the project, of an attribute, a global or a closure variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.families import classes_of, related
from flake8_task_lifecycle.facts.reaching import is_replaced
from flake8_task_lifecycle.facts.slots import Place, is_other_thing
from flake8_task_lifecycle.facts.targets import bound_calls
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import FlowTooLarge, walk
from flake8_task_lifecycle.model import Known
from flake8_task_lifecycle.names import enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Load = tuple["Facts", nodes.NodeNG]
_ELEMENTS = frozenset({"pop", "popleft", "get", "copy", "values", "setdefault"})
_LISTS = frozenset({"list", "tuple", "set", "frozenset", "sorted", "iter", "reversed", "enumerate", "chain"})
_DICTIONARIES = frozenset({"dict", "defaultdict", "OrderedDict"})


class Held(NamedTuple):
    """What holds a task, by its last word: a ``place``, a variable of ``scope``, or an attribute of some object."""

    name: str
    place: Place | None = None
    scope: nodes.LocalsDictNodeNG | None = None


def held_by(facts: Facts, use: Use) -> Held | None:
    """What a use keeps its value in; None when it cannot be told."""
    target = use.target
    if target is None:
        return None
    while isinstance(target, nodes.Subscript):
        target = target.value
    place = facts.slots.place_of(use)
    if place is not None:
        return Held(place.attribute, place)
    match target:
        case nodes.AssignAttr() | nodes.Attribute():
            return Held(target.attrname)
        case nodes.AssignName() | nodes.Name():
            binding = facts.names.binding(target, target.name)
            if binding is not None and isinstance(binding.scope, nodes.FunctionDef):
                return Held(target.name, scope=binding.scope)
    return None


def loads_of(facts: Facts, held: Held) -> Iterator[Load]:
    """The reads in the module that spawns, and whatever may be one."""
    if held.scope is not None or (held.place is not None and held.place.is_global):
        for name in facts.plain_names.of(held.name):
            binding = facts.names.binding(name, name.name) if isinstance(name, nodes.Name) else None
            if binding is not None and (binding.scope is held.scope or _is_global(held, binding.scope)):
                yield facts, name
        return
    for attribute in facts.tree.attribute_loads.get(held.name, ()):
        if isinstance(attribute, nodes.Attribute) and _may_be(facts, facts, attribute.expr, held):
            yield facts, attribute


def _is_global(held: Held, scope: nodes.NodeNG) -> bool:
    return held.place is not None and isinstance(scope, nodes.Module)


def _may_be(facts: Facts, home: Facts, receiver: nodes.NodeNG, held: Held) -> bool:
    place = held.place
    if place is None:
        return True
    if is_other_thing(facts, place, receiver.parent):
        return False
    return related(home, receiver, place.home, facts.slots.lineage(place.home), place.attribute) is not Known.NO


def loads_elsewhere(facts: Facts, held: Held) -> list[Load] | None:
    """The reads in the other modules of the project; None when they cannot all be seen. A wide question."""
    if held.scope is not None:
        return []
    is_global = held.place is not None and held.place.is_global
    others = facts.world.mentioning(held.name if is_global else f".{held.name}")
    if others is None:
        return None
    return [load for other in others for load in _foreign(facts, other, held, is_global)]


def is_of_another(load: Load) -> bool:
    """Whether a read stands on an object that its function makes for itself and gives to nobody."""
    facts, attribute = load
    receiver = attribute.expr if isinstance(attribute, nodes.Attribute) else None
    function = enclosing_function(attribute)
    if not isinstance(receiver, nodes.Name) or function is None or receiver.name not in function.locals:
        return False
    frame = facts.frame(function)
    reads = [*frame.loads[receiver.name], *(one for one, _ in frame.captured[receiver.name])]
    return (
        all(isinstance(read.parent, nodes.Attribute) for read in reads)
        and not frame.all_names_read
        and bool(made := bound_calls(facts, receiver))
        and all(_is_constructor(facts, call) for call in made)
    )


def _is_constructor(facts: Facts, call: nodes.NodeNG) -> bool:
    values = facts.evaluator.of(call.func)
    return bool(values) and all(
        (isinstance(value, Definition) and isinstance(value.node, nodes.ClassDef))
        or (isinstance(value, External) and facts.world.is_class(value.name))
        for value in values
    )


def _foreign(facts: Facts, other: Facts, held: Held, is_global: bool) -> Iterator[Load]:
    for name in other.plain_names.of(held.name) if is_global else ():
        binding = other.names.binding(name, name.name) if isinstance(name, nodes.Name) else None
        if binding is not None and any(isinstance(node, nodes.ImportFrom) for node in binding.nodes):
            yield other, name
    for attribute in other.tree.attribute_loads.get(held.name, ()):
        if not isinstance(attribute, nodes.Attribute):
            continue
        if is_global:
            names = classes_of(other, attribute.expr)
            if names is None or (held.place is not None and held.place.home in names):
                yield other, attribute
        elif _may_be(facts, other, attribute.expr, held):
            yield other, attribute


class Read(NamedTuple):
    """One read of the task, and what is done with it there."""

    facts: Facts
    load: nodes.NodeNG
    use: Use

    @property
    def method(self) -> str:
        """The method of the task that is called or passed on, "" for other reads."""
        found = self.attribute
        return str(found.attrname) if found is not None else ""

    @property
    def attribute(self) -> nodes.Attribute | None:
        """The attribute that is read of the task itself, not of a collection or record that it is taken from."""
        node = self.load
        while True:
            parent = node.parent
            if isinstance(parent, nodes.Subscript) and parent.value is node:
                node = parent
                continue
            if not isinstance(parent, nodes.Attribute) or parent.expr is not node:
                return None
            call = parent.parent
            if isinstance(call, nodes.Call) and call.func is parent and parent.attrname in _ELEMENTS:
                node = call
            elif isinstance(call, nodes.Attribute | nodes.Subscript):
                node = parent
            else:
                return parent


def is_target(load: nodes.NodeNG) -> bool:
    """Whether a read only says where to store: ``self._tasks[key] = ...``, ``del self._tasks[key]``."""
    node = load
    while isinstance(node.parent, nodes.Subscript) and node.parent.value is node:
        node = node.parent
    parent = node.parent
    if isinstance(parent, nodes.Assign):
        return node in parent.targets
    if isinstance(parent, nodes.AnnAssign | nodes.AugAssign):
        return node is parent.target
    return isinstance(parent, nodes.Delete)


def narrowed(facts: Facts, load: nodes.NodeNG) -> Use:
    """The use of a read; a loop over a dictionary's items gives the tasks second, one over its keys gives none.

    Where the tasks are the keys, they come first, and its values give none.
    """
    if _gives_keys(facts, load):
        return Use(Fate.FORGOTTEN)
    method = load.parent
    call = method.parent if isinstance(method, nodes.Attribute) and method.expr is load else None
    if isinstance(call, nodes.Call) and call.func is method:
        place = 0 if facts.holders.has_tasks_as_keys(load) else 1
        if method.attrname == ("keys" if place else "values"):
            return Use(Fate.FORGOTTEN)
        if method.attrname == "items":
            outer = call.parent
            while isinstance(outer, nodes.Call):
                outer = outer.parent
            target = outer.target if isinstance(outer, nodes.For | nodes.Comprehension) else None
            if isinstance(outer, nodes.For) and isinstance(target, nodes.Tuple) and len(target.elts) == 2:
                names = [node.name for node in walk([target.elts[place]]) if isinstance(node, nodes.AssignName)]
                return Use(Fate.BOUND, names=frozenset(names))
    return facts.uses.of(load)


def _gives_keys(facts: Facts, load: nodes.NodeNG) -> bool:
    """Whether a dictionary of tasks is gone over as it stands: ``for name in list(self._tasks)``."""
    if not isinstance(load, nodes.Attribute) or not facts.holders.maps_to_tasks(load.attrname):
        return False
    classes = facts.evaluator.classes
    owner = classes.of_self(load.expr)
    if owner is None or not any(map(_is_dictionary, classes.stores(owner, load.attrname))):
        return False
    node = load
    while (
        isinstance(node.parent, nodes.Call) and node is not node.parent.func and last_word(node.parent.func) in _LISTS
    ):
        node = node.parent
    loop = node.parent
    return node is not load or (isinstance(loop, nodes.For | nodes.Comprehension) and loop.iter is node)


def _is_dictionary(store: nodes.NodeNG) -> bool:
    value = getattr(store.parent, "value", None)
    return isinstance(value, nodes.Dict) or (isinstance(value, nodes.Call) and last_word(value.func) in _DICTIONARIES)


def followed(facts: Facts, function: nodes.FunctionDef, names: frozenset[str]) -> list[Read]:
    """The reads of the locals that hold the task, in their function and in what it nests."""
    frame, found = facts.frame(function), []
    waiting, seen = sorted(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for load in [*frame.loads[name], *(load for load, _ in frame.captured[name])]:
            if is_target(load):
                continue
            use = narrowed(facts, load)
            found.append(Read(facts, load, use))
            if enclosing_function(load) is function:
                waiting += sorted(use.names)
    return found


def may_give(facts: Facts, value: nodes.NodeNG, read: nodes.NodeNG) -> bool:
    """Whether a read of the locals around a task may give it: not when another one has taken its place by then."""
    function = enclosing_function(value)
    if function is None or enclosing_function(read) is not function:
        return True
    try:
        tasks = {spawn.value for spawn in facts.spawns.inside(function)}
        return not is_replaced(facts.graph(function), value, read, tasks)
    except FlowTooLarge:
        return True
