"""Tasks that are cancelled on the other side of a call: by the helper that returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.call_names import may_cancel
from flake8_task_lifecycle.facts.definitions import is_generator, is_plainly_decorated
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.together import always_runs, is_where_none_is

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


def _is_nothing(value: nodes.NodeNG | None) -> bool:
    return value is None or (isinstance(value, nodes.Const) and value.value is None)
