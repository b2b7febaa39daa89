"""The classes of a module: their bases, their subclasses, and what their methods store on ``self``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

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
        self._stores: dict[str, dict[nodes.ClassDef, list[nodes.AssignAttr]]] = {}
        self._hierarchies: dict[nodes.ClassDef, list[nodes.ClassDef]] = {}

    def of_self(self, receiver: nodes.NodeNG) -> nodes.ClassDef | None:
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
        if attribute not in self._stores:
            self._stores[attribute] = defaultdict(list)
            for store in self._tree.attribute_stores.get(attribute):
                home = self.of_self(store.expr)
                if home is not None:
                    self._stores[attribute][home].append(store)
        return self._stores[attribute].get(owner, [])

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
        return [other for other in self._tree.classes if other is not owner and owner in self.hierarchy(other)]
