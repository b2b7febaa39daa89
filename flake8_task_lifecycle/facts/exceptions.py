"""Which of the exceptions that an ``except`` or a test names are cancellation, through aliases, tuples and modules.

``asyncio.CancelledError`` derives from ``BaseException`` alone since Python 3.8:
https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.CancelledError. anyio raises the one of its
backend, which ``anyio.get_cancelled_exc_class()`` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.values import Definition, External, Instance, Value
from flake8_task_lifecycle.names import last_word
from flake8_task_lifecycle.project import absolute

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

EVERYTHING = "BaseException"
ASYNCIO = "asyncio.CancelledError"
TRIO = "trio.Cancelled"
_GIVER = "anyio.get_cancelled_exc_class"
_KINDS = {
    "builtins.BaseException": frozenset({EVERYTHING}),
    "builtins.BaseExceptionGroup": frozenset[str](),
    ASYNCIO: frozenset({ASYNCIO}),
    "asyncio.exceptions.CancelledError": frozenset({ASYNCIO}),
    TRIO: frozenset({TRIO}),
    _GIVER: frozenset({ASYNCIO, TRIO}),
}
_MAX_DEPTH = 8


class Caught(NamedTuple):
    """The cancellation types among some exceptions. ``resolved``: what the others are is known as well.

    ``likely``: those that are there by the name of what gives them alone.
    """

    kinds: frozenset[str] = frozenset()
    resolved: bool = True
    likely: frozenset[str] = frozenset()

    @property
    def cancellation(self) -> bool:
        """Whether cancellation is among them."""
        return bool(self.kinds)

    def takes(self, later: Caught) -> bool:
        """Whether what a later handler of the same ``try`` would get of cancellation is taken here already."""
        if EVERYTHING in self.kinds:
            return True
        taken = self.kinds | self.likely
        return bool(taken) and later.kinds - {EVERYTHING} <= taken


NOTHING = Caught()
UNRESOLVED = Caught(resolved=False)
ANYTHING = Caught(frozenset({EVERYTHING}))


def _union(parts: Iterable[Caught]) -> Caught:
    found = list(parts)
    if not found:
        return UNRESOLVED
    return Caught(
        frozenset().union(*(one.kinds for one in found)),
        all(one.resolved for one in found),
        frozenset().union(*(one.likely for one in found)),
    )


class Exceptions:
    """Reads the exception types of one module."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[nodes.NodeNG, Caught] = {}

    def caught(self, expression: nodes.NodeNG | None) -> Caught:
        """What an ``except`` with this expression catches; everything when it has none."""
        if expression is None:
            return ANYTHING
        if expression not in self._known:
            self._known[expression] = self.read(expression, _MAX_DEPTH)
        return self._known[expression]

    def read(self, expression: nodes.NodeNG, depth: int) -> Caught:
        """What an expression names, following at most ``depth`` hops; other modules ask their constants so."""
        return self._of(expression, depth)

    def _of(self, expression: nodes.NodeNG, depth: int) -> Caught:
        if depth <= 0:
            return UNRESOLVED
        match expression:
            case nodes.Tuple() | nodes.List() | nodes.Set():
                return _union(self._of(one, depth - 1) for one in expression.elts) if expression.elts else NOTHING
            case nodes.Starred():
                return self._of(expression.value, depth - 1)
            case nodes.BinOp() if expression.op == "+":
                return _union(self._of(one, depth - 1) for one in (expression.left, expression.right))
            case nodes.IfExp():
                return _union(self._of(one, depth - 1) for one in (expression.body, expression.orelse))
            case nodes.Call():
                if expression.args and _is_container(expression.func):
                    return self._of(expression.args[0], depth - 1)
                return self._called(expression.func)
        stores = self._stores(expression)
        made = assigned_values(stores)
        if made:
            return _union(self._of(one, depth - 1) for one in made)
        if any(isinstance(store, nodes.AssignName | nodes.AssignAttr) for store in stores):
            return UNRESOLVED
        imported = self._imported(expression, depth)
        if imported is not None:
            return imported
        return _union(self._value(value) for value in self._facts.evaluator.of(expression))

    def _called(self, function: nodes.NodeNG) -> Caught:
        """What a call gives: anyio's cancellation, wherever its giver is imported from."""
        if External(_GIVER) in self._facts.evaluator.of(function):
            return Caught(_KINDS[_GIVER])
        by_name = last_word(function) == _GIVER.rpartition(".")[2]
        return Caught(resolved=False, likely=_KINDS[_GIVER] if by_name else frozenset())

    def _stores(self, expression: nodes.NodeNG) -> list[nodes.NodeNG]:
        """What binds a name or a class attribute."""
        match expression:
            case nodes.Name():
                binding = self._facts.names.binding(expression, expression.name)
                return list(binding.nodes) if binding is not None else []
            case nodes.Attribute():
                return self._members(expression)
        return []

    def _members(self, expression: nodes.Attribute) -> list[nodes.NodeNG]:
        classes = self._facts.evaluator.classes
        for value in self._facts.evaluator.of(expression.expr):
            owner = value.of if isinstance(value, Instance) else value
            if isinstance(owner, Definition) and isinstance(owner.node, nodes.ClassDef):
                for home in classes.hierarchy(owner.node):
                    found = [*home.locals.get(expression.attrname, ()), *classes.stores(home, expression.attrname)]
                    if found:
                        return found
        return []

    @staticmethod
    def _value(value: Value) -> Caught:
        match value:
            case External(name) if name in _KINDS and name != _GIVER:
                return Caught(_KINDS[name])
            case External():
                return NOTHING
            case Definition(node) if isinstance(node, nodes.ClassDef):
                return NOTHING
        return UNRESOLVED

    def _imported(self, expression: nodes.NodeNG, depth: int) -> Caught | None:
        """What a constant of another module of the project holds; None when the expression is none."""
        names = list(self._qualified(expression))
        found = [self._constant_of(name, depth) for name in names]
        known = [one for one in found if one is not None]
        return _union(known) if known and len(known) == len(names) else None

    def _qualified(self, expression: nodes.NodeNG) -> Iterator[str]:
        """The qualified names that an imported name, or an attribute of a module, can have."""
        match expression:
            case nodes.Name():
                binding = self._facts.names.binding(expression, expression.name)
                package = self._facts.module.package if self._facts.module is not None else ""
                for node in binding.nodes if binding is not None else ():
                    if isinstance(node, nodes.ImportFrom):
                        home = absolute("." * (node.level or 0) + node.modname, package)
                        real = next((one for one, alias in node.names if (alias or one) == expression.name), "")
                        if home is not None and real:
                            yield f"{home}.{real}"
            case nodes.Attribute():
                for value in self._facts.evaluator.of(expression.expr):
                    if isinstance(value, External):
                        yield f"{value.name}.{expression.attrname}"

    def _constant_of(self, name: str, depth: int) -> Caught | None:
        home, _, word = name.rpartition(".")
        project = self._facts.world.project
        module = project.find(home) if project is not None and home else None
        if project is not None and project.defined(name) is not None:
            return None
        facts = self._facts.world.facts(module) if module is not None else None
        if facts is None or facts is self._facts:
            return None
        bound = facts.tree.module.locals.get(word, ())
        made = assigned_values(node for node in bound if isinstance(node, nodes.AssignName))
        if made and len(made) == len(bound):
            return _union(facts.exceptions.read(one, depth - 1) for one in made)
        if len(bound) == 1 and isinstance(bound[0], nodes.ImportFrom):
            package = facts.module.package if facts.module is not None else ""
            origin = absolute("." * (bound[0].level or 0) + bound[0].modname, package)
            real = next((one for one, alias in bound[0].names if (alias or one) == word), "")
            if origin is not None and depth > 0 and f"{origin}.{real}" != name:
                return self._constant_of(f"{origin}.{real}", depth - 1)
        return None


def _is_container(function: nodes.NodeNG) -> bool:
    return isinstance(function, nodes.Name) and function.name in {"tuple", "list", "set", "frozenset"}


def assigned_values(stores: Iterable[nodes.NodeNG]) -> list[nodes.NodeNG]:
    """The values that plain assignments store; empty when there is any other kind of store among them."""
    values = []
    for store in stores:
        statement = store.parent
        if not isinstance(statement, nodes.Assign | nodes.AnnAssign) or statement.value is None:
            return []
        if isinstance(statement, nodes.Assign) and store not in statement.targets:
            return []
        values.append(statement.value)
    return values
