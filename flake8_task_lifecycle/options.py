"""The options of a run, validated once and shared by the plugin and the audit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT_CODES = frozenset(
    {
        "TLC001",
        "TLC002",
        "TLC003",
        "TLC004",
        "TLC005",
        "TLC006",
        "TLC007",
        "TLC008",
        "TLC009",
        "TLC010",
        "TLC011",
        "TLC012",
    }
)
OPT_IN_CODES = frozenset(
    {"TLC101", "TLC102", "TLC103", "TLC104", "TLC105", "TLC106", "TLC107", "TLC108", "TLC109", "TLC900"}
)
ALL_CODES = DEFAULT_CODES | OPT_IN_CODES

_VERSION = re.compile(r"3\.(\d{1,2})\Z")
_DOTTED_OR_METHOD = re.compile(r"(?:\*|[^\W\d]\w*)(?:\.[^\W\d]\w*)*\Z")


class OptionError(ValueError):
    """A malformed option; its text is one line that says what is wrong."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    ``codes``: the rules to run. ``spawners`` and ``keeping_spawners``: names of functions that return a task
    they spawned (and, for the latter, keep it themselves): dotted names as ``package.module.function`` or
    ``*.method`` for a method of any receiver. ``cancellers``: those that release the tasks they are given.
    ``min_python``: the lowest Python version that the code must run on; None leaves it to the project's own files.
    """

    codes: frozenset[str] = DEFAULT_CODES
    spawners: frozenset[str] = frozenset()
    keeping_spawners: frozenset[str] = frozenset()
    cancellers: frozenset[str] = frozenset()
    min_python: tuple[int, int] | None = None


def parse_names(option: str, values: Iterable[str]) -> frozenset[str]:
    """Names given to a ``--tlc-*`` option, checked.

    Raises OptionError when one is neither a dotted name nor ``*.method``.
    """
    names = frozenset(value.strip() for value in values if value.strip())
    for name in sorted(names):
        if not _DOTTED_OR_METHOD.match(name) or name == "*":
            raise OptionError(f"{option}: {name!r} is neither a dotted name (package.function) nor *.method")
    return names


def parse_version(option: str, value: str) -> tuple[int, int] | None:
    """The Python version given to a ``--tlc-*`` option, as (3, 9); None for an empty one.

    Raises OptionError when it is not written like 3.9.
    """
    text = value.strip()
    if not text:
        return None
    match = _VERSION.match(text)
    if match is None:
        raise OptionError(f"{option}: {text!r} is not a Python version such as 3.9")
    return (3, int(match[1]))
