"""Waits that never suspend, as what they wait for is done already: no cancellation of the waiting task arrives there.

``await`` of a future that is done goes on at once:
https://docs.python.org/3/library/asyncio-future.html#asyncio.Future.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.awaiting import is_partial_wait
from flake8_task_lifecycle.facts.definitions import positional
from flake8_task_lifecycle.facts.reached import Reached, accessor_text
from flake8_task_lifecycle.facts.values import Definition, known_names
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Step, inside, nodes_in
from flake8_task_lifecycle.names import dotted, enclosing_class, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_TRANSPARENT = frozenset({"asyncio.shield", "asyncio.wait_for"})
_TAKERS = frozenset({"get", "get_nowait"})
_FEEDERS = frozenset({"put", "put_nowait"})
_HARMLESS = _TAKERS | {"empty", "full", "qsize", "task_done", "join"}
_ENDING = frozenset({"done", "cancelled", "wait", "gather", "wait_for", "result"})


class Finished:
    """Finds the waits of one module that wait for nothing."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._ends_something = cache(_find_ends_something)

    def is_done(self, wait: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
        """Whether what a wait of a function waits for is known to be done whenever it is reached."""
        if not isinstance(wait, nodes.Await):
            return False
        awaited = wait.value
        while isinstance(awaited, nodes.Call) and awaited.args and self._names(awaited.func) <= _TRANSPARENT:
            awaited = awaited.args[0]
        if not _text(awaited):
            return False
        return self._is_taken_done(awaited) or self._ends_before(awaited, wait.statement(), function)

    def open_copies(self, block: nodes.NodeNG, steps: list[int], graph: Graph) -> list[int]:
        """The steps, one for each copy of a block in a ``finally``, of those copies where its one wait may wait.

        All of them where the block has not one wait for something that has a name.
        """
        awaited = [one.value for one in inside(block) if isinstance(one, nodes.Await)]
        places = sorted(graph.at(block))
        if len(places) != len(steps) or len(awaited) != 1 or not _text(awaited[0]):
            return steps
        waiting = self._facts.awaiting.unfinished_at(graph, places, _held(awaited[0]), surely=True)
        return [step for place, step in zip(places, sorted(steps), strict=True) if place in waiting] or steps

    def ends_the_rest(self, step: Step, held: Reached) -> bool:
        """Whether a step waits for what an earlier wait left of held tasks: by then the others are done as well.

        ``done, pending = await asyncio.wait(tasks, ...)``, and then ``await asyncio.gather(*pending)``.
        """
        return any(
            isinstance(node, nodes.Await)
            and isinstance(node.value, nodes.Call)
            and last_word(node.value.func) in {"gather", "wait"}
            and not is_partial_wait(node.value)
            and self._names(node.value.func) <= {"asyncio.gather", "asyncio.wait"}
            and any(self._is_rest(one, held) for one in node.value.args)
            for node in nodes_in(step)
        )

    def _is_rest(self, argument: nodes.NodeNG, held: Reached) -> bool:
        rest = argument.value if isinstance(argument, nodes.Starred) else argument
        binding = self._facts.names.binding(rest, rest.name) if isinstance(rest, nodes.Name) else None
        waits = [self._wait_that_gives(store, 1) for store in (binding.nodes if binding is not None else ())]
        return bool(waits) and all(one is not None and one.args and held.has(one.args[0]) for one in waits)

    def _wait_that_gives(self, store: nodes.NodeNG, place: int) -> nodes.Call | None:
        """The call of ``asyncio.wait`` of which a store takes the done (0), or the pending (1)."""
        pair = store.parent
        if not (
            isinstance(pair, nodes.Tuple) and pair.elts.index(store) == place and isinstance(pair.parent, nodes.Assign)
        ):
            return None
        waited = pair.parent.value
        if not isinstance(waited, nodes.Await) or not isinstance(waited.value, nodes.Call):
            return None
        return waited.value if self._names(waited.value.func) == {"asyncio.wait"} else None

    def _names(self, function: nodes.NodeNG) -> frozenset[str]:
        return frozenset(known_names(self._facts.evaluator.of(function), instance=False) or {""})

    def _ends_before(self, task: nodes.NodeNG, statement: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
        """Whether every path to a statement shows the task to be done: by a test, or by a wait that ended."""
        if not self._ends_something(function):
            return False
        try:
            graph = self._facts.graph(function)
        except FlowTooLarge:
            return False
        places = graph.at(statement)
        return bool(places) and not self._facts.awaiting.unfinished_at(graph, places, _held(task), surely=True)

    def _is_taken_done(self, task: nodes.NodeNG) -> bool:
        """Whether a name only ever takes tasks from where there are none but finished ones."""
        if not isinstance(task, nodes.Name):
            return False
        stores = _stores_around(task)
        if not stores:
            binding = self._facts.names.binding(task, task.name)
            stores = list(binding.nodes) if binding is not None else []
        return bool(stores) and all(self._stores_done(store) for store in stores)

    def _stores_done(self, store: nodes.NodeNG) -> bool:
        statement = store.parent
        match statement:
            case nodes.AsyncFor():
                return False
            case nodes.For() | nodes.Comprehension(is_async=False):
                return self.is_done_set(statement.iter)
            case nodes.Assign() | nodes.AnnAssign() | nodes.NamedExpr() if statement.value is not None:
                taken = statement.value.value if isinstance(statement.value, nodes.Await) else statement.value
                if not isinstance(taken, nodes.Call) or not isinstance(taken.func, nodes.Attribute):
                    return False
                if taken.func.attrname == "pop":
                    return self.is_done_set(taken.func.expr)
                return taken.func.attrname in _TAKERS and self._holds_finished(taken.func.expr)
        return False

    def is_done_set(self, collection: nodes.NodeNG) -> bool:
        """Whether a collection only ever has tasks that are done.

        The first of what ``asyncio.wait`` gives, or ``[task for task in tasks if task.done()]``.
        """
        if not isinstance(collection, nodes.Name):
            return _chooses_done(collection)
        binding = self._facts.names.binding(collection, collection.name)
        stores = binding.nodes if binding is not None else ()
        return bool(stores) and all(
            self._wait_that_gives(store, 0) is not None or _chooses_done(getattr(store.parent, "value", None))
            for store in stores
        )

    def _holds_finished(self, queue: nodes.NodeNG) -> bool:
        """Whether all that is put into a queue, as far as its module shows, are tasks whose done callback does it."""
        feeding = [self._feeds_finished(load) for load in self._loads(queue)]
        return True in feeding and False not in feeding

    def _loads(self, queue: nodes.NodeNG) -> Iterator[nodes.NodeNG]:
        if isinstance(queue, nodes.Attribute):
            yield from self._facts.tree.attribute_loads.get(queue.attrname, ())
        elif isinstance(queue, nodes.Name):
            binding = self._facts.names.binding(queue, queue.name)
            if binding is not None and isinstance(binding.scope, nodes.FunctionDef):
                frame = self._facts.frame(binding.scope)
                yield from frame.loads.get(queue.name, ())
                yield from (load for load, _ in frame.captured.get(queue.name, ()))

    def _feeds_finished(self, load: nodes.NodeNG) -> bool | None:
        """Whether a read of a queue puts a finished task into it; None when it puts nothing."""
        method = load.parent
        if not isinstance(method, nodes.Attribute):
            return False
        if method.attrname in _HARMLESS:
            return None
        call = method.parent
        if method.attrname not in _FEEDERS or not isinstance(call, nodes.Call):
            return False
        if call.func is not method:
            return last_word(call.func) == "add_done_callback"
        home = call.scope()
        return home in self._done_callbacks and len(call.args) == 1 and dotted(call.args[0]) == _first_parameter(home)

    @cached_property
    def _done_callbacks(self) -> frozenset[nodes.NodeNG]:
        return frozenset(
            value.node
            for call, callback in self._facts.callbacks.registered()
            if last_word(call.func) == "add_done_callback"
            for value in self._facts.evaluator.of(callback)
            if isinstance(value, Definition)
        )


def _held(task: nodes.NodeNG) -> Reached:
    own = frozenset({_text(task)})
    return Reached(own, frozenset()) if isinstance(task, nodes.Name) else Reached(frozenset(), own)


def _chooses_done(value: nodes.NodeNG | None) -> bool:
    """Whether a comprehension gives just those of its elements that say that they are done."""
    if isinstance(value, nodes.Call) and last_word(value.func) in library.COPIES and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, nodes.ListComp | nodes.SetComp | nodes.GeneratorExp) or len(value.generators) != 1:
        return False
    chosen = dotted(value.elt)
    return bool(chosen) and any(
        isinstance(test, nodes.Call) and dotted(test.func) == f"{chosen}.done"
        for condition in value.generators[0].ifs
        for test in _parts_of_and(condition)
    )


def _parts_of_and(condition: nodes.NodeNG) -> list[nodes.NodeNG]:
    return condition.values if isinstance(condition, nodes.BoolOp) and condition.op == "and" else [condition]


def _text(task: nodes.NodeNG) -> str:
    return accessor_text(task) if isinstance(task, nodes.Call) else dotted(task)


def _stores_around(name: nodes.Name) -> list[nodes.NodeNG]:
    """The target of the innermost loop around a name that gives it its value, if nothing else in that loop does."""
    loop = name.parent
    while loop is not None and not isinstance(loop, nodes.FunctionDef):
        if isinstance(loop, nodes.For) and isinstance(loop.target, nodes.AssignName) and loop.target.name == name.name:
            again = (one for one in inside(loop) if isinstance(one, nodes.AssignName) and one.name == name.name)
            return [] if any(again) else [loop.target]
        loop = loop.parent
    return []


def _first_parameter(callback: nodes.NodeNG) -> str:
    names = [one.name for one in positional(callback)]
    own = enclosing_class(callback) is not None and names[:1] in (["self"], ["cls"])
    return next(iter(names[own:]), "")


def _find_ends_something(function: nodes.FunctionDef) -> bool:
    """Whether a function calls what may end a task, by name."""
    return any(isinstance(node, nodes.Call) and last_word(node.func) in _ENDING for node in inside(function))
