"""Tasks that something holds and nothing releases: the search behind that absence, narrow questions first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.borrowed import is_borrowed
from flake8_task_lifecycle.facts.definitions import decorator_names
from flake8_task_lifecycle.facts.growth import adds_without_bound, grows_elsewhere, only_grows
from flake8_task_lifecycle.facts.lifetimes import long_lived_spawn
from flake8_task_lifecycle.facts.removals import removes_another
from flake8_task_lifecycle.facts.repeats import BY_ITSELF, calls_of, runs_again
from flake8_task_lifecycle.facts.requests import requested_in, signals_of
from flake8_task_lifecycle.facts.slots import Kind, Place, SlotEvent
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.sweeps import sweeps
from flake8_task_lifecycle.facts.targets import coroutine_answers
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import Definition
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_ENDING = frozenset({Kind.CANCEL, Kind.AWAIT, Kind.REQUEST, Kind.HANDED})
STOPS = re.compile(
    r"_*(?:(?:async_)?(?:stop|close|aclose|disconnect|shutdown|cleanup|teardown|terminate|dispose|finish|destroy"
    r"|cancel)(?:_\w+)?|__aexit__|__exit__|connection_lost|unload|on_close|on_shutdown|release)\Z"
)


class HeldTask(NamedTuple):
    """A task in a slot that something is wrong with.

    ``stopper``: the method that stops the owner's other tasks and forgets this one. ``wrong_removal``: a done callback
    takes another task out of the collection. ``by_itself``: the call that stored the task replaces it as well.
    """

    span: Span
    name: str
    coroutine: str
    owner: str
    qualname: str
    is_collection: bool
    is_global: bool
    evidence: tuple[Evidence, ...]
    stopper: str = ""
    wrong_removal: bool = False
    by_itself: bool = False


class Held:
    """What becomes of the tasks that the slots of one module hold."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def unreleased(self) -> Iterator[HeldTask]:
        """The slots whose task nothing can end, each at its first such store."""
        told: set[Place] = set()
        for spawn in self._facts.spawns.all():
            places = self.held_only(spawn)
            if not places or told.intersection(places):
                continue
            lived = long_lived_spawn(self._facts, spawn)
            stopper = ""
            if lived.is_no:
                stopper = self._forgetful_stopper(spawn, self._facts.slots.places(spawn))
            if not (lived.is_yes or stopper) or self._can_end(spawn, places):
                continue
            told.update(places)
            yield self._held(spawn, places[0], lived.evidence, stopper)

    def undrained(self) -> Iterator[HeldTask]:
        """The slots whose one-shot tasks nothing waits for or cancels, each at its first such store."""
        told: set[Place] = set()
        for spawn in self._facts.spawns.all():
            places = self.held_only(spawn, frozenset({Fate.CALLER}))
            if not places or told.intersection(places) or not self._is_one_shot(spawn, places):
                continue
            if self._forgetful_stopper(spawn, places) or self._can_end(spawn, places) or self.callers_may_end(spawn):
                continue
            told.update(places)
            yield self._held(spawn, places[0], ())

    def _is_one_shot(self, spawn: Spawn, places: tuple[Place, ...]) -> bool:
        """Whether a task comes to an end of its own after some wait; one that leaves its collection when done does."""
        answers = coroutine_answers(self._facts, spawn, _waits_and_is_no_shutdown)
        if answers:
            return all(answers) and long_lived_spawn(self._facts, spawn).is_no
        return spawn.coroutine is not None and all(
            place.is_collection and self._leaves_when_done(spawn, place) for place in places
        )

    def _leaves_when_done(self, spawn: Spawn, place: Place) -> bool:
        """``task.add_done_callback(tasks.discard)`` in the function that spawns."""
        function = enclosing_function(spawn.node)
        return any(
            enclosing_function(call) is function
            and any(
                isinstance(one, nodes.Attribute)
                and one.attrname in {"discard", "remove"}
                and dotted(one.expr) == place.name
                for one in call.args
            )
            for call in self._facts.tree.calls.get("add_done_callback", ())
        )

    def callers_may_end(self, spawn: Spawn) -> bool:
        """Whether a task that is returned as well may be seen to its end by a caller: some call in the project uses it.

        Also when no call is seen, or not all of them can be told.
        """
        uses = self._facts.owners.of(spawn.value).uses
        function = enclosing_function(spawn.node)
        if function is None or all(use.fate is not Fate.CALLER for use in uses):
            return False
        calls = calls_of(self._facts, function)
        if calls is None or calls[1] or not calls[0]:
            return True
        made = [call.node.parent for call in calls[0]]
        if isinstance(function, nodes.AsyncFunctionDef):
            made = [one.parent for one in made if isinstance(one, nodes.Await)]
        return not made or not all(isinstance(one, nodes.Expr) for one in made)

    def overwritten(self) -> Iterator[HeldTask]:
        """The stores of a long-lived task over one that may still run."""
        for spawn in self._facts.spawns.all():
            uses = [use for use in self._stores(spawn) if not isinstance(use, nodes.Attribute | nodes.Name)]
            places = self._facts.slots.places(spawn)
            if len(uses) != 1 or len(places) != 1 or places[0].is_collection or self._is_notebook_global(places[0]):
                continue
            place, store = places[0], uses[0]
            lived = long_lived_spawn(self._facts, spawn)
            if not lived.is_yes or self._awaited_by_its_spawner(spawn, place):
                continue
            again = runs_again(self._facts, store, place, self._facts.slots.events(place))
            if again.is_yes:
                held = self._held(spawn, place, lived.evidence + again.evidence)
                yield held._replace(by_itself=again.reason == BY_ITSELF)

    def growing(self) -> Iterator[HeldTask]:
        """The collections that finished tasks stay in, each at its first add."""
        told: set[Place] = set()
        for spawn in self._facts.spawns.all():
            if spawn.scoped or spawn.form is Form.CALLBACK or spawn.keeping:
                continue
            for place in self._facts.slots.places(spawn):
                if not place.is_collection or self._is_notebook_global(place):
                    continue
                wrong = removes_another(self._facts, spawn, place)
                if wrong is not None:
                    evidence = self._facts.evidence(wrong, "removes whatever the name is bound to by then")
                    yield self._held(spawn, place, (evidence,))._replace(wrong_removal=True)
                elif place not in told and self._grows(spawn, place):
                    told.add(place)
                    yield self._held(spawn, place, ())

    def _grows(self, spawn: Spawn, place: Place) -> bool:
        facts = self._facts
        return (
            only_grows(facts, place)
            and not is_borrowed(facts, place)
            and not long_lived_spawn(facts, spawn).is_yes
            and adds_without_bound(facts, spawn, place)
            and grows_elsewhere(facts, place)
        )

    def _held(self, spawn: Spawn, place: Place, evidence: tuple[Evidence, ...], stopper: str = "") -> HeldTask:
        facts = self._facts
        return HeldTask(
            span=facts.source.span_of(spawn.node),
            name=place.name,
            coroutine=facts.coroutines.name(spawn.coroutine),
            owner=place.owner,
            qualname=qualified_name(spawn.node),
            is_collection=place.is_collection,
            is_global=place.is_global,
            evidence=(facts.evidence(spawn.node, "spawned here"), *evidence),
            stopper=stopper,
        )

    def _stores(self, spawn: Spawn) -> list[nodes.NodeNG]:
        return [use.target for use in self._facts.owners.kept(spawn.value) if use.target is not None]

    def _awaited_by_its_spawner(self, spawn: Spawn, place: Place) -> bool:
        name = _function_name(spawn.node)
        return any(event.kind is Kind.AWAIT and event.function == name for event in self._facts.slots.events(place))

    def _is_notebook_global(self, place: Place) -> bool:
        return place.is_global and self._facts.source.name.endswith(".ipynb")

    def held_only(self, spawn: Spawn, apart: frozenset[Fate] = frozenset()) -> tuple[Place, ...]:
        """The slots of a spawn's task, when slots are all that has it; a slot that cannot be told gives none.

        ``apart``: fates that do not count against it.
        """
        if spawn.scoped or spawn.form is Form.CALLBACK:
            return ()
        uses = self._facts.owners.of(spawn.value).uses
        if any(use.fate in {Fate.AWAITED, Fate.CALLER, Fate.HANDED} - apart for use in uses):
            return ()
        if any(
            use.by_canceller or (use.fate is Fate.RELEASED and last_word(use.target) == "cancel")
            for use in uses
            if use.target is not None
        ):
            return ()
        kept = [use for use in uses if use.fate is Fate.KEPT]
        places = self._facts.slots.places(spawn)
        if not kept or any(self._facts.slots.place_of(use) is None for use in kept):
            return ()
        if any(self._is_notebook_global(place) for place in places):
            return ()
        if spawn.keeping:
            inner = self._kept_by_wrapper(spawn)
            return (*places, *inner) if inner else ()
        return places

    def _kept_by_wrapper(self, spawn: Spawn) -> tuple[Place, ...]:
        """The slots that a keeping wrapper puts the task into; none when they cannot be told."""
        if not isinstance(spawn.node, nodes.Call):
            return ()
        wrappers = {value.node for value in self._facts.evaluator.of(spawn.node.func) if isinstance(value, Definition)}
        return tuple(
            place
            for other in self._facts.spawns.all()
            if enclosing_function(other.node) in wrappers
            for place in self._facts.slots.places(other)
        )

    def _can_end(self, spawn: Spawn, places: tuple[Place, ...]) -> bool:
        """Whether anything may release the task, or whether that cannot be told."""
        facts = self._facts
        ending = _ENDING | {Kind.OBSERVE} if spawn.form is Form.THREADSAFE else _ENDING
        if any(event.kind in ending for place in places for event in facts.slots.events(place)):
            return True
        signals = signals_of(facts, spawn)
        if requested_in(facts, spawn.node, signals) or sweeps(facts):
            return True
        for place in places:
            elsewhere = facts.slots.elsewhere(place)
            if elsewhere is None or any(event.kind in ending for event in elsewhere):
                return True
        for word in sorted(signals.words):
            others = facts.world.mentioning(word)
            if others is None or any(requested_in(other, None, signals) for other in others):
                return True
        return self.swept_elsewhere()

    def swept(self) -> bool:
        """Whether the project goes over whatever tasks there are, or that cannot be told."""
        return sweeps(self._facts) or self.swept_elsewhere()

    def swept_elsewhere(self) -> bool:
        """Whether another module does, or that cannot be told."""
        sweepers = self._facts.world.mentioning("all_tasks")
        return sweepers is None or any(sweeps(other) for other in sweepers if not other.is_test)

    def _forgetful_stopper(self, spawn: Spawn, places: tuple[Place, ...]) -> str:
        """The method that stops other tasks of the owner and forgets this one-shot; "" when there is none."""
        place = places[0]
        if len(places) != 1 or place.is_collection or place.is_global:
            return ""
        answers = coroutine_answers(self._facts, spawn, _waits_and_is_no_shutdown)
        if not answers or not all(answers):
            return ""
        runs = coroutine_answers(self._facts, spawn, lambda _, function: qualified_name(function))
        if not self._facts.slots.replaced_in(place).isdisjoint(runs):
            return ""
        lineage = self._facts.slots.lineage(place.home)
        stopped = sorted(one for home in lineage for one in self._stopped.get(home, ()))
        others = (stopper for _, attribute, stopper in stopped if attribute != place.attribute)
        return next((stopper for stopper in others if stopper != _function_name(spawn.node)), "")

    @cached_property
    def _stopped(self) -> dict[str, list[tuple[int, str, str]]]:
        """The slots that a method stops, by their class: the order of their spawns, the attribute, the method."""
        found: dict[str, list[tuple[int, str, str]]] = {}
        places = (place for spawn in self._facts.spawns.all() for place in self._facts.slots.places(spawn))
        for order, place in enumerate(dict.fromkeys(places)):
            stopper = _stopper(self._facts.slots.events(place))
            if stopper:
                found.setdefault(place.home, []).append((order, place.attribute, stopper))
        return found


