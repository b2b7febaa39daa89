"""Whether a function can run twice on one object: what it is, and who calls it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import decorator_names, is_abstract, is_generator
from flake8_task_lifecycle.facts.families import ancestors, has_outside_base
from flake8_task_lifecycle.facts.guards import ONCE, looks_first, stopped_in_finally
from flake8_task_lifecycle.facts.raising import step_can_raise
from flake8_task_lifecycle.facts.reaching import reaching_stores
from flake8_task_lifecycle.facts.slots import Place, SlotEvent
from flake8_task_lifecycle.facts.values import Definition, External, Instance
from flake8_task_lifecycle.flow import FlowTooLarge, Graph, Label, nodes_in, walk
from flake8_task_lifecycle.model import Answer, Known
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_PLAIN = frozenset({"staticmethod", "classmethod", "abstractmethod", "override", "final", "overload", "deprecated"}) | {
    "no_type_check",
    "typechecked",
}
_HANDLER = re.compile(r"_*(?:on_|handle_)\w+\Z|(?:startup|lifespan|setup_hook|cog_load)\Z")
_COMPUTED = r"getattr\(\s*[\w.]+,\s*(?![\"'])[^()]*\)"
_COMPUTED_CALL = re.compile(
    rf"\b{_COMPUTED}\(|(\w+)\s*:?=\s*{_COMPUTED}(?=.{{0,300}}?(?:\b\1|\bcallable)\()", re.DOTALL
)
_RUNNERS = ("run", "run_until_complete")
_FEWEST_HOOKS = 2
_MAX_DEPTH = 5
_MAX_CALLS = 100
_MAX_FILES = 40
BY_ITSELF = "the function itself stores another"


class Call(NamedTuple):
    """A call of a function somewhere in the project. ``sure``: its receiver is resolved."""

    facts: Facts
    function: nodes.FunctionDef | None
    node: nodes.Call
    sure: bool


def runs_again(facts: Facts, store: nodes.NodeNG, place: Place, events: tuple[SlotEvent, ...]) -> Answer:
    """Whether the store of a task can happen twice on one object with nothing looking at the task that is held.

    YES: no path to the store tests the slot or a state of its owner, releases the old task or hands it on, and the
    function can be called again. UNKNOWN where its callers do not show.
    """
    function = enclosing_function(store)
    if function is None:
        return Answer(Known.NO, "at module level")
    is_new = isinstance(store, nodes.AssignAttr) and _just_built(facts, store.expr, function)
    earlier = _stored_since_built(facts, store, function) if is_new else None
    if is_new and earlier is None:
        return Answer(Known.NO, "stored on an object just built")
    if looks_first(facts, function, store, place, events):
        return Answer(Known.NO, "guarded")
    if earlier is not None:
        return Answer(Known.YES, BY_ITSELF, (facts.evidence(earlier, "stored before, on the same object"),))
    return _Callers(place, events).call_twice(facts, function, frozenset())


class _Callers:
    """One search through the callers of a function and theirs, bounded in depth and in the calls that it judges."""

    def __init__(self, place: Place, events: tuple[SlotEvent, ...]) -> None:
        self._place = place
        self._events = events
        self._left = _MAX_CALLS

    def call_twice(self, facts: Facts, function: nodes.FunctionDef, seen: frozenset[str]) -> Answer:
        """Whether a function can be called again on one object with no caller looking first."""
        name = facts.qualified(function)
        if name in seen or len(seen) >= _MAX_DEPTH:
            return Answer(Known.UNKNOWN, "the callers go round")
        once = runs_once(facts, function)
        if once is not None:
            return once
        calls = calls_of(facts, function)
        if calls is None:
            return Answer(Known.UNKNOWN, "too many files mention it")
        is_public = not function.name.startswith("_")
        callers, referenced = calls
        if is_public:
            callers = [call for call in callers if not _enters(call, function)]
        again = Answer(Known.YES, evidence=(facts.evidence(function, "can be called again"),))
        inner = seen | {name}
        judged = [self._repeats(call, inner) for call in callers if call.sure]
        if not judged:
            judged = [answer for call in callers if (answer := self._repeats(call, inner)).is_no]
        if self._left < 0:
            return Answer(Known.UNKNOWN, "too many callers")
        if not judged:
            if not is_public or referenced:
                return Answer(Known.UNKNOWN, "no caller is seen")
            if not calls[0] and _is_called_by_computed_name(facts, function):
                return Answer(Known.UNKNOWN, "a hook, called by a computed name")
            return again
        if any(answer.is_yes for answer in judged):
            return again
        return next(
            (answer for answer in judged if answer.known is Known.UNKNOWN), Answer(Known.NO, "its callers look")
        )

    def _repeats(self, call: Call, seen: frozenset[str]) -> Answer:
        self._left -= 1
        if self._left < 0:
            return Answer(Known.UNKNOWN, "too many callers")
        if call.function is None:
            return Answer(Known.NO, "called at module level")
        facts = call.facts
        if _is_run_to_its_end(call.node):
            return Answer(Known.NO, "a main")
        receiver = call.node.func.expr if isinstance(call.node.func, nodes.Attribute) else None
        if receiver is not None and _just_built(facts, receiver, call.function):
            return Answer(Known.NO, "called on an object just built")
        if looks_first(facts, call.function, call.node, self._place, self._events):
            return Answer(Known.NO, "the caller looks first")
        if stopped_in_finally(facts, call.node, self._events):
            return Answer(Known.NO, "the caller stops it in its own finally")
        return self.call_twice(facts, call.function, seen)


def runs_once(facts: Facts, function: nodes.FunctionDef) -> Answer | None:
    """NO for what is made to run once, UNKNOWN for what a framework calls, None for other functions."""
    if function.name in ONCE or is_generator(function) or is_abstract(function):
        return Answer(Known.NO, f"{function.name} runs once")
    if any(
        isinstance(value, Definition) and value.node is function
        for word in _RUNNERS
        for call in facts.tree.calls.get(word, ())
        if call.args and isinstance(call.args[0], nodes.Call)
        for value in facts.evaluator.of(call.args[0].func)
    ):
        return Answer(Known.NO, "a main")
    if _HANDLER.match(function.name):
        return Answer(Known.UNKNOWN, "a handler that a framework calls")
    if not _PLAIN.issuperset(decorator_names(function)):
        return Answer(Known.UNKNOWN, "its decorator decides when it runs")
    owner = enclosing_class(function)
    if owner is None and isinstance(enclosing_function(function), nodes.FunctionDef):
        return Answer(Known.UNKNOWN, "a nested function")
    if owner is not None and has_outside_base(facts, owner):
        return Answer(Known.UNKNOWN, "a base class outside the project may call it")
    return None


def _is_run_to_its_end(call: nodes.Call) -> bool:
    """Whether a runner takes what a call makes: ``loop.run_until_complete(self.start())``."""
    runner = call.parent
    return isinstance(runner, nodes.Call) and call in runner.args[:1] and last_word(runner.func) in _RUNNERS


def calls_of(facts: Facts, function: nodes.FunctionDef) -> tuple[list[Call], bool] | None:
    """The calls of a function in the project, and whether it is named without being called; None: cannot be told."""
    found: list[Call] = []
    referenced = False
    owner = enclosing_class(function)
    others = facts.world.mentioning(f"{function.name}(", most=_MAX_FILES)
    if others is None and owner is not None:
        others = facts.world.mentioning(f"{function.name}(", owner.name, most=_MAX_FILES)
    if others is None:
        return None
    for other in [facts, *(one for one in others if one is not facts and not one.is_test)]:
        for call in other.tree.calls.get(function.name, ()):
            known = stands_for(facts, function, other, call.func)
            if known is not Known.NO:
                found.append(Call(other, enclosing_function(call), call, known is Known.YES))
        referenced = referenced or any(
            not (isinstance(load.parent, nodes.Call) and load.parent.func is load)
            and stands_for(facts, function, other, load) is Known.YES
            for load in _loads(other, function)
        )
    return found, referenced


def _loads(facts: Facts, function: nodes.FunctionDef) -> Iterator[nodes.NodeNG]:
    yield from facts.tree.attribute_loads.get(function.name, ())
    if enclosing_class(function) is None:
        yield from (name for name in facts.plain_names.of(function.name) if isinstance(name, nodes.Name))


def _is_called_by_computed_name(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a method may be a hook: several files have one of its name, and some call what ``getattr`` computes.

    One other file is enough where it keeps what a base class promises.
    """
    project, owner = facts.world.project, enclosing_class(function)
    if project is None or owner is None:
        return False
    others = [text for path, text in project.texts() or () if path != project.module.path and not project.is_test(path)]
    hook = re.compile(rf"^\s+(?:async )?def {function.name}\(\s*self\b", re.MULTILINE)
    hooks = sum(1 for text in others if hook.search(text))
    if hooks < _FEWEST_HOOKS and not (hooks and _keeps_promise(facts, owner, function)):
        return False
    return any("getattr(" in text and _COMPUTED_CALL.search(text) for text in others)


