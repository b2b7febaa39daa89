"""What one function needs to know of another: does it return a task it spawned, what does it do with an argument."""

from __future__ import annotations

from collections.abc import Callable

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import (
    is_abstract,
    is_generator,
    is_plainly_decorated,
    is_static,
    positional,
)
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.owners import Owners
from flake8_task_lifecycle.facts.spawns import Returned, Spawns
from flake8_task_lifecycle.facts.uses import FORGOTTEN, Fate, Use, strongest
from flake8_task_lifecycle.facts.values import Definition, Instance
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import enclosing_class


class Summaries:
    """Summaries of the functions of one module, each made once; a cycle ends in UNKNOWN."""

    def __init__(self, evaluator: Evaluator, spawns: Callable[[], Spawns], owners: Callable[[], Owners]) -> None:
        self._evaluator = evaluator
        self._spawns = spawns
        self._owners = owners
        self._returned: dict[nodes.FunctionDef, Returned] = {}
        self._parameters: dict[tuple[nodes.FunctionDef, str], Use | None] = {}

    def returned_task(self, function: nodes.FunctionDef) -> Returned:
        """Whether a call of the function gives a task that it spawned, and whether it keeps that task itself."""
        if function not in self._returned:
            self._returned[function] = Returned.UNKNOWN
            self._returned[function] = self._find_returned(function)
        return self._returned[function]

    def _find_returned(self, function: nodes.FunctionDef) -> Returned:
        if is_generator(function) or not is_plainly_decorated(function):
            return Returned.UNKNOWN
        answers = set()
        for node in walk(function.body):
            spawn = self._spawns().of(node) if isinstance(node, nodes.Call) else None
            if spawn is None or spawn.scoped:
                continue
            fates = {use.fate for use in self._owners().of(spawn.value).uses}
            if Fate.CALLER not in fates:
                continue
            if fates & {Fate.HANDED, Fate.AWAITED, Fate.RELEASED}:
                answers.add(Returned.UNKNOWN)
            elif Fate.KEPT in fates or spawn.keeping:
                answers.add(Returned.KEPT_TASK)
            else:
                answers.add(Returned.TASK)
        if not answers:
            return Returned.NOTHING
        return answers.pop() if len(answers) == 1 else Returned.UNKNOWN

    def parameter_use(self, call: nodes.Call, argument: nodes.NodeNG) -> Use | None:
        """What the project function that a call resolves to does with an argument; None when that is not known."""
        values = self._evaluator.of(call.func)
        uses = []
        for value in values:
            if isinstance(value, Definition) and isinstance(value.node, nodes.ClassDef):
                return None
            if not isinstance(value, Definition) or not isinstance(value.node, nodes.FunctionDef):
                return None
            name = self._parameter_name(value.node, call, argument)
            use = self._use_of_parameter(value.node, name) if name is not None else None
            if use is None:
                return None
            uses.append(use)
        return strongest(uses) if uses else None

    def _parameter_name(self, function: nodes.FunctionDef, call: nodes.Call, argument: nodes.NodeNG) -> str | None:
        if isinstance(argument, nodes.Keyword):
            return str(argument.arg) if any(argument.arg == one.name for one in function.args.arguments) else None
        if argument not in call.args:
            return None
        index = call.args.index(argument)
        spread_before = any(isinstance(one, nodes.Starred) for one in call.args[:index])
        parameters = [one.name for one in positional(function)]
        if self._is_bound(function, call):
            parameters = parameters[1:]
        if index < len(parameters) and not spread_before and not isinstance(argument, nodes.Starred):
            return str(parameters[index])
        if function.args.vararg and index >= len(parameters):
            return str(function.args.vararg)
        return None

    def _is_bound(self, function: nodes.FunctionDef, call: nodes.Call) -> bool:
        """Whether the call goes through an object or a class method, so that the first parameter is filled."""
        if enclosing_class(function) is None or is_static(function):
            return False
        receiver = call.func.expr if isinstance(call.func, nodes.Attribute) else None
        if receiver is None:
            return False
        return all(isinstance(value, Instance) for value in self._evaluator.of(receiver))

    def _use_of_parameter(self, function: nodes.FunctionDef, name: str) -> Use | None:
        key = (function, name)
        if key not in self._parameters:
            self._parameters[key] = None
            self._parameters[key] = self._find_use(function, name)
        return self._parameters[key]

    def _find_use(self, function: nodes.FunctionDef, name: str) -> Use | None:
        if is_abstract(function) or is_generator(function) or not is_plainly_decorated(function):
            return None
        found = self._owners().aliases(function.body[0], Use(Fate.BOUND, names=frozenset({name})))
        use = strongest(found)
        if use.fate is Fate.CALLER and isinstance(function, nodes.AsyncFunctionDef):
            return None
        return use if use.fate.holds else FORGOTTEN
