"""What arguments a function takes, as plain data, and whether a call that does not resolve can be one of it."""

from __future__ import annotations

from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import is_plainly_decorated, is_static, positional
from flake8_task_lifecycle.names import enclosing_class


class Shape(NamedTuple):
    """The parameters of a function, ``self`` apart.

    ``required`` of them have no default; ``takes_more``: ``*args``; ``takes_names``: ``**kwargs``; ``is_method``: it
    may be called on its class as well, with the object in front.
    """

    names: tuple[str, ...]
    required: int
    by_name: frozenset[str]
    required_by_name: frozenset[str]
    takes_more: bool
    takes_names: bool
    is_method: bool

    def fits(self, call: nodes.Call) -> bool:
        """Whether a call gives what the function asks for, as far as the call shows it."""
        if any(isinstance(one, nodes.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
            return True
        named = {one.arg for one in call.keywords}
        given = len(call.args)
        return self._takes(given, named) or (self.is_method and given > 0 and self._takes(given - 1, named))

    def _takes(self, given: int, named: set[str]) -> bool:
        if given > len(self.names) and not self.takes_more:
            return False
        if not (self.takes_names or named <= {*self.names[given:], *self.by_name}):
            return False
        return named.issuperset(self.names[given : self.required]) and named >= self.required_by_name


def shape_of(function: nodes.FunctionDef) -> Shape | None:
    """The shape of a function; None when a decorator may give it another."""
    if not is_plainly_decorated(function):
        return None
    arguments = function.args
    names = [one.name for one in positional(function)]
    is_method = enclosing_class(function) is not None and not is_static(function)
    required = len(names) - len(arguments.defaults or ())
    by_name = [one.name for one in arguments.kwonlyargs or ()]
    needed = (name for name, default in zip(by_name, arguments.kw_defaults or (), strict=False) if default is None)
    return Shape(
        tuple(names[is_method:]),
        max(required - is_method, 0),
        frozenset(by_name),
        frozenset(needed),
        arguments.vararg is not None,
        arguments.kwarg is not None,
        is_method,
    )
