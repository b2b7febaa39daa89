"""What is known of some names, and what that says of tests, stores and values.

The knowledge starts at a handler, which has the exception, or at the first step of a function, and is followed from
step to step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import wording
from flake8_task_lifecycle.facts.answers import Answers, place_of
from flake8_task_lifecycle.facts.exceptions import EVERYTHING, Exceptions
from flake8_task_lifecycle.facts.flags import own_call, set_by_call, tested_by_loops
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import Label, constant_truth, inside, walk
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Content(Enum):
    """What a name is known to hold: the caught exception, something true, something false, None.

    ``SEEN_TRUE`` and ``SEEN_FALSE``: what a test has just shown, until other code may have changed it. ``VERDICT``:
    what a function that cannot be followed says of the exception; so do its attributes.
    """

    EXCEPTION = "exception"
    TRUE = "true"
    FALSE = "false"
    NONE = "none"
    SEEN_TRUE = "seen true"
    SEEN_FALSE = "seen false"
    VERDICT = "verdict"


Knowledge = Mapping[str, Content]
_SUPPOSED = "?"
_HOLDING = frozenset({Content.EXCEPTION, Content.TRUE, Content.SEEN_TRUE})
_SEEN = frozenset({Content.SEEN_TRUE, Content.SEEN_FALSE})


class Outcomes:
    """Reads the tests and stores of one module under what is known."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._exceptions: Exceptions = facts.exceptions
        self.raised_names = cache(_find_raised_names)
        self._stored_by = cache(_find_stored)
        self._tested_by_loops = cache(tested_by_loops)
        self.answers = Answers(facts)

    @staticmethod
    def caught(name: str, supposed: Content | None = None) -> Knowledge:
        """What is known where a name holds a caught cancellation, ``supposed`` an answer where none is known."""
        return {name: Content.EXCEPTION} if supposed is None else {name: Content.EXCEPTION, _SUPPOSED: supposed}

    def of_test(self, statement: nodes.NodeNG | None, knowledge: Knowledge) -> bool | None:
        """The outcome of the test of a statement or match case; None when it has none, or can go either way."""
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
        said = wording.outcome(test, lambda name: knowledge.get(name) is Content.EXCEPTION)
        if said is not None:
            return said
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
            case nodes.Await(value=nodes.Call()):
                answer = self._called_exit(test.value)
                return self._supposed(test.value, knowledge) if answer is None else answer
        content = knowledge.get(dotted(test))
        if _is_verdict(test, knowledge):
            content = knowledge.get(_SUPPOSED)
        if content is not None:
            return content in _HOLDING
        return constant_truth(test)

    def _compared(self, test: nodes.Compare, knowledge: Knowledge) -> bool | None:
        operator, right = test.ops[0]
        content = knowledge.get(dotted(test.left))
        equal: bool | None = None
        if isinstance(right, nodes.Const) and content is not None:
            if right.value is None:
                equal = None if content is Content.SEEN_FALSE else content is Content.NONE
            elif isinstance(right.value, bool) and content in {Content.TRUE, Content.FALSE}:
                equal = (content is Content.TRUE) is right.value
        elif _type_of(test.left, knowledge) and operator in {"is", "==", "is not", "!=", "in", "not in"}:
            equal = self._is_cancellation(right)
        if equal is None or operator not in {"is", "==", "is not", "!=", "in", "not in"}:
            return None
        return equal if operator in {"is", "==", "in"} else not equal

    def _called(self, test: nodes.Call, knowledge: Knowledge) -> bool | None:
        name = last_word(test.func)
        if name == "__exit__":
            return self._called_exit(test)
        if name == "is_set" and isinstance(test.func, nodes.Attribute):
            return True if f"{dotted(test.func.expr)}.is_set()" in knowledge else None
        if len(test.args) != 2 or name not in {"isinstance", "issubclass"}:
            return self._answered(test, knowledge)
        subject = test.args[0]
        content = knowledge.get(dotted(subject))
        if content is Content.NONE and name == "isinstance":
            return False
        holds = content is Content.EXCEPTION
        if holds if name == "isinstance" else _type_of(subject, knowledge):
            return self._is_cancellation(test.args[1])
        return None

    def _answered(self, test: nodes.Call, knowledge: Knowledge) -> bool | None:
        place = place_of(test, knowledge, Content.EXCEPTION)
        answer = self.answers.of(test, place) if place is not None else None
        return self._supposed(test, knowledge) if answer is None else answer

    def _supposed(self, test: nodes.Call, knowledge: Knowledge) -> bool | None:
        """What a function that cannot be followed is supposed to say of the exception; None: nothing is supposed."""
        content = knowledge.get(_SUPPOSED)
        if content is None or place_of(test, knowledge, Content.EXCEPTION) is None or not self.answers.is_open(test):
            return None
        return content is Content.TRUE

    def _called_exit(self, call: nodes.Call) -> bool | None:
        """The outcome of an exit method that is called by hand: false, as if of a ``with``, unless it hides errors."""
        if last_word(call.func) not in {"__exit__", "__aexit__"} or not isinstance(call.func, nodes.Attribute):
            return None
        asynchronous = call.func.attrname == "__aexit__"
        return None if self._facts.handlers.managers.hides(call.func.expr, asynchronous=asynchronous) else False

    def _is_cancellation(self, expression: nodes.NodeNG) -> bool | None:
        caught = self._exceptions.caught(expression)
        if caught.cancellation:
            return True
        kinds = expression.elts if isinstance(expression, nodes.Tuple) else [expression]
        is_other = caught.resolved or all(self._exceptions.caught(one).resolved or _is_error(one) for one in kinds)
        return False if is_other else None

    def after(self, statement: nodes.NodeNG | None, parts: tuple[nodes.NodeNG, ...], knowledge: Knowledge) -> Knowledge:
        """What is known after a step: what it stores is forgotten, or known anew."""
        stored = self._stored_by(parts)
        changed = {name: content for name, content in knowledge.items() if name not in stored} if stored else knowledge
        if not _SEEN.isdisjoint(changed.values()):
            changed = _still_seen(statement, parts, changed)
        if isinstance(statement, nodes.ExceptHandler):
            name = statement.name.name if statement.name is not None else ""
            return {**changed, name: knowledge.get(name, Content.TRUE)} if name else knowledge
        fresh = dict(self._stored(statement, knowledge))
        return {**changed, **fresh} if fresh else changed

    def _stored(self, statement: nodes.NodeNG | None, knowledge: Knowledge) -> Iterator[tuple[str, Content]]:
        match statement:
            case nodes.Assign() | nodes.AnnAssign():
                targets = statement.targets if isinstance(statement, nodes.Assign) else [statement.target]
                content = self.content(statement.value, knowledge)
                if content is None and any(self._is_made_to_raise(target, statement, knowledge) for target in targets):
                    content = Content.TRUE
                elif self._is_judged(statement.value, knowledge):
                    content = Content.VERDICT
                if content is not None:
                    yield from ((dotted(target), content) for target in targets if dotted(target))
            case nodes.AugAssign() if statement.op == "|=" and dotted(statement.target):
                if Content.TRUE in {knowledge.get(dotted(statement.target)), self.content(statement.value, knowledge)}:
                    yield dotted(statement.target), Content.TRUE
            case nodes.Expr():
                call = statement.value
                yield from self._set_by_call(statement)
                if isinstance(call, nodes.Call) and isinstance(call.func, nodes.Attribute):
                    word = dotted(call.func.expr)
                    if call.func.attrname in {"append", "add"} and word and _mentions(call.args, knowledge):
                        yield word, Content.TRUE
                    elif call.func.attrname == "set" and not call.args and word:
                        yield f"{word}.is_set()", Content.TRUE

    def _set_by_call(self, statement: nodes.Expr) -> Iterator[tuple[str, Content]]:
        """The flags that a method of the same object sets, as far as a loop of the function goes on by them."""
        call = own_call(statement)
        function = enclosing_function(statement) if call is not None else None
        tested = self._tested_by_loops(function) if function is not None else frozenset()
        if call is not None and tested:
            for name, value in set_by_call(self._facts, call):
                if name.removesuffix(".is_set()") in tested:
                    yield name, Content.TRUE if value else Content.FALSE

    def told(self, statement: nodes.NodeNG | None, label: Label, knowledge: Knowledge) -> Knowledge:
        """What is known on one way out of a test, which tells of the names that it asks about."""
        if not isinstance(statement, nodes.If | nodes.While) or label not in {Label.TRUE, Label.FALSE}:
            return knowledge
        shown = {
            name: content
            for name, content in self._shown(statement.test, label is Label.TRUE, knowledge)
            if name and (name not in knowledge or content is Content.EXCEPTION)
        }
        return {**knowledge, **shown} if shown else knowledge

    def _shown(self, test: nodes.NodeNG, outcome: bool, knowledge: Knowledge) -> Iterator[tuple[str, Content]]:
        """The names that an outcome of a test shows to be there, to be None or to be a cancellation."""
        match test:
            case nodes.UnaryOp() if test.op == "not":
                yield from self._shown(test.operand, not outcome, knowledge)
            case nodes.BoolOp() if test.op == ("and" if outcome else "or"):
                for part in test.values:
                    yield from self._shown(part, outcome, knowledge)
            case nodes.Compare() if len(test.ops) == 1:
                operator, right = test.ops[0]
                if isinstance(right, nodes.Const) and right.value is None:
                    if operator == ("is not" if outcome else "is"):
                        yield dotted(test.left), Content.TRUE
                    elif operator in {"is", "is not"} and isinstance(test.left, nodes.Name):
                        yield test.left.name, Content.NONE
                elif operator == ("is" if outcome else "is not"):
                    sides = dotted(test.left), dotted(right)
                    if Content.EXCEPTION in map(knowledge.get, sides):
                        yield from ((side, Content.EXCEPTION) for side in sides)
            case nodes.Name() if outcome:
                yield test.name, Content.TRUE
            case nodes.Name() | nodes.Attribute():
                yield dotted(test), Content.SEEN_TRUE if outcome else Content.SEEN_FALSE
            case nodes.Call() if outcome and last_word(test.func) == "isinstance" and len(test.args) == 2:
                kinds = self._exceptions.caught(test.args[1]).kinds
                only = kinds and EVERYTHING not in kinds and not isinstance(test.args[1], nodes.Tuple)
                if kinds:
                    yield dotted(test.args[0]), Content.EXCEPTION if only else Content.TRUE

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
        if self._is_exception_in_flight(value) or self._is_nothing(value, knowledge):
            return Content.NONE
        if isinstance(value, nodes.BoolOp) and value.op == "or":
            return self._first_true(value, knowledge)
        if isinstance(value, nodes.BoolOp | nodes.UnaryOp | nodes.Compare | nodes.Call | nodes.Await):
            outcome = self.truth(value, knowledge)
            return None if outcome is None else Content.TRUE if outcome else Content.FALSE
        return None

    def _first_true(self, value: nodes.BoolOp, knowledge: Knowledge) -> Content | None:
        """What ``a or b`` gives; a name that keeps the first of several, ``kept = kept or error``, has an exception."""
        left = [one for one in value.values if self.truth(one, knowledge) is not False]
        content = self.content(left[0], knowledge) if left else None
        if content is None and len(left) > 1 and _is_kept_first(value, left[0]):
            return self.content(left[1], knowledge)
        return content

    def _is_judged(self, value: nodes.NodeNG | None, knowledge: Knowledge) -> bool:
        """Whether a value is what a function that cannot be followed says of the exception."""
        call = value.value if isinstance(value, nodes.Await) else value
        return isinstance(call, nodes.Call) and self._supposed(call, knowledge) is not None

    def _is_nothing(self, value: nodes.NodeNG | None, knowledge: Knowledge) -> bool:
        """Whether a function that is given the exception answers None: ``answer = self._judge(error)``."""
        place = place_of(value, knowledge, Content.EXCEPTION) if isinstance(value, nodes.Call) else None
        return place is not None and self.answers.is_nothing(value, place)

    def _is_made_to_raise(self, target: nodes.NodeNG, statement: nodes.NodeNG, knowledge: Knowledge) -> bool:
        """Whether a name takes what a call makes of the exception, and the function raises by that name."""
        value = statement.value.value if isinstance(statement.value, nodes.Await) else statement.value
        function = enclosing_function(statement)
        return (
            isinstance(value, nodes.Call)
            and function is not None
            and _mentions([value], knowledge)
            and dotted(target) in self.raised_names(function)
        )

    def _is_exception_in_flight(self, value: nodes.NodeNG | None) -> bool:
        """``sys.exc_info()[1]`` or ``sys.exception()`` outside any handler: None unless an exception is in flight."""
        call = value.value if isinstance(value, nodes.Subscript) else value
        if not isinstance(call, nodes.Call) or last_word(call.func) not in {"exc_info", "exception"}:
            return False
        wanted = "sys.exc_info" if isinstance(value, nodes.Subscript) else "sys.exception"
        return known_names(self._facts.evaluator.of(call.func), instance=False) == {wanted} and not _is_handling(call)


