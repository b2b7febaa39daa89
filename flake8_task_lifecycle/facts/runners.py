"""Mains: the entry coroutines of a runner that cancels and awaits what is left when they end.

https://docs.python.org/3/library/asyncio-runner.html#asyncio.Runner.close: remaining tasks are cancelled and awaited.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks
from flake8_task_lifecycle.facts.definitions import decorator_names, is_generator
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External
from flake8_task_lifecycle.names import enclosing_class, enclosing_function

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_RUNNERS = frozenset({"asyncio.run", "asyncio.Runner.run"})


class Runners:
    """The mains of one module, and what else may run as a task of its own."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def is_main(self, function: nodes.FunctionDef) -> bool:
        """Whether a coroutine function is a main: run by such a runner, here or elsewhere, or an async test."""
        if not isinstance(function, nodes.AsyncFunctionDef) or is_generator(function):
            return False
        if function in self._mains or _is_test(function):
            return True
        return enclosing_function(function) is None and self._is_run_elsewhere(function)

    @cached_property
    def _mains(self) -> frozenset[nodes.NodeNG]:
        return frozenset(value.node for value in self._run() if isinstance(value, Definition))

    def _run(self) -> list[object]:
        """What the runners of this module are given."""
        found: list[object] = []
        calls = [
            call
            for word in self._facts.called
            if "run" in word
            for call in self._facts.tree.calls.get(word)
            if call.args
        ]
        for call in calls:
            runners = {value.name for value in self._facts.evaluator.of(call.func) if isinstance(value, External)}
            if runners.isdisjoint(_RUNNERS | frameworks.names(Does.RUNS)):
                continue
            main = call.args[0].func if isinstance(call.args[0], nodes.Call) else call.args[0]
            found += self._facts.evaluator.of(main)
        return found

    def runs(self, name: str) -> bool:
        """Whether a runner of this module is given the function of this qualified name."""
        return any(isinstance(value, External) and value.name == name for value in self._run())

    def may_be_run_by_decorator(self, function: nodes.FunctionDef) -> bool:
        """Whether a decorator from outside the project takes a coroutine function that gives nothing back.

        It may well start it as a task of its own: what it does cannot be read.
        """
        if function.decorators is None or any(one.value for one in self._facts.tree.returns.get(function, ())):
            return False
        called = (one.func if isinstance(one, nodes.Call) else one for one in function.decorators.nodes)
        return any(self._is_foreign(value) for one in called for value in self._facts.evaluator.of(one))

    def _is_foreign(self, value: object) -> bool:
        if not isinstance(value, External):
            return value == UNKNOWN
        if value.name.partition(".")[0] in sys.stdlib_module_names:
            return False
        return not self._facts.elsewhere.defines(value.name)

    def _is_run_elsewhere(self, function: nodes.FunctionDef) -> bool:
        owner = enclosing_class(function)
        words = (function.name, "run(") if owner is None else (function.name, owner.name, "run(")
        others = self._facts.world.mentioning(*words)
        if others is None:
            return True
        name = self._facts.qualified(function)
        return any(Runners(facts).runs(name) for facts in others)


def _is_test(function: nodes.FunctionDef) -> bool:
    """Whether a test runner takes the function for a test; pytest-asyncio and unittest run it under a Runner."""
    return function.name.startswith("test") and "fixture" not in set(decorator_names(function))
