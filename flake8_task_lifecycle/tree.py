"""The one door to astroid: from flake8's tree to astroid's, and what every fact asks of it first.

The tree is rebuilt from the ``ast`` tree that flake8 has parsed already, and that tree stays as it was: other
plugins read it after us. Nothing is put into astroid's process-wide caches, nothing is inferred or imported.
"""

from __future__ import annotations

import ast
import copy
import gc
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from astroid import nodes
from astroid.manager import AstroidManager
from astroid.rebuilder import TreeRebuilder

from flake8_task_lifecycle.names import last_word

_Documented = TypeVar("_Documented", ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_Guard = TypeVar("_Guard", nodes.Try, nodes.TryStar, nodes.With, nodes.AsyncWith)


@dataclass(slots=True)
class Tree:
    """One module as astroid nodes, with the nodes that facts start from.

    ``calls`` by the last word of what is called; ``returns`` by function; ``aliases`` are pairs of a name and the
    last word of what it is another name for, by import or assignment.
    """

    module: nodes.Module
    calls: dict[str, list[nodes.Call]] = field(default_factory=lambda: defaultdict(list))
    returns: dict[nodes.NodeNG, list[nodes.Return]] = field(default_factory=lambda: defaultdict(list))
    aliases: list[tuple[str, str]] = field(default_factory=list)
    classes: list[nodes.ClassDef] = field(default_factory=list)
    functions: list[nodes.FunctionDef] = field(default_factory=list)
    attribute_stores: dict[str, list[nodes.AssignAttr]] = field(default_factory=lambda: defaultdict(list))
    attribute_loads: dict[str, list[nodes.Attribute | nodes.DelAttr]] = field(default_factory=lambda: defaultdict(list))
    guards: list[nodes.NodeNG] = field(default_factory=list)  # every try and with statement, the inner ones first
    nonlocals: dict[nodes.NodeNG, set[str]] = field(default_factory=lambda: defaultdict(set))


class _Rebuilder(TreeRebuilder):
    """astroid's rebuilder, made to leave its input alone and to take notes on its way."""

    def __init__(self, tree_notes: Tree) -> None:
        super().__init__(manager=AstroidManager(), data=None)
        self._notes = tree_notes

    def _get_doc(self, node: _Documented) -> tuple[_Documented, ast.Constant | None]:
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node = copy.copy(node)
        documented: tuple[_Documented, ast.Constant | None] = super()._get_doc(node)
        return documented

    def visit_call(self, node: ast.Call, parent: nodes.NodeNG) -> nodes.Call:
        call = super().visit_call(node, parent)
        self._notes.calls[last_word(call.func)].append(call)
        return call

    def visit_return(self, node: ast.Return, parent: nodes.NodeNG) -> nodes.Return:
        statement = super().visit_return(node, parent)
        self._notes.returns[parent.scope()].append(statement)
        return statement

    def visit_assign(self, node: ast.Assign, parent: nodes.NodeNG) -> nodes.Assign:
        statement = super().visit_assign(node, parent)
        value = statement.value
        if isinstance(value, nodes.Call) and value.args and last_word(value.func) in {"partial", "partialmethod"}:
            value = value.args[0]
        elif isinstance(value, nodes.Lambda) and isinstance(value.body, nodes.Call):
            value = value.body.func
        branches = (value.body, value.orelse) if isinstance(value, nodes.IfExp) else (value,)
        for original in filter(None, map(last_word, branches)):
            self._notes.aliases += [(last_word(target), original) for target in statement.targets]
        return statement

    def visit_classdef(self, node: ast.ClassDef, parent: nodes.NodeNG) -> nodes.ClassDef:
        definition = super().visit_classdef(node, parent)
        self._notes.classes.append(definition)
        return definition

    def visit_functiondef(self, node: ast.FunctionDef, parent: nodes.NodeNG) -> nodes.FunctionDef:
        definition = super().visit_functiondef(node, parent)
        self._notes.functions.append(definition)
        return definition

    def visit_asyncfunctiondef(self, node: ast.AsyncFunctionDef, parent: nodes.NodeNG) -> nodes.AsyncFunctionDef:
        definition = super().visit_asyncfunctiondef(node, parent)
        self._notes.functions.append(definition)
        return definition

    def visit_attribute(self, node: ast.Attribute, parent: nodes.NodeNG) -> nodes.NodeNG:
        attribute = super().visit_attribute(node, parent)
        if isinstance(attribute, nodes.AssignAttr):
            self._notes.attribute_stores[attribute.attrname].append(attribute)
        elif isinstance(attribute, nodes.Attribute | nodes.DelAttr):
            self._notes.attribute_loads[attribute.attrname].append(attribute)
        return attribute

    def visit_try(self, node: ast.Try, parent: nodes.NodeNG) -> nodes.Try:
        return self._noted_guard(super().visit_try(node, parent))

    def visit_trystar(self, node: ast.TryStar, parent: nodes.NodeNG) -> nodes.TryStar:
        return self._noted_guard(super().visit_trystar(node, parent))

    def visit_with(self, node: ast.With, parent: nodes.NodeNG) -> nodes.With:
        return self._noted_guard(super().visit_with(node, parent))

    def visit_asyncwith(self, node: ast.AsyncWith, parent: nodes.NodeNG) -> nodes.AsyncWith:
        return self._noted_guard(super().visit_asyncwith(node, parent))

    def _noted_guard(self, statement: _Guard) -> _Guard:
        self._notes.guards.append(statement)
        return statement

    def visit_importfrom(self, node: ast.ImportFrom, parent: nodes.NodeNG) -> nodes.ImportFrom:
        statement = super().visit_importfrom(node, parent)
        for name, alias in statement.names:
            if name != "*":
                parent.set_local(alias or name, statement)
            if alias:
                self._notes.aliases.append((alias, name))
        return statement

    def visit_nonlocal(self, node: ast.Nonlocal, parent: nodes.NodeNG) -> nodes.Nonlocal:
        statement = super().visit_nonlocal(node, parent)
        self._notes.nonlocals[parent.scope()].update(node.names)
        return statement


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps the garbage collector from walking over trees that are only growing; it is on again afterwards."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()


def build(tree: ast.Module, name: str) -> Tree:
    """astroid's tree of a module, from the tree that ``ast.parse`` made of it.

    ``name`` is the module's dotted name, or "" when it is not known. The input is left unchanged. Raises
    RecursionError when the input is nested deeper than the interpreter's stack allows.
    """
    notes = Tree(module=None)
    with collector_paused():
        notes.module = _Rebuilder(notes).visit_module(tree, name, "<text>", False)
    return notes
