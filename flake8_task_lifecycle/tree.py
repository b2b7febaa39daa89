"""The one door to astroid: from flake8's tree to astroid's, and what every fact asks of it first.

The tree is rebuilt from the ``ast`` tree that flake8 has parsed already, and that tree stays as it was: other
plugins read it after us. Nothing is put into astroid's process-wide caches, nothing is inferred or imported.
"""

from __future__ import annotations

import ast
import copy
import gc
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeVar, cast

from astroid import nodes
from astroid.manager import AstroidManager
from astroid.rebuilder import TreeRebuilder

from flake8_task_lifecycle.names import last_word

_Documented = TypeVar("_Documented", ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_Guard = TypeVar("_Guard", nodes.Try, nodes.TryStar, nodes.With, nodes.AsyncWith)


_Node = TypeVar("_Node", bound=nodes.NodeNG)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


_NAMELESS = re.compile(r"[)\]][\s\\]*\(")
_OPENED = re.compile(r"[\s\\]*\(")
_BETWEEN = " \t\n\\"
_WIDEST = 80
_ENDED = re.compile(r"(?!\w|[ \t]*[.(\[])")


class _Shape(NamedTuple):
    """The surroundings of a word in a text: whether it stands behind a dot, and what matches after it."""

    is_attribute: bool = False
    after: re.Pattern[str] | None = None

    def is_in(self, text: str, word: str) -> bool:
        """Whether a text may hold the word so: a longer name that ends in it counts.

        Without a word: whether something is called there that is no name.
        """
        if not word:
            return _NAMELESS.search(text) is not None
        at = text.find(word)
        while at >= 0:
            end = at + len(word)
            is_behind = not self.is_attribute or _ends_in_dot(text, at)
            if is_behind and (self.after is None or self.after.match(text, end) is not None):
                return True
            at = text.find(word, end)
        return False


def _ends_in_dot(text: str, at: int) -> bool:
    before = text[at - 1 : at]
    return before == "." or (before in _BETWEEN and text[max(at - _WIDEST, 0) : at].rstrip(_BETWEEN).endswith("."))


class Words(dict[str, list[_Node]]):
    """Nodes by a word. What is still hidden and may hold such a node is built when the word is asked for.

    ``shape``: what stands before and after the word in the text of such a node.
    """

    def __init__(self, tree: Tree, shape: _Shape) -> None:
        super().__init__()
        self._tree = tree
        self._shape = shape
        self._in_order: set[str] = set()

    def note(self, word: str, node: _Node) -> None:
        """Put down a node while the tree is built."""
        self.setdefault(word, []).append(node)

    def get(self, word: str, default: Sequence[_Node] = ()) -> Sequence[_Node]:  # type: ignore[override]
        """The nodes of a word, in the order of the source."""
        if word not in self._in_order:
            self._in_order.add(word)
            if self._tree.hidden:
                self._tree.reveal(word, self._shape)
            if word in self and self._tree.is_deferred:
                self[word].sort(key=_segment)
        return super().get(word, default)

    def holding(self, text: str) -> Iterator[_Node]:
        """The nodes of every word, without those in hidden bodies that do not hold a text."""
        self._tree.reveal(text)
        for nodes_of_word in super().values():
            yield from nodes_of_word


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
    import or assignment. ``source`` gives the tree that ``ast.parse`` makes.

    A function may be hidden: all but its name and its decorators is built when something asks for it, or for a word
    that it holds.
    """

    def __init__(self, source: Callable[[], ast.Module]) -> None:
        self.source = source
        self.module: nodes.Module = None
        self.calls: Words[nodes.Call] = Words(self, _Shape(after=_OPENED))
        self.arguments: Words[nodes.Name | nodes.Attribute] = Words(self, _Shape(after=_ENDED))
        self.attribute_stores: Words[nodes.AssignAttr] = Words(self, _Shape(is_attribute=True, after=_ENDED))
        self.attribute_loads: Words[nodes.Attribute | nodes.DelAttr] = Words(self, _Shape(is_attribute=True))
        self.returns = Returns()
        self.aliases: list[tuple[str, str]] = []
        self.classes: list[nodes.ClassDef] = []
        self.functions: list[nodes.FunctionDef] = []
        self.nonlocals: dict[nodes.NodeNG, set[str]] = defaultdict(set)
        self.hidden: dict[nodes.FunctionDef, _Hidden] = {}
        self.is_deferred = False
        self._guards: list[nodes.NodeNG] = []

    @property
    def guards(self) -> list[nodes.NodeNG]:
        """Every ``try`` and ``with`` statement of a coroutine function, inner ones before those around them."""
        for function in [one for one, found in self.hidden.items() if found.waits_guarded]:
            _ = function.body
        return self._guards

    def note_guard(self, statement: nodes.NodeNG) -> None:
        """Put down a ``try`` or ``with`` statement while the tree is built."""
        self._guards.append(statement)

    def reveal(self, word: str, shape: _Shape | None = None) -> None:
        """Builds the hidden functions whose text holds a word, with a shape around it."""
        found = [one for one, hidden in self.hidden.items() if word in hidden.text]
        for function in found:
            if shape is None or shape.is_in(self.hidden[function].text, word):
                _ = function.body


class _Hidden(NamedTuple):
    """What is known of a hidden function: its text, and whether it is a coroutine function with a guarded block."""

    text: str
    waits_guarded: bool


def _segment(node: nodes.NodeNG) -> int:
    """The line of the definition or statement around a node that stands in the module or a class itself."""
    while not isinstance(node.parent, nodes.Module | nodes.ClassDef | None):
        node = node.parent
    return node.lineno or 0


def _when_asked(name: str) -> property:
    def shown(function: nodes.FunctionDef) -> object:
        function.reveal(function)
        return getattr(function, name)

    return property(shown)


class _HiddenFunctionDef(nodes.FunctionDef):
    """A function that is built when it is first asked for; then it is an ordinary function."""

    args = _when_asked("args")
    body = _when_asked("body")
    doc_node = _when_asked("doc_node")
    locals = _when_asked("locals")
    returns = _when_asked("returns")
    type_params = _when_asked("type_params")

    def accept(self, visitor: object) -> object:
        """Let a visitor of astroid see the ordinary function."""
        self.reveal(self)
        return self.accept(visitor)


class _HiddenAsyncFunctionDef(_HiddenFunctionDef, nodes.AsyncFunctionDef):
    """The same for a coroutine function."""


class _Rebuilder(TreeRebuilder):
    """astroid's rebuilder, made to leave its input alone and to take notes on its way.

    ``lines``: those of the text when functions may stay hidden, None when everything is built at once. ``lets_go``:
    nothing of the input is kept, and what is hidden is parsed again.
    """

    def __init__(self, notes: Tree, lines: Sequence[str] | None, *, lets_go: bool = False) -> None:
        super().__init__(manager=AstroidManager(), data=None)
        self._notes = notes
        self._lines = lines
        self._lets_go = lets_go
        self._is_late = False

    def visit_module(self, node: ast.Module, modname: str, modpath: str, package: bool) -> nodes.Module:
        module = super().visit_module(node, modname, modpath, package)
        self._lines = None
        return module

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
        text = self._hideable_text(node, parent)
        found = _survey(node) if text else None
        if found is None:
            definition = visit(node, parent)
        else:
            later = partial(_parsed_again, text, node.lineno) if self._lets_go else partial(_undecorated, node)
            definition = self._hidden(node, parent, visit, later)
            self._notes.hidden[definition] = _Hidden(text, found.is_guarded and isinstance(node, ast.AsyncFunctionDef))
            self._notes.aliases += found.aliases
        self._notes.functions.append(definition)
        return definition

    def _hideable_text(self, node: _Function, parent: nodes.NodeNG) -> str:
        """The text of a function that may stay hidden, as far as its place and its words tell; else ""."""
        if self._lines is None or not isinstance(parent, nodes.Module | nodes.ClassDef):
            return ""
        text = "\n".join(self._lines[node.lineno - 1 : node.end_lineno])
        return text if text.isascii() and ":=" not in text and "\f" not in text else ""

    def _hidden(
        self,
        node: _Function,
        parent: nodes.NodeNG,
        visit: Callable[[_Function, nodes.NodeNG], nodes.FunctionDef],
        later: Callable[[], _Function],
    ) -> nodes.FunctionDef:
        """A function of which only the name and the decorators are built yet; ``later`` gives the rest."""
        is_coroutine = isinstance(node, ast.AsyncFunctionDef)
        whole = nodes.AsyncFunctionDef if is_coroutine else nodes.FunctionDef
        hidden = whole(
            name=node.name,
            lineno=node.decorator_list[0].lineno if node.decorator_list else node.lineno,
            col_offset=node.col_offset,
            parent=parent,
            end_lineno=node.end_lineno,
            end_col_offset=node.end_col_offset,
        )
        hidden.decorators = self.visit_decorators(node, hidden)
        parent.set_local(node.name, hidden)

        def reveal(function: nodes.FunctionDef) -> None:
            self._is_late = True
            try:
                with collector_paused():
                    built = visit(later(), parent)
            finally:
                self._is_late = False
            parent.locals[function.name].remove(built)
            for part in built.get_children():
                part.parent = function
            kept = {name: getattr(function, name) for name in ("lineno", "decorators")}
            function.__class__ = whole
            function.__dict__.update(built.__dict__ | kept)
            del self._notes.hidden[function], function.reveal
            if built in self._notes.returns:
                self._notes.returns[function] = self._notes.returns.pop(built)

        hidden.reveal = reveal
        hidden.__class__ = _HiddenAsyncFunctionDef if is_coroutine else _HiddenFunctionDef
        self._notes.is_deferred = True
        return hidden

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

    ``name`` is the module's dotted name, or "" when it is not known. With the text that the tree was made of, functions
    are built only when they are asked for. The input is left unchanged. Raises RecursionError, now or when a function
    is asked for, when the input is nested deeper than the interpreter's stack allows.
    """
    notes = Tree(lambda: tree)
    with collector_paused():
        rebuilder = _Rebuilder(notes, None if text is None else text.split("\n"))
        notes.module = rebuilder.visit_module(tree, name, "<text>", False)
    return notes


def build_from_text(name: str, text: str) -> Tree:
    """astroid's tree of a module that nobody has parsed; what it is made from is not kept, only the text.

    ``name`` is the module's dotted name. Raises what ``ast.parse`` raises, and RecursionError, now or when a function
    is asked for, when the input is nested deeper than the interpreter's stack allows.
    """
    notes = Tree(partial(_parsed, text))
    with collector_paused():
        rebuilder = _Rebuilder(notes, text.split("\n"), lets_go=True)
        notes.module = rebuilder.visit_module(_parsed(text), name, "<text>", False)
    return notes


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _parsed_again(text: str, line: int) -> _Function:
    """A function from its own lines, the first of which is this one of its module."""
    if text[0].isspace():
        module = _parsed("\n" * (line - 2) + f"if True:\n{text}\n\n")
        body = cast("ast.If", module.body[0]).body
    else:
        body = _parsed("\n" * (line - 1) + f"{text}\n\n").body
    return cast("_Function", body[0])


def _undecorated(function: _Function) -> _Function:
    function = copy.copy(function)
    function.decorator_list = []
    return function


class _Survey(NamedTuple):
    """What the statements of a function show: other names for something, and whether there is a ``try`` or ``with``."""

    aliases: list[tuple[str, str]]
    is_guarded: bool


_REACHING_OUT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)
_NAMING = (ast.Assign, ast.ImportFrom)
_GUARDS = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)
_WITH_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Match, *_GUARDS)


