"""The names and attributes that hold a task in a function: what a step reads of them, and what it stores to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.holders import Holder, item_text
from flake8_task_lifecycle.flow import Step, nodes_in, words_in
from flake8_task_lifecycle.homes import OWN_RECEIVERS
from flake8_task_lifecycle.names import dotted

_KEPT_WORDS = 1_000
_WORD = re.compile(r"\w+")


class Reached(NamedTuple):
    """The names and attributes by which a function reaches a task."""

    names: frozenset[str]
    attributes: frozenset[str]

    def __bool__(self) -> bool:
        """Whether there is any of them."""
        return bool(self.names or self.attributes)

    def has(self, node: nodes.NodeNG) -> bool:
        """Whether an expression, or the target of a store, is one of them."""
        if isinstance(node, nodes.Name | nodes.AssignName | nodes.DelName):
            return node.name in self.names
        if isinstance(node, nodes.Attribute | nodes.AssignAttr | nodes.DelAttr):
            return dotted(node) in self.attributes
        if isinstance(node, nodes.Call):
            return accessor_text(node) in self.attributes
        return isinstance(node, nodes.Subscript) and item_text(node) in self.attributes

    def without(self, other: Reached) -> Reached:
        """What is left after a store to some of them."""
        return Reached(self.names - other.names, self.attributes - other.attributes)


def reached_by(holders: Iterable[Holder]) -> Reached:
    """The names and attributes that these places have in a function that reads them."""
    found = list(holders)
    return Reached(
        frozenset(holder.name for holder in found if not holder.is_attribute),
        frozenset(holder.name for holder in found if holder.is_attribute),
    )


@lru_cache(maxsize=_KEPT_WORDS)
def _words_of(held: Reached) -> frozenset[str]:
    """The words of which a step that mentions one of these has one: the object itself is in too many of them."""
    words = frozenset(word for text in held.names | held.attributes for word in _WORD.findall(text))
    return words - OWN_RECEIVERS or words


def loads_in(step: Step, held: Reached) -> list[nodes.NodeNG]:
    """The reads of the task in a step."""
    if words_in(step).isdisjoint(_words_of(held)):
        return []
    return [
        node
        for node in nodes_in(step)
        if isinstance(node, nodes.Name | nodes.Attribute | nodes.Subscript)
        and held.has(node)
        and not is_item_store(node)
        and not _is_other_item(node, held)
    ]


def _is_other_item(node: nodes.NodeNG, held: Reached) -> bool:
    """Whether a read of a mapping takes another of its items than the one that is followed."""
    if not isinstance(node, nodes.Name) or not isinstance(node.parent, nodes.Subscript):
        return False
    text = item_text(node.parent) if node is node.parent.value else ""
    followed = [one for one in held.attributes if one.startswith(f"{node.name}[")]
    return bool(text and followed) and text not in followed


def is_item_store(load: nodes.NodeNG) -> bool:
    """Whether a read of a collection only serves to set or delete an item: ``tasks[key] = ...``."""
    child, parent = load, load.parent
    while isinstance(parent, nodes.Subscript) and child is parent.value:
        child, parent = parent, parent.parent
    match parent:
        case nodes.Assign():
            return child in parent.targets
        case nodes.AnnAssign() | nodes.AugAssign():
            return child is parent.target
    return isinstance(parent, nodes.Delete)


def stored_in(step: Step, held: Reached) -> Reached:
    """The names and attributes that a step gives another value, or empties."""
    if words_in(step).isdisjoint(_words_of(held)):
        return Reached(frozenset(), frozenset())
    names, attributes = set(), set()
    for node in nodes_in(step):
        match node:
            case nodes.AssignName() | nodes.DelName() if not isinstance(node.parent, nodes.Comprehension):
                names.add(node.name)
            case nodes.AssignAttr() | nodes.DelAttr():
                attributes.add(dotted(node))
            case nodes.Subscript() if isinstance(node.parent, nodes.Assign | nodes.Delete) and is_item_store(node):
                attributes.add(item_text(node))
            case nodes.Call(func=nodes.Attribute(attrname="clear", expr=receiver)) if held.has(receiver):
                names.add(dotted(receiver))
                attributes.add(dotted(receiver))
    if isinstance(step.statement, nodes.AugAssign):
        return Reached(frozenset(), frozenset())
    return Reached(held.names & names, held.attributes & attributes)


def accessor_text(call: nodes.Call) -> str:
    """``self.current()`` for a call without arguments, which gives the same task each time; "" for any other."""
    return f"{dotted(call.func)}()" if dotted(call.func) and not (call.args or call.keywords) else ""
