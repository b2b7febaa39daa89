"""Whether a cancelled task has anything left to do: a bare wait ends in the very step that cancels it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import ask, spawned_functions
from flake8_task_lifecycle.facts.values import UNKNOWN, External, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_BARE_WAIT = re.compile(
    r"asyncio\.(?:sleep|Event\.wait|Condition\.wait|Condition\.wait_for|(?:Queue|LifoQueue|PriorityQueue)\.get)\Z"
)
_WAIT_WORDS = frozenset({"wait", "get"})


def has_nothing_to_clean_up(facts: Facts, spawn: Spawn) -> bool:
    """Whether all that a spawn starts is bare waits of the library."""
    if spawn.form is Form.GATHER:
        return False
    given = [spawn.coroutine] if spawn.coroutine is not None else []
    if spawn.form is Form.WRAPPER and isinstance(spawn.node, nodes.Call):
        given = [one for one in spawn.node.args if isinstance(one, nodes.Call)]
    if given and all(_is_bare_wait(facts, one) for one in given):
        return True
    found = spawned_functions(facts, spawn)
    return bool(found) and all(
        bool(_BARE_WAIT.match(one.name))
        if isinstance(one, External) and ask(facts, one, _only_waits) is None
        else ask(facts, one, _only_waits) is True
        for one in found
    )


def _is_bare_wait(facts: Facts, awaited: nodes.NodeNG) -> bool:
    """An event, a condition, a queue, a sleep, a plain future; a ``wait()`` or ``get()`` of what is not resolved."""
    if not isinstance(awaited, nodes.Call):
        classes = known_names(facts.evaluator.of(awaited), instance=True)
        return classes is not None and classes <= library.FUTURE_CLASSES - {"asyncio.Task"}
    if last_word(awaited.func) == "create_future":
        return True
    values = facts.evaluator.of(awaited.func)
    names = known_names(values, instance=False)
    if names is not None:
        return all(_BARE_WAIT.match(name) for name in names) and not any(_waits_inside(one) for one in awaited.args)
    function = awaited.func
    return (
        UNKNOWN in values
        and isinstance(function, nodes.Attribute)
        and function.attrname in _WAIT_WORDS
        and not awaited.args
        and not awaited.keywords
    )


def _waits_inside(argument: nodes.NodeNG) -> bool:
    return any(isinstance(node, nodes.Await) for node in walk([argument]))


def _only_waits(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a coroutine has no ``try`` or ``with``, and every wait in it is a bare one."""
    if not isinstance(function, nodes.AsyncFunctionDef) or is_abstract(function) or is_generator(function):
        return False
    for node in walk(function.body):
        if isinstance(node, nodes.Try | nodes.TryStar | nodes.With | nodes.AsyncFor | nodes.YieldFrom):
            return False
        if isinstance(node, nodes.Comprehension) and node.is_async:
            return False
        if isinstance(node, nodes.Await) and not _is_bare_wait(facts, node.value):
            return False
    return True