def _survey(function: _Function) -> _Survey | None:
    """What the statements of a function show; None where something outside needs what is in it."""
    aliases: list[tuple[str, str]] = []
    is_guarded = False
    waiting = [function.body]
    while waiting:
        for statement in waiting.pop():
            if isinstance(statement, _NAMING):
                aliases += _aliases(statement)
            elif isinstance(statement, _WITH_BLOCKS):
                is_guarded = is_guarded or isinstance(statement, _GUARDS)
                waiting += _blocks(statement)
            elif isinstance(statement, _REACHING_OUT):
                return None
    return _Survey(aliases, is_guarded)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for part in ("body", "orelse", "finalbody"):
        inner = getattr(statement, part, None)
        if inner:
            yield inner
    for branch in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield branch.body


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
        for original in _looked_up(branch) or [_last_word(branch)]:
            if original:
                yield from ((_last_word(target), original) for target in statement.targets)


def _looked_up(expression: ast.expr) -> list[str]:
    """The last words of what ``getattr(owner, "name", default)`` gives; none for whatever else."""
    if not isinstance(expression, ast.Call) or _last_word(expression.func) != "getattr":
        return []
    named = expression.args[1:]
    return [str(one.value) if isinstance(one, ast.Constant) else _last_word(one) for one in named]


def _last_word(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
