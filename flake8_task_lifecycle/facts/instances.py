"""The objects that modules make and hold under a name of their own: where, and of which classes.

Text comes first: it tells which modules may hold an object of a class, whatever function makes it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

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
_PROMISED = re.compile(r"\)[ \t]*->([^:]+):")
_MAX_HOPS = 2


class Kept(NamedTuple):
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


class MadeWords:
    """The words that tell, by text alone, of what the modules of a project may hold objects, in some texts of it."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._functions: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for text in texts:
            for name, body in _FUNCTION.findall(text):
                self._functions[name].append((body, text))
        self._of: dict[str, frozenset[str]] = {}

    def of(self, text: str) -> frozenset[str]:
        """The words of what a module calls to bind its names, and of their annotations.

        The functions that it calls for that, at the top level of any module, add the words of what they call.
        """
        found = asked = _with_aliases(text, frozenset(_made_words(text)))
        for _ in range(_MAX_HOPS):
            asked = (
                frozenset(word for name in asked if name in self._functions for word in self._called_in(name)) - found
            )
            found |= asked
        return found

    def _called_in(self, name: str) -> frozenset[str]:
        if name not in self._of:
            self._of[name] = frozenset(
                word
                for body, text in self._functions[name]
                for word in _with_aliases(text, frozenset(_given_words(body)))
            )
        return self._of[name]


def _made_words(text: str) -> Iterator[str]:
    for annotation, value in _ASSIGNED.findall(text):
        yield from _WORD.findall(annotation)
        yield from _called(value)
    for block in _BLOCK.findall(text):
        yield from _called(block)
    names = {name for listed in _GLOBAL.findall(text) for name in _WORD.findall(listed)}
    if names:
        stored = re.compile(rf"^[ \t]+(?:{'|'.join(sorted(names))})\b[^=\n]*=(?!=)(.*\n?.*)", re.MULTILINE)
        for value in stored.findall(text):
            yield from _called(value)


def _given_words(function: str) -> Iterator[str]:
    promised = _PROMISED.search(function)
    yield from _WORD.findall(promised[1]) if promised is not None else ()
    yield from _called(function)


def _called(text: str) -> Iterator[str]:
    for chain in _CALLED.findall(text):
        yield from chain.split(".")


def _with_aliases(text: str, words: frozenset[str]) -> frozenset[str]:
    """Words of a text, an alias also by its own name."""
    found = set(words)
    for before, after in pairwise(text.split(" as ") if words else []):
        original, alias = _LAST.search(before), _WORD.match(after.lstrip())
        if original is not None and alias is not None and alias[0] in words:
            found.add(original[0])
    return frozenset(found)


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
