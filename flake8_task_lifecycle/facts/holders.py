"""What an expression that reads a task is another name of, and which spawns end up there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.facts.values import NONE, Definition, External, Instance, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 12
# Methods of a collection whose result holds, or is, what the collection holds.
_ELEMENT_METHODS = frozenset(
    {"copy", "values", "items", "pop", "popleft", "popitem", "get", "union", "difference", "intersection"}
)
# Those of a mapping that give its values and never its keys.
_VALUES = frozenset({"values", "get", "pop"})
# Calls that give something whose cancel() is another matter.
_OTHER_CANCELLABLES = frozenset(
    {"call_later", "call_at", "call_soon", "call_soon_threadsafe", "create_future", "Future", "run_in_executor"}
    | {"submit", "Timer", "run_coroutine_threadsafe", "CancelScope"}
)
_NO_EVIDENCE = frozenset({Form.THREADSAFE, Form.SHIELD, Form.CALLBACK, Form.SCOPED})


class Holder(NamedTuple):
    """A place that holds tasks: a variable of ``scope``, an attribute, or an item under a literal key.

    ``name`` is the dotted text. ``scope`` of an attribute is the class of the object that has it, None when that is
    not known.
    """

    name: str
    scope: nodes.NodeNG | None
    is_attribute: bool

    @property
    def attribute(self) -> str:
        """The attribute's own name, the variable's, or the key in its brackets."""
        return self.name[self.name.index("[") :] if self.name.endswith("]") else self.name.rpartition(".")[2]


class Origins(NamedTuple):
    """Where an expression's value comes from: the places that hold it, and the spawns that stand in it.

    ``passing`` are the names that only pass through a loop or comprehension around the expression.
    """

    holders: frozenset[Holder]
    spawns: tuple[Spawn, ...]
    passing: frozenset[Holder]


class Holders:
    """The places that hold the tasks of one module."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._variables: dict[Holder, list[Spawn]] | None = None
        self._attributes: dict[str, dict[nodes.ClassDef | None, list[tuple[int, Spawn]]]] = {}
        self._kept = count()
        self._mappings: set[str] = set()
        self._keyed: set[str] = set()
        self._unkeyed: set[str] = set()

    def of(self, expression: nodes.NodeNG) -> Holder | None:
        """The place that an expression names; None for what is no name or attribute."""
        match expression:
            case nodes.Name() | nodes.AssignName() | nodes.DelName():
                binding = self._facts.names.binding(expression, expression.name)
                return Holder(expression.name, binding.scope, False) if binding is not None else None
            case nodes.Attribute() | nodes.AssignAttr() | nodes.DelAttr():
                text = dotted(expression)
                return Holder(text, self._class_of(expression.expr), True) if text else None
            case nodes.Subscript():
                text = item_text(expression)
                return Holder(text, None, True) if text else None
        return None

    def _class_of(self, receiver: nodes.NodeNG) -> nodes.ClassDef | None:
        """The class of this module that a receiver is known to be an object of."""
        own = self._facts.evaluator.classes.of_self(receiver)
        if own is not None:
            return own
        known = [value for value in self._facts.evaluator.of(receiver) if value != NONE]
        match known:
            case [Instance(Definition(node)) | Definition(node)] if isinstance(node, nodes.ClassDef):
                return node
        return None

    def origins(self, expression: nodes.NodeNG) -> Origins:
        """The places that the value of an expression can come from, through locals, loops and copies."""
        holders: dict[Holder, None] = {}
        passing: set[Holder] = set()
        spawns: list[Spawn] = []
        seen: set[nodes.NodeNG] = set()

        def follow(node: nodes.NodeNG | None, depth: int) -> None:
            if node is None or node in seen or depth > _MAX_DEPTH:
                return
            seen.add(node)
            holder = self.of(node)
            if holder is not None:
                holders[holder] = None
            if isinstance(node, nodes.Name) and holder is not None and _loop_target(node) is not None:
                passing.add(holder)
            if isinstance(node, nodes.Call) and (spawn := self._facts.spawns.of(node)) is not None:
                spawns.append(spawn)
                return
            for source in self._sources(node):
                follow(source, depth + 1)

        follow(expression, 0)
        return Origins(frozenset(holders), tuple(spawns), frozenset(passing))

    def spawns_of(self, origins: Origins) -> list[Spawn]:
        """The spawns whose task an expression with these origins can be."""
        places = sorted(origins.holders - origins.passing, key=lambda holder: holder.name)
        found = [*origins.spawns, *(spawn for holder in places for spawn in self.spawns(holder))]
        unique = {spawn.node: spawn for spawn in found if spawn.form not in _NO_EVIDENCE}
        return list(unique.values())

    def _sources(self, node: nodes.NodeNG) -> Iterable[nodes.NodeNG | None]:
        match node:
            case nodes.Name():
                return self._bound_to(node)
            case nodes.Subscript() if self.has_tasks_as_keys(node.value):
                return ()
            case nodes.Subscript() | nodes.Starred() | nodes.NamedExpr():
                return (node.value,)
            case nodes.Await():
                return (_awaited_wait(self._facts, node),)
            case nodes.Tuple() | nodes.List() | nodes.Set():
                return list(node.elts)
            case nodes.Dict():
                return [value for _, value in node.items]
            case nodes.IfExp():
                return (node.body, node.orelse)
            case nodes.BoolOp():
                return list(node.values)
            case nodes.BinOp():
                return (node.left, node.right)
            case nodes.ListComp() | nodes.SetComp() | nodes.GeneratorExp():
                return (node.elt,)
            case nodes.DictComp():
                return (node.value,)
            case nodes.Call():
                return self._call_sources(node)
        return ()

    def _call_sources(self, call: nodes.Call) -> Iterable[nodes.NodeNG]:
        function = call.func
        if isinstance(function, nodes.Attribute) and function.attrname in _ELEMENT_METHODS:
            return () if function.attrname in _VALUES and self.has_tasks_as_keys(function.expr) else (function.expr,)
        names = known_names(self._facts.evaluator.of(function), instance=False)
        if names is not None and names <= library.TRANSPARENT:
            return list(call.args)
        return ()

    def _bound_to(self, name: nodes.Name) -> Iterator[nodes.NodeNG | None]:
        loop = _loop_target(name)
        binding = self._facts.names.binding(name, name.name)
        stores = [loop] if loop is not None else binding.nodes if binding is not None else ()
        for store in stores:
            if isinstance(store, nodes.AssignName) and not self._is_value_of_key(store):
                yield from bound_values(store)

    def _is_value_of_key(self, store: nodes.AssignName) -> bool:
        """Whether a store takes the second of the pairs of a mapping whose keys are tasks."""
        pair = store.parent
        if not isinstance(pair, nodes.Tuple) or pair.elts.index(store) == 0:
            return False
        items = next(bound_values(store), None)
        while isinstance(items, nodes.Call) and items.args:
            items = items.args[0]
        return (
            isinstance(items, nodes.Call)
            and isinstance(items.func, nodes.Attribute)
            and items.func.attrname in {"items", "popitem"}
            and self.has_tasks_as_keys(items.func.expr)
        )

    def spawns(self, holder: Holder) -> list[Spawn]:
        """The spawns whose task is put there; none when something that is no task is put there too."""
        self._index()
        assert self._variables is not None
        if not holder.is_attribute:
            found = self._variables.get(holder, [])
            return [] if found and self._variable_holds_others(holder) else found
        kept = self._attributes.get(holder.attribute, {})
        homes = [None, *self.family(holder.scope)] if isinstance(holder.scope, nodes.ClassDef) else list(kept)
        places = [one for home in dict.fromkeys(homes) for one in kept.get(home, ())]
        found = [spawn for _, spawn in sorted(places, key=itemgetter(0))]
        return [] if found and self._holds_others(holder) else found

    def family(self, owner: nodes.ClassDef) -> list[nodes.ClassDef]:
        """The class, its bases and its subclasses in this module."""
        classes = self._facts.evaluator.classes
        return [*classes.hierarchy(owner), *classes.subclasses(owner)]

    def _holds_others(self, holder: Holder) -> bool:
        """Whether a store to an attribute of this name puts something there that is known to be no task."""
        classes = self._facts.evaluator.classes
        stores: Iterable[nodes.AssignAttr] = self._facts.tree.attribute_stores.get(holder.attribute, ())
        if isinstance(holder.scope, nodes.ClassDef):
            own = (store for home in self.family(holder.scope) for store in classes.stores(home, holder.attribute))
            stores = [*classes.foreign_stores(holder.attribute), *own]
        return any(self._is_other(value) for store in stores for value in bound_values(store) if value is not None)

    def _variable_holds_others(self, holder: Holder) -> bool:
        stores = holder.scope.locals.get(holder.name, ()) if isinstance(holder.scope, nodes.LocalsDictNodeNG) else ()
        values = [value for store in stores if isinstance(store, nodes.AssignName) for value in bound_values(store)]
        return any(self._is_other(value) for value in values if value is not None)

    def _is_other(self, value: nodes.NodeNG) -> bool:
        if isinstance(value, nodes.Call) and last_word(value.func) in _OTHER_CANCELLABLES:
            return True
        for one in self._facts.evaluator.of(value):
            match one:
                case Instance(Definition(node)) if isinstance(node, nodes.ClassDef):
                    return True
                case Instance(External(name)) if name not in library.FUTURE_CLASSES | library.CONTAINER_CLASSES:
                    return True
        return False

    def _index(self) -> None:
        if self._variables is not None:
            return
        self._variables = defaultdict(list)
        for spawn in self._facts.spawns.all():
            if spawn.form in _NO_EVIDENCE:
                continue
            use = self._facts.uses.of(spawn.value)
            uses = [use, *self._facts.owners.aliases(spawn.value, use)]
            for name in sorted({name for one in uses for name in one.names}):
                self._put(self._variable(spawn.value, name), spawn)
            for one in uses:
                if one.by_key:
                    self._keyed |= one.names or {_last_name(one.holder)}
                if one.fate is Fate.KEPT:
                    self._unkeyed |= set() if one.by_key else {_last_name(one.holder)}
                    self._keep(one, spawn)
                    self._keep_item(one, spawn)

    def _variable(self, node: nodes.NodeNG, name: str) -> Holder | None:
        binding = self._facts.names.binding(node, name)
        return Holder(name, binding.scope, False) if binding is not None else None

    def _put(self, holder: Holder | None, spawn: Spawn) -> None:
        assert self._variables is not None
        if holder is not None and spawn not in self._variables[holder]:
            self._variables[holder].append(spawn)

    def _keep(self, use: Use, spawn: Spawn) -> None:
        kind, colon, name = use.holder.partition(":")
        if colon and kind in {"global", "closure", "collection"}:
            holder = self._variable(spawn.value, name)
            self._put(holder, spawn)
            binding = self._facts.names.binding(spawn.value, name)
            for store in binding.nodes if binding is not None and kind == "collection" else ():
                for value in bound_values(store) if isinstance(store, nodes.AssignName) else ():
                    if isinstance(value, nodes.Attribute) and dotted(value):
                        self._keep(Use(Fate.KEPT, dotted(value)), spawn)
        elif not colon and "." in name + use.holder:
            text = use.holder
            function = enclosing_function(spawn.value)
            owner = None
            if function is not None and text.count(".") == 1:
                owner = self._own_class(function, text.partition(".")[0])
            if owner is None and isinstance(use.target, nodes.AssignAttr):
                owner = self._class_of(use.target.expr)
            attribute = text.rpartition(".")[2]
            self._keep_under(attribute, owner, spawn)
            item = use.target.parent if use.target is not None else None
            if isinstance(item, nodes.Subscript) and isinstance(item.parent, nodes.Assign) and not use.by_key:
                self._mappings.add(attribute)

    def _keep_item(self, use: Use, spawn: Spawn) -> None:
        item = use.target.parent if use.target is not None else None
        text = item_text(item) if isinstance(item, nodes.Subscript) else ""
        if text:
            self._keep_under(text[text.index("[") :], None, spawn)

    def _keep_under(self, attribute: str, owner: nodes.ClassDef | None, spawn: Spawn) -> None:
        self._attributes.setdefault(attribute, {}).setdefault(owner, []).append((next(self._kept), spawn))

    def maps_to_tasks(self, attribute: str) -> bool:
        """Whether an attribute of this name is a mapping whose values are tasks."""
        self._index()
        return attribute in self._mappings

    def has_tasks_as_keys(self, collection: nodes.NodeNG) -> bool:
        """Whether a variable or attribute of this name is a mapping whose keys are tasks, and its values are not."""
        self._index()
        return last_word(collection) in self._keyed - self._unkeyed

    def _own_class(self, function: nodes.FunctionDef, receiver: str) -> nodes.ClassDef | None:
        """The class whose own object a method, or a function nested in one, calls by this name."""
        current: nodes.NodeNG | None = function
        while current is not None:
            owner = enclosing_class(current) if isinstance(current, nodes.FunctionDef) else None
            if owner is not None and isinstance(current, nodes.FunctionDef):
                first = next(iter(current.args.arguments), None)
                return owner if first is not None and first.name == receiver else None
            current = current.parent
        return None


