"""The classes of a module: their bases, their subclasses, and what their methods store on ``self``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import is_static, positional
from flake8_task_lifecycle.names import Names, enclosing_class
from flake8_task_lifecycle.tree import Tree

Bases = Callable[[nodes.ClassDef], list[nodes.ClassDef]]


class Classes:
    """The class hierarchy within one module. ``bases`` finds a class's bases that this module defines."""

    def __init__(self, tree: Tree, names: Names, bases: Bases) -> None:
        self._tree = tree
        self._names = names
        self._bases = bases
        self._stores: dict[str, dict[nodes.ClassDef | None, list[nodes.AssignAttr]]] = {}
        self._hierarchies: dict[nodes.ClassDef, list[nodes.ClassDef]] = {}
        self._below: dict[nodes.ClassDef, list[nodes.ClassDef]] = defaultdict(list)
        self._placed = 0
        self.of_self = cache(self._of_self)

    def _of_self(self, receiver: nodes.NodeNG) -> nodes.ClassDef | None:
        """The class whose method calls its own object by this name (``self`` or ``cls``); None for other names."""
        if not isinstance(receiver, nodes.Name):
            return None
        binding = self._names.binding(receiver, receiver.name)
        if binding is None or not isinstance(binding.scope, nodes.FunctionDef) or is_static(binding.scope):
            return None
        owner = enclosing_class(binding.scope)
        parameters = positional(binding.scope)
        return owner if parameters and parameters[0].name == receiver.name else None

    def stores(self, owner: nodes.ClassDef, attribute: str) -> list[nodes.AssignAttr]:
        """The assignments to ``self.attribute`` in the methods of a class, in source order."""
        return self._by_home(attribute).get(owner, [])

    def foreign_stores(self, attribute: str) -> list[nodes.AssignAttr]:
        """The assignments to an attribute of any other object than a method's own, in source order."""
        return self._by_home(attribute).get(None, [])

    def _by_home(self, attribute: str) -> dict[nodes.ClassDef | None, list[nodes.AssignAttr]]:
        if attribute not in self._stores:
            found = self._stores[attribute] = defaultdict(list)
            for store in self._tree.attribute_stores.get(attribute):
                found[self.of_self(store.expr)].append(store)
        return self._stores[attribute]

    def hierarchy(self, owner: nodes.ClassDef) -> list[nodes.ClassDef]:
        """The class and its bases in this module, nearest first, each once."""
        if owner not in self._hierarchies:
            found: list[nodes.ClassDef] = []
            waiting = [owner]
            while waiting:
                current = waiting.pop(0)
                if current not in found:
                    found.append(current)
                    waiting += self._bases(current)
            self._hierarchies[owner] = found
        return self._hierarchies[owner]

    def subclasses(self, owner: nodes.ClassDef) -> list[nodes.ClassDef]:
        """The classes of this module below a class."""
        while self._placed < len(self._tree.classes):
            other = self._tree.classes[self._placed]
            self._placed += 1
            for above in self.hierarchy(other):
                if above is not other:
                    self._below[above].append(other)
        return self._below.get(owner, [])
