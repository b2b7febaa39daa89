"""What one function needs to know of another: does it return a task it spawned, what does it do with an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import (
    is_abstract,
    is_classmethod,
    is_generator,
    is_plainly_decorated,
    is_static,
    positional,
)
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.owners import Owners
from flake8_task_lifecycle.facts.spawns import Returned, Spawns
from flake8_task_lifecycle.facts.uses import FORGOTTEN, Fate, Use, strongest
from flake8_task_lifecycle.facts.values import Definition, External, Instance, Value
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import enclosing_class

_MAX_DEPTH = 20


class Place(NamedTuple):
    """Where an argument stands in a call: its position or its keyword, and whether an object fills the first parameter.

    ``certain``: no starred argument stands before it, or is it.
    """

    position: int | None
    keyword: str | None
    through_object: bool
    certain: bool = True


class Summaries:
    """Summaries of the functions of one module, each made once; a cycle ends in UNKNOWN."""

    def __init__(self, evaluator: Evaluator, spawns: Callable[[], Spawns], owners: Callable[[], Owners]) -> None:
        self._evaluator = evaluator
        self._spawns = spawns
        self._owners = owners
        self._returned: dict[nodes.FunctionDef, Returned] = {}
        self._parameters: dict[tuple[nodes.FunctionDef, str], Use | None] = {}
        self._depth = 0

    def returned_task(self, function: nodes.FunctionDef) -> Returned:
        """Whether a call of the function gives a task that it spawned, and whether it keeps that task itself."""
        if function not in self._returned:
            self._returned[function] = Returned.UNKNOWN
            waiting = [(function, self._called_by(function))]
            while waiting:
                current, called = waiting[-1]
                further = next((one for one in called if one not in self._returned), None)
                if further is not None:
                    self._returned[further] = Returned.UNKNOWN
                    waiting.append((further, self._called_by(further)))
                else:
                    self._returned[current] = self._find_returned(current)
                    waiting.pop()
        return self._returned[function]

    def _called_by(self, function: nodes.FunctionDef) -> Iterator[nodes.FunctionDef]:
        """The functions of this module that a function calls where the call may spawn: a chain of them may be long."""
        for node in walk(function.body):
            if isinstance(node, nodes.Call) and self._spawns().may_be_wrapped(node):
                for value in self._evaluator.of(node.func):
                    if isinstance(value, Definition) and isinstance(value.node, nodes.FunctionDef):
                        yield value.node

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
            use = self._use_by(value, self._place(call, argument))
            if use is None:
                return None
            uses.append(use)
        return strongest(uses) if uses else None

    def _use_by(self, function: Value, place: Place) -> Use | None:
        match function:
            case Definition(node) if isinstance(node, nodes.FunctionDef):
                return self.use_of_argument(node, place)
            case External(name):
                return self._evaluator.elsewhere.ask(
                    name, lambda facts, node: facts.summaries.use_of_argument(node, place)
                )
        return None

    def _place(self, call: nodes.Call, argument: nodes.NodeNG) -> Place:
        receiver = call.func.expr if isinstance(call.func, nodes.Attribute) else None
        values = self._evaluator.of(receiver) if receiver is not None else ()
        through_object = bool(values) and all(isinstance(value, Instance) for value in values)
        if isinstance(argument, nodes.Keyword):
            return Place(None, argument.arg, through_object)
        if argument not in call.args:
            return Place(None, None, through_object)
        index = call.args.index(argument)
        certain = not any(isinstance(one, nodes.Starred) for one in call.args[: index + 1])
        return Place(index, None, through_object, certain)

    def use_of_argument(self, function: nodes.NodeNG, place: Place) -> Use | None:
        """What a function of this module does with the argument at a place; None when that is not known."""
        if not isinstance(function, nodes.FunctionDef):
            return None
        name = _parameter_name(function, place)
        return self._use_of_parameter(function, name) if name is not None else None

    def _use_of_parameter(self, function: nodes.FunctionDef, name: str) -> Use | None:
        key = (function, name)
        if key not in self._parameters:
            self._parameters[key] = None
            if self._depth < _MAX_DEPTH:
                self._depth += 1
                self._parameters[key] = self._find_use(function, name)
                self._depth -= 1
        return self._parameters[key]

    def _find_use(self, function: nodes.FunctionDef, name: str) -> Use | None:
        if is_abstract(function) or is_generator(function) or not is_plainly_decorated(function):
            return None
        found = self._owners().aliases(function.body[0], Use(Fate.BOUND, names=frozenset({name})))
        use = strongest(found)
        if use.fate is Fate.CALLER and isinstance(function, nodes.AsyncFunctionDef):
            return None
        return use if use.fate.holds else FORGOTTEN


def _parameter_name(function: nodes.FunctionDef, place: Place) -> str | None:
    """The parameter that takes the argument at a place; None when there is none, or no single one."""
    if place.keyword is not None:
        return place.keyword if any(place.keyword == one.name for one in function.args.arguments) else None
    if place.position is None:
        return None
    parameters = [str(one.name) for one in positional(function)]
    is_method = enclosing_class(function) is not None and not is_static(function)
    if is_method and (place.through_object or is_classmethod(function)):
        parameters = parameters[1:]
    if place.position < len(parameters) and place.certain:
        return parameters[place.position]
    return str(function.args.vararg) if function.args.vararg and place.position >= len(parameters) else None
