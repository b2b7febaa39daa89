"""The one door to astroid: from flake8's tree to astroid's, and what every fact asks of it first.

The tree is rebuilt from the ``ast`` tree that flake8 has parsed already, and that tree stays as it was: other
plugins read it after us. Nothing is put into astroid's process-wide caches, nothing is inferred or imported.
"""

from __future__ import annotations

import ast
import copy
import gc
import sys
from collections import defaultdict
from collections.abc import Callable, ItemsView, Iterator, Sequence, ValuesView
from contextlib import contextmanager
from typing import TypeVar

from astroid import nodes
from astroid.manager import AstroidManager
from astroid.rebuilder import TreeRebuilder

from flake8_task_lifecycle.names import last_word

_Documented = TypeVar("_Documented", ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_Guard = TypeVar("_Guard", nodes.Try, nodes.TryStar, nodes.With, nodes.AsyncWith)


_Node = TypeVar("_Node", bound=nodes.NodeNG)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_ARGUMENTLESS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


class Words(dict[str, list[_Node]]):
    """Nodes by a word. What is still hidden and holds the word is built when the word is asked for."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self._tree = tree
        self._in_order: set[str] = set()

    def note(self, word: str, node: _Node) -> None:
        """Put down a node while the tree is built."""
        self.setdefault(word, []).append(node)

    def get(self, word: str, default: Sequence[_Node] = ()) -> Sequence[_Node]:  # type: ignore[override]
        """The nodes of a word, in the order of the source."""
        if self._tree.hidden:
            self._tree.reveal(word)
        found = super().get(word)
        if found is None:
            return default
        if self._tree.is_deferred and word not in self._in_order:
            found.sort(key=_segment)
            self._in_order.add(word)
        return found

    def items(self) -> ItemsView[str, list[_Node]]:  # type: ignore[override]
        """Every word with its nodes."""
        self._tree.reveal()
        return super().items()

    def values(self) -> ValuesView[list[_Node]]:  # type: ignore[override]
        """The nodes of every word."""
        self._tree.reveal()
        return super().values()


class Returns(dict[nodes.NodeNG, list[nodes.Return]]):
    """The ``return`` statements of every function, lambdas apart."""

    def get(  # type: ignore[override]
        self, function: nodes.NodeNG, default: Sequence[nodes.Return] = ()
    ) -> Sequence[nodes.Return]:
        """Those of one function, whose body is built if it was not."""
        return super().get(function, default) if function.body else default


class Tree:
    """One module as astroid nodes, with the nodes that facts start from.

    ``calls`` by the last word of what is called; ``arguments``: the names and attributes given to calls, by their last
    word; ``returns`` by function; ``aliases`` are pairs of a name and the last word of what it is another name for, by
    import or assignment; ``guards``: every ``try`` and ``with`` statement.

    The body of a function may be hidden: it is built when something asks for it, or for a word that it holds.
    """

    def __init__(self) -> None:
        self.module: nodes.Module = None
        self.calls: Words[nodes.Call] = Words(self)
        self.arguments: Words[nodes.Name | nodes.Attribute] = Words(self)
        self.attribute_stores: Words[nodes.AssignAttr] = Words(self)
        self.attribute_loads: Words[nodes.Attribute | nodes.DelAttr] = Words(self)
        self.returns = Returns()
        self.aliases: list[tuple[str, str]] = []
        self.classes: list[nodes.ClassDef] = []
        self.functions: list[nodes.FunctionDef] = []
        self.nonlocals: dict[nodes.NodeNG, set[str]] = defaultdict(set)
        self.hidden: dict[nodes.FunctionDef, str] = {}
        self.is_deferred = False
        self._guards: list[nodes.NodeNG] = []

    @property
    def guards(self) -> list[nodes.NodeNG]:
        """Every ``try`` and ``with`` statement, inner ones before those around them."""
        self.reveal()
        return self._guards

    def note_guard(self, statement: nodes.NodeNG) -> None:
        """Put down a ``try`` or ``with`` statement while the tree is built."""
        self._guards.append(statement)

    def reveal(self, word: str = "") -> None:
        """Builds the hidden bodies that hold a word; all of them without one."""
        for function in [one for one, text in self.hidden.items() if word in text]:
            _ = function.body


def _segment(node: nodes.NodeNG) -> int:
    """The line of the definition or statement around a node that stands in the module or a class itself."""
    while not isinstance(node.parent, nodes.Module | nodes.ClassDef | None):
        node = node.parent
    return node.lineno or 0


class _HiddenFunctionDef(nodes.FunctionDef):
    """A function whose body is built when it is first asked for; then it is an ordinary function."""

    @property
    def body(self) -> list[nodes.NodeNG]:
        self.reveal_body(self)
        statements: list[nodes.NodeNG] = self.body
        return statements

    @property
    def locals(self) -> dict[str, list[nodes.NodeNG]]:
        self.reveal_body(self)
        bound: dict[str, list[nodes.NodeNG]] = self.locals
        return bound

    def accept(self, visitor: object) -> object:
        """Let a visitor of astroid see the ordinary function."""
        self.reveal_body(self)
        return self.accept(visitor)


class _HiddenAsyncFunctionDef(_HiddenFunctionDef, nodes.AsyncFunctionDef):
    """The same for a coroutine function."""


class _Rebuilder(TreeRebuilder):
    """astroid's rebuilder, made to leave its input alone and to take notes on its way.

    ``lines``: those of the text when bodies may stay hidden, None when everything is built at once.
    """

    def __init__(self, notes: Tree, lines: Sequence[str] | None) -> None:
        super().__init__(manager=AstroidManager(), data=None)
        self._notes = notes
        self._lines = lines
        self._is_late = False

    def _get_doc(self, node: _Documented) -> tuple[_Documented, ast.Constant | None]:
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node = copy.copy(node)
        documented: tuple[_Documented, ast.Constant | None] = super()._get_doc(node)
        return documented

    def visit_call(self, node: ast.Call, parent: nodes.NodeNG) -> nodes.Call:
        call = super().visit_call(node, parent)
        self._notes.calls.note(last_word(call.func), call)
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            if isinstance(argument, nodes.Name | nodes.Attribute):
                self._notes.arguments.note(last_word(argument), argument)
        return call

    def visit_return(self, node: ast.Return, parent: nodes.NodeNG) -> nodes.Return:
        statement = super().visit_return(node, parent)
        self._notes.returns.setdefault(parent.scope(), []).append(statement)
        return statement

    def visit_assign(self, node: ast.Assign, parent: nodes.NodeNG) -> nodes.Assign:
        if not self._is_late:
            self._notes.aliases += _aliases(node)
        return super().visit_assign(node, parent)

    def visit_classdef(self, node: ast.ClassDef, parent: nodes.NodeNG) -> nodes.ClassDef:
        definition = super().visit_classdef(node, parent)
        self._notes.classes.append(definition)
        return definition

    def visit_functiondef(self, node: ast.FunctionDef, parent: nodes.NodeNG) -> nodes.FunctionDef:
        return self._noted_function(node, parent, super().visit_functiondef)

    def visit_asyncfunctiondef(self, node: ast.AsyncFunctionDef, parent: nodes.NodeNG) -> nodes.AsyncFunctionDef:
        return self._noted_function(node, parent, super().visit_asyncfunctiondef)

    def _noted_function(
        self,
        node: _Function,
        parent: nodes.NodeNG,
        visit: Callable[[_Function, nodes.NodeNG], nodes.FunctionDef],
    ) -> nodes.FunctionDef:
        text = self._hideable(node, parent)
        if not text:
            definition = visit(node, parent)
        else:
            shown, late = copy.copy(node), copy.copy(node)
            shown.body = node.body[:1] if _is_docstring(node.body[0]) else []
            late.body = node.body[len(shown.body) :]
            late.decorator_list, late.returns, late.args = [], None, _ARGUMENTLESS
            if sys.version_info >= (3, 12):
                late.type_params = []
            definition = visit(shown, parent)
            self._hide(definition, text, lambda: visit(late, definition))
            self._notes.aliases += (pair for statement in _statements(late.body) for pair in _aliases(statement))
        self._notes.functions.append(definition)
        return definition

    def _hideable(self, node: _Function, parent: nodes.NodeNG) -> str:
        """The text of a function whose body may stay hidden; "" where something outside needs what is in it."""
        if self._lines is None or not isinstance(parent, nodes.Module | nodes.ClassDef):
            return ""
        if any(isinstance(inner, _REACHING_OUT) for inner in _statements(node.body)):
            return ""
        text = "\n".join(self._lines[node.lineno - 1 : node.end_lineno])
        return text if text.isascii() else ""

    def _hide(self, function: nodes.FunctionDef, text: str, visit: Callable[[], nodes.FunctionDef]) -> None:
        whole = type(function)

        def reveal_body(hidden: nodes.FunctionDef) -> None:
            veil, hidden.__class__ = type(hidden), whole
            was_late, self._is_late = self._is_late, True
            try:
                with collector_paused():
                    late = visit()
            except RecursionError:
                hidden.__class__ = veil
                raise
            finally:
                self._is_late = was_late
            del self._notes.hidden[hidden], hidden.reveal_body
            hidden.locals[hidden.name].remove(late)
            if not hidden.locals[hidden.name]:
                del hidden.locals[hidden.name]
            for name, bound in late.locals.items():
                hidden.locals.setdefault(name, []).extend(bound)
            hidden.body = late.body
            for statement in late.body:
                statement.parent = hidden
            if late in self._notes.returns:
                self._notes.returns[hidden] = self._notes.returns.pop(late)

        function.reveal_body = reveal_body
        function.__class__ = (
            _HiddenAsyncFunctionDef if isinstance(function, nodes.AsyncFunctionDef) else _HiddenFunctionDef
        )
        self._notes.hidden[function] = text
        self._notes.is_deferred = True

    def visit_attribute(self, node: ast.Attribute, parent: nodes.NodeNG) -> nodes.NodeNG:
        attribute = super().visit_attribute(node, parent)
        if isinstance(attribute, nodes.AssignAttr):
            self._notes.attribute_stores.note(attribute.attrname, attribute)
        elif isinstance(attribute, nodes.Attribute | nodes.DelAttr):
            self._notes.attribute_loads.note(attribute.attrname, attribute)
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
        self._notes.note_guard(statement)
        return statement

    def visit_importfrom(self, node: ast.ImportFrom, parent: nodes.NodeNG) -> nodes.ImportFrom:
        statement = super().visit_importfrom(node, parent)
        for name, alias in statement.names:
            if name != "*":
                parent.set_local(alias or name, statement)
            if alias and not self._is_late:
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


def build(tree: ast.Module, name: str, text: str | None = None) -> Tree:
    """astroid's tree of a module, from the tree that ``ast.parse`` made of it.

    ``name`` is the module's dotted name, or "" when it is not known. With the text that the tree was made of, the
    bodies of functions are built only when they are asked for. The input is left unchanged. Raises RecursionError, now
    or when a body is asked for, when the input is nested deeper than the interpreter's stack allows.
    """
    notes = Tree()
    with collector_paused():
        notes.module = _Rebuilder(notes, None if text is None else text.split("\n")).visit_module(
            tree, name, "<text>", False
        )
    return notes


_REACHING_OUT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body and of what they hold, nested definitions apart."""
    waiting = [body]
    while waiting:
        for statement in waiting.pop():
            yield statement
            if isinstance(statement, _REACHING_OUT):
                continue
            for part in ("body", "orelse", "finalbody"):
                inner = getattr(statement, part, None)
                if inner:
                    waiting.append(inner)
            branches = (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))
            waiting += [branch.body for branch in branches]


def _aliases(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The pairs of a name and the last word of what it becomes another name for."""
    if isinstance(statement, ast.ImportFrom):
        yield from ((one.asname, one.name) for one in statement.names if one.asname)
    if not isinstance(statement, ast.Assign):
        return
    value: ast.expr = statement.value
    if isinstance(value, ast.Call) and value.args and _last_word(value.func) in {"partial", "partialmethod"}:
        value = value.args[0]
    elif isinstance(value, ast.Lambda) and isinstance(value.body, ast.Call):
        value = value.body.func
    for branch in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
        original = _last_word(branch)
        if original:
            yield from ((_last_word(target), original) for target in statement.targets)


def _last_word(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
