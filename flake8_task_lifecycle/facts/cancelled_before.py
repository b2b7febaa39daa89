"""Parameters that every caller of a function in the project has cancelled just before the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import is_plainly_decorated, positional
from flake8_task_lifecycle.facts.repeats import Call, calls_of
from flake8_task_lifecycle.facts.targets import given_to
from flake8_task_lifecycle.facts.together import comes_before

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Texts = frozenset[str]


def waits_for_cancelled(facts: Facts, function: nodes.FunctionDef, waits: list[nodes.NodeNG], here: Texts) -> bool:
    """Whether the waits of a function are for what its callers cancel first, or for what goes under ``here``.

    Its callers are asked only when that would decide.
    """
    parameters = _parameters(function)
    names = frozenset(name for given in parameters.values() for name in given)
    if not names or not facts.cancelled.waits_only_for(waits, here | names):
        return False
    return facts.cancelled.waits_only_for(waits, here | _cancelled_by_callers(facts, function, parameters))


def _parameters(function: nodes.FunctionDef) -> dict[str, tuple[str, str]]:
    """The parameters that nothing binds again, with the names that they and their members go under."""
    scope = function.lineno or 0
    return {
        one.name: (f"{one.name}@{scope}", f"{one.name}@{scope}[]")
        for one in [*positional(function), *(function.args.kwonlyargs or ())]
        if len(function.locals[one.name]) == 1
    }


def _cancelled_by_callers(facts: Facts, function: nodes.FunctionDef, parameters: dict[str, tuple[str, str]]) -> Texts:
    """Those of the names that every caller cancels; none where a caller is not known for sure.

    A function that is named without being called, goes by another name, or is called nowhere, has callers that do
    not show.
    """
    if not is_plainly_decorated(function):
        return frozenset()
    calls, referenced = calls_of(facts, function) or ([], True)
    if referenced or not all(call.sure for call in calls) or _has_another_name(facts, function.name):
        return frozenset()
    return frozenset(
        text
        for name, texts in parameters.items()
        for text in texts
        if calls and all(_cancels_first(call, function, name, text.endswith("[]")) for call in calls)
    )


def _has_another_name(facts: Facts, name: str) -> bool:
    """Whether a module imports something of a name under another."""
    others = facts.world.mentioning(f"{name} as ")
    return others is None or any(
        original == name and alias != name for other in [facts, *others] for alias, original in other.tree.aliases
    )


def _cancels_first(call: Call, function: nodes.FunctionDef, name: str, members: bool) -> bool:
    """Whether the statements before a call cancel what it gives for a parameter, or all its members."""
    given = given_to(function, call.node, iter((name,)))
    if given is None or call.function is None:
        return False
    return all(_is_cancelled_before(call, one, texts) for one, texts in call.facts.cancelled.parts(given, members))


def _is_cancelled_before(call: Call, given: nodes.NodeNG, names: Texts) -> bool:
    cancels = call.facts.cancelled
    return any(
        not names.isdisjoint(texts)
        and comes_before(place, call.node.statement(), cancels.under(texts))
        and not _is_bound_between(call, given, place)
        for place, texts in cancels.by_function(call.function)
    )


def _is_bound_between(call: Call, given: nodes.NodeNG, place: nodes.NodeNG) -> bool:
    """Whether a local that is given is bound again after it was cancelled."""
    binding = call.facts.names.binding(given, given.name) if isinstance(given, nodes.Name) else None
    return binding is not None and any(
        (place.lineno or 0) < (store.lineno or 0) <= (given.lineno or 0) and not isinstance(store.parent, nodes.For)
        for store in binding.nodes
    )
