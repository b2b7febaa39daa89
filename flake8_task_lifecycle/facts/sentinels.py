"""Sentinels: what is put into a queue so that the loop that takes it out comes to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import positional
from flake8_task_lifecycle.facts.targets import given_to
from flake8_task_lifecycle.names import enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def gives_sentinel(facts: Facts, call: nodes.Call, sentinels: frozenset[str]) -> bool:
    """Whether an argument is a sentinel, a tuple with one in it, or an object made with one.

    So is a parameter that a call of the function in its module gives one.
    """
    words = {one.rpartition(".")[2] for one in sentinels}
    given = {text for argument in call.args for text in _texts_in(argument)}
    if any(text in sentinels or text.rpartition(".")[2] in words for text in given):
        return True
    function = enclosing_function(call)
    if function is None:
        return False
    names = given & {one.name for one in positional(function)}
    return any(
        value is not None and value.as_string() in sentinels
        for name in sorted(names)
        for other in facts.tree.calls.get(function.name, ())
        for value in [given_to(function, other, iter((name,)))]
    )


def _is_plain(part: nodes.NodeNG) -> bool:
    """Whether a part of an object is a number or None: it says nothing, where a string or a name does."""
    return isinstance(part, nodes.Const) and not isinstance(part.value, str)


def _texts_in(argument: nodes.NodeNG) -> Iterator[str]:
    match argument:
        case nodes.Tuple():
            for part in argument.elts:
                yield from _texts_in(part)
        case nodes.Call():
            yield last_word(argument.func)
            parts = (*argument.args, *(keyword.value for keyword in argument.keywords))
            yield from (part.as_string() for part in parts if not isinstance(part, nodes.Call) and not _is_plain(part))
        case _:
            yield argument.as_string()
