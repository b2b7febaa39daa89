"""Coroutines that keep the task which runs them: ``self._task = asyncio.current_task()``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import spawned_functions
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import Definition, known_names
from flake8_task_lifecycle.names import enclosing_function

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def keeps_itself(facts: Facts, spawn: Spawn) -> bool:
    """Whether what a spawn starts, of this module, puts its own task where it outlives the call, whatever comes.

    Until then the loop holds the task by the step that it is to run.
    """
    if not facts.tree.calls.get("current_task"):
        return False
    started = spawned_functions(facts, spawn)
    return bool(started) and all(isinstance(one, Definition) and _keeps_its_task(facts, one.node) for one in started)


def _keeps_its_task(facts: Facts, function: nodes.NodeNG) -> bool:
    return any(
        enclosing_function(call) is function and _is_kept(facts, call) for call in facts.tree.calls.get("current_task")
    )


def _is_kept(facts: Facts, call: nodes.Call) -> bool:
    if known_names(facts.evaluator.of(call.func), instance=False) != {"asyncio.current_task"} or not _always_runs(call):
        return False
    ownership = facts.owners.of(call)
    return ownership.lost.is_no and any(
        use.fate is Fate.KEPT and not use.holder.startswith("closure:") for use in ownership.uses
    )


def _always_runs(call: nodes.Call) -> bool:
    """Whether no test and no loop stands between a call and its function."""
    statement = call.statement()
    while isinstance(statement.parent, nodes.Try | nodes.With):
        statement = statement.parent
    return isinstance(statement.parent, nodes.FunctionDef)
