"""What a spawn starts: the functions behind a coroutine expression, through locals, helpers and wrappers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import positional
from flake8_task_lifecycle.facts.reaching import reaching_stores
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.values import Definition, External, Partial, Value
from flake8_task_lifecycle.flow import FlowTooLarge, inside, walk
from flake8_task_lifecycle.names import Binding, enclosing_class, enclosing_function

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_Plain = TypeVar("_Plain")
Target = Definition | External
_TRANSPARENT = frozenset({"asyncio.wait_for", "asyncio.shield", "asyncio.ensure_future", "asyncio.create_task"})
_MAX_DEPTH = 4


def spawned_functions(facts: Facts, spawn: Spawn) -> tuple[Target, ...]:
    """The functions whose coroutine a spawn starts, of this module or by name; empty when any is not resolved."""
    if spawn.coroutine is not None:
        found = targets(facts, spawn.coroutine)
        if found:
            return found
    if spawn.form is Form.WRAPPER and isinstance(spawn.node, nodes.Call):
        return _through_wrapper(facts, spawn.node, _MAX_DEPTH)
    return ()


def outer_functions(facts: Facts, spawn: Spawn) -> tuple[Target, ...]:
    """The functions around what a spawn starts, which await it: ``logged`` in ``spawn(logged(run()))``."""
    if not isinstance(spawn.coroutine, nodes.Call):
        return ()
    run = spawned_functions(facts, spawn)
    return tuple(one for one in _functions(facts, spawn.coroutine.func) if one not in run) if run else ()


def shells(facts: Facts, wrapper: nodes.FunctionDef) -> tuple[Target, ...]:
    """The functions inside which a wrapper runs what it is given: ``logged`` in ``create_task(logged(coroutine))``.

    A nested function need not be handed what it finds around it.
    """
    given = {one.name for one in positional(wrapper)}
    called = [spawn.coroutine for spawn in facts.spawns.inside(wrapper) if isinstance(spawn.coroutine, nodes.Call)]
    return tuple(
        target
        for call in called
        for target in _functions(facts, call.func)
        if _names_any(call.args, given) or _reaches_out(target, wrapper, given)
    )


def _names_any(expressions: Iterable[nodes.NodeNG], names: set[str]) -> bool:
    return any(isinstance(one, nodes.Name) and one.name in names for one in expressions)


def _reaches_out(target: Target, wrapper: nodes.FunctionDef, names: set[str]) -> bool:
    """Whether a function that is nested in another uses one of the other's names."""
    if not isinstance(target, Definition) or enclosing_function(target.node) is not wrapper:
        return False
    return _names_any(walk(target.node.body), names)


def coroutine_answers(
    facts: Facts, spawn: Spawn, question: Callable[[Facts, nodes.FunctionDef], _Plain]
) -> tuple[_Plain, ...]:
    """The answers for every function that a spawn may start; empty when any is unresolved."""
    answers = []
    for target in spawned_functions(facts, spawn):
        answer = ask(facts, target, question)
        if answer is None:
            return ()
        answers.append(answer)
    return tuple(answers)


def ask(facts: Facts, target: Value, question: Callable[[Facts, nodes.FunctionDef], _Plain]) -> _Plain | None:
    """The answer of the function that a value stands for, here or in its own module; None for anything else."""
    match target:
        case Definition(node) if isinstance(node, nodes.FunctionDef):
            return question(facts, node)
        case External(name):
            return facts.world.ask(
                name, lambda home, node: question(home, node) if isinstance(node, nodes.FunctionDef) else None
            )
    return None


def targets(facts: Facts, expression: nodes.NodeNG, depth: int = _MAX_DEPTH) -> tuple[Target, ...]:
    """The functions behind a coroutine expression: a call, a local bound to one, a function to be called.

    Empty when any of it is not resolved. A coroutine that only awaits the one it is given stands for that one.
    """
    if depth <= 0:
        return ()
    match expression:
        case nodes.Call():
            return _of_call(facts, expression, depth)
        case nodes.Name():
            bound = bound_calls(facts, expression)
            if bound:
                found = [targets(facts, call, depth - 1) for call in bound]
                return _unique(found) if all(found) else ()
        case nodes.IfExp():
            found = [targets(facts, branch, depth - 1) for branch in (expression.body, expression.orelse)]
            return _unique(found) if all(found) else ()
        case nodes.Starred():
            inner = expression.value
            if isinstance(inner, nodes.ListComp | nodes.GeneratorExp | nodes.SetComp):
                return targets(facts, inner.elt, depth - 1)
            return ()
    return _functions(facts, expression)