def _last_name(holder: str) -> str:
    return holder.rpartition(".")[2].rpartition(":")[2]


def item_text(item: nodes.Subscript) -> str:
    """``app['poller']`` for an item of a variable under a literal key; "" for other items."""
    key = item.slice
    if isinstance(item.value, nodes.Name) and isinstance(key, nodes.Const) and isinstance(key.value, str):
        return f"{item.value.name}[{key.value!r}]"
    return ""


def _loop_target(name: nodes.Name) -> nodes.AssignName | None:
    """The target of the innermost loop around a name that gives the name its value."""
    child, parent = name, name.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef | nodes.Lambda | nodes.ClassDef):
        if isinstance(parent, nodes.For) and child in parent.body:
            for target in walk([parent.target]):
                if isinstance(target, nodes.AssignName) and target.name == name.name:
                    return None if _stored_in(parent.body, name) else target
        child, parent = parent, parent.parent
    return None


def _stored_in(body: list[nodes.NodeNG], name: nodes.Name) -> bool:
    return any(isinstance(node, nodes.AssignName) and node.name == name.name for node in walk(body))


def bound_values(target: nodes.NodeNG) -> Iterator[nodes.NodeNG | None]:
    """What a store puts into its target: the value, the paired one of two tuples, or what is unpacked or looped over.

    None stands for what the statement does not show.
    """
    inside: nodes.NodeNG = target
    parent = target.parent
    while isinstance(parent, nodes.Tuple | nodes.List | nodes.Starred):
        inside, parent = parent, parent.parent
    match parent:
        case nodes.Assign() | nodes.AnnAssign() | nodes.NamedExpr():
            value = parent.value
            paired = isinstance(inside, nodes.Tuple | nodes.List) and isinstance(value, nodes.Tuple | nodes.List)
            if paired and len(value.elts) == len(inside.elts):
                yield value.elts[inside.elts.index(target)] if target in inside.elts else None
                return
            yield value
        case nodes.For() | nodes.Comprehension():
            yield parent.iter
        case _:
            yield None


def _awaited_wait(facts: Facts, node: nodes.Await) -> nodes.NodeNG | None:
    """The tasks of ``await asyncio.wait(tasks)``: what it returns holds them."""
    call = node.value
    if not isinstance(call, nodes.Call) or not call.args:
        return None
    names = known_names(facts.evaluator.of(call.func), instance=False)
    return call.args[0] if names == {"asyncio.wait"} else None
