"""Code that takes a cancellation, puts a new task where the cancelled one was, and waits for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.absorbers import Site
from flake8_task_lifecycle.flow import nodes_in

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Texts = frozenset[str]


def waits_anew(facts: Facts, site: Site, waits: list[nodes.NodeNG], owned: Texts) -> bool:
    """Whether a way on from a place stores a new task under a name that the place waits for, and waits for it.

    ``owned``: the names that excuse the place, as the owner cancels what goes under them.
    """
    texts = facts.cancelled.texts
    slots = owned.intersection(name for wait in waits for name in texts(wait))
    steps = [node for step in site.journey.known for node in nodes_in(site.graph.steps[step])]
    fresh = {name for node in steps for name in _stored(facts, node, slots)}
    return any(
        isinstance(node, nodes.Await) and node not in waits and not fresh.isdisjoint(texts(node)) for node in steps
    )


def _stored(facts: Facts, statement: nodes.NodeNG, slots: Texts) -> Iterator[str]:
    """The names of what a statement stores under one of some names."""
    if not isinstance(statement, nodes.Assign) or isinstance(statement.value, nodes.Const):
        return
    cancels = facts.cancelled
    for target in statement.targets:
        names = cancels.members(target.value) if isinstance(target, nodes.Subscript) else cancels.texts(target)
        if not names.isdisjoint(slots) and not isinstance(target, nodes.AssignName):
            yield from names & slots
            yield from cancels.texts(statement.value)
