"""What waits for a task: along the paths of one function, and anywhere that an attribute is read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.holders import Holder, item_text
from flake8_task_lifecycle.facts.reached import Reached, is_item_store, loads_in, stored_in
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.uses import Fate, Use
from flake8_task_lifecycle.facts.values import known_names
from flake8_task_lifecycle.flow import Graph, Label, Step, inside, nodes_in, walk
from flake8_task_lifecycle.names import dotted, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_VISITS = 20_000
_WAITS = nodes.Await | nodes.AsyncFor | nodes.AsyncWith
_SETTERS = frozenset({"set", "set_result", "set_exception"})


class Waited(Enum):
    """Whether something waits for a task: yes, no, or it goes where that cannot be seen."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Awaiting:
    """Follows tasks along the paths of a function."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._loads: dict[str, list[nodes.Attribute | nodes.Subscript]] | None = None

    def after(self, graph: Graph, start: int, held: Reached, signals: frozenset[str]) -> Waited:
        """Whether any path from a step waits for the task, or for one of the signals that it gives at its end."""
        waiting = [(target, held) for target, label in graph.steps[start].edges if label is not Label.RAISE]
        seen: set[tuple[int, Reached]] = set()
        while waiting:
            state = waiting.pop()
            if state in seen:
                continue
            seen.add(state)
            if len(seen) > _MAX_VISITS:
                return Waited.UNKNOWN
            index, held = state
            step = graph.steps[index]
            if awaits_signal(step.parts, signals):
                return Waited.YES
            uses = self.uses_in(step, held)
            waited = judged(uses)
            if waited is not Waited.NO:
                return waited
            held = self._held_after(step, held, uses)
            if held or signals:
                waiting += [(target, held) for target, _ in step.edges]
        return Waited.NO

    def uses_in(self, step: Step, held: Reached) -> list[Use]:
        """What a step does with the task."""
        return [self._facts.uses.of(node) for node in loads_in(step, held)]

    @staticmethod
    def _held_after(step: Step, held: Reached, uses: list[Use]) -> Reached:
        left = held.without(stored_in(step, held))
        bound = frozenset().union(*(use.names for use in uses)) if uses else frozenset()
        return Reached(left.names | bound, left.attributes)

    def always_after_store(self, graph: Graph, held: Reached, spawned: set[nodes.NodeNG]) -> bool:
        """Whether every normal path from each store of a new task waits for that task before the function ends.

        Then an earlier call of the function still waits for the task that a later call finds.
        """
        stores = [
            index
            for index, step in enumerate(graph.steps)
            if step.statement is not None and stored_in(step, held) and not spawned.isdisjoint(nodes_in(step))
        ]
        return bool(stores) and all(self._always_waits(graph, index, held) for index in stores)

    def _always_waits(self, graph: Graph, start: int, held: Reached) -> bool:
        names = {node.name for node in nodes_in(graph.steps[start]) if isinstance(node, nodes.AssignName)}
        held = Reached(held.names | names, held.attributes)

        def waits(index: int) -> bool:
            return any(self._ends(node) for node in loads_in(graph.steps[index], held))

        return graph.exit not in graph.reached(start, is_end=waits)

    def unfinished_at(self, graph: Graph, places: Iterable[int], held: Reached, *, surely: bool = False) -> set[int]:
        """The steps among ``places`` that some path reaches while the task is not known to be finished.

        ``surely``: a wait that was interrupted leaves it running, though it had been asked to stop.
        """
        waiting = [(graph.entry, False)]
        seen = {(graph.entry, False)}
        reached = set()
        wanted = set(places)
        while waiting:
            index, finished = waiting.pop()
            if index in wanted and not finished:
                reached.add(index)
            step = graph.steps[index]
            finished = finished or self._timed_out(step.statement, held)
            ends = {self._ends(node) for node in loads_in(step, held)}
            is_rest = self._facts.finished.ends_the_rest(step, held)
            stored = bool(stored_in(step, held)) and not (
                isinstance(step.statement, nodes.For) and loads_in(step, held)
            )
            for target, label in step.edges:
                ended = bool(ends & {"any", "normal"}) if label is not Label.RAISE else "any" in ends and not surely
                ended = ended or (label is Label.FALSE and self._is_exhausted(step, held))
                ended = ended or (label is not Label.RAISE and is_rest)
                now = (finished and not stored) or ended or self._done_on(step, held, label)
                if (target, now) not in seen:
                    seen.add((target, now))
                    waiting.append((target, now))
        return reached

    def _is_exhausted(self, step: Step, held: Reached) -> bool:
        """Whether a step is the header of a loop that goes on until all that it is given are done."""
        return self._goes_by_completion(step.statement) and bool(loads_in(step, held))

    def _goes_by_completion(self, loop: nodes.NodeNG | None) -> bool:
        if not isinstance(loop, nodes.For) or not isinstance(loop.iter, nodes.Call):
            return False
        return known_names(self._facts.evaluator.of(loop.iter.func), instance=False) == {"asyncio.as_completed"}

    def _is_next_completed(self, load: nodes.NodeNG) -> bool:
        """Whether a name holds the one that ``as_completed`` gives next: the others may be running."""
        loop = load.parent if isinstance(load, nodes.Name) else None
        while loop is not None and not isinstance(loop, nodes.FunctionDef):
            if isinstance(loop, nodes.For) and dotted(loop.target) == load.name and self._goes_by_completion(loop):
                return True
            loop = loop.parent
        return False

    def _timed_out(self, handler: nodes.NodeNG | None, held: Reached) -> bool:
        """Whether a handler of ``TimeoutError`` follows a ``wait_for`` of the task and no other wait: that ended it."""
        if not isinstance(handler, nodes.ExceptHandler) or last_word(handler.type) != "TimeoutError":
            return False
        waits = [node for node in walk(handler.parent.body) if isinstance(node, _WAITS)]
        return bool(waits) and all(
            isinstance(node, nodes.Await)
            and isinstance(node.value, nodes.Call)
            and any(held.has(one) for one in node.value.args[:1])
            and known_names(self._facts.evaluator.of(node.value.func), instance=False) == {"asyncio.wait_for"}
            for node in waits
        )

    def _done_on(self, step: Step, held: Reached, label: Label) -> bool:
        """Whether a test says on this edge that the task is done, or that there is none."""
        if not isinstance(step.statement, nodes.If | nodes.While | nodes.Assert) or label is Label.RAISE:
            return False
        return self._tells_done(step.statement.test, held, label in {Label.TRUE, Label.NEXT})

    def _tells_done(self, test: nodes.NodeNG, held: Reached, outcome: bool) -> bool:
        match test:
            case nodes.UnaryOp() if test.op == "not":
                return self._tells_done(test.operand, held, not outcome)
            case nodes.BoolOp():
                told = [self._tells_done(part, held, outcome) for part in test.values]
                return any(told) if test.op == ("and" if outcome else "or") else all(told)
            case nodes.Call(func=nodes.Attribute(attrname="done" | "cancelled", expr=receiver)):
                return outcome and held.has(receiver)
            case nodes.Compare() if len(test.ops) == 1 and held.has(test.left):
                operator, collection = test.ops[0]
                if isinstance(collection, nodes.Const) and collection.value is None:
                    return bool(operator == ("is" if outcome else "is not"))
                return operator == ("in" if outcome else "not in") and self._facts.finished.is_done_set(collection)
        return False

    def _ends(self, load: nodes.NodeNG) -> str | None:
        """Whether a wait for a task ends with the task: "any" way out of it, the "normal" one, or neither."""
        fate = self._facts.uses.of(load).fate
        if _gives_result(load) or (fate in {Fate.AWAITED, Fate.RELEASED} and self._is_ended_by_helper(load)):
            return "normal"
        if fate is not Fate.AWAITED or self._is_next_completed(load):
            return None
        ends, node = "any", load
        while not isinstance(node, nodes.Await) and node.parent is not None and not node.is_statement:
            child, node = node, node.parent
            if isinstance(node, nodes.Subscript) or (isinstance(node, nodes.Call) and node.func is child):
                return None
            if not isinstance(node, nodes.Call):
                continue
            names = known_names(self._facts.evaluator.of(node.func), instance=False) or {""}
            if names <= {"asyncio.wait_for"}:
                continue
            if names == {"asyncio.gather"} or (names == {"asyncio.wait"} and not is_partial_wait(node)):
                ends = "normal"
            else:
                return None
        return ends if isinstance(node, nodes.Await) else None

    def is_given_up(self, graph: Graph, start: int, held: Reached) -> bool:
        """Whether every normal path from a step puts something else where the task is held, a new one or nothing."""

        def replaces(index: int) -> bool:
            return index != start and bool(stored_in(graph.steps[index], held))

        reached = graph.reached(start, is_end=replaces)
        return graph.exit not in reached and any(map(replaces, reached))

    def _is_ended_by_helper(self, load: nodes.NodeNG) -> bool:
        """``await cancel_and_wait(*tasks)``: given to a function of the project that cancels it and is waited for."""
        node = load.parent if isinstance(load.parent, nodes.Starred) else load
        call = node.parent
        if not isinstance(call, nodes.Call) or node not in call.args or not isinstance(call.parent, nodes.Await):
            return False
        values = self._facts.evaluator.of(call.func)
        return bool(values) and all(ask(self._facts, value, _cancels) is True for value in values)

    def cancelling(self, attribute: str) -> dict[nodes.NodeNG, int]:
        """The functions of the module that cancel what an attribute of this name holds, and the first line of it."""
        found: dict[nodes.NodeNG, int] = {}
        for load in self.attribute_loads(attribute):
            function = _outer_function(load)
            if function is not None and isinstance(load.parent, nodes.Attribute) and load.parent.attrname == "cancel":
                found[function] = min(found.get(function, load.lineno or 0), load.lineno or 0)
        return found

    def elsewhere(
        self, attribute: str, apart: Mapping[nodes.NodeNG, int], family: set[nodes.ClassDef] | None
    ) -> Waited:
        """Whether a function waits for what an attribute of this name holds.

        ``apart``: functions that count only up to a line. ``family``: reads on the own object count only in these
        classes; None for any.
        """
        answers = set()
        for load in self.attribute_loads(attribute):
            if (load.lineno or 0) > apart.get(_outer_function(load), load.lineno or 0):
                continue
            owner = self._facts.evaluator.classes.of_self(load.expr) if isinstance(load, nodes.Attribute) else None
            if owner is not None and family is not None and owner not in family:
                continue
            use = self._use_of(load)
            answers.add(judged([use, *self._facts.owners.aliases(load, use)]))
        return _strongest(answers)

    def _use_of(self, load: nodes.Attribute | nodes.Subscript) -> Use:
        """The use of what an attribute holds: of a loop over ``items()`` of tasks by key, only the tasks count."""
        use = self._facts.uses.of(load)
        items, target = load.parent, None
        if isinstance(items, nodes.Attribute) and items.attrname == "items" and isinstance(items.parent, nodes.Call):
            target = getattr(items.parent.parent, "target", None)
        if not isinstance(target, nodes.Tuple) or len(target.elts) != 2:
            return use
        if use.fate is not Fate.BOUND or not isinstance(load, nodes.Attribute):
            return use
        if not self._facts.holders.maps_to_tasks(load.attrname):
            return use
        names = {node.name for node in walk([target.elts[1]]) if isinstance(node, nodes.AssignName)}
        return Use(Fate.BOUND, names=use.names & frozenset(names))

    def attribute_loads(self, attribute: str) -> list[nodes.Attribute | nodes.Subscript]:
        """Every read of an attribute of this name, or of an item under this key in brackets, in the module."""
        if self._loads is None:
            self._loads = {}
            stack: list[nodes.NodeNG] = [self._facts.tree.module]
            while stack:
                node = stack.pop()
                if isinstance(node, nodes.Attribute) and not is_item_store(node):
                    self._loads.setdefault(node.attrname, []).append(node)
                elif isinstance(node, nodes.Subscript) and item_text(node) and not is_item_store(node):
                    self._loads.setdefault(item_text(node).removeprefix(node.value.name), []).append(node)
                stack.extend(node.get_children())
        return self._loads.get(attribute, [])

    def variable_elsewhere(self, holder: Holder, apart: Container[nodes.NodeNG]) -> Waited:
        """Whether another function waits for what a variable holds: a captured local, or one of an outer scope."""
        answers = set()
        for function in self._facts.tree.functions:
            frame = self._facts.frame(function)
            captured = frame.captured.get(holder.name, ()) if function is holder.scope else ()
            for load in [load for load, _ in captured if not is_item_store(load)]:
                use = self._facts.uses.of(load)
                answers.add(judged([use, *self._facts.owners.aliases(load, use)]))
            if function in apart:
                continue
            for load in [one for one in frame.loads.get(holder.name, ()) if not is_item_store(one)]:
                binding = self._facts.names.binding(load, holder.name)
                if binding is not None and binding.scope is holder.scope:
                    use = self._facts.uses.of(load)
                    answers.add(judged([use, *self._facts.owners.aliases(load, use)]))
        return _strongest(answers)


def _cancels(_facts: Facts, function: nodes.NodeNG) -> bool:
    return isinstance(function, nodes.AsyncFunctionDef) and any(
        isinstance(node, nodes.Call) and last_word(node.func) == "cancel" for node in walk(function.body)
    )


def _strongest(answers: set[Waited]) -> Waited:
    return next((one for one in (Waited.YES, Waited.UNKNOWN) if one in answers), Waited.NO)


def judged(uses: Sequence[Use]) -> Waited:
    """Whether these uses wait for the task, or give it to what might."""
    fates = {use.fate for use in uses if use.holder != "callee:subscript"}
    if Fate.AWAITED in fates or any(use.by_canceller for use in uses):
        return Waited.YES
    return Waited.UNKNOWN if fates & {Fate.HANDED, Fate.CALLER, Fate.KEPT} else Waited.NO


def _outer_function(node: nodes.NodeNG) -> nodes.FunctionDef | None:
    parent = node.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        parent = parent.parent
    return parent


def _gives_result(load: nodes.NodeNG) -> bool:
    """``task.result()``: it raises unless the task is done."""
    asked = load.parent
    is_asked = isinstance(asked, nodes.Attribute) and asked.attrname in {"result", "exception"}
    return is_asked and isinstance(asked.parent, nodes.Call) and asked.parent.func is asked


def is_partial_wait(call: nodes.Call) -> bool:
    """Whether an ``asyncio.wait`` can come back before all of its tasks are done."""
    for keyword in call.keywords:
        if keyword.arg is None:
            return True
        if keyword.arg == "timeout" and not (isinstance(keyword.value, nodes.Const) and keyword.value.value is None):
            return True
        if keyword.arg == "return_when" and last_word(keyword.value) != "ALL_COMPLETED":
            return True
    return False


def awaits_signal(parts: Iterable[nodes.NodeNG], signals: frozenset[str]) -> bool:
    """Whether something here waits for an event or future of one of these names."""
    return bool(signals) and any(
        word in signals for node in walk(parts) if isinstance(node, nodes.Await) for word in _waited_words(node.value)
    )


def _waited_words(awaited: nodes.NodeNG) -> Iterator[str]:
    for node in walk([awaited]):
        if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute) and node.func.attrname == "wait":
            yield last_word(node.func.expr)
        elif isinstance(node, nodes.Name | nodes.Attribute) and not (
            isinstance(node.parent, nodes.Call) and node.parent.func is node
        ):
            yield last_word(node)


def end_signals(_facts: Facts, function: nodes.FunctionDef) -> frozenset[str]:
    """The last words of the events and futures that a coroutine sets at its end.

    At its end: after its last wait, or in a ``finally``. Not one that it was given in a wait: that is a request.
    """
    waits = [node.lineno or 0 for node in inside(function) if isinstance(node, nodes.Await | nodes.AsyncFor)]
    last = max(waits, default=0)
    found = set()
    for node in inside(function):
        if (
            isinstance(node, nodes.Call)
            and isinstance(node.func, nodes.Attribute)
            and node.func.attrname in _SETTERS
            and ((node.lineno or 0) > last or _on_way_out(node))
            and not _is_taken(node.func.expr, function)
        ):
            found.add(last_word(node.func.expr))
    return frozenset(found - {""})


def _is_taken(expression: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    """Whether a name is bound to what the function has waited for, and to nothing else."""
    stores = function.locals.get(expression.name, ()) if isinstance(expression, nodes.Name) else ()
    return bool(stores) and all(isinstance(getattr(store.parent, "value", None), nodes.Await) for store in stores)


def signals_in(function: nodes.NodeNG) -> frozenset[str]:
    """The last words of all the events and futures that a function or lambda sets."""
    body = function.body if isinstance(function.body, list) else [function.body]
    return frozenset(
        last_word(node.func.expr)
        for node in walk(body)
        if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute) and node.func.attrname in _SETTERS
    ) - {""}


def _on_way_out(node: nodes.NodeNG) -> bool:
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.Try | nodes.TryStar) and child in parent.finalbody:
            return True
        child, parent = parent, parent.parent
    return False
