"""Can a step of a coroutine raise: what its awaits, its asynchronous loops and contexts, and its calls can bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator, is_plainly_decorated
from flake8_task_lifecycle.facts.lifetimes import endless_loops
from flake8_task_lifecycle.facts.repeaters import handles_errors, repeater
from flake8_task_lifecycle.facts.shelters import (
    ANY,
    NEVER,
    Danger,
    decorator_shelters,
    exceptions,
    is_cancellation,
    is_translated,
)
from flake8_task_lifecycle.facts.shelters import is_seen as seen
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import ask, spawned_functions, targets
from flake8_task_lifecycle.facts.values import NONE, Definition, External, Instance, Value, Values, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Evidence
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_TIMEOUT: Danger = frozenset({"builtins.TimeoutError"})
_CANCELLED: Danger = frozenset({"asyncio.CancelledError"})
_LEVELS = 3
_LOCKS = frozenset(
    {f"{home}.{name}" for home in ("asyncio", "anyio", "trio") for name in ("Lock", "Semaphore", "Condition")}
    | {"asyncio.BoundedSemaphore", "trio.StrictFIFOLock", "anyio.CapacityLimiter", "trio.CapacityLimiter"}
)
_WAITS = frozenset(
    {"asyncio.sleep", "asyncio.wait", "asyncio.Event.wait", "asyncio.Condition.wait", "asyncio.Condition.wait_for"}
    | {f"{queue}.{method}" for queue in library.ASYNCIO_QUEUES for method in ("get", "put", "join")}
    | {f"{lock}.acquire" for lock in _LOCKS}
    | {f"{home}.{name}" for home in ("anyio", "trio") for name in ("sleep", "sleep_forever", "Event.wait")}
    | {"anyio.lowlevel.checkpoint", "trio.lowlevel.checkpoint"}
)
_TIME_LIMITS = frozenset(
    {"asyncio.timeout", "asyncio.timeout_at", "async_timeout.timeout", "async_timeout.timeout_at"}
    | {"anyio.fail_after", "trio.fail_after"}
)
_KNOWN_LIBRARIES = frozenset({"asyncio", "anyio", "trio", "builtins"})
_LOCK_WORDS = ("lock", "sem", "cond", "mutex")


class Risk(NamedTuple):
    """A step in the loop of a coroutine that can raise with nobody to see it: its text, its place, what it can raise.

    ``swallowed``: a handler around the loop takes the error without a word, so that the task just ends.
    """

    step: str
    evidence: Evidence
    danger: Danger
    swallowed: bool = False


def risk(facts: Facts, function: nodes.FunctionDef) -> Risk | None:
    """The first step in an endless loop of a coroutine that can raise outside every broad handler.

    The loop is the coroutine's own, or that of a project coroutine which it awaits (one level). None when there is
    none; also when a decorator may see the error.
    """
    if decorator_shelters(facts, function):
        return None
    own = next(_own_risks(facts, function), None)
    if own is not None:
        return own
    repeats = repeater(facts, function)
    if repeats is not None:
        return (
            None if handles_errors(facts, repeats) else next(_risks_among(facts, function.body, None, function), None)
        )
    loops = endless_loops(facts, function)
    for waiting in sorted(_awaits(function), key=_position):
        if any(loop.parent_of(waiting) for loop in loops):
            continue
        for target in targets(facts, waiting.value):
            for found in ask(facts, target, lambda home, node: tuple(_own_risks(home, node))) or ():
                if not seen(facts, waiting, found.danger, waiting, function):
                    return found
    return None


def _own_risks(facts: Facts, function: nodes.FunctionDef) -> Iterator[Risk]:
    if not decorator_shelters(facts, function):
        for loop in endless_loops(facts, function):
            yield from _in_loop(facts, loop, function)


def _in_loop(facts: Facts, loop: nodes.NodeNG, function: nodes.FunctionDef) -> Iterator[Risk]:
    parts = [loop.test, *loop.body] if isinstance(loop, nodes.While) else loop.body
    return _risks_among(facts, parts, loop, function)


def _risks_among(
    facts: Facts, parts: list[nodes.NodeNG], loop: nodes.NodeNG | None, function: nodes.FunctionDef
) -> Iterator[Risk]:
    """The steps among some statements, of a loop or of what is repeated as a whole, that can raise unseen."""
    for step, danger in _dangers(facts, parts, _LEVELS, loop if isinstance(loop, nodes.AsyncFor) else None):
        if not seen(facts, step, danger, loop, function):
            swallowed = seen(facts, step, danger, None, function)
            yield Risk(_text(step), facts.evidence(step, "can raise here, and nothing sees it"), danger, swallowed)


def _awaits(function: nodes.FunctionDef) -> Iterator[nodes.Await]:
    return (
        node for node in walk(function.body) if isinstance(node, nodes.Await) and isinstance(node.value, nodes.Call)
    )


def _position(node: nodes.NodeNG) -> tuple[int, int]:
    return (node.lineno or 0, node.col_offset or 0)


def _text(step: nodes.NodeNG) -> str:
    if isinstance(step, nodes.AsyncFor):
        text = f"async for ... in {step.iter.as_string()}"
    elif isinstance(step, nodes.AsyncWith):
        text = f"async with {', '.join(context.as_string() for context, _ in step.items)}"
    else:
        text = step.as_string()
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dangers(
    facts: Facts, parts: list[nodes.NodeNG], levels: int, header: nodes.NodeNG | None = None
) -> Iterator[tuple[nodes.NodeNG, Danger]]:
    """The steps among some statements that can raise, in source order, with what they can raise."""
    found = [*([header] if header is not None else []), *walk(parts)]
    for node in sorted((one for one in found if isinstance(one, _STEPS)), key=_position):
        danger = NEVER if _runs_once_cancelled(facts, node) else _danger(facts, node, levels)
        if danger:
            yield node, danger


def _runs_once_cancelled(facts: Facts, step: nodes.NodeNG) -> bool:
    """Whether a step stands in a handler of cancellation alone: by then the task is being ended."""
    node = step.parent
    while node is not None and not isinstance(node, nodes.FunctionDef):
        handled = node.type if isinstance(node, nodes.ExceptHandler) else None
        if handled is not None and is_cancellation(exceptions(facts, handled)):
            return True
        node = node.parent
    return False


_STEPS = (nodes.Await, nodes.AsyncFor, nodes.AsyncWith, nodes.Comprehension, nodes.Raise, nodes.Call)


def _danger(facts: Facts, node: nodes.NodeNG, levels: int) -> Danger:
    match node:
        case nodes.Await():
            return _of_awaitable(facts, node.value, levels)
        case nodes.AsyncFor():
            return _of_stream(facts, node.iter, levels)
        case nodes.Comprehension() if node.is_async:
            return _of_stream(facts, node.iter, levels)
        case nodes.AsyncWith():
            return _union(_of_context(facts, context, levels) for context, _ in node.items)
        case nodes.Raise():
            return raised(facts, node)
        case nodes.Call() if not isinstance(node.parent, nodes.Await):
            return _of_plain_call(facts, node)
    return NEVER


def _union(dangers: Iterator[Danger]) -> Danger:
    """All of some dangers together; those after one that is anything at all are not looked at."""
    found = NEVER
    for danger in dangers:
        found |= danger
        if "*" in found:
            return ANY
    return found


def raised(facts: Facts, statement: nodes.Raise) -> Danger:
    """What a ``raise`` brings: cancellation and the end of the program apart."""
    error = statement.exc
    handler = statement.parent
    while handler is not None and not isinstance(handler, nodes.ExceptHandler | nodes.FunctionDef):
        handler = handler.parent
    if not isinstance(handler, nodes.ExceptHandler):
        handler = None
    repeats = error is None or (
        handler is not None
        and handler.name is not None
        and isinstance(error, nodes.Name)
        and error.name == handler.name.name
    )
    if repeats:
        names = exceptions(facts, handler.type) if handler is not None else None
    else:
        names = exceptions(facts, error.func if isinstance(error, nodes.Call) else error)
    if is_cancellation(names):
        return NEVER
    if names is None or not names.isdisjoint({"builtins.BaseException", "builtins.Exception"}):
        return ANY
    return names


def _of_awaitable(facts: Facts, value: nodes.NodeNG, levels: int) -> Danger:
    if _is_plain_future(facts, value):
        return NEVER
    if not isinstance(value, nodes.Call):
        return _of_held_task(facts, value, levels)
    values = facts.evaluator.of(value.func)
    names = known_names(values, instance=False)
    if names is not None:
        if names <= _WAITS:
            return NEVER
        if names <= {"asyncio.shield"} and value.args:
            return _of_awaitable(facts, value.args[0], levels)
        if names <= {"asyncio.gather"}:
            return _of_gather(facts, value, levels)
    word = last_word(value.func)
    if word == "sleep":
        return NEVER
    limited = value.args[0] if value.args else None
    if names == {"asyncio.wait_for"} or (word == "wait_for" and isinstance(limited, nodes.Call)):
        return _TIMEOUT if limited is None else _union(iter((_TIMEOUT, _of_awaitable(facts, limited, levels))))
    if isinstance(value.func, nodes.Attribute) and _is_known_by_name(facts, value.func, value, values):
        return NEVER
    dangers = [_of_coroutine(facts, one, levels) for one in values]
    found = _union(iter(dangers))
    return ANY if found and len(dangers) > 1 else found


def _is_plain_future(facts: Facts, value: nodes.NodeNG) -> bool:
    """Whether an awaitable is a future that the module makes, in a module that sets no future's exception."""
    if isinstance(value, nodes.Call | nodes.Await) or facts.tree.attribute_loads.get("set_exception"):
        return False
    classes = known_names(facts.evaluator.of(value), instance=True)
    return classes is not None and all(name.rpartition(".")[2] == "Future" for name in classes)


