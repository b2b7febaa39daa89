"""Tasks that a coroutine cancels, and what waits for them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.awaiting import Waited, awaits_signal, end_signals, signals_in
from flake8_task_lifecycle.facts.cleanup import has_nothing_to_clean_up
from flake8_task_lifecycle.facts.faraway import (
    Inherited,
    called_words,
    calls_in,
    foreign_bases,
    kept_besides,
    kept_elsewhere,
    spawned_in_class,
    spawned_in_others,
    waited_in_others,
    waits_in_class,
)
from flake8_task_lifecycle.facts.holders import Holder, Origins
from flake8_task_lifecycle.facts.reached import Reached, reached_by
from flake8_task_lifecycle.facts.slots import Kind
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import ask, spawned_functions
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External, known_names
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, constant_truth, inside
from flake8_task_lifecycle.model import Answer, Evidence, Known, Span
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_FUNCTIONS = 200


class Cancel(NamedTuple):
    """One ``task.cancel()`` in a coroutine.

    ``unawaited``: does nothing wait for the task, though the function could?
    """

    span: Span
    name: str
    coroutine: str
    qualname: str
    unawaited: Answer


class Cancellations:
    """The cancellations of one module that a coroutine asks for itself."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @cached_property
    def all(self) -> list[Cancel]:
        """Every ``cancel()`` of a task, on evidence of its spawn, in an ``async def``; in source order."""
        found = []
        for call in self._facts.tree.calls.get("cancel", ()):
            function = _own_coroutine(call)
            if function is None or not isinstance(call.func, nodes.Attribute):
                continue
            origins = self._facts.holders.origins(call.func.expr)
            spawns = self._facts.holders.spawns_of(origins)
            inherited = [] if spawns else list(self._inherited(origins))
            if spawns or inherited:
                found.append(self._cancel(call, function, origins, spawns, inherited))
        return sorted(found, key=lambda cancel: cancel.span)

    def _cancel(
        self,
        call: nodes.Call,
        function: nodes.FunctionDef,
        origins: Origins,
        spawns: list[Spawn],
        inherited: list[Inherited],
    ) -> Cancel:
        holders = sorted(origins.holders, key=lambda one: (not one.is_attribute, one.name))
        reason, let_go = self._reason(call, function, origins, spawns, inherited)
        spawns = let_go or spawns
        answer = Answer(Known.NO, reason) if reason else Answer(Known.YES, evidence=self._evidence(spawns))
        name = dotted(call.func.expr) or (holders[0].name if holders else "task")
        if holders and holders[0].is_attribute and "." not in name:
            name = holders[0].name
        return Cancel(
            self._facts.source.span_of(call),
            name,
            next(filter(None, (self._facts.coroutines.name(spawn.coroutine) for spawn in spawns)), "")
            or next((one.coroutine for one in inherited), ""),
            qualified_name(call),
            answer,
        )

    def _evidence(self, spawns: list[Spawn]) -> tuple[Evidence, ...]:
        return tuple(self._facts.evidence(spawn.node, "spawned here") for spawn in spawns)

    def _reason(
        self,
        call: nodes.Call,
        function: nodes.FunctionDef,
        origins: Origins,
        spawns: list[Spawn],
        inherited: list[Inherited],
    ) -> tuple[str, list[Spawn]]:
        """Why nobody need wait, or who does; "" when somebody should and nobody does.

        With it the spawns of the tasks that nobody waits for here, where each is told apart; none where they are not.
        """
        if any(spawn.node in self._facts.shutdown.named for spawn in spawns):
            return "the start before the yield is named already", []
        spawns = [spawn for spawn in spawns if not has_nothing_to_clean_up(self._facts, spawn)]
        inherited = [one for one in inherited if not one.bare]
        if not spawns and not inherited:
            return "the task has nothing to clean up", []
        signals = self._signals(spawns).union(*(one.signals for one in inherited))
        try:
            reason, let_go = self._reason_on_paths(call, self._facts.graph(function), origins, spawns, signals)
        except FlowTooLarge:
            return "the function is too large to follow", []
        return reason or self._reason_elsewhere(call, function, origins, spawns, inherited, signals), let_go

    def _reason_elsewhere(
        self,
        call: nodes.Call,
        function: nodes.FunctionDef,
        origins: Origins,
        spawns: list[Spawn],
        inherited: list[Inherited],
        signals: frozenset[str],
    ) -> str:
        if any(self._calls_back(spawn, function) for spawn in spawns) or any(
            function.name in one.calls for one in inherited
        ):
            return "the task's own coroutine calls this function"
        if self._facts.tree.calls.get("all_tasks"):
            return "the module goes over all tasks"
        waited = self._waited_elsewhere(call, function, origins, spawns, signals)
        if waited:
            return waited
        return "the runner waits for what is left" if self._facts.runners.is_main(function) else ""

    def _reason_on_paths(
        self, call: nodes.Call, graph: Graph, origins: Origins, spawns: list[Spawn], signals: frozenset[str]
    ) -> tuple[str, list[Spawn]]:
        besides = [holder for holder in self._kept_besides(spawns) if holder.is_attribute]
        held = reached_by([*self._still_same(call, origins), *besides])
        held = Reached(held.names | _put_before(call, graph.function), held.attributes)
        held = Reached(held.names | self._gathered_before(call, graph.function, held), held.attributes)
        steps = [index for index in graph.at(call.statement()) if not _only_raises(graph, index)]
        steps = [*steps, *(index for index in _headers(graph, call) if not _only_raises(graph, index))]
        if not steps:
            return "cancelled on the way out of an exception", []
        reasons = [self._waited_on_paths(graph, steps, one, signals) for one in _each(held, spawns)]
        if reasons and all(reasons):
            return reasons[0], []
        is_told_apart = len(reasons) == len(spawns)
        let_go = [spawn for spawn, reason in zip(spawns, reasons, strict=True) if not reason] if is_told_apart else []
        spawned = {spawn.node for spawn in spawns}
        lasting = reached_by(holder for holder in origins.holders if holder.scope is not graph.function)
        if self._facts.awaiting.always_after_store(graph, lasting, spawned):
            return "an earlier call still waits for it", let_go
        return "", let_go

    def _waited_on_paths(self, graph: Graph, steps: list[int], held: Reached, signals: frozenset[str]) -> str:
        unfinished = sorted(self._facts.awaiting.unfinished_at(graph, steps, held))
        if not unfinished:
            return "the task is finished by then"
        answers = {self._facts.awaiting.after(graph, index, held, signals) for index in unfinished}
        if Waited.YES in answers:
            return "waited for afterwards"
        return "handed on" if Waited.UNKNOWN in answers else ""

    def _gathered_before(self, call: nodes.Call, function: nodes.FunctionDef, held: Reached) -> frozenset[str]:
        """The locals, stored once, that took a ``gather`` over the tasks before they are cancelled."""
        return frozenset(
            node.targets[0].name
            for node in inside(function)
            if isinstance(node, nodes.Assign)
            and (node.lineno or 0) < (call.lineno or 0)
            and isinstance(node.targets[0], nodes.AssignName)
            and len(function.locals.get(node.targets[0].name, ())) == 1
            and isinstance(node.value, nodes.Call)
            and any(held.has(one.value if isinstance(one, nodes.Starred) else one) for one in node.value.args)
            and known_names(self._facts.evaluator.of(node.value.func), instance=False) == {"asyncio.gather"}
        )

    def _still_same(self, call: nodes.Call, origins: Origins) -> Iterator[Holder]:
        """The places that still hold the task when it is cancelled: not those stored to since it was taken out."""
        assert isinstance(call.func, nodes.Attribute)
        receiver = self._facts.holders.of(call.func.expr)
        function = enclosing_function(call)
        stores = [
            node
            for node in (inside(function) if function is not None else ())
            if isinstance(node, nodes.AssignAttr | nodes.DelAttr) and (node.lineno or 0) <= (call.lineno or 0)
        ]
        stored = {dotted(node) for node in stores}
        for holder in origins.holders:
            if holder == receiver or not holder.is_attribute or holder.name not in stored:
                yield holder

    def _signals(self, spawns: list[Spawn]) -> frozenset[str]:
        found: set[str] = set()
        for spawn in spawns:
            for target in spawned_functions(self._facts, spawn):
                found |= ask(self._facts, target, end_signals) or frozenset()
        return frozenset(found) | self._callback_signals

    @cached_property
    def _callback_signals(self) -> frozenset[str]:
        """The events and futures that some done callback of the module sets: a wait for one may be for its task."""
        found: set[str] = set()
        for call, callback in self._facts.callbacks.registered():
            if last_word(call.func) == "add_done_callback":
                for value in self._facts.evaluator.of(callback):
                    if isinstance(value, Definition):
                        found |= signals_in(value.node)
        return frozenset(found)

    def _waited_elsewhere(
        self,
        call: nodes.Call,
        function: nodes.FunctionDef,
        origins: Origins,
        spawns: list[Spawn],
        signals: frozenset[str],
    ) -> str:
        for spawn in spawns:
            use = self._facts.uses.of(spawn.value)
            uses = (use, *self._facts.owners.aliases(spawn.value, use))
            fates = {one.fate for one in uses if not one.holder.endswith("as_completed")}
            if Fate.HANDED in fates or (Fate.CALLER in fates and self._facts.held.callers_may_end(spawn)):
                return "handed on where it is spawned"
            if kept_elsewhere(self._facts, spawn) is not Waited.NO:
                return "kept by the wrapper that spawns it"
            if Fate.AWAITED in fates and enclosing_function(spawn.node) is not function:
                return "waited for where it is spawned"
        for holder in {*origins.holders, *self._kept_besides(spawns)}:
            answer = self._elsewhere(holder, self._apart(call, function, holder), spawns, signals)
            if answer is not Waited.NO:
                return "waited for by another function" if answer is Waited.YES else "handed on by another function"
        return ""

    def _kept_besides(self, spawns: list[Spawn]) -> set[Holder]:
        return {holder for spawn in spawns for holder in kept_besides(self._facts, spawn)}

    def _apart(self, call: nodes.Call, function: nodes.FunctionDef, holder: Holder) -> dict[nodes.NodeNG, int]:
        """The functions whose waits, from a line on, are for another task.

        This one from its first; where it gives the slot up, those that cancel from there on.
        """
        awaiting, graph, held = self._facts.awaiting, self._facts.graph(function), reached_by([holder])
        steps = graph.at(call.statement())
        given_up = bool(steps) and all(awaiting.is_given_up(graph, one, held) for one in steps)
        others = awaiting.cancelling(holder.attribute) if holder.is_attribute and given_up else {}
        return {**others, function: 0}

    def _elsewhere(
        self, holder: Holder, apart: Mapping[nodes.NodeNG, int], spawns: list[Spawn], signals: frozenset[str]
    ) -> Waited:
        awaiting = self._facts.awaiting
        if not holder.is_attribute:
            return awaiting.variable_elsewhere(holder, apart)
        family = set(self._facts.holders.family(holder.scope)) if isinstance(holder.scope, nodes.ClassDef) else None
        answer = awaiting.elsewhere(holder.attribute, apart, family)
        if answer is not Waited.NO:
            return answer
        owners = family or set()
        if any(
            awaits_signal(one.body, signals)
            for one in self._facts.tree.functions
            if one not in apart and enclosing_class(one) in owners
        ):
            return Waited.YES
        return self._in_other_modules(holder, spawns)

    def _in_other_modules(self, holder: Holder, spawns: list[Spawn]) -> Waited:
        """Whether another module waits for what an attribute holds. A wide question, asked last."""
        owner = holder.scope
        if not spawns and isinstance(owner, nodes.ClassDef):
            for base in foreign_bases(self._facts, owner):
                answer = self._facts.world.ask(base, waits_in_class(holder.attribute))
                if answer is not None and answer is not Waited.NO:
                    return answer
        if not spawns and owner is None:
            return waited_in_others(self._facts, holder.attribute)
        slots = self._facts.slots
        for place in {place for spawn in spawns for place in slots.places(spawn)}:
            events = slots.elsewhere(place)
            if events is None or any(event.kind is Kind.HANDED and event.sure for event in events):
                return Waited.UNKNOWN
            if any(event.kind is Kind.AWAIT for event in events):
                return Waited.YES
        return Waited.NO

    def _inherited(self, origins: Origins) -> Iterator[Inherited]:
        """The spawns by which base classes of other modules fill the attributes among some origins."""
        for holder in sorted(origins.holders, key=lambda one: one.name):
            if holder.is_attribute and isinstance(holder.scope, nodes.ClassDef):
                for base in foreign_bases(self._facts, holder.scope):
                    yield from self._facts.world.ask(base, spawned_in_class(holder.attribute)) or ()
            elif holder.is_attribute and not self._facts.tree.attribute_stores.get(holder.attribute):
                yield from spawned_in_others(self._facts, holder.attribute)

    def _calls_back(self, spawn: Spawn, function: nodes.FunctionDef) -> bool:
        """Whether the task's own coroutine calls the function that cancels it: waiting there would never end."""
        waiting: list[nodes.FunctionDef] = []
        for target in spawned_functions(self._facts, spawn):
            if isinstance(target, External):
                words = ask(self._facts, target, called_words)
                if words is not None and function.name in words:
                    return True
            elif isinstance(target.node, nodes.FunctionDef):
                waiting.append(target.node)
        seen: set[nodes.NodeNG] = set()
        while waiting and len(seen) < _MAX_FUNCTIONS:
            current = waiting.pop()
            if current is function:
                return True
            if current in seen:
                continue
            seen.add(current)
            for call in calls_in(self._facts, current):
                values = self._facts.evaluator.of(call.func)
                if UNKNOWN in values and _may_be(call, function):
                    return True
                waiting += [
                    value.node
                    for value in values
                    if isinstance(value, Definition) and isinstance(value.node, nodes.FunctionDef)
                ]
        return False


