"""Whether a ``cancel()`` comes with a statement: it runs whenever that does, by where the two stand."""

from __future__ import annotations

from collections.abc import Callable

from astroid import nodes

from flake8_task_lifecycle.flow import walk

Concerns = Callable[[nodes.NodeNG], bool]
_STATES = frozenset({"done", "cancelled"})


def comes_with(place: nodes.NodeNG, statement: nodes.NodeNG, concerns: Concerns) -> bool:
    """Whether a ``cancel()`` runs in each round that runs a statement, before it or after it.

    A test around the ``cancel()`` of whether there is something to cancel leaves out only what is done already;
    ``concerns`` tells whether an expression is what is cancelled.
    """
    own = place.statement()
    while _is_conditional_on_itself(own, concerns):
        own = own.parent
    return any(
        around is own or (_in_one_block(own, around) and not _is_left_between(around, own))
        for around in _around(statement)
    )


def comes_before(place: nodes.NodeNG, statement: nodes.NodeNG, concerns: Concerns) -> bool:
    """Whether a ``cancel()``, or a loop that cancels all of something, has run whenever a statement is reached."""
    own, arounds = place.statement(), _around(statement)
    while not any(_in_one_block(own, around) and (own.lineno or 0) < (around.lineno or 0) for around in arounds):
        if not _is_conditional_on_itself(own, concerns) and not _is_in_loop(own):
            return False
        own = own.parent
    return True


def _is_in_loop(own: nodes.NodeNG) -> bool:
    return isinstance(own.parent, nodes.For) and own in own.parent.body


def always_runs(place: nodes.NodeNG, concerns: Concerns) -> bool:
    """Whether no test of anything else decides on a ``cancel()`` of its function."""
    own = place.statement()
    while isinstance(own.parent, nodes.For | nodes.Try | nodes.With) or _is_conditional_on_itself(own, concerns):
        own = own.parent
    return isinstance(own.parent, nodes.FunctionDef)


def is_where_none_is(statement: nodes.NodeNG, concerns: Concerns) -> bool:
    """Whether a statement runs only where there is nothing to cancel: ``if not task: return``."""
    around = statement.parent
    if not isinstance(around, nodes.If) or statement not in around.body:
        return False
    test = around.test
    if isinstance(test, nodes.UnaryOp):
        return test.op == "not" and concerns(test.operand)
    if not isinstance(test, nodes.Compare) or len(test.ops) != 1:
        return False
    operator, other = test.ops[0]
    return operator == "is" and isinstance(other, nodes.Const) and other.value is None and concerns(test.left)


def _is_conditional_on_itself(own: nodes.NodeNG, concerns: Concerns) -> bool:
    around = own.parent
    return isinstance(around, nodes.If) and own in around.body and _asks_whether_it_runs(around.test, concerns)


def _asks_whether_it_runs(test: nodes.NodeNG, concerns: Concerns) -> bool:
    """Whether a test asks of what is cancelled only whether it is there and not done yet."""
    match test:
        case nodes.BoolOp():
            return test.op == "and" and all(_asks_whether_it_runs(one, concerns) for one in test.values)
        case nodes.UnaryOp():
            asked = test.operand
            is_state = isinstance(asked, nodes.Call) and isinstance(asked.func, nodes.Attribute) and not asked.args
            return is_state and asked.func.attrname in _STATES and concerns(asked.func.expr)
        case nodes.Compare():
            (operator, other), *more = test.ops
            is_none = isinstance(other, nodes.Const) and other.value is None
            return not more and operator == "is not" and is_none and concerns(test.left)
        case nodes.NamedExpr():
            return concerns(test.target)
    return concerns(test)


def _around(statement: nodes.NodeNG) -> list[nodes.NodeNG]:
    """A statement and those around it in its function, from the inside out."""
    found = []
    while not isinstance(statement, nodes.FunctionDef | nodes.Module | nodes.Lambda | nodes.ClassDef):
        found.append(statement)
        statement = statement.parent
    return found


def _in_one_block(one: nodes.NodeNG, other: nodes.NodeNG) -> bool:
    block = _block(one)
    return block is not None and block is _block(other)


def _block(statement: nodes.NodeNG) -> list[nodes.NodeNG] | None:
    """The statements among which one stands."""
    block = statement.parent.child_sequence(statement) if statement.is_statement else None
    return block if isinstance(block, list) else None


def _is_left_between(statement: nodes.NodeNG, later: nodes.NodeNG) -> bool:
    """Whether the block of two statements can be left by a jump after the first and before the second."""
    block = _block(statement) or []
    between = block[block.index(statement) + 1 : block.index(later)]
    return any(isinstance(node, nodes.Continue | nodes.Break | nodes.Return) for node in walk(between))