def _of_held_task(facts: Facts, value: nodes.NodeNG, levels: int) -> Danger:
    """What awaiting an attribute or a local brings that holds tasks of known coroutines alone; ANY for all else.

    One that somebody has cancelled brings that to whoever awaits it; a local, where its own function cancels it.
    """
    stored, cancelled = _stores_of(facts, value)
    if not all(isinstance(one, nodes.Assign | nodes.AnnAssign) for one in stored):
        return ANY
    made = [one.value for one in stored if one.value is not None and not _is_none(one.value)]
    spawns = [facts.spawns.of(one) if isinstance(one, nodes.Call) else None for one in made]
    return _union(iter((cancelled, *(_of_spawned(facts, one, levels) for one in spawns)))) if spawns else ANY


def _stores_of(facts: Facts, place: nodes.NodeNG) -> tuple[list[nodes.NodeNG], Danger]:
    """The statements that fill an attribute of the object or a plain local, and what a cancel of it brings."""
    if isinstance(place, nodes.Attribute):
        owner = facts.evaluator.classes.of_self(place.expr)
        stores = facts.evaluator.classes.stores(owner, place.attrname) if owner is not None else []
        return [store.parent for store in stores], _CANCELLED
    function = facts.names.local_scope(place, place.name) if isinstance(place, nodes.Name) else None
    if function is None:
        return [], NEVER
    frame = facts.frame(function)
    loads = [*frame.loads.get(place.name, ()), *(load for load, _ in frame.captured.get(place.name, ()))]
    is_cancelled = any(last_word(load.parent) == "cancel" for load in loads)
    return [store.parent for store in function.locals[place.name]], _CANCELLED if is_cancelled else NEVER


