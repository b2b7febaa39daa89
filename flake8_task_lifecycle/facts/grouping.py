"""Tasks that one coroutine spawns and awaits itself, and that a task group could hold.

https://docs.python.org/3/library/asyncio-task.html#task-groups: the group waits for its tasks, and cancels the others
when one fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.definitions import is_generator
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.unreleased import STOPS
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_LOOPS = (nodes.For, nodes.While, nodes.ListComp, nodes.SetComp, nodes.GeneratorExp, nodes.DictComp)
_BLOCKS = (nodes.Try, nodes.TryStar, nodes.ExceptHandler, nodes.With, nodes.If, nodes.While, nodes.Match)


class Ungrouped(NamedTuple):
    """The tasks of one function that a group could hold, at the first spawn. ``several``: more than one task."""

    span: Span
    what: tuple[str, ...]
    function: str
    several: bool
    evidence: tuple[Evidence, ...]


class _Task(NamedTuple):
    spawn: Spawn
    waits: tuple[nodes.NodeNG, ...]


def ungrouped(facts: Facts) -> Iterator[Ungrouped]:
    """The functions whose tasks could be one group, in source order of their first spawns."""
    by_function: dict[nodes.FunctionDef, list[_Task]] = {}
    for spawn in facts.spawns.all():
        function = enclosing_function(spawn.node)
        if not isinstance(function, nodes.AsyncFunctionDef) or is_generator(function):
            continue
        waits = _plain_waits(facts, spawn, function)
        if waits:
            by_function.setdefault(function, []).append(_Task(spawn, waits))
    for function, tasks in by_function.items():
        several = len(tasks) > 1 or _in_loop(tasks[0].spawn.node, function)
        if several or _works_meanwhile(tasks[0], function):
            names = [facts.coroutines.name(task.spawn.coroutine) for task in tasks]
            yield Ungrouped(
                facts.source.span_of(tasks[0].spawn.node),
                tuple(dict.fromkeys(name for name in names if name)),
                qualified_name(function),
                several,
                tuple(facts.evidence(wait, "awaited here") for task in tasks for wait in task.waits),
            )


def _plain_waits(facts: Facts, spawn: Spawn, function: nodes.FunctionDef) -> tuple[nodes.NodeNG, ...]:
    """The awaits of a task, when nothing but awaits of it to its end, on every way on, is done with it."""
    if spawn.form not in {Form.TASK, Form.FUTURE} or spawn.keeping or _is_clean_up(spawn, function):
        return ()
    uses = _uses(facts, spawn, function)
    waits = [one.target for one in uses if one.fate is Fate.AWAITED and one.target is not None]
    if not waits or not all(_is_harmless(one) for one in uses):
        return ()
    if not all(_waits_plainly(facts, wait) and _always_follows(wait, spawn.node, function) for wait in waits):
        return ()
    if spawn.form is Form.FUTURE and not _is_coroutine(facts, spawn.coroutine):
        return ()
    return tuple(waits)


def _is_coroutine(facts: Facts, made: nodes.NodeNG | None) -> bool:
    """Whether what ``ensure_future`` takes is no future: by what is called, else by all that have its name."""
    if not isinstance(made, nodes.Call) or facts.coroutines.is_resolved(made):
        return made is not None and facts.coroutines.is_resolved(made)
    values = facts.evaluator.of(made.func)
    if values and all(ask(facts, value, _is_async) for value in values):
        return True
    word, project = last_word(made.func), facts.world.project
    if not word or project is None:
        return False
    definition = re.compile(rf"^[ \t]*(async[ \t]+)?def[ \t]+{word}\b", re.MULTILINE)
    kinds = [match[1] for _, text in project.texts() or () if word in text for match in definition.finditer(text)]
    return bool(kinds) and all(kinds)


def _is_async(_: Facts, function: nodes.FunctionDef) -> bool:
    return isinstance(function, nodes.AsyncFunctionDef)


def _is_clean_up(spawn: Spawn, function: nodes.FunctionDef) -> bool:
    """Whether a task stops something: the group would cancel it when another fails, and leave its work undone."""
    made = spawn.coroutine.func if isinstance(spawn.coroutine, nodes.Call) else None
    return bool(STOPS.match(function.name) or (made is not None and STOPS.match(last_word(made)))) or _in_finally(
        spawn.node, function
    )


def _in_finally(node: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    child, parent = node, node.parent
    while parent is not None and child is not function:
        if isinstance(parent, nodes.Try | nodes.TryStar) and child in parent.finalbody:
            return True
        child, parent = parent, parent.parent
    return False


def _uses(facts: Facts, spawn: Spawn, function: nodes.FunctionDef) -> list[Use]:
    """What the function does with a task, and with the names and local collections that hold it; adds to these apart.

    A name that a nested function reads as well hands the task on.
    """
    frame = facts.frame(function)
    found = [facts.uses.of(spawn.value)]
    waiting, seen = sorted(found[0].names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if frame.captured[name]:
            found.append(Use(Fate.HANDED))
        for load in frame.loads[name]:
            if isinstance(load.parent, nodes.Attribute) and load.parent.attrname in library.CONTAINER_ADDERS:
                if not _adds_tasks(facts, load.parent.parent):
                    found.append(Use(Fate.HANDED))
                continue
            found.append(facts.uses.of(load))
            waiting += sorted(found[-1].names)
    return found


def _adds_tasks(facts: Facts, call: nodes.NodeNG) -> bool:
    """Whether what is put into a collection is a task too: a bare coroutine beside it would have to be spawned."""
    return isinstance(call, nodes.Call) and all(
        isinstance(one, nodes.Name) or (isinstance(one, nodes.Call) and facts.spawns.of(one) is not None)
        for one in call.args
    )


def _is_harmless(use: Use) -> bool:
    match use.fate:
        case Fate.BOUND | Fate.AWAITED:
            return True
        case Fate.RELEASED:
            return use.target is not None and last_word(use.target) == "result" and not use.by_canceller
    return False


def _waits_plainly(facts: Facts, wait: nodes.NodeNG) -> bool:
    """``await task`` or ``await gather(...)`` that raises what its tasks raise: what a group does too."""
    if not isinstance(wait, nodes.Await) or not isinstance(wait.value, nodes.Call):
        return isinstance(wait, nodes.Await) and isinstance(wait.value, nodes.Name | nodes.Subscript)
    names = known_names(facts.evaluator.of(wait.value.func), instance=False)
    return names == {"asyncio.gather"} and not wait.value.keywords


def _always_follows(wait: nodes.NodeNG, spawn: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    """Whether no block that the spawn is not in, but a loop over the tasks, stands around the await."""
    parent = wait.parent
    while parent is not None and parent is not function:
        if isinstance(parent, _BLOCKS) and not parent.parent_of(spawn):
            return False
        if isinstance(parent, nodes.FunctionDef | nodes.Lambda):
            return False
        parent = parent.parent
    return parent is function


def _in_loop(node: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    parent = node.parent
    while parent is not None and parent is not function:
        if isinstance(parent, _LOOPS):
            return True
        parent = parent.parent
    return False


def _works_meanwhile(task: _Task, function: nodes.FunctionDef) -> bool:
    """Whether the function itself waits for something else between the spawn and the await of its only task."""
    end = min(wait.lineno or 0 for wait in task.waits)
    return any(
        isinstance(node, nodes.Await | nodes.AsyncFor | nodes.AsyncWith)
        and node not in task.waits
        and (task.spawn.node.lineno or 0) < (node.lineno or 0) < end
        for node in walk(function.body)
    )
