"""Collections that an object was given and did not make: they are somebody else's, who may empty them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.slots import Place

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 4


def is_borrowed(facts: Facts, place: Place) -> bool:
    """Whether the collection that an attribute names may be known to others by another name.

    A field that is declared only, and that no class of the family gives a value, is filled by whoever makes the record.
    """
    if place.is_global:
        return False
    own = {facts.qualified(owner): owner for owner in facts.tree.classes}
    found: list[bool] = []
    is_declared = False
    for home in facts.slots.lineage(place.home):
        values = (
            _given_in(facts, own[home], place.attribute)
            if home in own
            else facts.world.ask(home, lambda there, node: _given_in(there, node, place.attribute))
        )
        found += [value for value in values or () if value is not None]
        is_declared = is_declared or bool(values)
    return any(found) if found else is_declared


def _given_in(facts: Facts, owner: nodes.NodeNG, attribute: str) -> tuple[bool | None, ...]:
    """For each store and declaration of an attribute in a class: whether its value comes from elsewhere.

    None for a declaration without a value.
    """
    if not isinstance(owner, nodes.ClassDef):
        return ()
    stores = [*facts.evaluator.classes.stores(owner, attribute), *owner.locals.get(attribute, ())]
    values = [getattr(store.parent, "value", None) for store in stores]
    return tuple(None if value is None else _comes_from_elsewhere(facts, value, _MAX_DEPTH) for value in values)


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
