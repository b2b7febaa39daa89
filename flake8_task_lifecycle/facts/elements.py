"""What stands in a collection, as far as its annotation or what its module puts into it tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.annotations import annotated
from flake8_task_lifecycle.facts.definitions import annotation_of
from flake8_task_lifecycle.facts.values import Instance, Ordered, Value, each
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_TAKING = frozenset({"get", "pop", "popleft", "setdefault"})
_PUTTING = frozenset({"append", "appendleft", "add", "insert", "setdefault"})
_SAME = frozenset({"list", "tuple", "set", "frozenset", "sorted", "reversed", "iter"})
_VIEWS = frozenset({"values", "copy"})
_MAX_DEPTH = 3


def taken(facts: Facts, expression: nodes.NodeNG, depth: int = _MAX_DEPTH) -> tuple[Value, ...]:
    """The objects that an expression can take from a collection: a variable of a loop, an item; none if not told."""
    if depth <= 0:
        return ()
    match expression:
        case nodes.Subscript():
            return _held(facts, expression.value, by_key=True)
        case nodes.Call(func=nodes.Attribute(attrname=word)) if word in _TAKING:
            return _held(facts, expression.func.expr, by_key=True)
        case nodes.Name():
            binding = facts.names.binding(expression, expression.name)
            bound = binding.nodes if binding is not None else ()
            return tuple(each(bound, lambda node: _bound(facts, node, depth)))
    return ()


def _bound(facts: Facts, node: nodes.NodeNG, depth: int) -> Iterable[Value]:
    target, parent = node, node.parent
    if isinstance(parent, nodes.Tuple):
        target, parent = parent, parent.parent
    if isinstance(parent, nodes.For | nodes.Comprehension) and target is parent.target:
        if target is node:
            return _held(facts, parent.iter)
        pairs = _of_pairs(parent.iter) if target.elts[-1] is node and len(target.elts) == 2 else None
        return _held(facts, *pairs) if pairs is not None else ()
    if isinstance(parent, nodes.Assign | nodes.AnnAssign | nodes.NamedExpr) and target is node:
        return taken(facts, parent.value, depth - 1) if parent.value is not None else ()
    return ()


def _of_pairs(source: nodes.NodeNG) -> tuple[nodes.NodeNG, bool] | None:
    """The collection whose elements come second in pairs, and whether these have keys: ``tasks.items()``."""
    if isinstance(source, nodes.Call):
        if isinstance(source.func, nodes.Attribute) and source.func.attrname == "items":
            return source.func.expr, True
        if last_word(source.func) in {*_SAME, "enumerate"} and source.args:
            inner = source.args[0]
            return (inner, False) if last_word(source.func) == "enumerate" else _of_pairs(inner)
    return None


def _held(facts: Facts, collection: nodes.NodeNG, by_key: bool = False) -> tuple[Value, ...]:
    """The objects in a collection; in a mapping only where it is asked ``by_key``: going through one gives its keys."""
    while isinstance(collection, nodes.Call):
        method = collection.func
        if isinstance(method, nodes.Attribute) and method.attrname in _VIEWS:
            collection, by_key = method.expr, by_key or method.attrname == "values"
        elif isinstance(method, nodes.Name) and method.name in _SAME and collection.args:
            collection = collection.args[0]
        else:
            return ()
    stores = list(_stores(facts, collection))
    promised = [one for store in stores for one in _promised(facts, store, by_key) if isinstance(one, Instance)]
    if promised:
        return tuple(promised)
    displays = [collection, *(store.parent.value for store in stores if isinstance(store.parent, nodes.Assign))]
    put = [*(one for display in displays for one in _shown(display, by_key)), *_put(facts, collection, by_key)]
    values = Ordered(tuple(each(put, facts.evaluator.of)))
    return tuple(value for value in values if isinstance(value, Instance))


def _stores(facts: Facts, collection: nodes.NodeNG) -> Iterator[nodes.NodeNG]:
    """What binds the name or the attribute of the own object that a collection is read from."""
    match collection:
        case nodes.Name():
            binding = facts.names.binding(collection, collection.name)
            yield from binding.nodes if binding is not None else ()
        case nodes.Attribute():
            for home in _family(facts, collection):
                yield from facts.evaluator.classes.stores(home, collection.attrname)
                yield from (node for node in home.locals.get(collection.attrname, ()) if node.lineno is not None)


def _family(facts: Facts, attribute: nodes.Attribute) -> list[nodes.ClassDef]:
    owner = facts.evaluator.classes.of_self(attribute.expr)
    return facts.evaluator.classes.hierarchy(owner) if owner is not None else []


def _promised(facts: Facts, store: nodes.NodeNG, by_key: bool) -> Iterable[Value]:
    """What the annotation of a collection says of its elements: the values of a mapping, where they are asked for."""
    match store.parent:
        case nodes.AnnAssign():
            annotation = store.parent.annotation
        case nodes.Arguments():
            annotation = annotation_of(store.parent, store)
        case _:
            return ()
    if not isinstance(annotation, nodes.Subscript):
        return ()
    inner = annotation.slice
    arguments = inner.elts if isinstance(inner, nodes.Tuple) else [inner]
    named = [one for one in arguments if not (isinstance(one, nodes.Const) and one.value is ...)]
    if last_word(annotation.value) not in {"tuple", "Tuple"}:
        named = named[-1:] if by_key or len(named) == 1 else []
    return each(named, lambda argument: annotated(facts.evaluator, argument))


def _shown(display: nodes.NodeNG, by_key: bool) -> Iterable[nodes.NodeNG]:
    match display:
        case nodes.List() | nodes.Tuple() | nodes.Set():
            return list(display.elts)
        case nodes.Dict() if by_key:
            return [value for _, value in display.items]
        case nodes.ListComp() | nodes.SetComp() | nodes.GeneratorExp():
            return [display.elt]
        case nodes.DictComp() if by_key:
            return [display.value]
    return []


def _put(facts: Facts, collection: nodes.NodeNG, by_key: bool) -> Iterator[nodes.NodeNG]:
    """What the module puts into a collection, an element at a time."""
    for load in _loads(facts, collection):
        parent = load.parent
        if isinstance(parent, nodes.Subscript) and parent.value is load and isinstance(parent.parent, nodes.Assign):
            if by_key and parent in parent.parent.targets:
                yield parent.parent.value
        elif isinstance(parent, nodes.Attribute) and parent.attrname in _PUTTING:
            call = parent.parent
            if isinstance(call, nodes.Call) and call.func is parent and call.args:
                yield call.args[-1]


def _loads(facts: Facts, collection: nodes.NodeNG) -> Iterator[nodes.NodeNG]:
    match collection:
        case nodes.Name():
            home = facts.names.binding(collection, collection.name)
            for name in facts.plain_names.of(collection.name):
                binding = facts.names.binding(name, name.name) if isinstance(name, nodes.Name) else None
                if binding is not None and home is not None and binding.scope is home.scope:
                    yield name
        case nodes.Attribute():
            family = _family(facts, collection)
            for load in facts.tree.attribute_loads.get(collection.attrname, ()):
                if isinstance(load, nodes.Attribute) and facts.evaluator.classes.of_self(load.expr) in family:
                    yield load
