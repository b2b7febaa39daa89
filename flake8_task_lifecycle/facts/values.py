"""What an expression can evaluate to, as far as the module shows: bindings, attributes, annotations, returns.

A value set never guesses: what cannot be resolved is UNKNOWN and stands in the set beside what can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import NamedTuple, Self, TypeVar

from astroid import nodes

_Item = TypeVar("_Item")


class External(NamedTuple):
    """An object by its qualified name: a module, a class or a function defined outside this module."""

    name: str


class Definition(NamedTuple):
    """A function, lambda or class of this module."""

    node: nodes.FunctionDef | nodes.Lambda | nodes.ClassDef


class Instance(NamedTuple):
    """An object of a class: one by name, or one of this module. ``exact``: not of a subclass of it."""

    of: External | Definition
    exact: bool = False


class Partial(NamedTuple):
    """``functools.partial`` over a function."""

    function: Value
    call: nodes.Call


class Other(Enum):
    """A known value of no interest (a literal), or ``UNKNOWN``."""

    UNKNOWN = "unknown"
    NONE = "None"
    LITERAL = "literal"


Value = External | Definition | Instance | Partial | Other
UNKNOWN, NONE, LITERAL = Other
Values = frozenset[Value]
UNKNOWN_ONLY: Values = frozenset({UNKNOWN})


class Ordered(frozenset[Value]):
    """Values that are gone through in the order in which the source gives them, the same in every process."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._order = tuple(dict.fromkeys(values))

    def __new__(cls, values: Iterable[Value]) -> Self:
        """The values of an iterable that can be gone through twice."""
        return super().__new__(cls, values)

    def __iter__(self) -> Iterator[Value]:
        """Each value once, first come first."""
        return iter(self._order)


def known_names(values: Values, *, instance: bool) -> AbstractSet[str] | None:
    """The qualified names of the classes (``instance``) or of the objects themselves; None if any is unknown."""
    names = set()
    for value in values:
        if value == NONE:
            continue
        if instance and isinstance(value, Instance) and isinstance(value.of, External):
            names.add(value.of.name)
        elif not instance and isinstance(value, External):
            names.add(value.name)
        else:
            return None
    return frozenset(names) or None


def each(items: Iterable[_Item], function: Callable[[_Item], Iterable[Value]]) -> Iterator[Value]:
    """The values that a function gives for every item, one after the other."""
    for item in items:
        yield from function(item)
