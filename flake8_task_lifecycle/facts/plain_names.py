"""The plain names of a module, by name: what nobody has built yet is built for the names that stand in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from astroid import nodes

if TYPE_CHECKING:
    from flake8_task_lifecycle.source import Source
    from flake8_task_lifecycle.tree import Tree


class PlainNames:
    """Every read, store and deletion of a plain name in a module."""

    def __init__(self, tree: Tree, source: Source) -> None:
        self._tree = tree
        self._source = source
        self._found: dict[str, list[nodes.NodeNG]] = {}
        self._hidden: list[nodes.FunctionDef] = []
        self._ordered: dict[str, Sequence[nodes.NodeNG]] = {}
        self._is_begun = False

    def of(self, name: str) -> Sequence[nodes.NodeNG]:
        """The nodes of a name, the last of the source first."""
        if name not in self._ordered:
            self._ordered[name] = self._looked_for(name) if self._stands_alone(name) else ()
        return self._ordered[name]

    def _stands_alone(self, name: str) -> bool:
        """Whether the text holds a name that is no member of something, and not only being defined there."""
        alone = re.compile(rf"(?<![\w.])(?<!def ){re.escape(name)}\b")
        return not name.isascii() or any(name in line and alone.search(line) for line in self._source.lines)

    def _looked_for(self, name: str) -> Sequence[nodes.NodeNG]:
        if not self._is_begun:
            self._is_begun = True
            self._take([self._tree.module])
        self._take_revealed(name)
        return sorted(self._found.get(name, ()), key=_place, reverse=True)

    def _take_revealed(self, name: str) -> None:
        """Builds the functions whose text holds a name, and notes what is in all that have been built since."""
        if not self._hidden:
            return
        self._tree.reveal(name)
        waiting, self._hidden = self._hidden, []
        for function in waiting:
            if function in self._tree.hidden:
                self._hidden.append(function)
            else:
                self._take([part for part in function.get_children() if part is not function.decorators])

    def _take(self, waiting: list[nodes.NodeNG]) -> None:
        while waiting:
            node = waiting.pop()
            if isinstance(node, nodes.Name | nodes.AssignName | nodes.DelName):
                self._found.setdefault(node.name, []).append(node)
            if isinstance(node, nodes.FunctionDef) and node in self._tree.hidden:
                self._hidden.append(node)
                waiting += [node.decorators] if node.decorators is not None else []
            else:
                waiting += node.get_children()


def _place(node: nodes.NodeNG) -> tuple[int, int]:
    return node.lineno or 0, node.col_offset or 0
