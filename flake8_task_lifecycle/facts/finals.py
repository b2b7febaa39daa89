"""Statements in a ``finally`` that leave it and so throw away the exception that led there.

https://docs.python.org/3/reference/compound_stmts.html#finally-clause: a ``return``, ``break`` or ``continue`` there
discards the saved exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.arrivals import arrivals, is_resumed_by_throw
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Span
from flake8_task_lifecycle.names import enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Discard(NamedTuple):
    """A ``return``, ``break`` or ``continue`` (``keyword``) through which a cancellation gets lost."""

    span: Span
    keyword: str
    qualname: str


def discards(facts: Facts) -> list[Discard]:
    """Every such statement of the module's coroutines, in source order."""
    found: dict[nodes.NodeNG, Discard] = {}
    for node in facts.tree.guards:
        if isinstance(node, nodes.Try | nodes.TryStar) and node.finalbody:
            function = enclosing_function(node)
            if isinstance(function, nodes.AsyncFunctionDef):
                for statement in _lost_through(facts, function, node):
                    span = facts.source.span_of(statement)
                    found[statement] = Discard(span, _keyword(statement), qualified_name(function))
    return sorted(found.values(), key=lambda discard: discard.span)


def _lost_through(
    facts: Facts, function: nodes.FunctionDef, guarded: nodes.Try | nodes.TryStar
) -> Iterator[nodes.NodeNG]:
    leaving = [one for one in _leaving(guarded.finalbody, False) if not _is_asked(facts, one, guarded)]
    if not leaving:
        return
    protected = [*guarded.orelse, *(part for handler in guarded.handlers for part in handler.body)]
    if not facts.handlers.takes(guarded):
        protected += guarded.body
    waits = list(arrivals(protected, facts.handlers.takes, is_resumed_by_throw(function)))
    cancelled = frozenset().union(*(texts for _, texts in facts.cancelled.by_function(function)))
    if waits and not facts.cancelled.waits_only_for(waits, cancelled):
        yield from leaving


def _leaving(block: Iterable[nodes.NodeNG], in_loop: bool) -> Iterator[nodes.NodeNG]:
    """The statements of a block that leave it; the jumps of loops inside it, and nested functions, apart."""
    for node in block:
        match node:
            case nodes.Return():
                yield node
            case nodes.Break() | nodes.Continue():
                if not in_loop:
                    yield node
            case nodes.While() | nodes.For():
                yield from _leaving(node.body, True)
                yield from _leaving(node.orelse, in_loop)
            case nodes.FunctionDef() | nodes.ClassDef():
                continue
            case nodes.Try() | nodes.TryStar():
                yield from _leaving([*node.body, *node.orelse, *node.finalbody], in_loop)
            case _ if node.is_statement or isinstance(node, nodes.MatchCase):
                yield from _leaving(node.get_children(), in_loop)


def _is_asked(facts: Facts, statement: nodes.NodeNG, guarded: nodes.Try | nodes.TryStar) -> bool:
    """Whether the statement stands under a test of what happened before.

    ``exc_info``, a name set in the body, or a flag that the owner sets just before it cancels.
    """
    inside = [*guarded.body, *guarded.orelse, *(part for handler in guarded.handlers for part in handler.body)]
    stored = {node.name for node in walk(inside) if isinstance(node, nodes.AssignName)}
    stored |= {node.attrname for node in walk(inside) if isinstance(node, nodes.AssignAttr)}
    parent = statement.parent
    while parent is not guarded:
        if isinstance(parent, nodes.If):
            if facts.handlers.asking.tests_owner_flag(parent.test):
                return True
            for node in walk([parent.test]):
                if last_word(node) in stored | {"exc_info", "exception", "cancelled", "cancelling"}:
                    return True
        parent = parent.parent
    return False


def _keyword(statement: nodes.NodeNG) -> str:
    return type(statement).__name__.lower()
