"""Plain data that the floors hand to one another: no syntax trees, no flake8."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of source text.

    Lines count from 1, columns from 0 and in characters (not in UTF-8 bytes, as ``ast`` counts them).
    The end is exclusive, as in the Python ``ast`` documentation.
    """

    line: int
    column: int
    end_line: int
    end_column: int


class Evidence(NamedTuple):
    """One line of source that proves part of an answer: where it stands and what it shows."""

    span: Span
    note: str
    path: str = ""


class Known(Enum):
    """The three answers a fact can give."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Answer(NamedTuple):
    """What a fact says: YES, NO or UNKNOWN with its reason, and the lines that prove it."""

    known: Known
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def is_yes(self) -> bool:
        """True for a definite yes."""
        return self.known is Known.YES

    @property
    def is_no(self) -> bool:
        """True for a definite no."""
        return self.known is Known.NO


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict of one rule at one place.

    ``message`` is one line without the code: it names the thing and the mend. ``subject`` is the name of the
    thing (``self._task``), ``qualname`` the function or class around it: together with the code they identify a
    finding across edits.
    """

    code: str
    span: Span
    message: str
    subject: str = ""
    qualname: str = ""
    evidence: tuple[Evidence, ...] = field(default=(), compare=False)


class TaskSite(NamedTuple):
    """Everything known of one spawn: the row of the audit, and the text of TLC900.

    ``owner`` is a name without blanks: ``nobody``, ``caller``, ``self._task``, ``local:task``,
    ``callee:gather``, ``scope:group`` or ``unknown``. ``reason`` says why something stayed unknown.
    """

    span: Span
    spawner: str
    coroutine: str
    owner: str
    released: Known
    verdict: str
    reason: str = ""
    qualname: str = ""