def _of_spawned(facts: Facts, spawn: Spawn | None, levels: int) -> Danger:
    """What a spawned coroutine brings to whoever awaits its task."""
    if spawn is not None and isinstance(spawn.coroutine, nodes.Call):
        return _of_awaitable(facts, spawn.coroutine, levels)
    run = spawned_functions(facts, spawn) if spawn is not None else ()
    return _union(_of_coroutine(facts, one, levels) for one in run) if run else ANY


def _is_none(value: nodes.NodeNG) -> bool:
    return isinstance(value, nodes.Const) and value.value is None


def _of_gather(facts: Facts, call: nodes.Call, levels: int) -> Danger:
    for keyword in call.keywords:
        if keyword.arg == "return_exceptions":
            return NEVER if isinstance(keyword.value, nodes.Const) and keyword.value.value is True else ANY
    return _union(_of_awaitable(facts, one, levels) for one in call.args)


def _is_known_by_name(facts: Facts, function: nodes.Attribute, call: nodes.Call, values: Values) -> bool:
    """Whether a method is a log call, or, its receiver unknown, may well be a bare wait of the library."""
    method, receiver = function.attrname, function.expr
    if method in library.LOG_METHODS:
        classes = known_names(facts.evaluator.of(receiver), instance=True)
        if last_word(receiver) in library.LOGGER_NAMES or (classes is not None and classes <= {"logging.Logger"}):
            return True
    if any(not _is_unknown(one) and not _is_of_elsewhere(facts, one) for one in values):
        return False
    word = last_word(receiver).lower()
    given = len(call.args) + len(call.keywords)
    is_queue = "queue" in word or word.rpartition("_")[2] in {"q", "inbox", "outbox", "mailbox"}
    if method in {"wait", "get"}:
        return given == 0
    if method == "put":
        return given == 1 and is_queue
    return method == "acquire" and any(part in word for part in _LOCK_WORDS)


