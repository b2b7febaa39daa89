"""The places that absorb cancellation: ``except`` handlers, and context managers that swallow it.

Each comes with an answer: does a cancellation of the task that runs it get lost there? The exceptions are those of
the contract: what was cancelled here, who was cancelled is asked, the coroutine is the task's own and ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.absorbers import (
    ARRANGED,
    ASKS,
    CALLERS_RAISE,
    CANCELLED_HERE,
    ENDS,
    RAISED_ANEW,
    RAISES,
    Absorber,
    Judged,
    Place,
    Site,
)
from flake8_task_lifecycle.facts.anew import waits_anew
from flake8_task_lifecycle.facts.answers import asks_about, is_raised_around, throws_it_elsewhere
from flake8_task_lifecycle.facts.arrivals import arrivals, is_resumed_by_throw, is_shielded_scope
from flake8_task_lifecycle.facts.asking import Asking
from flake8_task_lifecycle.facts.cancelled_before import waits_for_cancelled
from flake8_task_lifecycle.facts.definitions import positional
from flake8_task_lifecycle.facts.entries import NO_START
from flake8_task_lifecycle.facts.exceptions import Caught
from flake8_task_lifecycle.facts.handed_over import put_where, waits_for_handed
from flake8_task_lifecycle.facts.helpers import raised_by_callers
from flake8_task_lifecycle.facts.lifetimes import ends_with_what_it_shields, unbounded
from flake8_task_lifecycle.facts.managers import Managers
from flake8_task_lifecycle.facts.outcomes import Content, Knowledge
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import FlowTooLarge, Label, constant_truth, inside, walk
from flake8_task_lifecycle.model import Answer, Known
from flake8_task_lifecycle.names import enclosing_function, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_ENDLESS_WAITS = frozenset(
    {f"asyncio.{name}" for name in ("Event.wait", "Condition.wait", "Condition.wait_for", "Queue.get", "Queue.join")}
    | {"asyncio.Barrier.wait", "asyncio.Future", "asyncio.LifoQueue.get", "asyncio.PriorityQueue.get"}
)


class Handlers:
    """Judges the places of one module that absorb cancellation."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._taking: dict[nodes.NodeNG, bool] = {}
        self._raising: dict[nodes.ExceptHandler, bool] = {}
        self._waits_without_end = cache(self._find_endless_wait)
        self._waiting_loops = cache(self._find_waiting_loops)
        self.asking = Asking(facts)
        self.managers = Managers(facts)

    @property
    def all(self) -> list[Absorber]:
        """Every place of the module's coroutines that absorbs cancellation, in source order."""
        return [judged.absorber for judged in self.judged]

    @cached_property
    def judged(self) -> list[Judged]:
        """The same places with their nodes, for other facts."""
        found = [judged for node in self._facts.tree.guards for judged in self._at(node)]
        return sorted(found, key=lambda judged: judged.absorber.span)

    def _at(self, node: nodes.NodeNG) -> Iterator[Judged]:
        function = enclosing_function(node)
        if not isinstance(function, nodes.AsyncFunctionDef):
            return
        match node:
            case nodes.Try() | nodes.TryStar():
                for handler in node.handlers:
                    caught = self._facts.exceptions.caught(handler.type)
                    if caught.cancellation:
                        yield self._place(Place.HANDLER, handler, handler, function, caught)
            case nodes.With():
                for context, _ in node.items:
                    caught = self.managers.suppressed(context)
                    if caught.cancellation:
                        yield self._place(Place.SUPPRESS, node, context, function, caught)
                    elif self.managers.hides(context, asynchronous=isinstance(node, nodes.AsyncWith)):
                        everything = self._facts.exceptions.caught(None)
                        yield self._place(Place.MANAGER, node, context, function, everything)

    def _place(
        self, place: Place, node: nodes.NodeNG, shown: nodes.NodeNG, function: nodes.FunctionDef, caught: Caught
    ) -> Judged:
        answer, goes_on, site = self._judge(node, function, caught)
        absorber = Absorber(
            place,
            self._facts.source.span_of(shown),
            _written(shown),
            qualified_name(function),
            next(iter(sorted(caught.kinds - {"BaseException"})), "asyncio.CancelledError"),
            answer,
            goes_on,
        )
        return Judged(node, function, absorber, site)

    def _judge(
        self, node: nodes.NodeNG, function: nodes.FunctionDef, caught: Caught
    ) -> tuple[Answer, bool, Site | None]:
        """Whether a cancellation is lost at a handler or ``with`` statement, and whether a loop goes on after it."""
        if isinstance(node, nodes.ExceptHandler):
            for earlier in node.parent.handlers[: node.parent.handlers.index(node)]:
                if self._facts.exceptions.caught(earlier.type).takes(caught):
                    return Answer(Known.NO, "an earlier handler takes it"), False, None
        waits = self.waits(node, function)
        if not waits:
            return Answer(Known.NO, "nothing waits there"), False, None
        site = self.site(node, function)
        if site is None:
            return Answer(Known.UNKNOWN, "too large"), False, None
        if self.raises(site):
            return Answer(Known.NO, RAISES), False, site
        looping = self._goes_on(site)
        reason = self.excuse(site, looping, waits)
        if reason:
            return Answer(Known.NO, reason), looping, site
        informed = self.site(node, function, informed=True)
        if informed is not None and self.raises(informed):
            return Answer(Known.NO, RAISES), False, informed
        if not looping and self.ends(site):
            entry = self._facts.entries.is_entry(function)
            if not entry.is_no:
                return (Answer(Known.NO, ENDS) if entry.is_yes else entry), looping, site
            start = self._likely_start(node, function) if entry.reason == NO_START else ""
            if start:
                return Answer(Known.UNKNOWN, start), looping, site
        if all(isinstance(one, nodes.Await) and self._facts.coroutines.never_suspends(one.value) for one in waits):
            return Answer(Known.NO, "nothing suspends there"), looping, site
        if not self._lingers(site) and raised_by_callers(self._facts, informed or site):
            return Answer(Known.NO, CALLERS_RAISE), looping, site
        doubt = self._doubt(node, function, caught, waits if not looping else [])
        return (Answer(Known.UNKNOWN, doubt) if doubt else Answer(Known.YES)), looping, site

    def _likely_start(self, node: nodes.NodeNG, function: nodes.FunctionDef) -> str:
        """What may run a coroutine as a task's own of which no start is seen; "" when nothing speaks for it."""
        if self._facts.runners.may_be_run_by_decorator(function):
            return "its decorator may start it"
        return "an endless coroutine that nobody awaits" if self._runs_for_ever(node, function) else ""

    def _doubt(self, node: nodes.NodeNG, function: nodes.FunctionDef, caught: Caught, waits: list[nodes.NodeNG]) -> str:
        """What is not known of a place, so that nothing can be said of it; "" when all is."""
        if "BaseException" not in caught.kinds and waits and waits_for_handed(self._facts, function, waits):
            return "what it waits for was handed to what may cancel it"
        if not isinstance(node, nodes.ExceptHandler):
            return ""
        if self._may_choose(node, function):
            return "a function chooses which exceptions it takes"
        return "it is thrown into another frame" if throws_it_elsewhere(self._facts, node) else ""

    def _runs_for_ever(self, node: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
        """Whether a place ends an unbounded ``while`` loop of a coroutine that gives nothing back.

        One that is handed to something as it stands has somebody to wait for it.
        """
        block = node.parent if isinstance(node, nodes.ExceptHandler) else node
        if any(one.value is not None for one in self._facts.tree.returns.get(function, ())):
            return False
        if self._facts.tree.arguments.get(function.name):
            return False
        return any(block.parent_of(loop) or loop.parent_of(block) for loop in self._waiting_loops(function))

    def _find_waiting_loops(self, function: nodes.FunctionDef) -> list[nodes.While]:
        """The unbounded ``while`` loops of a function that wait for something."""
        return [
            loop
            for loop in inside(function)
            if isinstance(loop, nodes.While)
            and any(arrivals(loop.body, _nothing_takes, False))
            and unbounded(self._facts, loop).is_yes
        ]

    def _may_choose(self, handler: nodes.ExceptHandler, function: nodes.FunctionDef) -> bool:
        """Whether a handler raises what a function that cannot be followed says so of, or does not say so of.

        An entry coroutine may as well come to its end then.
        """
        if not asks_about(handler):
            return False
        is_entry = self._facts.entries.is_entry(function).is_yes
        sites = [self.site(handler, function, supposed=supposed) for supposed in (Content.FALSE, Content.TRUE)]
        return any(
            site is not None and (self.raises(site) or (is_entry and not self._goes_on(site) and self.ends(site)))
            for site in sites
        )

    def waits(self, node: nodes.NodeNG, function: nodes.FunctionDef) -> list[nodes.NodeNG]:
        """The waits that a handler or ``with`` statement protects, at which a cancellation can arrive."""
        body = node.parent.body if isinstance(node, nodes.ExceptHandler) else node.body
        found = arrivals(body, self.takes, is_resumed_by_throw(function))
        return [wait for wait in found if not self._facts.finished.is_done(wait, function)]

    def excuse(self, site: Site, looping: bool, waits: list[nodes.NodeNG]) -> str:
        """Why a cancellation may be taken at a place; "" when nothing excuses it."""
        if self._stands_in_raising(site.node, site.function):
            return "stands in a handler that raises"
        if self._is_shielded(site.node):
            return "shielded"
        if site.within is not None and self.asking.asks(site.within):
            return ASKS
        if not looping and site.function in self._facts.cancelled.arranged:
            return ARRANGED
        if site.within is not None and self._facts.cancelled.is_raised_anew(site.within):
            return RAISED_ANEW
        return CANCELLED_HERE if not looping and self.cancelled_here(site, waits) else ""

    def site(
        self,
        node: nodes.NodeNG,
        function: nodes.FunctionDef,
        *,
        informed: bool = False,
        supposed: Content | None = None,
    ) -> Site | None:
        """A handler or ``with`` statement with the paths that leave it; None in a function that is too large.

        ``informed``: under what is known before it, whatever way led there. ``supposed``: what a function that cannot
        be followed says of the exception.
        """
        try:
            graph = self._facts.graph(function)
        except FlowTooLarge:
            return None
        reachable = self._facts.paths.reachable(graph)
        steps = [step for step in graph.at(node) if step in reachable]
        if len(steps) > 1:
            block = node.parent if isinstance(node, nodes.ExceptHandler) else node
            steps = self._facts.finished.open_copies(block, steps, graph)
        before: Mapping[int, Knowledge] = {}
        if informed:
            before = self._facts.paths.before(graph)
            steps = [step for step in steps if step in before]
        within = node if isinstance(node, nodes.ExceptHandler) else None
        starts: Mapping[int, Knowledge]
        if within is not None:
            own = self._known_at(within, supposed)
            starts = {step: {**before.get(step, {}), **own} for step in steps}
        else:
            stored = {one.name for one in inside(node) if isinstance(one, nodes.AssignName | nodes.DelName)}
            starts = {
                graph.after(step): {name: known for name, known in before.get(step, {}).items() if name not in stored}
                for step in steps
            }
        journey = self._facts.paths.travel(graph, starts, within)
        return Site(node, function, graph, journey, within, graph.exit in starts)

    def _known_at(self, handler: nodes.ExceptHandler, supposed: Content | None) -> Knowledge:
        return self._facts.outcomes.caught(handler.name.name, supposed) if handler.name is not None else {}

    def raises(self, site: Site) -> bool:
        """Whether every way on from a place raises, or hands on what was kept, and none waits again without bound."""
        return not self._lingers(site) and not self._is_left(site)

    def _lingers(self, site: Site) -> bool:
        """Whether an endless loop comes after a place, or one around it goes round again."""
        return any(self._is_endless(site, loop) for loop in self._loops_after(site)) or self._goes_on(
            site, patient=True
        )

    def _is_left(self, site: Site) -> bool:
        """Whether the function can end without raising, or handing on what was kept of the exception."""
        if site.falls_off:
            return True
        if not site.journey.reaches(site.graph.exit):
            return False
        for step, knowledge in site.journey.known.items():
            if any(
                target == site.graph.exit for target, label in site.graph.steps[step].edges if label is not Label.RAISE
            ):
                statement = site.graph.steps[step].statement
                if not (
                    self._hands_on(statement, knowledge, site.within)
                    or _leaves_it_to_with(site, statement, knowledge)
                    or self._is_kept_around(site, step)
                ):
                    return True
        return False

    def _is_kept_around(self, site: Site, step: int) -> bool:
        """Whether a variable of the function around, which raises by that name, holds the exception after a step."""
        shared = self._facts.tree.nonlocals.get(site.function)
        if not shared:
            return False
        ending = site.graph.steps[step]
        known = self._facts.outcomes.after(ending.statement, ending.parts, site.journey.known[step])
        return any(
            known.get(name) is Content.EXCEPTION and is_raised_around(self._facts, site.function, name)
            for name in shared
        )

    def _hands_on(
        self, statement: nodes.NodeNG | None, knowledge: Knowledge, within: nodes.ExceptHandler | None
    ) -> bool:
        """Whether a ``return`` after the handler gives the caller the exception, or the flag, that was kept.

        It may be one of several values that are returned together.
        """
        if not isinstance(statement, nodes.Return) or within is None or within.parent_of(statement):
            return False
        given = statement.value.elts if isinstance(statement.value, nodes.Tuple) else [statement.value]
        return any(
            isinstance(one, nodes.Name | nodes.BoolOp)
            and self._facts.outcomes.content(one, knowledge) in {Content.EXCEPTION, Content.TRUE}
            for one in given
        )

    def _goes_on(self, site: Site, *, patient: bool = False) -> bool:
        """Whether an unbounded loop around the place goes round again after it, and waits again.

        ``patient``: it may, for a task that it shields and with which it ends.
        """
        return any(
            loop.parent_of(site.node)
            and (self._is_endless(site, loop) if patient else unbounded(self._facts, loop).is_yes)
            and self._waits_in(site, loop)
            for loop in site.journey.entered
        )

    def _is_endless(self, site: Site, loop: nodes.NodeNG) -> bool:
        return unbounded(self._facts, loop).is_yes and not ends_with_what_it_shields(self._facts, site.function, loop)

    @staticmethod
    def _loops_after(site: Site) -> Iterator[nodes.NodeNG]:
        """The loops that the function enters after the place, those around the place and those inside it apart."""
        for loop in site.journey.entered:
            inside = site.within is not None and site.within.parent_of(loop)
            if not inside and not loop.parent_of(site.node):
                yield loop

    @staticmethod
    def _waits_in(site: Site, loop: nodes.NodeNG) -> bool:
        """Whether a step of the loop waits that can be reached after the place."""
        for step in site.journey.known:
            statement = site.graph.steps[step].statement
            if statement is None or not (statement is loop or loop.parent_of(statement)):
                continue
            if site.within is not None and site.within.parent_of(statement):
                continue
            if isinstance(statement, nodes.AsyncFor | nodes.AsyncWith):
                return True
            if any(arrivals(site.graph.steps[step].parts, _nothing_takes, True)):
                return True
        return False

    def ends(self, site: Site) -> bool:
        """Whether every path after the place ends the coroutine, after waits that end by themselves at most."""
        for loop in site.journey.entered:
            if any(arrivals(loop.body, _nothing_takes, False)) and unbounded(self._facts, loop).is_yes:
                return False
        return not any(
            self._waits_without_end(part) for step in site.journey.known for part in site.graph.steps[step].parts
        )

    def _find_endless_wait(self, part: nodes.NodeNG) -> bool:
        return any(
            isinstance(node, nodes.Await)
            and isinstance(node.value, nodes.Call)
            and (known_names(self._facts.evaluator.of(node.value.func), instance=False) or {""}) <= _ENDLESS_WAITS
            for node in walk([part])
        )

    def takes(self, node: nodes.NodeNG) -> bool:
        """Whether a ``try`` or ``with`` takes every cancellation of its body, so that none leaves it."""
        if node not in self._taking:
            self._taking[node] = False
            self._taking[node] = self._find_taking(node)
        return self._taking[node]

    def _find_taking(self, node: nodes.NodeNG) -> bool:
        if isinstance(node, nodes.With):
            return any(
                self.managers.suppressed(context).cancellation
                or self.managers.hides(context, asynchronous=isinstance(node, nodes.AsyncWith))
                for context, _ in node.items
            )
        for handler in node.handlers:
            if self._facts.exceptions.caught(handler.type).cancellation:
                return not self._may_raise(handler)
        return False

    def _may_raise(self, handler: nodes.ExceptHandler) -> bool:
        """Whether a path through the handler raises the cancellation again."""
        site = self._handler_site(handler)
        if site is None:
            return True
        for step, knowledge in site.journey.known.items():
            statement = site.graph.steps[step].statement
            if (
                isinstance(statement, nodes.Raise)
                and handler.parent_of(statement)
                and self._facts.paths.raises_cancellation(statement, knowledge)
            ):
                return True
        return False

    def _handler_site(self, handler: nodes.ExceptHandler) -> Site | None:
        function = enclosing_function(handler)
        return self.site(handler, function) if function is not None else None

    def _stands_in_raising(self, node: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
        """Whether a handler of the cancellation type stands around the place, all of whose paths end in raising."""
        parent = node.parent
        while parent is not None and parent is not function:
            if isinstance(parent, nodes.ExceptHandler) and self._always_raises(parent):
                return True
            parent = parent.parent
        return False

    def _always_raises(self, handler: nodes.ExceptHandler) -> bool:
        if not self._facts.exceptions.caught(handler.type).cancellation:
            return False
        if handler not in self._raising:
            site = self._handler_site(handler)
            self._raising[handler] = site is not None and self.raises(site)
        return self._raising[handler]

    @staticmethod
    def _is_shielded(node: nodes.NodeNG) -> bool:
        parent = node
        while parent is not None and not isinstance(parent, nodes.FunctionDef):
            if isinstance(parent, nodes.With) and any(is_shielded_scope(context) for context, _ in parent.items):
                return True
            parent = parent.parent
        return False

    def cancelled_here(self, site: Site, waits: list[nodes.NodeNG]) -> bool:
        """Whether all that a place waits for is cancelled by this code, or by the methods of its owner."""
        cancels = self._facts.cancelled
        last = max((wait.lineno or 0 for wait in waits), default=0)
        here: set[str] = set()
        for place, texts in cancels.by_function(site.function):
            if (place.lineno or 0) <= last or _in_one_loop(place, site.node):
                here |= texts
        if cancels.waits_only_for(waits, frozenset(here)):
            return True
        here |= cancels.put_aside(site.function) | cancels.through_calls(site.function, last)
        if cancels.waits_only_for(waits, frozenset(here)):
            return True
        owned = cancels.by_owner(site.function)
        here |= owned | put_where(self._facts, site.function, owned)
        if cancels.waits_only_for(waits, frozenset(here)):
            return not waits_anew(self._facts, site, waits, owned)
        return waits_for_cancelled(self._facts, site.function, waits, frozenset(here))


def _nothing_takes(_node: nodes.NodeNG) -> bool:
    return False


def _leaves_it_to_with(site: Site, statement: nodes.NodeNG | None, knowledge: Knowledge) -> bool:
    """Whether an exit method gives back nothing true for the very exception it was given: ``with`` raises that again.

    https://docs.python.org/3/reference/datamodel.html#object.__aexit__
    """
    value = statement.value if isinstance(statement, nodes.Return) else None
    return (
        site.function.name == "__aexit__"
        and (value is None or constant_truth(value) is False)
        and any(knowledge.get(one.name) is Content.EXCEPTION for one in positional(site.function))
    )


def _in_one_loop(one: nodes.NodeNG, other: nodes.NodeNG) -> bool:
    parent = one.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.While | nodes.For) and parent.parent_of(other):
            return True
        parent = parent.parent
    return False


def _written(node: nodes.NodeNG) -> str:
    """How a place is written, in one line."""
    if isinstance(node, nodes.ExceptHandler):
        star = "*" if isinstance(node.parent, nodes.TryStar) else ""
        return f"except{star} {node.type.as_string()}" if node.type is not None else "bare except"
    return str(node.as_string())
