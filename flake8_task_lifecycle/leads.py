"""What the statements of flake8's tree show before anything is built: calls whose value may be lost.

Statements are walked, expressions are not: of an expression only what stands at its top is seen. Strangers to the
file decide what such a call gives; its own definitions are found by name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flake8_task_lifecycle.homes import OWN_RECEIVERS, CallName


@dataclass(slots=True, eq=False)
class Leads:
    """The functions and the calls of one file.

    ``dropped``: calls whose value a statement or a test throws away. ``kept``: those whose value goes straight to a
    name, an attribute or another call.
    """

    coroutine_functions: set[str] = field(default_factory=set)
    plain_functions: set[str] = field(default_factory=set)
    dropped: dict[CallName, None] = field(default_factory=dict)
    kept: dict[CallName, None] = field(default_factory=dict)


def leads_of(tree: ast.Module) -> Leads:
    """The leads of one file, from its tree as ``ast.parse`` made it; the tree is only read."""
    found = Leads()
    waiting: list[tuple[list[ast.stmt], str]] = [(tree.body, "")]
    while waiting:
        body, owner = waiting.pop()
        for statement in body:
            waiting += _inside(statement, owner, found)
    return found


def called_in(tree: ast.Module) -> dict[str, dict[CallName, bool]]:
    """How the calls of one file name what they call, by the last word, and whether a statement drops what one gives.

    A word whose calls stand on no name, as those on a subscript, has none; the word of what is no name is empty. The
    tree is only read.
    """
    found: dict[str, dict[CallName, bool]] = {}
    classes: list[tuple[ast.AST, str]] = [(tree, "")]
    while classes:
        home, owner = classes.pop()
        waiting: list[Any] = [home]
        while waiting:
            node = waiting.pop()
            kind: Any = type(node)
            if kind is ast.Call:
                _note_word(found, node, owner, is_dropped=False)
            elif kind is ast.Expr:
                call = node.value.value if type(node.value) is ast.Await else node.value
                if type(call) is ast.Call:
                    _note_word(found, call, owner, is_dropped=True)
            elif kind is ast.ClassDef and node is not home:
                classes.append((node, node.name))
                continue
            for name in _parts_of(kind):
                part = getattr(node, name, None)
                if type(part) is list:
                    waiting += [one for one in part if type(one) not in _WITHOUT_CALLS]
                elif type(part) not in _WITHOUT_CALLS:
                    waiting.append(part)
    return found


_WITHOUT_CALLS = frozenset({ast.Name, ast.Constant, ast.Pass, ast.Import, ast.ImportFrom, type(None), str, int})
_WITHOUT_NODES = frozenset({"id", "attr", "ctx", "op", "ops", "name", "names", "module", "level", "arg"})


@cache
def _parts_of(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes with calls in them; none of what is no node, such as a bool."""
    return tuple(name for name in getattr(kind, "_fields", ()) if name not in _WITHOUT_NODES)


def _note_word(found: dict[str, dict[CallName, bool]], call: ast.Call, owner: str, *, is_dropped: bool) -> None:
    function = call.func
    word = ""
    if isinstance(function, ast.Name | ast.Attribute):
        word = function.id if isinstance(function, ast.Name) else function.attr
    names = found.setdefault(word, {})
    name = _call_name(function, owner)
    if name is not None:
        names[name] = is_dropped or names.get(name, False)


def _inside(statement: ast.stmt, owner: str, found: Leads) -> Iterator[tuple[list[ast.stmt], str]]:
    """The bodies of a statement, each with the class around it, after notes of what the statement itself shows."""
    match statement:
        case ast.Expr(value):
            if isinstance(value, ast.Call):
                _note(found.dropped, value, owner)
            else:
                _note_thrown(found, value, owner)
            _note_inner(found, value, owner)
            return
        case ast.Assign(value=value) | ast.AnnAssign(value=value) | ast.Return(value=value):
            if isinstance(value, ast.Call):
                _note(found.dropped if _is_thrown(statement) else found.kept, value, owner)
            _note_inner(found, value, owner)
            return
        case ast.FunctionDef(name=name):
            found.plain_functions.add(name)
        case ast.AsyncFunctionDef(name=name):
            found.coroutine_functions.add(name)
        case ast.ClassDef(name=name):
            owner = name
        case ast.If(test=test) | ast.While(test=test) | ast.Assert(test=test):
            _note_thrown(found, test, owner)
    for part in ("body", "orelse", "finalbody"):
        inner = getattr(statement, part, None)
        if inner:
            yield inner, owner
    for branch in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield branch.body, owner


def _is_thrown(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and all(
        isinstance(one, ast.Name) and one.id == "_" for one in statement.targets
    )


def _note_inner(found: Leads, value: ast.expr | None, owner: str) -> None:
    """Notes the calls among the arguments of a call, also those in a collection that is an argument."""
    call = value.value if isinstance(value, ast.Await) else value
    for argument in call.args if isinstance(call, ast.Call) else ():
        parts = argument.elts if isinstance(argument, ast.List | ast.Tuple | ast.Set) else [argument]
        for part in parts:
            if isinstance(part, ast.Call):
                _note(found.kept, part, owner)


def _note_thrown(found: Leads, value: ast.expr, owner: str) -> None:
    """Notes the calls of an expression whose value goes nowhere, or only through a test."""
    match value:
        case ast.Call():
            _note(found.dropped, value, owner)
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                _note_thrown(found, part, owner)
        case ast.IfExp(test, body, orelse):
            for part in (test, body, orelse):
                _note_thrown(found, part, owner)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _note_thrown(found, operand, owner)
        case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
            _note_thrown(found, element, owner)


def _note(notes: dict[CallName, None], call: ast.Call, owner: str) -> None:
    name = _call_name(call.func, owner)
    if name is not None:
        notes[name] = None


def _call_name(function: ast.expr, owner: str) -> CallName | None:
    if isinstance(function, ast.Name):
        return CallName("", function.id)
    if isinstance(function, ast.Attribute):
        receiver = _written(function.value)
        if receiver:
            return CallName(receiver, function.attr, owner if receiver in OWN_RECEIVERS else "")
    return None


def _written(expression: ast.expr) -> str:
    """A dotted receiver as written; a call in it stands for what it calls, and ``super()`` for itself."""
    parts: list[str] = []
    while isinstance(expression, ast.Attribute | ast.Call | ast.Await):
        if isinstance(expression, ast.Attribute):
            parts.append(expression.attr)
            expression = expression.value
        elif isinstance(expression, ast.Await):
            expression = expression.value
        elif isinstance(expression.func, ast.Name) and expression.func.id == "super":
            parts.append("super()")
            break
        else:
            expression = expression.func
    if isinstance(expression, ast.Name):
        parts.append(expression.id)
    return ".".join(reversed(parts))