def _keeps_promise(facts: Facts, owner: nodes.ClassDef, function: nodes.FunctionDef) -> bool:
    """Whether a method overrides one of a base class of the project that does nothing itself."""

    def promises(_facts: Facts, node: nodes.NodeNG) -> bool:
        methods = node.locals.get(function.name, ()) if isinstance(node, nodes.ClassDef) else ()
        return any(isinstance(one, nodes.FunctionDef) and is_abstract(one) for one in methods)

    return any(facts.world.ask(name, promises) for name in sorted(ancestors(facts, owner)))


def _enters(call: Call, function: nodes.FunctionDef) -> bool:
    """Whether a call is that of an object's own ``__aenter__``: it leaves a public method as public as it was."""
    caller = call.function
    return (
        caller is not None
        and caller.name in {"__aenter__", "__enter__", "__await__"}
        and enclosing_class(function) is not None
        and enclosing_class(caller) is enclosing_class(function)
    )


def stands_for(facts: Facts, function: nodes.FunctionDef, other: Facts, expression: nodes.NodeNG) -> Known:
    """Whether an expression of the module ``other`` is the function; an unresolved method of that name may be."""
    home = enclosing_class(function)
    values = other.evaluator.of(expression)
    if any(_is_named(facts, function, other, value) for value in values):
        is_another = home is not None and _is_built_as_another(facts, home, other, expression)
        return Known.NO if is_another else Known.YES
    known = all(isinstance(value, Definition | External | Instance) for value in values)
    return Known.UNKNOWN if not known and isinstance(expression, nodes.Attribute) and home is not None else Known.NO


