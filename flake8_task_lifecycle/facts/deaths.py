"""Long-lived tasks that can die of an exception which nothing observes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.lifetimes import long_lived_spawn
from flake8_task_lifecycle.facts.observed import observed
from flake8_task_lifecycle.facts.owners import Ownership
from flake8_task_lifecycle.facts.raising import Risk, risk
from flake8_task_lifecycle.facts.shelters import catches_broadly
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import ask, coroutine_answers, outer_functions, shells
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import member_name, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_HOPS = 4


class Death(NamedTuple):
    """A task that can die unseen: where it is spawned, what holds it, what runs, and the step that can raise."""

    span: Span
    owner: str
    coroutine: str
    step: str
    qualname: str
    evidence: tuple[Evidence, ...]


class _Risks(NamedTuple):
    function: str
    found: Risk | None
    path: str


def deaths(facts: Facts) -> Iterator[Death]:
    """The silent deaths of one module, in source order. The wide questions are asked last."""
    for spawn in facts.spawns.all():
        death = _death(facts, spawn)
        if death is not None:
            yield death


def _death(facts: Facts, spawn: Spawn) -> Death | None:
    if spawn.scoped or spawn.ends_at_once or spawn.form is Form.CALLBACK:
        return None
    if not long_lived_spawn(facts, spawn).is_yes:
        return None
    risks = coroutine_answers(facts, spawn, _risks)
    known = [one for one in risks if one.found is not None]
    if not known or len(known) != len(risks) or _is_sheltered(facts, spawn):
        return None
    ownership = facts.owners.of(spawn.value)
    if ownership.lost.is_yes and not spawn.keeping:
        return None
    assert known[0].found is not None
    if not observed(facts, spawn, ends_plainly=known[0].found.swallowed).is_no:
        return None
    step = _placed(facts, known[0])
    return Death(
        facts.source.span_of(spawn.node),
        _owner(ownership),
        facts.coroutines.name(spawn.coroutine) or known[0].function,
        step.step,
        qualified_name(spawn.node),
        (facts.evidence(spawn.node, "spawned here"), step.evidence),
    )


def _owner(ownership: Ownership) -> str:
    """How what holds the task is written; "" for one that only its wrapper keeps."""
    if ownership.owner == "nobody":
        return ""
    owner = ownership.owner.removeprefix("closure:")
    return ownership.name if owner == "unknown" or owner.startswith("local:") else owner


def _risks(facts: Facts, function: nodes.FunctionDef) -> _Risks:
    return _Risks(member_name(function), risk(facts, function), facts.source.name)


def _placed(facts: Facts, risks: _Risks) -> Risk:
    """A risk, with the file of its evidence when that is another one."""
    assert risks.found is not None
    if risks.path == facts.source.name:
        return risks.found
    return risks.found._replace(evidence=risks.found.evidence._replace(path=risks.path))


def _is_sheltered(facts: Facts, spawn: Spawn, hops: int = _MAX_HOPS) -> bool:
    """Whether the coroutine runs inside another of the project that catches broadly: ``spawn(log_errors(run()))``.

    The call of the other may stand in a wrapper that spawns what it is given, or in one that this wrapper calls.
    """
    if any(ask(facts, one, catches_broadly) for one in outer_functions(facts, spawn)):
        return True
    if spawn.form is not Form.WRAPPER or not isinstance(spawn.node, nodes.Call) or not hops:
        return False
    wrappers = [value for value in facts.evaluator.of(spawn.node.func) if isinstance(value, Definition | External)]
    return any(ask(facts, one, partial(_has_shelter, hops=hops - 1)) for one in wrappers)


def _has_shelter(facts: Facts, wrapper: nodes.FunctionDef, hops: int) -> bool:
    if any(ask(facts, one, catches_broadly) for one in shells(facts, wrapper)):
        return True
    return any(_is_sheltered(facts, spawn, hops) for spawn in facts.spawns.inside(wrapper))