def _stopper(events: tuple[SlotEvent, ...]) -> str:
    for event in events:
        if event.kind in {Kind.CANCEL, Kind.AWAIT} and event.sure and STOPS.match(event.function.rpartition(".")[2]):
            return event.function
    return ""


def _function_name(node: nodes.NodeNG) -> str:
    function = enclosing_function(node)
    return qualified_name(function) if function is not None else ""


def _waits_and_is_no_shutdown(_: Facts, function: nodes.FunctionDef) -> bool:
    if STOPS.match(function.name) or not isinstance(function, nodes.AsyncFunctionDef):
        return False
    if "asynccontextmanager" in decorator_names(function):
        return False
    calls = {last_word(node.func) for node in walk(function.body) if isinstance(node, nodes.Call)}
    if any(STOPS.match(word) for word in calls):
        return False
    return any(
        isinstance(node, nodes.AsyncFor | nodes.AsyncWith)
        or (isinstance(node, nodes.Await) and not _is_bare_yield(node.value))
        for node in walk(function.body)
    )


def _is_bare_yield(awaited: nodes.NodeNG) -> bool:
    return (
        isinstance(awaited, nodes.Call)
        and last_word(awaited.func) == "sleep"
        and bool(awaited.args)
        and isinstance(awaited.args[0], nodes.Const)
        and not awaited.args[0].value
    )