def _is_kept_first(value: nodes.BoolOp, first: nodes.NodeNG) -> bool:
    """``kept = kept or error``: a name keeps what it has."""
    targets = value.parent.targets if isinstance(value.parent, nodes.Assign) else ()
    return isinstance(first, nodes.Name) and first.name in map(dotted, targets)


def _is_error(expression: nodes.NodeNG) -> bool:
    """Whether a class that is not resolved is one of errors, by its name, and not of cancellation."""
    word = last_word(expression)
    return word.endswith("Error") and "cancel" not in word.lower()


def _find_raised_names(function: nodes.FunctionDef) -> frozenset[str]:
    """The names by which a function itself raises."""
    raised = (node.exc for node in inside(function) if isinstance(node, nodes.Raise) and node.exc is not None)
    return frozenset(filter(None, map(dotted, raised)))


def _is_verdict(test: nodes.NodeNG, knowledge: Knowledge) -> bool:
    """``if verdict.retry``, ``if verdict``: a test of what was said of the exception."""
    said = test.expr if isinstance(test, nodes.Attribute) else test
    return isinstance(said, nodes.Name) and knowledge.get(said.name) is Content.VERDICT


def _is_handling(node: nodes.NodeNG) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef | nodes.ExceptHandler):
        parent = parent.parent
    return isinstance(parent, nodes.ExceptHandler)


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


