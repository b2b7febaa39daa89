"""What one module asks of the others: the names, members and results of the project's own definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from astroid import nodes

from flake8_task_lifecycle.facts.values import Definition, External, Instance, Value, Values

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts
    from flake8_task_lifecycle.facts.world import Question, World

_Answer = TypeVar("_Answer")


class Elsewhere:
    """The world of one module's evaluator. Every answer is None where the project does not define the name."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @property
    def world(self) -> World:
        """The project around the module."""
        return self._facts.world

    def defines(self, name: str) -> bool:
        """Whether the project defines a function or class of this qualified name."""
        return bool(self.world.ask(name, lambda _facts, _node: True))

    def values(self, name: str) -> Values | None:
        """What a qualified name stands for."""
        return self.world.values(self._facts, name)

    def member(self, of: External, attribute: str, *, exact: bool) -> Values | None:
        """What an attribute of an object of a class is."""

        def question(facts: Facts, node: nodes.NodeNG) -> Values | None:
            if not isinstance(node, nodes.ClassDef):
                return None
            found = frozenset(facts.evaluator.member(Instance(Definition(node), exact), attribute))
            return self.world.export(self._facts, facts, found)

        return self.world.ask(of.name, question)

    def result(self, name: str) -> Values | None:
        """What calling a function or class gives."""
        if self.world.is_class(name):
            return frozenset({Instance(External(name), exact=True)})

        def question(facts: Facts, node: nodes.NodeNG) -> Values | None:
            if isinstance(node, nodes.ClassDef):
                return frozenset({Instance(External(facts.qualified(node)), exact=True)})
            return self.world.export(self._facts, facts, frozenset(facts.evaluator.returned(node)))

        return self.world.ask(name, question)

    @property
    def asking(self) -> Iterator[Facts]:
        """The facts of the file that the whole search is for, where this module is another one."""
        home = self.world.module
        facts = self.world.facts(home) if home is not None and home != self._facts.module else None
        if facts is not None:
            yield facts

    def implementations(self, owner: nodes.ClassDef, attribute: str) -> Values | None:
        """The methods of that name in the subclasses of a class in other modules; None when not all can be seen."""
        others = self.world.mentioning(owner.name, attribute, where=lambda outline: outline.derives(owner.name))
        if others is None:
            return None
        found: set[Value] = set()
        for facts, below in self._below(owner, others):
            own = frozenset(facts.evaluator.own_member(below, attribute))
            found |= self.world.export(self._facts, facts, own)
        return frozenset(found or self._of_siblings(owner, attribute))

    def _below(self, owner: nodes.ClassDef, others: Iterable[Facts]) -> Iterator[tuple[Facts, nodes.ClassDef]]:
        """The classes of other modules that derive from a class."""
        base = External(self._facts.qualified(owner))
        for facts in [*self.asking, *others]:
            for below in facts.tree.classes:
                if any(base in facts.evaluator.bases(home) for home in facts.evaluator.classes.hierarchy(below)):
                    yield facts, below

    def _of_siblings(self, owner: nodes.ClassDef, attribute: str) -> Iterator[Value]:
        """The methods of that name in the classes of other modules that a class below joins with this one."""
        base = External(self._facts.qualified(owner))
        others = self.world.mentioning(owner.name, where=lambda outline: outline.derives(owner.name))
        for facts, below in self._below(owner, others or ()):
            for value in facts.evaluator.bases(below):
                if not isinstance(value, External) or value == base:
                    continue
                found = facts.elsewhere.member(value, attribute, exact=True) or ()
                yield from (
                    one for one in found if isinstance(one, External) and not one.name.startswith(f"{base.name}.")
                )

    def ask(self, name: str, question: Question[_Answer]) -> _Answer | None:
        """The answer of the module that defines a name to a question about it."""
        return self.world.ask(name, question)