def _is_named(facts: Facts, function: nodes.FunctionDef, other: Facts, value: object) -> bool:
    """Whether a value of the module ``other`` is the function, or a method whose call may be one of it."""
    name = facts.qualified(function)
    home = enclosing_class(function)
    match value:
        case Definition(node):
            if node is function or other.qualified(node) == name:
                return True
            owner = enclosing_class(node)
            return owner is not None and home is not None and _shares(facts, other, owner, home)
        case External():
            return bool(value.name == name or _is_of_base(facts, home, value.name))
    return False


def _shares(facts: Facts, other: Facts, owner: nodes.ClassDef, home: nodes.ClassDef) -> bool:
    """Whether one class is a base of the other, so that a method of one may be called as the other's."""
    return home in other.evaluator.classes.hierarchy(owner) or other.qualified(owner) in ancestors(facts, home)


def _is_of_base(facts: Facts, home: nodes.ClassDef | None, name: str) -> bool:
    return home is not None and name.rpartition(".")[0] in ancestors(facts, home)


def _is_built_as_another(facts: Facts, home: nodes.ClassDef, other: Facts, expression: nodes.NodeNG) -> bool:
    """Whether an attribute, promised as of a base of a class, only ever gets objects built of other classes."""
    receiver = expression.expr if isinstance(expression, nodes.Attribute) else None
    classes = other.evaluator.classes
    if not isinstance(receiver, nodes.Attribute):
        return False
    owner = classes.of_self(receiver.expr)
    if owner is None:
        return False
    built = [
        value
        for one in classes.hierarchy(owner)
        for store in classes.stores(one, receiver.attrname)
        for value in other.evaluator.of(_value_of(store) or receiver)
    ]
    return bool(built) and all(_is_outside(facts, home, other, value) for value in built)


def _is_outside(facts: Facts, home: nodes.ClassDef, other: Facts, value: object) -> bool:
    """Whether a value is an object built of a class that is neither a given one nor below it."""
    name = facts.qualified(home)

    def is_apart(own: Facts, node: nodes.NodeNG) -> bool:
        return own.qualified(node) != name and name not in ancestors(own, node)

    match value:
        case Instance(Definition(node), exact=True):
            return is_apart(other, node)
        case Instance(External(kind), exact=True):
            return facts.world.ask(kind, is_apart) is True
    return False


