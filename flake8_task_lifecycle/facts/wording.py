"""Tests of the words of a caught exception: a cancellation from outside has none.

``str(error) == "stopped by the user"``: ``task.cancel()`` gives no message, so its ``args`` are empty and its text is
``""``; one that has a message was given it by who cancelled: https://docs.python.org/3/library/asyncio-task.html
"""

from __future__ import annotations

from collections.abc import Callable

from astroid import nodes

from flake8_task_lifecycle.names import dotted, last_word

Caught = Callable[[str], bool]
_SAME_TEXT = frozenset({"lower", "upper", "strip", "casefold"})
_PARTS = frozenset({"startswith", "endswith"})
_SIZES = frozenset({"bool", "len", "any"})


def outcome(test: nodes.NodeNG, is_caught: Caught) -> bool | None:
    """The outcome of a test of the words of a cancellation, caught by some name; None for any other test."""
    match test:
        case nodes.Compare(left=left, ops=[("==" | "!=" | "in" | "not in" as operator, right)]):
            sides = [(right, left)] if operator in {"in", "not in"} else [(left, right), (right, left)]
            if isinstance(right, nodes.BaseContainer):
                sides = [(left, right)]
            if any(_is_empty(one, is_caught) and _is_word(other) for one, other in sides):
                return operator in {"!=", "not in"}
            return None
        case nodes.Call(func=nodes.Attribute(attrname=method, expr=text), args=[part]) if method in _PARTS:
            return False if _is_empty(text, is_caught) and _is_word(part) else None
        case nodes.Call(func=nodes.Name(name=name), args=[words]) if name in _SIZES:
            return False if _is_empty(words, is_caught) else None
    return False if _is_empty(test, is_caught) else None


def _is_empty(expression: nodes.NodeNG, is_caught: Caught) -> bool:
    """``str(error)``, ``error.args``, ``error.args[0]``: what a cancellation from outside has nothing in."""
    match expression:
        case nodes.Call(func=nodes.Name(name="str"), args=[error]):
            return is_caught(dotted(error))
        case nodes.Call(func=nodes.Attribute(attrname=method, expr=text), args=[]) if method in _SAME_TEXT:
            return _is_empty(text, is_caught)
        case nodes.Attribute(attrname="args", expr=error):
            return is_caught(dotted(error))
        case nodes.Subscript(value=words):
            return _is_empty(words, is_caught)
    return False


def _is_word(expression: nodes.NodeNG) -> bool:
    """Whether something is written out and not empty, or goes by the name of a constant: ``"closed"``, ``_REASON``."""
    if isinstance(expression, nodes.BaseContainer):
        return bool(expression.elts) and all(map(_is_word, expression.elts))
    return bool(expression.value) if isinstance(expression, nodes.Const) else last_word(expression).isupper()
