"""The account of one spawn: everything that is known of a task's life, as plain data with the lines that prove it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.account_lines import Line, expression_text, line_at, line_of, path_of
from flake8_task_lifecycle.facts.account_owner import Holds, Runs, holds_of, instance_of, runs_of, scope_line
from flake8_task_lifecycle.facts.account_release import Release, guard_of, release_of
from flake8_task_lifecycle.facts.account_way import Seen, Way, seen_by, way_of
from flake8_task_lifecycle.facts.callers import Callers, Function
from flake8_task_lifecycle.facts.chains import Chain, badness, chain_of, lines_of
from flake8_task_lifecycle.facts.lifetimes import long_lived, long_lived_spawn
from flake8_task_lifecycle.facts.mentions import Where
from flake8_task_lifecycle.facts.sites import Task
from flake8_task_lifecycle.facts.spawns import Returned, Spawn
from flake8_task_lifecycle.facts.targets import ask, spawned_functions
from flake8_task_lifecycle.model import Answer, Span
from flake8_task_lifecycle.names import enclosing_function, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_STARTS_OF_LIFE = frozenset({Where.LIFESPAN, Where.HOOK, Where.SIGNAL, Where.ATEXIT})


class Lives(NamedTuple):
    """How long a task lives.

    ``kind`` is a word of the report's list; ``loops``: whether it runs without end, None when that is not known.
    """

    kind: str
    evidence: tuple[Line, ...] = ()
    reason: str = ""
    loops: bool | None = None


class Account(NamedTuple):
    """What is known of one spawn.

    ``path`` is its file, ``chain`` the calls that reach its release from outside, ``callers`` their lines.

    ``once``: why its start cannot happen twice, when no line guards it. ``owned`` and ``released`` are clauses that
    say why the owner, or what ends the task, is not known; "" when it is.
    """

    path: str
    span: Span
    spawner: str
    expression: str
    qualname: str
    module: str
    runs: Runs
    holds: Holds
    instance: str
    lives: Lives
    release: Release
    chain: Chain | None
    callers: tuple[Line, ...]
    guard: Line | None
    once: str
    way: Way
    seen: Seen
    owned: str = ""
    released: str = ""


def account_of(facts: Facts, index: int, callers: Callers) -> Account:
    """The account of one spawn of a file, by its place among ``facts.tasks``; scoped ones have one too."""
    return _account(facts, facts.spawns.all()[index], facts.tasks[index], callers)


def _account(facts: Facts, spawn: Spawn, task: Task, callers: Callers) -> Account:
    holds = holds_of(facts, spawn, task)
    instance, made = instance_of(callers, path_of(facts), holds)
    release = Release() if spawn.scoped or holds.kind == "nobody" else release_of(facts, spawn, holds, callers)
    if spawn.scoped:
        scope = scope_line(facts, spawn)
        release = Release((scope,) if scope is not None else ())
    chain = _chain(release, holds, callers)
    guard, once = guard_of(facts, spawn, holds)
    lives = _lives(facts, spawn, holds, release, made, chain)
    return Account(
        path=path_of(facts),
        span=task.span,
        spawner=task.spawner,
        expression=expression_text(facts.source, task.span),
        qualname=task.qualname,
        module=facts.module.name if facts.module is not None else "",
        runs=runs_of(facts, spawn),
        holds=holds,
        instance=instance,
        lives=lives,
        release=release,
        chain=chain,
        callers=lines_of(callers, chain) if chain is not None else (),
        guard=guard,
        once=once,
        way=way_of(facts, spawn),
        seen=seen_by(facts, spawn),
        owned=holds.reason if holds.kind == "unknown" or (holds.reason and not release.ends) else "",
        released=_why_not_released(facts, spawn, holds, release, lives, callers),
    )


def _chain(release: Release, holds: Holds, callers: Callers) -> Chain | None:
    """The best chain that reaches one of the functions which end the task; None when there is nothing to reach.

    A local task is ended where it is spawned.
    """
    if not holds.places:
        return None
    functions = dict.fromkeys(Function(step.path, step.function) for step in release.ends if step.function)
    found = [chain_of(callers, function) for function in functions]
    if not found:
        return None
    best = min(found, key=badness)
    return best._replace(dropped=tuple(dict.fromkeys(one for chain in found for one in chain.dropped)))


def _lives(facts: Facts, spawn: Spawn, holds: Holds, release: Release, made: Line | None, chain: Chain | None) -> Lives:
    if spawn.scoped:
        return Lives("scope", release.steps, "" if release.steps else "its group waits for it")
    lived = long_lived_spawn(facts, spawn)
    if lived.is_no or spawn.ends_at_once:
        return Lives("one-shot", _ends_itself(facts, spawn), lived.reason, loops=False)
    evidence = _loops(facts, spawn) if lived.is_yes else ()
    loops = True if lived.is_yes else None
    reason = "" if lived.is_yes else lived.reason
    make = partial(Lives, reason=reason, loops=loops)
    if holds.kind == "global":
        return make("application", evidence)
    if holds.places:
        if made is not None:
            return make("application", (*evidence, made))
        if chain is not None and chain.end in _STARTS_OF_LIFE:
            return make("application", evidence)
        return make("owner", evidence or release.ends) if lived.is_yes or release.ends else make("unknown", evidence)
    if holds.kind in {"local", "awaited"} and (release.ends or holds.kind == "awaited"):
        return make("function", (*evidence, *release.ends[-1:]))
    if holds.kind == "caller":
        return Lives("unknown", evidence, "its callers say how long it lives", loops)
    return make("unknown", evidence)


def _loops(facts: Facts, spawn: Spawn) -> tuple[Line, ...]:
    """The loops without end that a spawn starts."""

    def question(home: Facts, function: nodes.FunctionDef) -> tuple[Line, ...]:
        answer: Answer = long_lived(home, function)
        return tuple(line_of(home, one, "loop") for one in answer.evidence)

    found = [ask(facts, target, question) or () for target in spawned_functions(facts, spawn)]
    return tuple(dict.fromkeys(line for lines in found for line in lines))


def _ends_itself(facts: Facts, spawn: Spawn) -> tuple[Line, ...]:
    """The definitions of coroutines that come to an end of their own."""

    def question(home: Facts, function: nodes.FunctionDef) -> Line:
        return line_at(home, function, "ends", f"{qualified_name(function)} has no loop without end")

    found = [ask(facts, target, question) for target in spawned_functions(facts, spawn)]
    return tuple(dict.fromkeys(line for line in found if line is not None))


def _why_not_released(
    facts: Facts, spawn: Spawn, holds: Holds, release: Release, lives: Lives, callers: Callers
) -> str:
    """Why what ends a task is not known; "" when it is, or when that is nobody's question."""
    if spawn.scoped or holds.trusted or holds.kind in {"nobody", "awaited"} or release.ends or lives.loops is False:
        return ""
    if holds.kind == "caller":
        return _why_not_by_caller(facts, spawn, callers)
    if release.handed:
        one = release.handed[0]
        return one.note or f"'{one.text}' hands it on"
    if release.unsure:
        return f"'{release.unsure[0].text}' may end it: its receiver is not resolved"
    if release.reason:
        return release.reason
    if lives.loops is None:
        return f"nothing is seen to end it, and whether it ends by itself is not known: {lives.reason}"
    return "nothing is seen to end it"


def _why_not_by_caller(facts: Facts, spawn: Spawn, callers: Callers) -> str:
    """A task that is returned is the caller's: each call of a wrapper is a site of its own."""
    function = enclosing_function(spawn.node)
    if function is None:
        return "it is handed to whoever calls"
    if facts.summaries.returned_task(function) not in {Returned.TASK, Returned.KEPT_TASK}:
        return f"'{function.name}' hands it to its caller in a way that is not followed"
    found, reason = callers.of(Function(path_of(facts), qualified_name(function)))
    return "" if found else reason or f"no call of '{function.name}' is seen in the project"
