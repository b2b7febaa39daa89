"""Coroutines that are only ever the last step of a task: when one ends, so does the task that awaits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.absorbers import Site
from flake8_task_lifecycle.facts.arrivals import arrivals
from flake8_task_lifecycle.facts.entries import AWAITED, NO_START
from flake8_task_lifecycle.facts.helpers import is_private
from flake8_task_lifecycle.facts.outcomes import Knowledge
from flake8_task_lifecycle.facts.repeats import Call, calls_of
from flake8_task_lifecycle.flow import FlowTooLarge, Label
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 3
_TIMED = ("timeout", "fail_after", "fail_at", "move_on_after", "move_on_at")


def is_last_step(facts: Facts, function: nodes.FunctionDef, depth: int = _MAX_DEPTH) -> bool:
    """Whether each call of a private coroutine function starts a task, or is the last that an entry coroutine awaits.

    Nothing but what stands in a ``finally`` around the call waits after it.
    """
    if depth <= 0 or not is_private(facts, function) or facts.entries.is_entry(function).reason != AWAITED:
        return False
    calls, referenced = calls_of(facts, function) or ([], True)
    own = [call for call in calls if not call.facts.is_test]
    own = [call for call in own if call.sure] or own
    return bool(own) and not referenced and all(_ends_its_task(call, depth) for call in own)


def _ends_its_task(call: Call, depth: int) -> bool:
    facts, function, awaited = call.facts, call.function, call.node.parent
    if not isinstance(awaited, nodes.Await):
        return facts.entries.is_started(call.node)
    if function is None or _is_timed(awaited) or _waits_after(facts, function, awaited.statement()):
        return False
    entry = facts.entries.is_entry(function)
    if entry.reason == NO_START:
        return facts.runners.may_be_run_by_decorator(function)
    return entry.is_yes or is_last_step(facts, function, depth - 1)


def _is_timed(awaited: nodes.Await) -> bool:
    """Whether a block around a wait ends it in time, and says so by an exception that a cancellation leads to."""
    parent = awaited.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.With) and any(
            last_word(context.func).endswith(_TIMED) for context, _ in parent.items if isinstance(context, nodes.Call)
        ):
            return True
        parent = parent.parent
    return False


def _waits_after(facts: Facts, function: nodes.FunctionDef, statement: nodes.NodeNG) -> bool:
    """Whether a function goes on to wait for something once a statement of it has run to its end."""
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return True
    starts: dict[int, Knowledge] = {
        target: {}
        for step in graph.at(statement)
        for target, label in graph.steps[step].edges
        if label is not Label.RAISE
    }
    journey = facts.paths.travel(graph, starts, None)
    after = Site(statement, function, graph, journey, None, graph.exit in starts)
    if not facts.handlers.ends(after):
        return True
    return any(
        any(arrivals(graph.steps[step].parts, _nothing_takes, True))
        and not _is_in_final_of(graph.steps[step].statement, statement)
        for step in journey.known
    )


def _is_in_final_of(later: nodes.NodeNG | None, statement: nodes.NodeNG) -> bool:
    """Whether a statement stands in the ``finally`` of a ``try`` whose body has the other."""
    node = later
    while node is not None and not isinstance(node, nodes.FunctionDef):
        parent = node.parent
        if isinstance(parent, nodes.Try | nodes.TryStar) and node in parent.finalbody and parent.parent_of(statement):
            return True
        node = parent
    return False


def _nothing_takes(_node: nodes.NodeNG) -> bool:
    return False
