"""Annotations as promises of values: unions, Optional, Annotated, quoted names (PEP 484, PEP 604, PEP 593)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from astroid import nodes

from flake8_task_lifecycle.facts.values import (
    NONE,
    UNKNOWN,
    UNKNOWN_ONLY,
    Definition,
    External,
    Instance,
    Value,
    Values,
    each,
    known_names,
)

_SAYING_NOTHING = frozenset({"typing.Any", "typing.Final", "typing.ClassVar"})
_DOTTED_TEXT = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*\Z")
_OPTIONAL_TEXT = re.compile(r"(?:\w+\.)?Optional\[(.*)\]\Z")


class Reader(Protocol):
    """What reading an annotation needs: the values of expressions, names and attributes."""

    def of(self, expression: nodes.NodeNG) -> Values:
        """The values of an expression."""

    def named(self, node: nodes.NodeNG, name: str) -> Iterable[Value]:
        """The values of a name read at a node."""

    def member(self, base: Value, attribute: str) -> Iterable[Value]:
        """The values of an attribute."""


def annotated(reader: Reader, annotation: nodes.NodeNG) -> Iterable[Value]:
    """The values that an annotation promises; UNKNOWN where it cannot be read."""
    match annotation:
        case nodes.Const() if isinstance(annotation.value, str):
            return each(annotation.value.split("|"), lambda text: _quoted(reader, annotation, text.strip()))
        case nodes.Const() if annotation.value is None:
            return (NONE,)
        case nodes.BinOp() if annotation.op == "|":
            return each((annotation.left, annotation.right), lambda side: annotated(reader, side))
        case nodes.Subscript():
            return _generic(reader, annotation)
        case nodes.Name() | nodes.Attribute():
            return _instances(reader.of(annotation))
    return UNKNOWN_ONLY


def _generic(reader: Reader, annotation: nodes.Subscript) -> Iterable[Value]:
    outer = reader.of(annotation.value)
    inner = annotation.slice
    names = known_names(outer, instance=False)
    if names is None:
        return _instances(outer)
    if names <= {"typing.Optional", "typing.ClassVar", "typing.Final", "typing.Required"}:
        optional = (NONE,) if names == {"typing.Optional"} else ()
        return (*annotated(reader, inner), *optional)
    if names <= {"typing.Union"} and isinstance(inner, nodes.Tuple):
        return each(inner.elts, lambda member: annotated(reader, member))
    if names <= {"typing.Annotated"} and isinstance(inner, nodes.Tuple):
        return annotated(reader, inner.elts[0])
    if names <= {"typing.Type", "builtins.type"}:
        return (value.of for value in annotated(reader, inner) if isinstance(value, Instance))
    return _instances(outer)


def _quoted(reader: Reader, node: nodes.NodeNG, text: str) -> Iterable[Value]:
    optional = _OPTIONAL_TEXT.match(text)
    if optional:
        return (*_quoted(reader, node, optional[1]), NONE)
    if text == "None":
        return (NONE,)
    if not _DOTTED_TEXT.match(text):
        return UNKNOWN_ONLY
    head, *rest = text.split(".")
    values: Values = frozenset(reader.named(node, head))
    for part in rest:
        values = frozenset(value for base in values for value in reader.member(base, part))
    return _instances(values)


def _instances(classes: Iterable[Value]) -> Iterable[Value]:
    for value in classes:
        match value:
            case External(name) if name not in _SAYING_NOTHING:
                yield Instance(value)
            case Definition(node) if isinstance(node, nodes.ClassDef):
                yield Instance(value)
            case _:
                yield UNKNOWN
