"""What is said of a place that absorbs cancellation, and how it is seen: its paths, the reasons that excuse it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.paths import Journey
from flake8_task_lifecycle.flow import Graph
from flake8_task_lifecycle.model import Answer, Span

RAISES = "every path raises"
ASKS = "asks who was cancelled"
CANCELLED_HERE = "what it waits for is cancelled by this code"
ARRANGED = "the function arranges for its own cancellation"
RAISED_ANEW = "the next wait raises it again"
ENDS = "the task's own coroutine ends"
CALLERS_RAISE = "every caller of the helper raises"


class Place(Enum):
    """What absorbs the cancellation."""

    HANDLER = "handler"
    SUPPRESS = "suppress"
    MANAGER = "manager"


class Absorber(NamedTuple):
    """One place that takes cancellation.

    ``swallows``: is a cancellation that arrives there lost? ``text`` is how the place is written, ``caught`` what it
    should raise again; ``goes_on``: an unbounded loop around it then goes on.
    """

    place: Place
    span: Span
    text: str
    qualname: str
    caught: str
    swallows: Answer
    goes_on: bool


class Site(NamedTuple):
    """A place as nodes: what it protects, where its paths lead. ``falls_off``: the function ends right after it."""

    node: nodes.NodeNG
    function: nodes.FunctionDef
    graph: Graph
    journey: Journey
    within: nodes.ExceptHandler | None
    falls_off: bool


class Judged(NamedTuple):
    """A place as the facts see it: the handler or ``with`` statement, its function, what is said of it."""

    node: nodes.NodeNG
    function: nodes.FunctionDef
    absorber: Absorber
    site: Site | None
