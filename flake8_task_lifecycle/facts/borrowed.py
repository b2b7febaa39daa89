"""Collections that an object was given and did not make: they are somebody else's, who may empty them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.slots import Place

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 4


def is_borrowed(facts: Facts, place: Place) -> bool:
    """Whether the collection that an attribute names may be known to others by another name."""
    if place.is_global:
        return False
    own = {facts.qualified(owner): owner for owner in facts.tree.classes}
    answers = []
    for home in facts.slots.lineage(place.home):
        if home in own:
            answers.append(_is_given(facts, own[home], place.attribute))
        else:
            answers.append(
                facts.world.ask(
                    home,
                    lambda there, node: (
                        _is_given(there, node, place.attribute) if isinstance(node, nodes.ClassDef) else None
                    ),
                )
            )
    told = [answer for answer in answers if answer is not None]
    return any(told)


def _is_given(facts: Facts, owner: nodes.ClassDef, attribute: str) -> bool | None:
    """Whether a class takes the value of an attribute from elsewhere; None when it does not say where it comes from.

    A field that is declared without a value, and never stored, is filled by whoever makes the record.
    """
    values = [getattr(store.parent, "value", None) for store in facts.evaluator.classes.stores(owner, attribute)]
    declared = [getattr(node.parent, "value", None) for node in owner.locals.get(attribute, ())]
    if not values and declared:
        return declared == [None]
    return any(_comes_from_elsewhere(facts, value, _MAX_DEPTH) for value in values) if values else None


def _comes_from_elsewhere(facts: Facts, value: nodes.NodeNG | None, depth: int) -> bool:
    match value:
        case nodes.Attribute() | nodes.Subscript():
            return True
        case nodes.IfExp():
            return any(_comes_from_elsewhere(facts, one, depth) for one in (value.body, value.orelse))
        case nodes.BoolOp():
            return any(_comes_from_elsewhere(facts, one, depth) for one in value.values)
        case nodes.Name() if depth:
            binding = facts.names.binding(value, value.name)
            stores = binding.nodes if binding is not None else ()
            return any(
                isinstance(store.parent, nodes.Arguments)
                or _comes_from_elsewhere(facts, getattr(store.parent, "value", None), depth - 1)
                for store in stores
            )
    return False