def _of_call(facts: Facts, call: nodes.Call, depth: int) -> tuple[Target, ...]:
    functions = _functions(facts, call.func)
    names = {one.name for one in functions if isinstance(one, External)}
    if functions and len(names) == len(functions) and names <= _TRANSPARENT and call.args:
        return targets(facts, call.args[0], depth - 1)
    if (
        len(functions) == 1
        and isinstance(functions[0], Definition)
        and isinstance(functions[0].node, nodes.FunctionDef)
    ):
        function = functions[0].node
        given = given_to(function, call, _awaited_parameters(function))
        if given is not None:
            return targets(facts, given, depth - 1) or functions
        if not isinstance(function, nodes.AsyncFunctionDef):
            made = [targets(facts, one.value, depth - 1) for one in facts.tree.returns.get(function, ()) if one.value]
            return _unique(made) if made and all(made) else ()
    return functions


def _functions(facts: Facts, expression: nodes.NodeNG) -> tuple[Target, ...]:
    found: list[Target] = []
    for value in facts.evaluator.of(expression):
        while isinstance(value, Partial):
            value = value.function
        match value:
            case Definition(node) if isinstance(node, nodes.FunctionDef):
                found.append(value)
            case External() if not value.name.startswith("builtins."):
                found.append(value)
            case _:
                return ()
    return tuple(sorted(found, key=_order))


def _order(target: Target) -> tuple[str, int]:
    return (target.name, 0) if isinstance(target, External) else ("", target.node.lineno or 0)


def _unique(found: Iterable[tuple[Target, ...]]) -> tuple[Target, ...]:
    return tuple(dict.fromkeys(target for part in found for target in part))


def bound_calls(facts: Facts, name: nodes.Name) -> list[nodes.NodeNG]:
    """The calls that a local is bound to; none when it is bound to anything else as well."""
    binding = facts.names.binding(name, name.name)
    if binding is None:
        return []
    made: list[nodes.NodeNG] = []
    for store in _reaching(facts, name, binding):
        value = getattr(store.parent, "value", None) if isinstance(store, nodes.AssignName) else None
        if not isinstance(value, nodes.Call):
            return []
        made.append(value)
    return made


def _reaching(facts: Facts, name: nodes.Name, binding: Binding) -> Sequence[nodes.NodeNG]:
    """The stores of a name that a read of it can see, as far as its function shows them; else all that bind it."""
    if len(binding.nodes) == 1 or binding.scope is not enclosing_function(name):
        return binding.nodes
    try:
        return reaching_stores(facts.graph(binding.scope), name, name.name) or binding.nodes
    except FlowTooLarge:
        return binding.nodes


def _awaited_parameters(function: nodes.FunctionDef) -> Iterator[str]:
    """The parameters whose coroutine an ``async def`` awaits itself: ``await coro``, ``await function(...)``.

    One that calls again and again what it is given stands for itself: it is its own loop that runs.
    """
    if not isinstance(function, nodes.AsyncFunctionDef):
        return
    parameters = {one.name for one in positional(function)}
    for node in inside(function):
        if isinstance(node, nodes.Await):
            value = node.value
            if isinstance(value, nodes.Call) and isinstance(value.func, nodes.Name):
                value = value.func
            if isinstance(value, nodes.Name) and value.name in parameters and not _is_repeated(node, function):
                yield value.name


def _is_repeated(node: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    while node is not function:
        if isinstance(node, nodes.While | nodes.For):
            return True
        node = node.parent
    return False


def given_to(function: nodes.FunctionDef, call: nodes.Call, parameters: Iterator[str]) -> nodes.NodeNG | None:
    """The argument of a call for the first of some parameters."""
    name = next(parameters, "")
    if not name:
        return None
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    names = [one.name for one in positional(function)]
    if enclosing_class(function) is not None and names[:1] in (["self"], ["cls"]):
        names = names[1:]
    index = names.index(name) if name in names else len(call.args)
    if index < len(call.args) and not any(isinstance(one, nodes.Starred) for one in call.args):
        return call.args[index]
    return None


def _through_wrapper(facts: Facts, call: nodes.Call, depth: int) -> tuple[Target, ...]:
    """What a wrapper spawns: a coroutine that it makes itself, or its argument."""
    found: list[tuple[Target, ...]] = []
    for value in facts.evaluator.of(call.func):
        if not isinstance(value, Definition) or not isinstance(value.node, nodes.FunctionDef):
            return ()
        inner = [spawn for spawn in facts.spawns.inside(value.node) if not spawn.scoped and spawn.coroutine is not None]
        found += [_spawned_in(facts, value.node, call, spawn, depth) for spawn in inner]
    return _unique(found) if found and all(found) else ()


def _spawned_in(
    facts: Facts, wrapper: nodes.FunctionDef, call: nodes.Call, spawn: Spawn, depth: int
) -> tuple[Target, ...]:
    coroutine = spawn.coroutine
    word = coroutine.func if isinstance(coroutine, nodes.Call) else coroutine
    if isinstance(word, nodes.Name) and word.name in {one.name for one in positional(wrapper)}:
        given = given_to(wrapper, call, iter((word.name,)))
        return targets(facts, given, depth - 1) if given is not None else ()
    return targets(facts, coroutine, depth - 1) if coroutine is not None else ()
