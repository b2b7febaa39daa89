"""The objects that modules make and hold under a name of their own: where, and of which classes.

Text comes first: it tells which modules may hold an object of a class, whatever function makes it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.account_lines import text_at
from flake8_task_lifecycle.facts.annotations import annotated
from flake8_task_lifecycle.facts.families import ancestors
from flake8_task_lifecycle.facts.values import NONE, UNKNOWN, UNKNOWN_ONLY, Definition, External, Instance, Value
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_function, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_CALLED = re.compile(r"([\w.]+)\(")
_WORD = re.compile(r"\w+")
_LAST = re.compile(r"\w+\Z")
_ASSIGNED = re.compile(r"^[^\W\d][\w.]*[ \t]*(?::([^=\n]+))?=(?!=)(.*(?:\n[ \t)\]}].*)*)", re.MULTILINE)
_BLOCK = re.compile(r"^(?:if|elif|else|try|except|finally|with)\b.*\n((?:(?:[ \t)\]}#].*)?\n)*)", re.MULTILINE)
_GLOBAL = re.compile(r"^[ \t]+global[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*)", re.MULTILINE)
_FUNCTION = re.compile(r"^(?:async[ \t]+)?def[ \t]+(\w+)(.*\n(?:(?:[ \t)\]}#].*)?\n)*)", re.MULTILINE)
_MAX_HOPS = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that a module holds under a name: ``name`` is ``package.module:scheduler``.

    ``made`` says where that is, as a clause; ``classes`` are those that it is of, whatever the module binds the name
    to, by qualified names.
    """

    name: str
    path: str
    line: int
    text: str
    made: str
    classes: frozenset[str]


def made_words(text: str) -> frozenset[str]:
    """The words of what a module calls to bind its names, of their annotations too; an alias also by its own name."""
    found: set[str] = set()
    for annotation, value in _ASSIGNED.findall(text):
        found.update(_WORD.findall(annotation))
        found.update(_called(value))
    for block in _BLOCK.findall(text):
        found.update(_called(block))
    names = {name for listed in _GLOBAL.findall(text) for name in _WORD.findall(listed)}
    if names:
        stored = re.compile(rf"^[ \t]+(?:{'|'.join(sorted(names))})\b[^=\n]*=(?!=)(.*\n?.*)", re.MULTILINE)
        found.update(word for value in stored.findall(text) for word in _called(value))
    parts = text.split(" as ") if found else []
    for before, after in pairwise(parts):
        original, alias = _LAST.search(before), _WORD.match(after.lstrip())
        if original is not None and alias is not None and alias[0] in found:
            found.add(original[0])
    return frozenset(found)


def _called(text: str) -> Iterator[str]:
    for chain in _CALLED.findall(text):
        yield from chain.split(".")


def with_makers(texts: Iterable[str], words: frozenset[str]) -> frozenset[str]:
    """Words, with the names of the functions that may give what they name: by text alone, those that hold a word."""
    found = asked = words
    for _ in range(_MAX_HOPS):
        wanted = re.compile(rf"\b(?:{'|'.join(sorted(asked))})\b")
        asked = frozenset(
            name
            for text in texts
            if any(word in text for word in asked)
            for name, body in _FUNCTION.findall(text)
            if name not in found and wanted.search(body)
        )
        if not asked:
            break
        found |= asked
    return found


def kept_in(facts: Facts, path: str) -> Iterator[Kept]:
    """The objects that a module makes under a name, or in an attribute of something named there.

    Nothing is told of a name that may stand for something else as well, ``None`` apart.
    """
    module = facts.module.name if facts.module is not None else ""
    for name, bound in _bindings(facts).items():
        made = [node for node in bound if _makes(getattr(node.parent, "value", None))]
        classes = _classes(facts, bound) if made else frozenset()
        if classes:
            function = enclosing_function(made[0])
            where = "at module level" if function is None else f"in {qualified_name(function)}"
            line = made[0].lineno or 1
            yield Kept(f"{module}:{name}", path, line, text_at(facts.source, line), f"made {where}", classes)


def _bindings(facts: Facts) -> dict[str, list[nodes.NodeNG]]:
    """What binds each name of a module, functions that call it global included, and each attribute at its top level."""
    bound: dict[str, list[nodes.NodeNG]] = defaultdict(list)
    for name, found in facts.tree.module.locals.items():
        bound[name] += [node for node in found if node.lineno is not None and not isinstance(node, nodes.DelName)]
    for statement in walk(facts.tree.module.body):
        if isinstance(statement, nodes.Assign | nodes.AnnAssign):
            targets = statement.targets if isinstance(statement, nodes.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, nodes.AssignAttr) and dotted(target):
                    bound[dotted(target)].append(target)
    for nodes_of_name in bound.values():
        nodes_of_name.sort(key=lambda node: node.lineno or 0)
    return bound


def _makes(value: nodes.NodeNG | None) -> bool:
    """Whether an expression may give a new object."""
    match value:
        case nodes.Call():
            return True
        case nodes.IfExp():
            return _makes(value.body) or _makes(value.orelse)
        case nodes.BoolOp():
            return any(map(_makes, value.values))
        case nodes.Await() | nodes.NamedExpr():
            return _makes(value.value)
    return False


def _classes(facts: Facts, bound: list[nodes.NodeNG]) -> frozenset[str]:
    """The classes that everything bound to a name is of; what stays unknown is what an annotation promises."""
    values = {value for node in bound for value in _values(facts, node)} - {NONE}
    if UNKNOWN in values:
        annotations = (node.parent.annotation for node in bound if isinstance(node.parent, nodes.AnnAssign))
        promised = {value for annotation in annotations for value in annotated(facts.evaluator, annotation)} - {NONE}
        values = (values - {UNKNOWN}) | (promised or {UNKNOWN})
    lineages = [_lineage(facts, value) for value in values]
    return frozenset.intersection(*lineages) if lineages else frozenset()


def _values(facts: Facts, node: nodes.NodeNG) -> Iterable[Value]:
    statement = node.parent
    if not isinstance(statement, nodes.Assign | nodes.AnnAssign):
        return UNKNOWN_ONLY
    return facts.evaluator.of(statement.value) if statement.value is not None else ()


def _lineage(facts: Facts, value: Value) -> frozenset[str]:
    """The qualified names of the class of an object, and of its bases."""

    def above(home: Facts, node: nodes.NodeNG) -> frozenset[str] | None:
        return ancestors(home, node) if isinstance(node, nodes.ClassDef) else None

    match value:
        case Instance(Definition(node)) if isinstance(node, nodes.ClassDef):
            return ancestors(facts, node)
        case Instance(External(name)):
            return facts.world.ask(name, above) or frozenset()
    return frozenset()
