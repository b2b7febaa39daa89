"""Private helpers: what becomes of a cancellation that one takes is for its callers to say, and all of them show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.absorbers import Site
from flake8_task_lifecycle.facts.outcomes import Content
from flake8_task_lifecycle.facts.repeats import Call, calls_of
from flake8_task_lifecycle.flow import FlowTooLarge, Label
from flake8_task_lifecycle.names import dotted, enclosing_function

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

# What a helper returns of the exception: the whole value, or one of several that are returned together by its place.
_Returned = Mapping[int, Content]
_WHOLE = -1
_MAX_DEPTH = 3


def raised_by_callers(facts: Facts, site: Site, depth: int = _MAX_DEPTH) -> bool:
    """Whether every caller of the private helper that a place stands in awaits it and then raises on every path.

    It raises what the helper returned of the exception, or what it was handling itself.
    """
    function = site.function
    if depth <= 0 or not _is_private(facts, function):
        return False
    calls, referenced = calls_of(facts, function) or ([], True)
    if referenced or not calls:
        return False
    returned = list(_returned(facts, site))
    return bool(returned) and all(_raises_after(call, one, depth) for call in calls for one in returned)


def _is_private(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a function is meant for its own project only, by its name or that of what it is in."""
    if function.name.startswith("__"):
        return False
    if enclosing_function(function) is not None:
        return True
    parts = facts.qualified(function).split(".") if facts.module is not None else [function.name]
    return any(part.startswith("_") and not part.startswith("__") for part in parts)


def _returned(facts: Facts, site: Site) -> Iterator[_Returned]:
    """What each way out of the helper gives its caller."""
    if site.falls_off:
        yield {}
    for step, knowledge in site.journey.known.items():
        if not any(
            target == site.graph.exit for target, label in site.graph.steps[step].edges if label is not Label.RAISE
        ):
            continue
        statement = site.graph.steps[step].statement
        value = statement.value if isinstance(statement, nodes.Return) else None
        parts = dict(enumerate(value.elts)) if isinstance(value, nodes.Tuple) else {_WHOLE: value}
        contents = {place: facts.outcomes.content(part, knowledge) for place, part in parts.items()}
        yield {place: content for place, content in contents.items() if content is not None}


def _raises_after(call: Call, returned: _Returned, depth: int) -> bool:
    facts, function, awaited = call.facts, call.function, call.node.parent
    if function is None or not isinstance(awaited, nodes.Await):
        return False
    statement = awaited.statement()
    stored = {}
    if isinstance(statement, nodes.Assign | nodes.AnnAssign) and statement.value is awaited:
        target = statement.targets[0] if isinstance(statement, nodes.Assign) else statement.target
        parts = dict(enumerate(target.elts)) if isinstance(target, nodes.Tuple) else {_WHOLE: target}
        stored = {dotted(part): returned[place] for place, part in parts.items() if place in returned}
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return False
    reachable, before = facts.paths.reachable(graph), facts.paths.before(graph)
    starts = {
        target: {**facts.outcomes.after(statement, (statement,), before.get(step, {})), **stored}
        for step in graph.at(statement)
        if step in reachable
        for target, label in graph.steps[step].edges
        if label is not Label.RAISE
    }
    journey = facts.paths.travel(graph, starts, None)
    after = Site(statement, function, graph, journey, None, graph.exit in starts)
    return facts.handlers.raises(after) or raised_by_callers(facts, after, depth - 1)