def _just_built(facts: Facts, receiver: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    """``conn = Connection(); conn.start()``: the object is new in this very function."""
    if isinstance(receiver, nodes.Call):
        return all(isinstance(value, Instance) and value.exact for value in facts.evaluator.of(receiver))
    if isinstance(receiver, nodes.Name):
        return _is_made(facts, receiver, function, _MAX_DEPTH)
    if isinstance(receiver, nodes.Attribute):
        if isinstance(receiver.expr, nodes.Name) and _is_made(facts, receiver.expr, function, _MAX_DEPTH):
            held = facts.evaluator.of(receiver)
            objects = [one for one in held if isinstance(one, Instance)]
            return len(objects) == len(held) and any(one.exact for one in objects)
        place = dotted(receiver)
        return any(
            isinstance(node, nodes.AssignAttr)
            and isinstance(_value_of(node), nodes.Call)
            and node.lineno < receiver.lineno
            and dotted(node) == place
            for node in walk(function.body)
        )
    return False


def _stored_since_built(facts: Facts, store: nodes.AssignAttr, function: nodes.FunctionDef) -> nodes.NodeNG | None:
    """The store of a task that another store replaces on one object, with no way between them that builds a new one."""
    place = dotted(store)
    if not isinstance(store.expr, nodes.Name):
        return None
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return None
    wanted = set(graph.at(store.statement()))
    stores = [node for node in walk(function.body) if isinstance(node, nodes.AssignAttr) and dotted(node) == place]
    tasks = [node for node in stores if node is store or _stores_task(facts, node)]
    return next((one for one in tasks if wanted & _reached_with(facts, graph, one.statement(), store.expr.name)), None)


def _stores_task(facts: Facts, store: nodes.AssignAttr) -> bool:
    value = _value_of(store)
    return isinstance(value, nodes.Call) and facts.spawns.of(value) is not None


def _value_of(store: nodes.NodeNG) -> nodes.NodeNG | None:
    return getattr(store.parent, "value", None)


def _reached_with(facts: Facts, graph: Graph, statement: nodes.NodeNG, name: str) -> set[int]:
    """The steps that can follow a statement, once it has run to its end, before a name is bound again."""
    waiting = [
        target
        for index in graph.at(statement)
        for target, label in graph.steps[index].edges
        if label is not Label.RAISE
    ]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        step = graph.steps[index]
        bound = any(isinstance(one, nodes.AssignName) and one.name == name for one in nodes_in(step))
        if index in seen or bound:
            continue
        seen.add(index)
        can_raise = step_can_raise(facts, step.statement, step.parts)
        waiting += [target for target, label in step.edges if can_raise or label is not Label.RAISE]
    return seen


def _is_made(facts: Facts, made: nodes.NodeNG | None, function: nodes.FunctionDef, depth: int) -> bool:
    """Whether all that a value can be, or has in it, comes from calls in this function, or is None."""
    match made:
        case nodes.Call():
            return True
        case nodes.Await():
            return isinstance(made.value, nodes.Call)
        case nodes.ListComp() | nodes.SetComp() | nodes.GeneratorExp():
            return _is_made(facts, made.elt, function, depth)
        case nodes.List() | nodes.Tuple() | nodes.Set():
            return all(_is_made(facts, one, function, depth) for one in made.elts)
        case nodes.Name() if depth and facts.names.local_scope(made, made.name) is function:
            try:
                stores = reaching_stores(facts.graph(function), made, made.name) or ()
            except FlowTooLarge:
                return False
            values = [_stored_by(store) for store in stores if not _stores_nothing(store)]
            return bool(values) and all(_is_made(facts, value, function, depth - 1) for value in values)
    return False


def _stores_nothing(store: nodes.AssignName) -> bool:
    value = _value_of(store)
    return isinstance(value, nodes.Const) and value.value is None


def _stored_by(store: nodes.AssignName) -> nodes.NodeNG | None:
    """What a store binds a name to: the value, or what a loop goes over; not what a call looks up in a collection."""
    statement = store.parent
    if not isinstance(statement, nodes.For):
        return getattr(statement, "value", None)
    is_lookup = isinstance(statement.iter, nodes.Call) and not isinstance(statement, nodes.AsyncFor)
    return None if is_lookup else statement.iter
