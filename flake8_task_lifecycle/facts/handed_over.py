"""Tasks that are cancelled on the other side of a call: by the helper that returns them, or that waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.arrivals import arrivals
from flake8_task_lifecycle.facts.call_names import may_cancel
from flake8_task_lifecycle.facts.definitions import is_generator, is_plainly_decorated
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.together import always_runs, is_where_none_is
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.flow import inside, walk

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Texts = frozenset[str]


def returns_cancelled(facts: Facts, call: nodes.Call, is_awaited: bool, members: bool) -> bool:
    """Whether a call gives a task that the function behind it has cancelled, or a collection of such: ``members``.

    ``is_awaited``: what the ``await`` of the call gives is meant.
    """
    if not may_cancel(facts, call.func):
        return False

    def question(home: Facts, function: nodes.FunctionDef) -> bool:
        is_returned = isinstance(function, nodes.AsyncFunctionDef) is is_awaited
        return is_returned and home.cancelled.is_returned(function, members)

    values = facts.evaluator.of(call.func)
    return bool(values) and all(ask(facts, value, question) for value in values)


def cancels_what_it_returns(facts: Facts, function: nodes.FunctionDef, members: bool) -> bool:
    """Whether every ``return`` of a function that gives something gives what the function cancels."""
    if is_generator(function) or not is_plainly_decorated(function):
        return False
    cancels = facts.cancelled
    here = cancels.put_aside(function).union(
        *(texts for place, texts in cancels.by_function(function) if always_runs(place, cancels.under(texts)))
    )
    concerns = cancels.under(here)
    returns = [one for one in facts.tree.returns.get(function, ()) if not is_where_none_is(one, concerns)]
    given = [one.value for one in returns if not _is_nothing(one.value)]
    parts = [names for one in given for _, names in cancels.parts(one, members)]
    return bool(parts) and all(cancels.is_among(names, here) for names in parts)


def cancels_what_it_waits_for(facts: Facts, call: nodes.Call) -> bool:
    """Whether a call makes a coroutine that waits for nothing but what it cancels itself before."""
    if not may_cancel(facts, call.func):
        return False
    values = facts.evaluator.of(call.func)
    return bool(values) and all(ask(facts, value, _waits_for_its_own) for value in values)


def _waits_for_its_own(facts: Facts, function: nodes.FunctionDef) -> bool:
    if not isinstance(function, nodes.AsyncFunctionDef) or is_generator(function):
        return False
    waits = list(arrivals(function.body, facts.handlers.takes, False))
    first = min((wait.lineno or 0 for wait in waits), default=0)
    here = [texts for place, texts in facts.cancelled.by_function(function) if (place.lineno or 0) <= first]
    return bool(here) and facts.cancelled.waits_only_for(waits, frozenset().union(*here))


def put_where(facts: Facts, function: nodes.FunctionDef, owned: Texts) -> Texts:
    """The locals of a function that it puts under one of some names: into a collection, or an attribute."""
    cancels, found = facts.cancelled, set[str]()
    for node in inside(function):
        match node:
            case nodes.Assign(value=nodes.Name()):
                places = node.targets
                values = [node.value]
            case nodes.Call(func=nodes.Attribute(attrname="append" | "add" | "put_nowait")):
                places, values = [node.func.expr], node.args
            case _:
                continue
        names = frozenset[str]().union(
            *(
                cancels.members(place.value) if isinstance(place, nodes.Subscript) else cancels.texts(place)
                for place in places
            )
        )
        if not (names | {f"{name}[]" for name in names}).isdisjoint(owned):
            found |= {text for value in values if isinstance(value, nodes.Name) for text in cancels.texts(value)}
    return frozenset(found)


def waits_for_handed(facts: Facts, function: nodes.FunctionDef, waits: list[nodes.NodeNG]) -> bool:
    """Whether a block waits only for locals that were handed before to calls that cannot be followed."""
    loads = facts.frame(function).loads
    first = min((wait.lineno or 0 for wait in waits), default=0)
    passed = {
        f"{name}@{function.lineno or 0}": [one for one in loads.get(name, ()) if _is_passed_before(one, first)]
        for name in {one.name for one in walk(waits) if isinstance(one, nodes.Name)}
    }
    likely = frozenset(text for text, arguments in passed.items() if arguments)
    if not likely or not facts.cancelled.waits_only_for(waits, likely):
        return False
    handed = {text for text in likely if any(facts.uses.of(one).fate is Fate.HANDED for one in passed[text])}
    return facts.cancelled.waits_only_for(waits, frozenset(handed))


def _is_passed_before(load: nodes.NodeNG, line: int) -> bool:
    return isinstance(load.parent, nodes.Call) and load in load.parent.args and (load.lineno or 0) < line


def _is_nothing(value: nodes.NodeNG | None) -> bool:
    return value is None or (isinstance(value, nodes.Const) and value.value is None)