def _own_coroutine(call: nodes.Call) -> nodes.FunctionDef | None:
    """The ``async def`` whose own frame runs a call; None inside a lambda or a plain function."""
    parent = call.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef | nodes.Lambda | nodes.ClassDef):
        parent = parent.parent
    return parent if isinstance(parent, nodes.AsyncFunctionDef) else None


def _put_before(call: nodes.Call, function: nodes.FunctionDef) -> frozenset[str]:
    """The locals, stored once, that took the task before it is cancelled: as it is, or with others in a collection.

    What is stored to the cancelled name in between is another task.
    """
    text = dotted(call.func.expr)
    if not text:
        return frozenset()
    taken: dict[str, int] = {}
    last = 0
    for node in inside(function):
        if (node.lineno or 0) >= (call.lineno or 0):
            continue
        if isinstance(node, nodes.AssignName | nodes.AssignAttr) and dotted(node) == text:
            last = max(last, node.lineno or 0)
        if isinstance(node, nodes.Assign | nodes.AnnAssign) and node.value is not None:
            values = node.value.elts if isinstance(node.value, nodes.BaseContainer) else [node.value]
            targets = node.targets if isinstance(node, nodes.Assign) else [node.target]
            if any(dotted(value) == text for value in values):
                taken |= {one.name: node.lineno or 0 for one in targets if isinstance(one, nodes.AssignName)}
    return frozenset(name for name, line in taken.items() if line > last and len(function.locals[name]) == 1)


