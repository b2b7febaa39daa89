"""What a test tells of a task that some local names hold: which branch it can take, and where the task is done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.flow import constant_truth, inside, walk


class State(Enum):
    """The task on one outcome of a test: it may still run, or it has finished."""

    LIVE = "live"
    DONE = "done"


Outcomes = Mapping[bool, State]
Decision = tuple[str, bool]
"""The text of a test, and its outcome."""

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_BOTH: Outcomes = {True: State.LIVE, False: State.LIVE}


class Told(NamedTuple):
    """What is known of tests: decisions, and groups of decisions in each of which one is right."""

    decisions: frozenset[Decision] = frozenset()
    alternatives: frozenset[frozenset[Decision]] = frozenset()

    def of(self, test: nodes.NodeNG) -> bool | None:
        """The outcome of a test; None: either."""
        if not self.decisions:
            return None
        text = test.as_string()
        for outcome in (True, False):
            decision = text, outcome
            if decision in self.decisions or any(self._is_left(decision, group) for group in self.alternatives):
                return outcome
        return None

    def _is_left(self, decision: Decision, group: frozenset[Decision]) -> bool:
        """Whether a decision is the only one of a group that is not known to be wrong."""
        return decision in group and all((text, not right) in self.decisions for text, right in group - {decision})

    def names(self, decision: Decision) -> bool:
        """Whether a decision, or its opposite, is one of a group."""
        text, outcome = decision
        return any(not group.isdisjoint({decision, (text, not outcome)}) for group in self.alternatives)


def outcomes(test: nodes.NodeNG, names: frozenset[str], settled: Told) -> Outcomes:
    """The outcomes that a test can have while one of ``names`` holds a task, with the task's state on each.

    ``settled`` is what is known of tests where the task was spawned. An outcome that cannot happen is left out.
    """
    match test:
        case nodes.Name() | nodes.NamedExpr() if _is_one_of(test, names):
            return {True: State.LIVE}
        case nodes.UnaryOp() if test.op == "not":
            inner = outcomes(test.operand, names, settled)
            return {not result: state for result, state in inner.items()}
        case nodes.BoolOp():
            return _combined(test, names, settled)
        case nodes.Call():
            return _of_call(test, names)
        case nodes.Compare():
            compared = _compared_with_nothing(test, names) or _compared_size(test, names)
            if compared is not None:
                return compared
    constant = constant_truth(test)
    if constant is not None:
        return {constant: State.LIVE}
    known = settled.of(test)
    return _BOTH if known is None else {known: State.LIVE}


def _combined(test: nodes.BoolOp, names: frozenset[str], settled: Told) -> Outcomes:
    """``and`` stops at the first false operand, ``or`` at the first true one."""
    stopping = test.op == "or"
    found: dict[bool, State] = {}
    going_on = State.LIVE
    for operand in test.values:
        operand_outcomes = outcomes(operand, names, settled)
        if stopping in operand_outcomes:
            state = State.DONE if State.DONE in {operand_outcomes[stopping], going_on} else State.LIVE
            found[stopping] = _weaker(found.get(stopping), state)
        if (not stopping) not in operand_outcomes:
            return found
        if operand_outcomes[not stopping] is State.DONE:
            going_on = State.DONE
    found[not stopping] = going_on
    return found


def _weaker(known: State | None, other: State) -> State:
    return State.LIVE if State.LIVE in {known, other} else State.DONE


def _of_call(test: nodes.Call, names: frozenset[str]) -> Outcomes:
    function = test.func
    if isinstance(function, nodes.Attribute):
        if _is_one_of(function.expr, names) and function.attrname in {"done", "cancelled"}:
            return {True: State.DONE, False: State.LIVE}
    elif isinstance(function, nodes.Name) and function.name == "isinstance" and test.args:
        return {True: State.LIVE} if _is_one_of(test.args[0], names) else _BOTH
    return {True: State.LIVE} if _sized(test, names) else _BOTH


def _sized(expression: nodes.NodeNG, names: frozenset[str]) -> bool:
    """``len(tasks)`` or ``bool(tasks)`` of what holds the task: a collection that is not empty."""
    return (
        isinstance(expression, nodes.Call)
        and isinstance(expression.func, nodes.Name)
        and expression.func.name in {"len", "bool"}
        and len(expression.args) == 1
        and _is_one_of(expression.args[0], names)
    )


def _compared_size(test: nodes.Compare, names: frozenset[str]) -> Outcomes | None:
    """The outcomes of a test of the size of what holds the task, against a number that tells empty from not empty."""
    if len(test.ops) != 1:
        return None
    left, (operator, right) = test.left, test.ops[0]
    if _sized(right, names):
        left, operator, right = right, _MIRRORED.get(operator, operator), left
    if not _sized(left, names) or not isinstance(right, nodes.Const):
        return None
    if (operator, right.value) in {(">", 0), ("!=", 0), (">=", 1)}:
        return {True: State.LIVE}
    return {False: State.LIVE} if (operator, right.value) in {("==", 0), ("<=", 0), ("<", 1)} else None


def _compared_with_nothing(test: nodes.Compare, names: frozenset[str]) -> Outcomes | None:
    """The outcomes of a test of what holds the task against None, or against an empty collection."""
    if len(test.ops) != 1:
        return None
    operator, right = test.ops[0]
    sides = [test.left, right]
    if not any(_is_one_of(side, names) for side in sides) or not any(_is_nothing(side) for side in sides):
        return None
    if operator in {"is", "=="}:
        return {False: State.LIVE}
    return {True: State.LIVE} if operator in {"is not", "!="} else None


def _is_nothing(expression: nodes.NodeNG) -> bool:
    """``None``, ``[]``, ``set()``."""
    match expression:
        case nodes.Const():
            return expression.value is None
        case nodes.List(elts=[]) | nodes.Tuple(elts=[]) | nodes.Dict(items=[]):
            return True
        case nodes.Call(func=nodes.Name(name="list" | "set" | "dict" | "tuple")):
            return not (expression.args or expression.keywords)
    return False


def _is_one_of(expression: nodes.NodeNG, names: frozenset[str]) -> bool:
    if isinstance(expression, nodes.NamedExpr):
        expression = expression.target
    return isinstance(expression, nodes.Name | nodes.AssignName) and expression.name in names


class Settled:
    """The tests of one function whose outcome is known where a task of it runs on."""

    def __init__(self, function: nodes.FunctionDef) -> None:
        self._function = function
        stores: dict[str, list[nodes.AssignName]] = defaultdict(list)
        for node in inside(function):
            if isinstance(node, nodes.AssignName):
                stores[node.name].append(node)
        self._last_stores = {name: max(one.lineno or 0 for one in found) for name, found in stores.items()}
        self._bound_once = list(_bound_once(stores))
        self._blocks: dict[nodes.NodeNG, list[_Block]] = {}

    def where(self, spawn: nodes.NodeNG) -> Told:
        """What is known of tests wherever a task runs on that is spawned here.

        These are the tests of the ``if`` statements around the spawn, of those before it that leave the block, the
        names that the loops around it go through, and the names set to a constant beside it. One that reads a name
        which is bound again further down is left out. So are those that a name passes which is bound to something
        beside the spawn, and to None wherever else.
        """
        settled: dict[str, bool] = {}
        alternatives = set()

        def settle(test: nodes.NodeNG, outcome: bool) -> None:
            read = {node.name for node in walk([test]) if isinstance(node, nodes.Name | nodes.AssignName)}
            if not any(self._last_stores.get(name, 0) > test.lineno for name in read):
                settled.setdefault(*decided(test, outcome))
                alternatives.add(_alternatives(test, outcome))

        statement = spawn.statement()
        child, parent = spawn, spawn.parent
        while child is not self._function:
            if isinstance(parent, nodes.If) and child is not parent.test:
                settle(parent.test, child in parent.body)
            for source in _gone_through(child, parent):
                settle(source, True)
            block = self._block_of(child, parent)
            for sibling in block.telling if block is not None else ():
                if isinstance(sibling, nodes.If) and sibling.lineno < child.lineno:
                    settle(sibling.test, False)
                if isinstance(sibling, nodes.Assign) and child is statement:
                    settle(sibling.targets[0], bool(sibling.value.value))
            if child is statement and block is not None:
                for name in [name for name, store in self._bound_once if store in block.statements]:
                    settled |= {name: True, f"{name} is not None": True, f"{name} is None": False}
            child, parent = parent, parent.parent
        return Told(frozenset(settled.items()), frozenset(filter(None, alternatives)))

    def _block_of(self, statement: nodes.NodeNG, parent: nodes.NodeNG) -> _Block | None:
        """The block that a statement stands in; None for an expression."""
        if parent not in self._blocks:
            lists = [getattr(parent, name, None) for name in ("body", "orelse", "finalbody")]
            self._blocks[parent] = [_Block.of(one) for one in lists if isinstance(one, list)]
        return next((block for block in self._blocks[parent] if statement in block.statements), None)


class _Block(NamedTuple):
    """The statements of one block, and those of them that settle a test of what comes after."""

    statements: frozenset[nodes.NodeNG]
    telling: tuple[nodes.NodeNG, ...]

    @classmethod
    def of(cls, statements: list[nodes.NodeNG]) -> _Block:
        """The block of these statements."""
        return cls(frozenset(statements), tuple(filter(_tells, statements)))


def _bound_once(stores: Mapping[str, list[nodes.AssignName]]) -> Iterator[tuple[str, nodes.NodeNG]]:
    """The names that one statement binds to something, and all others bind to None; with that statement."""
    for name, found in stores.items():
        something = [store for store in found if not _binds_nothing(store)]
        if len(something) == 1 < len(found):
            yield name, something[0].statement()


def _binds_nothing(store: nodes.AssignName) -> bool:
    """``name = None``, alone or with other names."""
    value = getattr(store.parent, "value", None)
    return isinstance(value, nodes.Const) and value.value is None


def _tells(statement: nodes.NodeNG) -> bool:
    """Whether a statement may settle a test: a branch that leaves the block, or a name set to a constant."""
    if isinstance(statement, nodes.If):
        return _leaves(statement)
    return isinstance(statement, nodes.Assign) and isinstance(statement.value, nodes.Const)


def _gone_through(child: nodes.NodeNG, parent: nodes.NodeNG) -> list[nodes.NodeNG]:
    """The names of what a loop or comprehension goes through while a part of it runs: they are not empty."""
    match parent:
        case nodes.For() if child in parent.body:
            sources = [parent.iter]
        case nodes.ListComp() | nodes.SetComp() | nodes.DictComp() if not isinstance(child, nodes.Comprehension):
            sources = [one.iter for one in parent.generators[:1] if not one.is_async]
        case _:
            return []
    return [one for one in sources if isinstance(one, nodes.Name)]


def asked_again(function: nodes.FunctionDef) -> frozenset[str]:
    """The tests, by their text, of parameters alone that are never bound again, where several statements ask them."""
    stored = {node.name for node in inside(function) if isinstance(node, nodes.AssignName | nodes.DelName)}
    constant = {one.name for one in function.args.arguments} - stored
    asked = [
        text
        for node in inside(function)
        if isinstance(node, nodes.If | nodes.While) and _reads_only(node.test, constant)
        for text in [decided(node.test, True)[0]]
    ]
    again = frozenset(text for text, times in Counter(asked).items() if times > 1)
    return frozenset() if again and any(True for _ in function.nodes_of_class(nodes.Nonlocal)) else again


def _reads_only(test: nodes.NodeNG, names: set[str]) -> bool:
    plain = (nodes.Name, nodes.Const, nodes.UnaryOp, nodes.Compare)
    read = list(walk([test]))
    return all(isinstance(node, plain) and (not isinstance(node, nodes.Name) or node.name in names) for node in read)


def decided(test: nodes.NodeNG, outcome: bool) -> Decision:
    """The text of a test without its ``not``, and what an outcome of the test says of it."""
    test, outcome = _plain(test, outcome)
    return test.as_string(), outcome


def _plain(test: nodes.NodeNG, outcome: bool) -> tuple[nodes.NodeNG, bool]:
    while isinstance(test, nodes.UnaryOp) and test.op == "not":
        test, outcome = test.operand, not outcome
    return test, outcome


def _alternatives(test: nodes.NodeNG, outcome: bool) -> frozenset[Decision]:
    """The decisions of which one is right where a test has an outcome: of ``a or b``, of ``way in ("a", "b")``."""
    test, outcome = _plain(test, outcome)
    match test:
        case nodes.BoolOp() if outcome is (test.op == "or"):
            return frozenset(decided(one, outcome) for one in test.values)
        case nodes.Compare(ops=[("in", nodes.Tuple() | nodes.List() | nodes.Set() as choice)]) if outcome:
            if all(isinstance(one, nodes.Const) for one in choice.elts):
                return frozenset((f"{test.left.as_string()} == {one.as_string()}", True) for one in choice.elts)
    return frozenset()


def _leaves(branch: nodes.If) -> bool:
    """Whether a branch without an ``else`` leaves the block it stands in."""
    return not branch.orelse and isinstance(branch.body[-1], nodes.Return | nodes.Raise | nodes.Break | nodes.Continue)


def matched(case: nodes.MatchCase, names: frozenset[str]) -> Outcomes:
    """The outcomes of one ``case`` while one of ``names`` holds a task: ``None`` does not match a task."""
    subject, pattern = case.parent.subject, case.pattern
    if _is_one_of(subject, names) and isinstance(pattern, nodes.MatchSingleton) and pattern.value is None:
        return {False: State.LIVE}
    return _BOTH
