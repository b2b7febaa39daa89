"""Where control goes from a step of a function, with what is known there of some names: one pass, no enumeration.

What is known is carried along the edges and, where paths meet, kept only as far as they agree. So a flag set in a
handler decides a test after it, and the cost stays linear in the size of the function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks
from flake8_task_lifecycle.facts.call_names import may_call
from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator, positional
from flake8_task_lifecycle.facts.exceptions import Caught, Exceptions
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, constant_truth, walk
from flake8_task_lifecycle.names import dotted, enclosing_class, last_word
from flake8_task_lifecycle.outline import Outline

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Content(Enum):
    """What a name is known to hold: the caught exception, something true, something false, None."""

    EXCEPTION = "exception"
    TRUE = "true"
    FALSE = "false"
    NONE = "none"


Knowledge = Mapping[str, Content]

_NEVER_RETURN = frozenset(
    {"sys.exit", "os._exit", "os.abort", "builtins.exit", "builtins.quit", "os.execv", "os.execve", "os.execvp"}
    | {"os.execvpe", "os.execl", "os.execlp"}
)
_NO_RETURN = frozenset({"NoReturn", "Never"})
_ENDING_WORDS = frozenset(name.rpartition(".")[2] for name in _NEVER_RETURN | frameworks.names(Does.RAISES))
_MAX_HOPS = 6


@dataclass(slots=True)
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
        self._ending: dict[tuple[nodes.FunctionDef, str], bool | None] = {}
        self._hops = 0
        self._reachable: dict[Graph, frozenset[int]] = {}
        self._ways: dict[Graph, dict[int, tuple[tuple[int, nodes.NodeNG | None], ...]]] = {}

    def reachable(self, graph: Graph) -> frozenset[int]:
        """The steps that can be reached from the function's first one."""
        if graph not in self._reachable:
            self._reachable[graph] = frozenset(_closure(graph))
        return self._reachable[graph]

    def travel(self, graph: Graph, starts: Mapping[int, Knowledge], within: nodes.NodeNG | None) -> Journey:
        """Everything that can be reached by normal steps; by exceptions only to handlers that stand ``within``."""
        journey = Journey()
        waiting: deque[int] = deque()

        def arrive(step: int, knowledge: Knowledge) -> None:
            before = journey.known.get(step)
            after = knowledge if before is None else _meet(before, knowledge)
            if before is None or after != before:
                journey.known[step] = after
                waiting.append(step)

        for step, knowledge in starts.items():
            arrive(step, knowledge)
        while waiting:
            index = waiting.popleft()
            knowledge = journey.known[index]
            inside = _is_inside(graph, index, within)
            if not knowledge and not inside:
                for target, loop in self._plain(graph, index):
                    arrive(target, knowledge)
                    if loop is not None:
                        journey.entered.add(loop)
                continue
            for target, told in self._next(graph, index, knowledge, within, journey.entered):
                arrive(target, told if not inside or _is_inside(graph, target, within) else _outside(told, within))
        return journey

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
    ) -> Iterator[tuple[int, Knowledge]]:
        step = graph.steps[index]
        statement = step.statement
        if isinstance(statement, nodes.Try | nodes.TryStar):
            yield from ((target, knowledge) for target in self._landing(graph, index, within, None))
            return
        truth = self._test(statement, knowledge)
        after = self._after(statement, step.parts, knowledge)
        ends = statement is not None and self._ends(statement, knowledge)
        for target, label in step.edges:
            if label is Label.RAISE:
                thrown = self._thrown(statement, knowledge) if isinstance(statement, nodes.Raise) else None
                for landing in self._landing(graph, target, within, thrown):
                    yield landing, knowledge
            elif ends or (label is Label.TRUE and truth is False) or (label is Label.FALSE and truth is True):
                continue
            else:
                if label is Label.TRUE and isinstance(statement, nodes.While | nodes.For):
                    entered.add(statement)
                told = _told(statement, label) if within is not None else ""
                yield target, {**after, told: Content.TRUE} if told and told not in after else after

    def _landing(self, graph: Graph, target: int, within: nodes.NodeNG | None, thrown: Caught | None) -> Iterator[int]:
        """Where an exception goes on inside ``within``; ``thrown`` is what a ``raise`` shows of it."""
        while True:
            statement = graph.steps[target].statement
            if statement is None or within is None or not within.parent_of(statement):
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

    def _test(self, statement: nodes.NodeNG | None, knowledge: Knowledge) -> bool | None:
        match statement:
            case nodes.If() | nodes.While():
                return self.truth(statement.test, knowledge)
            case nodes.MatchCase():
                return self._matches(statement, knowledge)
        return None

    def _matches(self, case: nodes.MatchCase, knowledge: Knowledge) -> bool | None:
        pattern = case.pattern
        if knowledge.get(dotted(case.parent.subject)) is not Content.EXCEPTION:
            return None
        options = pattern.patterns if isinstance(pattern, nodes.MatchOr) else [pattern]
        if not all(isinstance(one, nodes.MatchClass) for one in options):
            return None
        answers = {self._is_cancellation(one.cls) for one in options}
        if True in answers:
            return True if case.guard is None else self.truth(case.guard, knowledge)
        return None if None in answers else False

    def truth(self, test: nodes.NodeNG, knowledge: Knowledge) -> bool | None:
        """The outcome of a test under what is known; None when it can be either."""
        match test:
            case nodes.UnaryOp() if test.op == "not":
                inner = self.truth(test.operand, knowledge)
                return None if inner is None else not inner
            case nodes.BoolOp():
                answers = [self.truth(operand, knowledge) for operand in test.values]
                decisive = bool(test.op == "or")
                if decisive in answers:
                    return decisive
                return None if None in answers else not decisive
            case nodes.Compare() if len(test.ops) == 1:
                return self._compared(test, knowledge)
            case nodes.Call():
                return self._called(test, knowledge)
        content = knowledge.get(dotted(test))
        if content is not None:
            return content in {Content.EXCEPTION, Content.TRUE}
        return constant_truth(test)

    def _compared(self, test: nodes.Compare, knowledge: Knowledge) -> bool | None:
        operator, right = test.ops[0]
        content = knowledge.get(dotted(test.left))
        equal: bool | None = None
        if isinstance(right, nodes.Const) and content is not None:
            if right.value is None:
                equal = content is Content.NONE
            elif isinstance(right.value, bool) and content in {Content.TRUE, Content.FALSE}:
                equal = (content is Content.TRUE) is right.value
        elif _type_of(test.left, knowledge) and operator in {"is", "==", "is not", "!=", "in", "not in"}:
            equal = self._is_cancellation(right)
        if equal is None or operator not in {"is", "==", "is not", "!=", "in", "not in"}:
            return None
        return equal if operator in {"is", "==", "in"} else not equal

    def _called(self, test: nodes.Call, knowledge: Knowledge) -> bool | None:
        name = last_word(test.func)
        if name == "is_set" and isinstance(test.func, nodes.Attribute):
            return True if f"{dotted(test.func.expr)}.is_set()" in knowledge else None
        if len(test.args) != 2 or name not in {"isinstance", "issubclass"}:
            return None
        subject = test.args[0]
        holds = knowledge.get(dotted(subject)) is Content.EXCEPTION
        if holds if name == "isinstance" else _type_of(subject, knowledge):
            return self._is_cancellation(test.args[1])
        return None

    def _is_cancellation(self, expression: nodes.NodeNG) -> bool | None:
        caught = self._exceptions.caught(expression)
        if caught.cancellation:
            return True
        return False if caught.resolved else None

    def _after(self, statement: nodes.NodeNG | None, parts: Iterable[nodes.NodeNG], knowledge: Knowledge) -> Knowledge:
        """What is known after a step: what it stores is forgotten, or known anew."""
        stored = {
            dotted(node)
            for node in walk(parts)
            if isinstance(node, nodes.AssignName | nodes.AssignAttr | nodes.DelName | nodes.DelAttr)
        }
        changed = {name: content for name, content in knowledge.items() if name not in stored} if stored else knowledge
        if isinstance(statement, nodes.ExceptHandler):
            return knowledge
        fresh = dict(self._stored(statement, knowledge))
        return {**changed, **fresh} if fresh else changed

    def _stored(self, statement: nodes.NodeNG | None, knowledge: Knowledge) -> Iterator[tuple[str, Content]]:
        match statement:
            case nodes.Assign() | nodes.AnnAssign():
                targets = statement.targets if isinstance(statement, nodes.Assign) else [statement.target]
                content = self.content(statement.value, knowledge)
                if content is not None:
                    yield from ((dotted(target), content) for target in targets if dotted(target))
            case nodes.Expr():
                call = statement.value
                if isinstance(call, nodes.Call) and isinstance(call.func, nodes.Attribute):
                    word = dotted(call.func.expr)
                    if call.func.attrname in {"append", "add"} and word and _mentions(call.args, knowledge):
                        yield word, Content.TRUE
                    elif call.func.attrname == "set" and not call.args and word:
                        yield f"{word}.is_set()", Content.TRUE

    def content(self, value: nodes.NodeNG | None, knowledge: Knowledge) -> Content | None:
        """What an expression gives under what is known; None when that is not known."""
        if isinstance(value, nodes.Const):
            if value.value is None:
                return Content.NONE
            return Content.TRUE if value.value else Content.FALSE
        if isinstance(value, nodes.Name | nodes.Attribute):
            return knowledge.get(dotted(value))
        if isinstance(value, nodes.Call) and self._exceptions.caught(value.func).cancellation:
            return Content.EXCEPTION
        if isinstance(value, nodes.BoolOp) and value.op == "or":
            first = next((one for one in value.values if self.truth(one, knowledge) is not False), None)
            return self.content(first, knowledge)
        if isinstance(value, nodes.BoolOp | nodes.UnaryOp | nodes.Compare | nodes.Call):
            outcome = self.truth(value, knowledge)
            return None if outcome is None else Content.TRUE if outcome else Content.FALSE
        return None

    def _ends(self, statement: nodes.NodeNG, knowledge: Knowledge) -> bool:
        """Whether a statement never goes on: it calls what never returns, or asserts what is false."""
        match statement:
            case nodes.Assert():
                return self.truth(statement.test, knowledge) is False
            case nodes.Expr() | nodes.Assign() | nodes.Return() | nodes.AnnAssign():
                return statement.value is not None and self._never(statement.value, knowledge)
            case nodes.With():
                return any("reraise" in last_word(_function(context)) for context, _ in statement.items)
        return False

    def _never(self, expression: nodes.NodeNG, knowledge: Knowledge) -> bool:
        awaited = isinstance(expression, nodes.Await)
        call = expression.value if isinstance(expression, nodes.Await) else expression
        if not isinstance(call, nodes.Call):
            return False
        word = last_word(call.func)
        given = tuple(self._given(call, knowledge))
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

    def _may_never(self, function: nodes.NodeNG, *, is_given: bool) -> bool:
        """Whether what a call names may never return, by text alone."""
        if "raise" in last_word(function).lower() or any(word in _ENDING_WORDS for word in self._words(function)):
            return True
        return may_call(self._facts, function, _may_raise if is_given else Outline.may_not_return)

    def _words(self, function: nodes.NodeNG) -> Iterator[str]:
        """The last word of a function, and what it is another name for."""
        word = last_word(function)
        yield word
        yield from (original for alias, original in self._facts.tree.aliases if alias == word)

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
    statement = graph.steps[index].statement
    if within is None or statement is None:
        return False
    line = statement.lineno
    if line is not None and not within.lineno <= line <= within.end_lineno:
        return False
    return statement is within or bool(within.parent_of(statement))