def _still_seen(statement: nodes.NodeNG | None, parts: Iterable[nodes.NodeNG], knowledge: Knowledge) -> Knowledge:
    """What a step leaves of what tests have shown: all is open after a wait, and of an object whose method it calls."""
    called: set[str] = set()
    waits = isinstance(statement, nodes.AsyncFor | nodes.AsyncWith)
    for node in walk(parts):
        waits = waits or isinstance(node, nodes.Await | nodes.Yield | nodes.YieldFrom)
        if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute):
            called.add(dotted(node.func.expr))
    return {
        name: content
        for name, content in knowledge.items()
        if content not in _SEEN or not (waits or name.rpartition(".")[0] in called)
    }


def meet(one: Knowledge, other: Knowledge) -> Knowledge:
    """What is known where two paths meet."""
    if one is other or one == other:
        return one
    both: dict[str, Content] = {}
    for name, content in one.items():
        if other.get(name) is content:
            both[name] = content
        elif {content, other.get(name)} == {Content.TRUE, Content.EXCEPTION}:
            both[name] = Content.TRUE
    return both


def _find_stored(parts: tuple[nodes.NodeNG, ...]) -> frozenset[str]:
    """The names and attributes, as written, that parts of a statement store to."""
    stores = nodes.AssignName | nodes.AssignAttr | nodes.DelName | nodes.DelAttr
    return frozenset(dotted(node) for node in walk(parts) if isinstance(node, stores))
