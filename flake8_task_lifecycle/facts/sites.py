"""The tasks of a file as rules see them: where each is spawned, what runs, who holds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.coroutines import Coroutines
from flake8_task_lifecycle.facts.owners import Owners, Ownership
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.model import Answer, Known, Span, TaskSite
from flake8_task_lifecycle.names import dotted, qualified_name
from flake8_task_lifecycle.source import Source


class Task(NamedTuple):
    """A spawned task. ``coroutine_name`` finds the name of what runs, "" when the spawn does not show it.

    ``unheld``: does a normal path leave it held by nobody while it may still run? ``local`` is the local name
    that held it last, "" when the spawn's value is thrown away at once. ``observed``: whether a lost future is known
    to tell somebody how its task ends.
    """

    span: Span
    form: Form
    spawner: str
    coroutine_name: Callable[[], str]
    scoped: bool
    keeping: bool
    unheld: Answer
    local: str
    owner: str
    released: Known
    qualname: str
    observed: Known

    @property
    def coroutine(self) -> str:
        """The name of what runs, "" when the spawn does not show it."""
        return self.coroutine_name()

    @property
    def site(self) -> TaskSite:
        """The row of the audit."""
        return TaskSite(
            span=self.span,
            spawner=self.spawner,
            coroutine=self.coroutine or "unknown",
            owner=self.owner,
            released=self.released,
            verdict=self._verdict,
            reason=self.unheld.reason,
            qualname=self.qualname,
        )

    @property
    def _verdict(self) -> str:
        if self.scoped:
            return "scoped"
        if self.unheld.is_yes:
            return "dangling"
        if self.unheld.known is Known.UNKNOWN:
            return "unresolved"
        return "awaited" if self.owner == "awaited" else "kept"


def task_of(
    spawn: Spawn,
    owners: Owners,
    coroutines: Coroutines,
    source: Source,
    observed: Callable[[Spawn], Answer],
    keeps_itself: Callable[[Spawn], bool],
) -> Task:
    """The task that a spawn starts, with its owner.

    ``observed`` tells whether somebody sees how it ends, ``keeps_itself`` whether what runs keeps its own task.
    """
    ownership = _ownership(spawn, owners)
    if ownership.lost.is_yes and keeps_itself(spawn):
        keeper = coroutines.name(spawn.coroutine) or spawn.spawner
        ownership = Ownership(Answer(Known.NO), f"callee:{keeper}", ownership.name, ownership.uses)
    is_lost_future = spawn.form is Form.THREADSAFE and ownership.lost.is_yes
    return Task(
        span=source.span_of(spawn.node),
        form=spawn.form,
        spawner=spawn.spawner,
        coroutine_name=partial(coroutines.name, spawn.coroutine),
        scoped=spawn.scoped,
        keeping=spawn.keeping,
        unheld=ownership.lost,
        local=ownership.name,
        owner=ownership.owner,
        released=_released(spawn, ownership),
        qualname=qualified_name(spawn.node),
        observed=observed(spawn).known if is_lost_future else Known.UNKNOWN,
    )


def _ownership(spawn: Spawn, owners: Owners) -> Ownership:
    if spawn.scoped:
        receiver = spawn.node.func.expr if isinstance(spawn.node.func, nodes.Attribute) else spawn.node.func
        return Ownership(Answer(Known.NO), f"scope:{dotted(receiver) or 'group'}")
    if spawn.form is Form.CALLBACK:
        return Ownership(
            Answer(Known.NO if spawn.keeping else Known.YES), f"callee:{spawn.spawner}" if spawn.keeping else "nobody"
        )
    ownership = owners.of(spawn.value)
    if ownership.lost.is_yes and spawn.keeping:
        return Ownership(Answer(Known.NO), f"callee:{spawn.spawner}", ownership.name, ownership.uses)
    if ownership.lost.is_yes and spawn.ends_at_once:
        return Ownership(Answer(Known.NO), "nobody", ownership.name, ownership.uses)
    return ownership


def _released(spawn: Spawn, ownership: Ownership) -> Known:
    if spawn.scoped or any(use.fate in {Fate.AWAITED, Fate.RELEASED} for use in ownership.uses):
        return Known.YES
    return Known.NO if ownership.owner == "nobody" else Known.UNKNOWN
