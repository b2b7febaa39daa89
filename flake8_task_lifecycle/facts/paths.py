"""Where control goes from a step of a function, with what is known there of some names: one pass, no enumeration.

What is known is carried along the edges and, where paths meet, kept only as far as they agree. So a flag set in a
handler decides a test after it, and the cost stays linear in the size of the function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks
from flake8_task_lifecycle.facts.call_names import may_call, words_of
from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator, positional
from flake8_task_lifecycle.facts.exceptions import Caught, Exceptions
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.outcomes import Content, Knowledge, meet
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, constant_truth, inside, walk
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word
from flake8_task_lifecycle.outline import Outline

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_NEVER_RETURN = frozenset(
    {"sys.exit", "os._exit", "os.abort", "builtins.exit", "builtins.quit", "os.execv", "os.execve", "os.execvp"}
    | {"os.execvpe", "os.execl", "os.execlp"}
)
_NO_RETURN = frozenset({"NoReturn", "Never"})
_ENDING_WORDS = frozenset(name.rpartition(".")[2] for name in _NEVER_RETURN | frameworks.names(Does.RAISES))
_MAX_HOPS = 6


@dataclass(slots=True, eq=False)
class Journey:
    """What can be reached: the steps with what is known before each, and the tests of loops that can hold."""

    known: dict[int, Knowledge] = field(default_factory=dict)
    entered: set[nodes.NodeNG] = field(default_factory=set)

    def reaches(self, step: int) -> bool:
        """Whether a step can be reached."""
        return step in self.known


class Paths:
    """Follows the paths of one module's functions."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._exceptions: Exceptions = facts.exceptions
        self._outcomes = facts.outcomes
        self._ending: dict[tuple[nodes.FunctionDef, str], bool | None] = {}
        self._hops = 0
        self._may_never = cache(self._find_may_never)
        self._before: dict[Graph, Mapping[int, Knowledge]] = {}
        self._reachable: dict[Graph, frozenset[int]] = {}
        self._ways: dict[Graph, dict[int, tuple[tuple[int, nodes.NodeNG | None], ...]]] = {}

    def reachable(self, graph: Graph) -> frozenset[int]:
        """The steps that can be reached from the function's first one."""
        if graph not in self._reachable:
            self._reachable[graph] = frozenset(graph.reached(graph.entry, though_raised=True))
        return self._reachable[graph]

    def may_run(self, node: nodes.NodeNG) -> bool:
        """Whether a way leads to a node: not past a ``return``, nor to the other side of a constant test.

        A constant of the module, bound once and to True or False, makes a test constant: ``if _IS_SYNC:``.
        """
        function = enclosing_function(node)
        if function is None or node.statement().scope() is not function:
            return True
        if self._is_switched_off(node.statement(), function):
            return False
        try:
            graph = self._facts.graph(function)
        except FlowTooLarge:
            return True
        return not self.reachable(graph).isdisjoint(graph.at(node.statement()))

    def _is_switched_off(self, statement: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
        while statement is not function:
            branch = statement.parent
            if isinstance(branch, nodes.If) and statement is not branch.test:
                outcome = self._constant(branch.test)
                if outcome is not None and (statement in branch.body) is not outcome:
                    return True
            statement = branch
        return False

    def _constant(self, test: nodes.NodeNG) -> bool | None:
        match test:
            case nodes.UnaryOp(op="not"):
                inner = self._constant(test.operand)
                return None if inner is None else not inner
            case nodes.BoolOp():
                answers = [self._constant(one) for one in test.values]
                decisive = bool(test.op == "or")
                return decisive if decisive in answers else None if None in answers else not decisive
            case nodes.Name() if test.name.isupper():
                binding = self._facts.names.binding(test, test.name)
                if binding is None or not isinstance(binding.scope, nodes.Module) or len(binding.nodes) != 1:
                    return None
                assigned = binding.nodes[0].parent
                if isinstance(assigned, nodes.Assign | nodes.AnnAssign) and isinstance(assigned.value, nodes.Const):
                    return assigned.value.value if isinstance(assigned.value.value, bool) else None
        return None

    def travel(
        self,
        graph: Graph,
        starts: Mapping[int, Knowledge],
        within: nodes.NodeNG | None,
        *,
        thorough: bool = False,
    ) -> Journey:
        """Everything that can be reached by normal steps; by exceptions only to handlers that stand ``within``.

        ``thorough``: also where it is unlikely, to a handler of another exception than is raised; but not past a
        stream that never ends.
        """
        journey = Journey()
        waiting: deque[int] = deque()

        def arrive(step: int, knowledge: Knowledge) -> None:
            before = journey.known.get(step)
            after = knowledge if before is None else meet(before, knowledge)
            if before is None or after != before:
                journey.known[step] = after
                waiting.append(step)

        for step, knowledge in starts.items():
            arrive(step, knowledge)
        while waiting:
            index = waiting.popleft()
            knowledge = journey.known[index]
            is_inside = _is_inside(graph, index, within)
            if not knowledge and not is_inside:
                for target, loop in self._plain(graph, index):
                    arrive(target, knowledge)
                    if loop is not None:
                        journey.entered.add(loop)
                continue
            for target, told in self._next(graph, index, knowledge, within, journey.entered, thorough):
                leaves = told and is_inside and not _is_inside(graph, target, within)
                arrive(target, _outside(told, within) if leaves else told)
        return journey

    def before(self, graph: Graph) -> Mapping[int, Knowledge]:
        """What is known before each step of a function, whatever way led there from its first step.

        Of local names only, which nothing but the function itself stores to.
        """
        if graph not in self._before:
            function = graph.function
            shared = {name for names in self._facts.tree.nonlocals.values() for name in names}
            own = function.locals.keys() - shared
            given = _given_without_error(self._facts, function)
            journey = self.travel(graph, {graph.entry: given}, function, thorough=True)
            self._before[graph] = {
                step: {name: known for name, known in knowledge.items() if name in own}
                for step, knowledge in journey.known.items()
            }
        return self._before[graph]

    def _plain(self, graph: Graph, index: int) -> tuple[tuple[int, nodes.NodeNG | None], ...]:
        """The normal ways on from a step when nothing is known, with the loop that a way enters."""
        ways = self._ways.setdefault(graph, {})
        if index not in ways:
            entered: set[nodes.NodeNG] = set()
            targets = [target for target, _ in self._next(graph, index, {}, None, entered)]
            loop = next(iter(entered), None)
            ways[index] = tuple((target, loop) for target in targets)
        return ways[index]

    def _next(
        self,
        graph: Graph,
        index: int,
        knowledge: Knowledge,
        within: nodes.NodeNG | None,
        entered: set[nodes.NodeNG],
        thorough: bool = False,
    ) -> Iterator[tuple[int, Knowledge]]:
        step = graph.steps[index]
        statement = step.statement
        if isinstance(statement, nodes.Try | nodes.TryStar):
            yield from ((target, knowledge) for target in self._landing(graph, index, within, None))
            return
        truth = self._outcomes.of_test(statement, knowledge)
        after = self._outcomes.after(statement, step.parts, knowledge)
        ends = statement is not None and self._ends(statement, knowledge)
        if thorough and isinstance(statement, nodes.AsyncFor) and self._is_endless_stream(statement.iter):
            truth = True
        if thorough and isinstance(statement, nodes.With) and self._may_swallow(statement):
            stored = {node.name for node in inside(statement) if isinstance(node, nodes.AssignName | nodes.DelName)}
            yield graph.after(index), {name: known for name, known in knowledge.items() if name not in stored}
        for target, label in step.edges:
            if label is Label.RAISE:
                known = isinstance(statement, nodes.Raise) and not thorough
                thrown = self._thrown(statement, knowledge) if known else None
                for landing in self._landing(graph, target, within, thrown):
                    yield landing, knowledge
            elif ends or (label is Label.TRUE and truth is False) or (label is Label.FALSE and truth is True):
                continue
            else:
                if label is Label.TRUE and isinstance(statement, nodes.While | nodes.For):
                    entered.add(statement)
                yield target, self._outcomes.told(statement, label, after) if within is not None else after

    def _is_endless_stream(self, iterable: nodes.NodeNG) -> bool:
        """Whether an ``async for`` goes over a generator of the project that ends by an exception only."""
        if not isinstance(iterable, nodes.Call):
            return False
        values = self._facts.evaluator.of(iterable.func)
        return bool(values) and all(ask(self._facts, value, _never_ends) for value in values)

    def _may_swallow(self, statement: nodes.With) -> bool:
        asynchronous = isinstance(statement, nodes.AsyncWith)
        managers = self._facts.handlers.managers
        return any(
            "suppress" in last_word(_function(context)) or managers.hides(context, asynchronous=asynchronous)
            for context, _ in statement.items
        )

    def _landing(self, graph: Graph, target: int, within: nodes.NodeNG | None, thrown: Caught | None) -> Iterator[int]:
        """Where an exception goes on inside ``within``; ``thrown`` is what a ``raise`` shows of it."""
        while True:
            statement = graph.steps[target].statement
            if statement is within or not _is_inside(graph, target, within):
                return
            if not isinstance(statement, nodes.Try | nodes.TryStar):
                yield target
                return
            onward = None
            for entry, _ in graph.steps[target].edges:
                handler = graph.steps[entry].statement
                if not isinstance(handler, nodes.ExceptHandler) or handler.parent is not statement:
                    onward = entry
                    continue
                caught = self._exceptions.caught(handler.type)
                if thrown is None:
                    yield entry
                elif caught.cancellation if thrown.cancellation else _takes_all(caught):
                    yield entry
                    return
            if onward is None:
                return
            target = onward

    def _thrown(self, statement: nodes.Raise, knowledge: Knowledge) -> Caught:
        raised = statement.exc
        if raised is None:
            return Caught(frozenset({"reraised"}))
        if knowledge.get(dotted(raised)) is Content.EXCEPTION:
            return Caught(frozenset({"reraised"}))
        return self._exceptions.caught(raised.func if isinstance(raised, nodes.Call) else raised)

    def raises_cancellation(self, statement: nodes.Raise, knowledge: Knowledge) -> bool:
        """Whether a ``raise`` throws the caught exception again, or a cancellation of its own."""
        return self._thrown(statement, knowledge).cancellation

    def _ends(self, statement: nodes.NodeNG, knowledge: Knowledge) -> bool:
        """Whether a statement never goes on: it calls what never returns, or asserts what is false."""
        match statement:
            case nodes.Assert():
                return self._outcomes.truth(statement.test, knowledge) is False
            case nodes.Expr() | nodes.Assign() | nodes.Return() | nodes.AnnAssign():
                return statement.value is not None and self._never(statement.value, knowledge)
            case nodes.With():
                return any("reraise" in last_word(_function(context)) for context, _ in statement.items)
        return False

    def _never(self, expression: nodes.NodeNG, knowledge: Knowledge) -> bool:
        awaited = isinstance(expression, nodes.Await)
        call = expression.value if awaited else expression
        if not isinstance(call, nodes.Call):
            return False
        word = last_word(call.func)
        given = tuple(self._given(call, knowledge)) if knowledge else ()
        if not self._may_never(call.func, is_given=bool(given)):
            return False
        values = self._facts.evaluator.of(call.func)

        def question(facts: Facts, function: nodes.FunctionDef) -> bool:
            if isinstance(function, nodes.AsyncFunctionDef) and not awaited:
                return False
            return facts.paths.never_returns(function, given)

        answers: list[bool | None] = []
        for value in values:
            if isinstance(value, External) and value.name in _NEVER_RETURN | frameworks.names(Does.RAISES):
                answers.append(True)
            elif isinstance(value, Definition | External):
                answers.append(ask(self._facts, value, question))
            else:
                answers.append(None)
        if all(answer is None for answer in answers):
            return "raise" in word.lower() and "for_status" not in word
        return all(answers)

    def _find_may_never(self, function: nodes.NodeNG, *, is_given: bool) -> bool:
        """Whether what a call names may never return, by text alone."""
        if "raise" in last_word(function).lower() or not _ENDING_WORDS.isdisjoint(words_of(self._facts, function)):
            return True
        return may_call(self._facts, function, _may_raise if is_given else Outline.may_not_return)

    @staticmethod
    def _given(call: nodes.Call, knowledge: Knowledge) -> Iterator[int | str]:
        """Where a call passes the caught exception on: positions and keywords."""
        for index, argument in enumerate(call.args):
            if knowledge.get(dotted(argument)) is Content.EXCEPTION:
                yield index
        for keyword in call.keywords:
            if keyword.arg and knowledge.get(dotted(keyword.value)) is Content.EXCEPTION:
                yield keyword.arg

    def never_returns(self, function: nodes.FunctionDef, given: tuple[int | str, ...] = ()) -> bool:
        """Whether a call of the function always raises; ``given``: the arguments that are a cancellation."""
        if function.returns is not None and last_word(function.returns) in _NO_RETURN:
            return True
        if is_generator(function) or is_abstract(function) or self._hops > _MAX_HOPS:
            return False
        parameters = [one.name for one in positional(function)]
        if enclosing_class(function) is not None and parameters[:1] in (["self"], ["cls"]):
            parameters = parameters[1:]
        names = [
            one if isinstance(one, str) else parameters[one]
            for one in given
            if isinstance(one, str) or one < len(parameters)
        ]
        key = (function, ",".join(names))
        if key not in self._ending:
            self._ending[key] = False
            self._hops += 1
            try:
                self._ending[key] = self._find_ending(function, dict.fromkeys(names, Content.EXCEPTION))
            finally:
                self._hops -= 1
        return bool(self._ending[key])

    def _find_ending(self, function: nodes.FunctionDef, knowledge: Knowledge) -> bool:
        if not any(isinstance(node, nodes.Raise | nodes.Call) for node in walk(function.body)):
            return False
        try:
            graph = self._facts.graph(function)
        except FlowTooLarge:
            return False
        journey = self.travel(graph, {graph.entry: knowledge}, function)
        return not journey.reaches(graph.exit) and any(
            isinstance(graph.steps[step].statement, nodes.Raise | nodes.Expr | nodes.Return) for step in journey.known
        )


def _may_raise(outline: Outline, function: str) -> bool:
    return outline.holds(function, "raise") or outline.may_not_return(function)


def _is_inside(graph: Graph, index: int, within: nodes.NodeNG | None) -> bool:
    """Whether a step is a handler or function, or stands in it. What begins on a line of its own further down does."""
    statement = graph.steps[index].statement
    if within is None or statement is None:
        return False
    line, first = statement.lineno, within.lineno
    if line is None or line == first:
        return statement is within or bool(within.parent_of(statement))
    return bool(first < line <= within.end_lineno)


def _outside(knowledge: Knowledge, within: nodes.NodeNG | None) -> Knowledge:
    """What is known behind a handler, where the name it gave the exception is unbound."""
    name = within.name.name if isinstance(within, nodes.ExceptHandler) and within.name is not None else ""
    return {key: content for key, content in knowledge.items() if key != name} if name in knowledge else knowledge


def _given_without_error(facts: Facts, function: nodes.FunctionDef) -> Knowledge:
    """What an exit method is given when no exception is in flight: nothing; one that is goes on after the method."""
    if function.name not in {"__aexit__", "__exit__"}:
        return {}
    if any(constant_truth(one.value) is not False for one in facts.tree.returns.get(function, ()) if one.value):
        return {}
    return dict.fromkeys((one.name for one in positional(function)[1:]), Content.NONE)


def _never_ends(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a generator can only be left by an exception."""
    if not is_generator(function) or is_abstract(function):
        return False
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return False
    return graph.exit not in facts.paths.reachable(graph)


def _function(expression: nodes.NodeNG) -> nodes.NodeNG:
    return expression.func if isinstance(expression, nodes.Call) else expression


def _takes_all(caught: Caught) -> bool:
    return "BaseException" in caught.kinds
