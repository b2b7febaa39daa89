"""Which classes of the project share an attribute: a class, its bases and its subclasses, by qualified name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External, Instance, Value
from flake8_task_lifecycle.model import Known

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_HARMLESS = frozenset(
    {"builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol", "builtins.Exception", "enum.Enum"}
)
_MAX_CLASSES = 60


def ancestors(facts: Facts, owner: nodes.ClassDef) -> frozenset[str]:
    """The qualified names of a class and of all its bases, as far as the project defines them."""
    found: set[str] = set()
    _climb(facts, owner, found)
    return frozenset(found)


def _climb(facts: Facts, owner: nodes.NodeNG, found: set[str]) -> bool:
    if not isinstance(owner, nodes.ClassDef) or len(found) > _MAX_CLASSES:
        return True
    for home in facts.evaluator.classes.hierarchy(owner):
        found.add(facts.qualified(home))
        for value in facts.evaluator.bases(home):
            if isinstance(value, External) and value.name not in found and value.name not in _HARMLESS:
                found.add(value.name)
                facts.world.ask(value.name, lambda home_facts, node: _climb(home_facts, node, found))
    return True


def has_outside_base(facts: Facts, owner: nodes.ClassDef) -> bool:
    """Whether a class has a base that the project does not define, apart from the plain ones of the language."""
    for home in facts.evaluator.classes.hierarchy(owner):
        for value in facts.evaluator.bases(home):
            if isinstance(value, Definition) and isinstance(value.node, nodes.ClassDef):
                continue
            if not isinstance(value, External):
                return True
            if value.name not in _HARMLESS and facts.world.ask(value.name, _outside) is not False:
                return True
    return False


def _outside(facts: Facts, node: nodes.NodeNG) -> bool:
    return not isinstance(node, nodes.ClassDef) or has_outside_base(facts, node)


def classes_of(facts: Facts, receiver: nodes.NodeNG) -> frozenset[str] | None:
    """The qualified names of the classes that an object is of, or that it is; None when any is unknown."""
    found: set[str] = set()
    for value in facts.evaluator.of(receiver):
        match value:
            case Instance(External(name)) | External(name):
                found.add(name)
            case Instance(Definition(node)) | Definition(node) if isinstance(node, nodes.ClassDef):
                found.add(facts.qualified(node))
            case _ if value == UNKNOWN or isinstance(value, Value):
                if _is_nothing(value):
                    continue
                return None
    return frozenset(found) or None


def _is_nothing(value: Value) -> bool:
    return value != UNKNOWN and not isinstance(value, External | Definition | Instance)


def related(facts: Facts, receiver: nodes.NodeNG, home: str, lineage: frozenset[str], attribute: str) -> Known:
    """Whether ``receiver.attribute`` is the attribute that the class ``home`` holds; ``lineage``: it and its bases."""
    own = facts.evaluator.classes.of_self(receiver)
    if own is not None:
        return _related_class(facts, own, home, lineage, attribute)
    names = classes_of(facts, receiver)
    if names is None:
        return Known.UNKNOWN
    answers = {_related_name(facts, name, home, lineage, attribute) for name in sorted(names)}
    if Known.YES in answers:
        return Known.YES
    return Known.UNKNOWN if Known.UNKNOWN in answers else Known.NO


class Named:
    """The nodes of one module that name an attribute, by the class whose own object has it.

    Each node goes with its place among all of them: the loads, then the stores.
    """

    def __init__(self, facts: Facts, attribute: str) -> None:
        self._facts = facts
        self._attribute = attribute
        self.of_others: list[tuple[int, nodes.NodeNG]] = []
        self._of_self: dict[nodes.ClassDef, list[tuple[int, nodes.NodeNG]]] = {}
        loads, stores = facts.tree.attribute_loads.get(attribute), facts.tree.attribute_stores.get(attribute)
        for order, node in enumerate([*loads, *stores]):
            owner = facts.evaluator.classes.of_self(node.expr)
            (self.of_others if owner is None else self._of_self.setdefault(owner, [])).append((order, node))
        self._under: dict[str, list[nodes.ClassDef]] = {}
        self._called: dict[str, list[nodes.ClassDef]] = {}
        self._undeclared: list[nodes.ClassDef] = []
        for owner in self._of_self:
            self._called.setdefault(facts.qualified(owner), []).append(owner)
            for name in ancestors(facts, owner):
                self._under.setdefault(name, []).append(owner)
            if not any(True for _ in _declaring(facts, owner, attribute)):
                self._undeclared.append(owner)

    def sharing(self, home: str, lineage: frozenset[str]) -> Iterator[tuple[list[tuple[int, nodes.NodeNG]], Known]]:
        """The nodes of each class that may have the attribute from the class ``home``; ``lineage``: it and its bases.

        Of a class that declares it apart from a ``home`` that does so too, nothing is given.
        """
        near = [*self._under.get(home, ()), *(one for name in sorted(lineage) for one in self._called.get(name, ()))]
        is_own = self._facts.world.ask(home, lambda there, node: _declares(there, node, self._attribute)) is not False
        for owner in dict.fromkeys([*near, *(self._undeclared if is_own else self._of_self)]):
            yield self._of_self[owner], _related_class(self._facts, owner, home, lineage, self._attribute)


def _related_name(facts: Facts, name: str, home: str, lineage: frozenset[str], attribute: str) -> Known:
    if name in lineage:
        return Known.YES
    own = facts.class_named(name)
    if own is not None:
        return _related_class(facts, own, home, lineage, attribute)

    def question(home_facts: Facts, node: nodes.NodeNG) -> Known:
        if not isinstance(node, nodes.ClassDef):
            return Known.NO
        return _related_class(home_facts, node, home, lineage, attribute)

    answer = facts.world.ask(name, question)
    return Known.NO if answer is None else answer


def _related_class(facts: Facts, owner: nodes.ClassDef, home: str, lineage: frozenset[str], attribute: str) -> Known:
    above = ancestors(facts, owner)
    if home in above or facts.qualified(owner) in lineage:
        return Known.YES
    if any(True for one in _declaring(facts, owner, attribute)):
        return _as_sibling(facts, owner, home, attribute)
    return Known.UNKNOWN


def _as_sibling(facts: Facts, owner: nodes.ClassDef, home: str, attribute: str) -> Known:
    """Whether a class that declares an attribute shares it with the mixin ``home``: some class derives from both."""
    if facts.world.ask(home, lambda there, node: _declares(there, node, attribute)) is not False:
        return Known.NO
    others = facts.world.mentioning(home.rpartition(".")[2])
    if others is None:
        return Known.UNKNOWN
    name = facts.qualified(owner)
    for other in [facts, *facts.elsewhere.asking, *others]:
        for below in other.tree.classes:
            if {home, name} <= ancestors(other, below):
                return Known.YES
    return Known.NO


def _declares(facts: Facts, owner: nodes.NodeNG, attribute: str) -> bool:
    """Whether a class or one of its bases stores an attribute or has it in its body; a mixin has none of its own."""
    if not isinstance(owner, nodes.ClassDef):
        return True
    if any(True for one in _declaring(facts, owner, attribute)):
        return True
    return any(
        facts.world.ask(name, lambda there, node: _declares_itself(there, node, attribute)) is not False
        for name in ancestors(facts, owner) - {facts.qualified(owner)}
    )


def _declares_itself(facts: Facts, owner: nodes.NodeNG, attribute: str) -> bool:
    return not isinstance(owner, nodes.ClassDef) or any(True for one in _declaring(facts, owner, attribute))


def _declaring(facts: Facts, owner: nodes.ClassDef, attribute: str) -> Iterator[nodes.NodeNG]:
    """The stores of an attribute in a class and its bases in this module."""
    for home in facts.evaluator.classes.hierarchy(owner):
        yield from facts.evaluator.classes.stores(home, attribute)
        yield from (node for node in home.locals.get(attribute, ()) if isinstance(node, nodes.NodeNG))
