"""Names that a program looks up at run time: what ``getattr(self, f"on_{word}")`` can reach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 4
_MAX_VALUES = 8
_ANY = r"\w*"
_PERCENT = re.compile(r"%(?:\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]")
_BRACES = re.compile(r"\{[^{}]*\}")


def may_name(facts: Facts, expression: nodes.NodeNG, word: str) -> bool:
    """Whether an expression, looked up as a name, may be this word: its constant parts must fit it."""
    return any(re.fullmatch(form, word) for form in _forms(facts, expression, _MAX_DEPTH))


def key_looked_up(mapping: nodes.NodeNG) -> nodes.NodeNG | None:
    """The key that a mapping is looked up by where it stands; None where more of it may be read."""
    match mapping.parent:
        case nodes.Subscript(value=value, slice=key) if value is mapping:
            return key
        case nodes.Compare(left=key, ops=[("in" | "not in", right)]) if right is mapping:
            return key
        case nodes.Attribute(attrname="get" | "pop" | "setdefault", parent=nodes.Call(args=[key, *_])):
            return key
    return None


def _forms(facts: Facts, expression: nodes.NodeNG | None, depth: int) -> Iterator[str]:
    """Patterns for all that an expression can be."""
    match expression:
        case nodes.Const(value=str(text)):
            yield re.escape(text)
        case nodes.JoinedStr():
            yield "".join(_part(part) for part in expression.values)
        case nodes.BinOp(op="+") if depth:
            for left in _forms(facts, expression.left, depth - 1):
                for right in _forms(facts, expression.right, depth - 1):
                    yield left + right
        case nodes.BinOp(op="%", left=nodes.Const(value=str(text))):
            yield _filled(text, _PERCENT)
        case nodes.Call(func=nodes.Attribute(attrname="format", expr=nodes.Const(value=str(text)))):
            yield _filled(text, _BRACES)
        case nodes.IfExp() if depth:
            yield from _forms(facts, expression.body, depth - 1)
            yield from _forms(facts, expression.orelse, depth - 1)
        case nodes.Name() if depth:
            for value in _values(facts, expression):
                yield from _forms(facts, value, depth - 1)
        case _:
            yield _ANY


def _part(part: nodes.NodeNG) -> str:
    return re.escape(part.value) if isinstance(part, nodes.Const) and isinstance(part.value, str) else _ANY


def _filled(text: str, hole: re.Pattern[str]) -> str:
    return _ANY.join(re.escape(part) for part in hole.split(text))


def _values(facts: Facts, name: nodes.Name) -> list[nodes.NodeNG | None]:
    """What a name can be bound to; None for what does not show, or is too much to be put together."""
    binding = facts.names.binding(name, name.name)
    if binding is None or len(binding.nodes) > _MAX_VALUES:
        return [None]
    found: list[nodes.NodeNG | None] = []
    for store in binding.nodes:
        statement = store.parent
        match statement:
            case nodes.Assign() | nodes.AnnAssign() | nodes.NamedExpr():
                found.append(statement.value)
            case (
                nodes.For(iter=nodes.Tuple() | nodes.List() | nodes.Set())
                | nodes.Comprehension(iter=nodes.Tuple() | nodes.List() | nodes.Set())
            ):
                found += statement.iter.elts
            case _:
                found.append(None)
    return found