def _each(held: Reached, spawns: list[Spawn]) -> list[Reached]:
    """How each of some spawned tasks is reached: not by a local that takes another of them, and that alone."""
    own = [_taken_by(spawn) for spawn in spawns]
    every = frozenset().union(*own)
    if len(own) < 2 or not all(own) or len(every) < len(own):
        return [held]
    return [Reached(held.names - (every - one), held.attributes) for one in own]


def _taken_by(spawn: Spawn) -> frozenset[str]:
    """The local that takes a spawned task, if nothing else is ever stored to it."""
    store, function = spawn.value.parent, enclosing_function(spawn.value)
    if function is None or not isinstance(store, nodes.Assign):
        return frozenset()
    names = (one.name for one in store.targets if isinstance(one, nodes.AssignName))
    return frozenset(name for name in names if len(function.locals.get(name, ())) == 1)


def _headers(graph: Graph, call: nodes.Call) -> Iterator[int]:
    """The steps of a call that stands in the header of a match case, which is no statement."""
    parent = call.parent
    while parent is not None and not parent.is_statement:
        if isinstance(parent, nodes.MatchCase):
            yield from graph.at(parent)
        parent = parent.parent


def _only_raises(graph: Graph, start: int) -> bool:
    """Whether every way on from a step leaves the function by an exception that is under way."""
    waiting, seen, raises = [start], {start}, False
    while waiting:
        index = waiting.pop()
        if index == graph.exit:
            return False
        raises = raises or index == graph.raised
        statement = graph.steps[index].statement
        if isinstance(statement, nodes.While) and constant_truth(statement.test) is True and index != start:
            return False
        is_thrown = isinstance(statement, nodes.Raise | nodes.Try | nodes.TryStar)
        for target, label in graph.steps[index].edges:
            if (label is not Label.RAISE or is_thrown) and target not in seen:
                seen.add(target)
                waiting.append(target)
    return raises


def _may_be(call: nodes.Call, function: nodes.FunctionDef) -> bool:
    """Whether an unresolved call could be of this method, by its name."""
    return (
        isinstance(call.func, nodes.Attribute)
        and call.func.attrname == function.name
        and enclosing_class(function) is not None
    )