def _outside(knowledge: Knowledge, within: nodes.NodeNG | None) -> Knowledge:
    """What is known behind a handler, where the name it gave the exception is unbound."""
    name = within.name.name if isinstance(within, nodes.ExceptHandler) and within.name is not None else ""
    return {key: content for key, content in knowledge.items() if key != name} if name in knowledge else knowledge


def _told(statement: nodes.NodeNG | None, label: Label) -> str:
    """The name that an outcome of a test shows to be there: ``if x``, ``if x is not None``, ``if x is None: else``."""
    if not isinstance(statement, nodes.If | nodes.While) or label not in {Label.TRUE, Label.FALSE}:
        return ""
    test, outcome = statement.test, label is Label.TRUE
    while isinstance(test, nodes.UnaryOp) and test.op == "not":
        test, outcome = test.operand, not outcome
    if isinstance(test, nodes.Compare) and len(test.ops) == 1:
        operator, right = test.ops[0]
        against_none = isinstance(right, nodes.Const) and right.value is None
        if against_none and operator == ("is not" if outcome else "is"):
            return dotted(test.left)
    return dotted(test) if outcome and isinstance(test, nodes.Name) else ""


def _function(expression: nodes.NodeNG) -> nodes.NodeNG:
    return expression.func if isinstance(expression, nodes.Call) else expression


