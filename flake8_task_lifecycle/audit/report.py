"""What an audit found, as plain data: the one shape that every writer reads and the JSON form spells out.

Paths are relative to the report's ``root`` with forward slashes, as given where they lie outside of it. Lines count
from 1, columns from 1 and in characters, as editors show them (``model.Span`` counts columns from 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

SCHEMA = 1
"""The version of the report's shape. Within one, things are added only."""


class Verdict(Enum):
    """The verdict on a task site. UNRESOLVED: nothing is held against it, and its owner or release is unknown."""

    SAFE = "safe"
    SCOPED = "scoped"
    AT_RISK = "at-risk"
    UNRESOLVED = "unresolved"


class Lifetime(Enum):
    """How long a task may run: what bounds it."""

    APPLICATION = "application"
    OWNER = "owner"
    FUNCTION = "function"
    SCOPE = "scope"
    ONE_SHOT = "one-shot"
    UNKNOWN = "unknown"


class OwnerKind(Enum):
    """What holds a task."""

    ATTRIBUTE = "attribute"
    GLOBAL = "global"
    COLLECTION = "collection"
    LOCAL = "local"
    SCOPE = "scope"
    CALLER = "caller"
    CALLEE = "callee"
    AWAITED = "awaited"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


class Holds(Enum):
    """Whether a promise of the compliance list holds. UNKNOWN: no site breaks it, and not every site is resolved."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """One line of source that proves something: what it is, where it stands, and its text.

    ``what`` is one word of a closed list for each field of a site (see the fields); ``note`` is a clause that a
    sentence can end with ("called in the finally of lifespan"); ``text`` is the line of source without its indent.
    """

    what: str
    file: str
    line: int
    note: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds the task.

    ``name`` is qualified (``Scheduler._task``); ``instance`` is the module-level instance of the owning class
    (``app.scheduler:scheduler``), "" when there is none or it is not known.
    """

    kind: OwnerKind
    name: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding of one rule, at a task site or elsewhere.

    ``suppressed`` says what hides it (``noqa``, ``per-file-ignores``, ``baseline``), "" when nothing does: only then
    does it count.
    """

    code: str
    name: str
    severity: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    subject: str = ""
    qualname: str = ""
    suppressed: str = ""
    evidence: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """One place where a task is spawned, with everything that is known of it.

    ``purpose`` is the first sentence of the coroutine's docstring, else its qualified name, else "unknown"; the
    reason then stands in ``unknown``. ``shutdown``: the steps that end the task, each ``cancel``, ``await``,
    ``suppress``, ``clear``, ``close`` or ``scope``, then the chain that reaches them from outside, each ``caller``,
    from the releasing method outwards. ``guard`` is the line that keeps a second start from overwriting the first
    (None: there is none). ``cancellation``: ``passes``, ``swallowed`` or ``unknown``, with ``handlers`` that it meets
    (``passes`` or ``swallows``). ``exceptions``: ``observed``, ``unobserved``, ``handled`` or ``unknown``, with
    ``observers``. ``codes`` are those of the findings that concern this site, ``related`` the findings themselves.
    ``reasoning`` are whole sentences made from the proofs. ``unknown`` are clauses that say what could not be told
    and why.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    spawner: str
    expression: str
    coroutine: str
    purpose: str
    qualname: str
    module: str
    owner: Owner
    lifetime: Lifetime
    lifetime_evidence: tuple[Proof, ...]
    shutdown: tuple[Proof, ...]
    guard: Proof | None
    cancellation: str
    handlers: tuple[Proof, ...]
    exceptions: str
    observers: tuple[Proof, ...]
    verdict: Verdict
    risk: str
    codes: tuple[str, ...]
    action: str
    reasoning: tuple[str, ...]
    unknown: tuple[str, ...]
    is_test: bool = False
    related: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of the compliance list: what is promised, whether it holds, and the findings that break it.

    ``broken_by`` also holds the suppressed ones, ``unresolved`` counts the sites that leave it open, ``unchecked`` are
    the codes that could break it and are not in force.
    """

    name: str
    title: str
    holds: Holds
    broken_by: tuple[Problem, ...] = ()
    unresolved: int = 0
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """A file that could not be read or judged whole: where, and why in one clause."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Totals:
    """How many sites there are, and how they were judged."""

    sites: int = 0
    production: int = 0
    tests: int = 0
    safe: int = 0
    scoped: int = 0
    at_risk: int = 0
    unresolved: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The audit of one project.

    ``sites`` and ``problems`` are sorted by file, line and column; ``problems`` holds every finding, those of the
    sites and the others (a handler, a release). ``options`` are those in force, by name, as text. ``stale`` are the
    baseline's entries that no finding matches any more; ``warnings`` are lines about the options.
    """

    version: str
    root: str
    files: int = 0
    options: dict[str, str] = field(default_factory=dict)
    totals: Totals = Totals()
    sites: tuple[Site, ...] = ()
    problems: tuple[Problem, ...] = ()
    compliance: tuple[Promise, ...] = ()
    recommendations: tuple[str, ...] = ()
    unreadable: tuple[Loss, ...] = ()
    lost: tuple[Loss, ...] = ()
    stale: tuple[str, ...] = ()
    schema: int = SCHEMA
    warnings: tuple[str, ...] = ()