def _is_unknown(value: Value) -> bool:
    return value == NONE or not isinstance(value, Definition | External | Instance)


def _is_of_elsewhere(facts: Facts, value: Value) -> bool:
    """Whether a value is known by its name alone, which is of no module of the project and of no known library."""
    return (
        isinstance(value, External)
        and value.name.partition(".")[0] not in _KNOWN_LIBRARIES
        and not facts.elsewhere.defines(value.name)
    )


def _of_coroutine(facts: Facts, function: Value, levels: int) -> Danger:
    if function == NONE:
        return NEVER
    if isinstance(function, Definition) and isinstance(function.node, nodes.Lambda):
        return _of_awaitable(facts, function.node.body, levels)
    answer = ask(facts, function, partial(can_raise, levels=levels))
    return ANY if answer is None else answer


def can_raise(facts: Facts, function: nodes.FunctionDef, levels: int = 1) -> Danger:
    """What awaiting a coroutine of the project, or running through its async generator, can raise.

    ``levels``: how many awaited project coroutines further down are looked into.
    """
    key = (function, levels)
    if key not in facts.dangers:
        facts.dangers[key] = ANY
        facts.dangers[key] = _find(facts, function, levels)
    return facts.dangers[key]


def _find(facts: Facts, function: nodes.FunctionDef, levels: int) -> Danger:
    if is_abstract(function) or levels <= 0:
        return ANY
    if not is_plainly_decorated(function) and "asynccontextmanager" not in _decorations(function):
        return NEVER if function.decorators is not None and decorator_shelters(facts, function) else ANY
    if not isinstance(function, nodes.AsyncFunctionDef):
        results = [one.value for one in facts.tree.returns.get(function, ()) if one.value is not None]
        given = [_of_awaitable(facts, one, levels - 1) for one in results] or [ANY]
        return _union(iter((_raises_of(facts, function), *given)))
    return _union(
        danger
        for step, danger in _dangers(facts, function.body, levels - 1)
        if not seen(facts, step, danger, None, function) and not is_translated(facts, step, function)
    )