def _takes_all(caught: Caught) -> bool:
    return "BaseException" in caught.kinds


def _type_of(expression: nodes.NodeNG, knowledge: Knowledge) -> bool:
    """``type(exc)`` or ``exc.__class__`` of the caught exception."""
    if isinstance(expression, nodes.Attribute) and expression.attrname == "__class__":
        return knowledge.get(dotted(expression.expr)) is Content.EXCEPTION
    return (
        isinstance(expression, nodes.Call)
        and last_word(expression.func) == "type"
        and len(expression.args) == 1
        and knowledge.get(dotted(expression.args[0])) is Content.EXCEPTION
    )


def _mentions(arguments: Iterable[nodes.NodeNG], knowledge: Knowledge) -> bool:
    return any(
        isinstance(node, nodes.Name) and knowledge.get(node.name) is Content.EXCEPTION for node in walk(arguments)
    )


def _meet(one: Knowledge, other: Knowledge) -> Knowledge:
    if one is other or one == other:
        return one
    both: dict[str, Content] = {}
    for name, content in one.items():
        if other.get(name) is content:
            both[name] = content
        elif {content, other.get(name)} == {Content.TRUE, Content.EXCEPTION}:
            both[name] = Content.TRUE
    return both


def _closure(graph: Graph) -> set[int]:
    seen = {graph.entry}
    waiting = [graph.entry]
    while waiting:
        for target, _ in graph.steps[waiting.pop()].edges:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen
