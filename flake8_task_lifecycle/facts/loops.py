"""Whether an expression is an event loop: by what it evaluates to, else by its name when nothing contradicts."""

from __future__ import annotations

import re

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.values import NONE, UNKNOWN, External, Instance
from flake8_task_lifecycle.names import last_word

_LOOP_NAME = re.compile(r"_*(?:(?:event|ev|async|asyncio|main|thread|callback)_)?loop\Z")


def is_event_loop(evaluator: Evaluator, receiver: nodes.NodeNG) -> bool:
    """Whether a receiver is an event loop.

    https://docs.python.org/3/library/asyncio-eventloop.html#obtaining-the-event-loop lists what gives one.
    """
    known = {
        value for value in evaluator.of(receiver) if value not in {UNKNOWN, NONE} and not isinstance(value, External)
    }
    if any(isinstance(value, Instance) and value.of == External(library.LOOP) for value in known):
        return True
    return not known and _LOOP_NAME.match(last_word(receiver)) is not None


def asks_whether_closed(evaluator: Evaluator, test: nodes.NodeNG) -> bool:
    """``not self.loop.is_closed()``: a closed event loop runs nothing to its end, so that closing it asks nothing."""
    while isinstance(test, nodes.UnaryOp):
        test = test.operand
    method = test.func if isinstance(test, nodes.Call) else None
    return (
        isinstance(method, nodes.Attribute) and method.attrname == "is_closed" and is_event_loop(evaluator, method.expr)
    )