def _decorations(function: nodes.FunctionDef) -> set[str]:
    return {
        last_word(one.func if isinstance(one, nodes.Call) else one)
        for one in (function.decorators.nodes if function.decorators is not None else ())
    }


def _of_stream(facts: Facts, iterable: nodes.NodeNG, levels: int) -> Danger:
    if not isinstance(iterable, nodes.Call):
        return ANY
    dangers = []
    for value in facts.evaluator.of(iterable.func):
        answer = ask(facts, value, _generator_danger) if levels else None
        dangers.append(ANY if answer is None else answer)
    return _union(iter(dangers))


def _generator_danger(facts: Facts, function: nodes.FunctionDef) -> Danger:
    return can_raise(facts, function) if is_generator(function) else ANY


def _of_context(facts: Facts, context: nodes.NodeNG, levels: int) -> Danger:
    called = context.func if isinstance(context, nodes.Call) else context
    values = facts.evaluator.of(context)
    classes = known_names(values, instance=True)
    if classes is not None and classes <= _LOCKS:
        return NEVER
    functions = facts.evaluator.of(called)
    names = known_names(functions, instance=False)
    if isinstance(context, nodes.Call) and names is not None and names <= _TIME_LIMITS:
        return _TIMEOUT
    if any(part in last_word(called).lower() for part in _LOCK_WORDS) and any(map(_is_unknown, values)):
        return NEVER
    if isinstance(context, nodes.Call) and all(
        isinstance(one, Definition | External) and not _is_class(one) for one in functions
    ):
        return _union(_of_coroutine(facts, one, levels) for one in functions)
    return _union(_of_manager(facts, one, levels) for one in values)


def _is_class(value: Value) -> bool:
    return isinstance(value, Definition) and isinstance(value.node, nodes.ClassDef)


def _of_manager(facts: Facts, value: Value, levels: int) -> Danger:
    if not isinstance(value, Instance):
        return ANY
    return _union(
        _of_coroutine(facts, method, levels)
        for name in ("__aenter__", "__aexit__")
        for method in facts.evaluator.member(value, name)
    )


def _of_plain_call(facts: Facts, call: nodes.Call) -> Danger:
    """What a call of a plain function of the project can raise: what its own ``raise`` statements let out."""
    if not isinstance(call.func, nodes.Name | nodes.Attribute):
        return NEVER
    found = NEVER
    for value in facts.evaluator.of(call.func):
        answer = ask(facts, value, _raises_of) if isinstance(value, Definition | External) else None
        if not answer:
            return NEVER
        found |= answer
    return ANY if "*" in found else found


def _raises_of(facts: Facts, function: nodes.FunctionDef) -> Danger:
    if isinstance(function, nodes.AsyncFunctionDef) or is_generator(function) or is_abstract(function):
        return NEVER
    if not is_plainly_decorated(function):
        return NEVER
    return _union(
        danger
        for node in walk(function.body)
        if isinstance(node, nodes.Raise)
        and (danger := raised(facts, node))
        and not seen(facts, node, danger, None, function)
    )


def step_danger(facts: Facts, statement: nodes.NodeNG | None, parts: Iterable[nodes.NodeNG]) -> Danger:
    """What can be raised by what one step of a function evaluates."""
    header = statement if isinstance(statement, nodes.AsyncFor | nodes.AsyncWith) else None
    return _union(danger for _, danger in _dangers(facts, list(parts), _LEVELS, header))


def step_can_raise(facts: Facts, statement: nodes.NodeNG | None, parts: Iterable[nodes.NodeNG]) -> bool:
    """Whether what one step of a function evaluates can raise."""
    return bool(step_danger(facts, statement, parts))


def awaiting_can_raise(facts: Facts, awaitable: nodes.NodeNG) -> bool:
    """Whether awaiting what an expression gives can raise."""
    return bool(_of_awaitable(facts, awaitable, _LEVELS))
