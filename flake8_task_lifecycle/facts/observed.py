"""Is the outcome of a task observed: by a callback, a waiter, a poll of its result, or a restart once it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.cancelled import cancels_of
from flake8_task_lifecycle.facts.definitions import is_static, positional
from flake8_task_lifecycle.facts.readers import (
    Held,
    Load,
    Read,
    followed,
    held_by,
    is_of_another,
    is_target,
    loads_elsewhere,
    loads_of,
    may_give,
    narrowed,
)
from flake8_task_lifecycle.facts.slots import Kind, Place
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import Definition, External, Partial, Value, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Answer, Known
from flake8_task_lifecycle.names import enclosing_class, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_MAX_DEPTH = 6
_TAKERS = frozenset({"discard", "remove", "pop"})
NOT_OBSERVED = Answer(Known.NO)


def _unknown(reason: str) -> Answer:
    return Answer(Known.UNKNOWN, reason)


def observed(facts: Facts, spawn: Spawn, *, ends_plainly: bool = False) -> Answer:
    """Whether somebody sees how the task ends. YES and UNKNOWN carry why; NO is said after a search of the project.

    ``ends_plainly``: the coroutine swallows its error and returns, so that the end itself is all there is to see.
    """
    parts = [_of_value(facts, spawn.value, 0)]
    if ends_plainly and parts[0].is_no and _is_waited_for(facts, spawn.value):
        return _unknown("a race leaves when it ends")
    if spawn.form is Form.WRAPPER and isinstance(spawn.node, nodes.Call):
        function = spawn.node.func
        apart = isinstance(function, nodes.Attribute) and isinstance(function.expr, nodes.Attribute)
        parts += [_of_wrapper(facts, value, apart) for value in facts.evaluator.of(function)]
    return _worst(parts)


def _is_waited_for(facts: Facts, value: nodes.NodeNG) -> bool:
    """Whether the function that spawns a task waits for it, or reacts to its end, in whatever way."""
    function = enclosing_function(value)
    use = facts.uses.of(value)
    reads = [Read(facts, value, use), *(followed(facts, function, use.names) if function is not None else ())]
    cancels = [_line(one.load) for one in reads if _cancels(one)]
    return any(
        (one.use.fate is Fate.AWAITED and not any(line < _line(one.load) for line in cancels))
        or (one.method == "add_done_callback" and not _is_discard(one))
        for one in reads
    )


def _worst(answers: Iterable[Answer]) -> Answer:
    """The first answer that is not a plain NO."""
    return next((answer for answer in answers if not answer.is_no), NOT_OBSERVED)


def _of_wrapper(facts: Facts, value: Value, apart: bool) -> Answer:
    """What a wrapper does about the outcome of the task that it spawns and returns.

    ``apart``: it is called on what an attribute holds, which no function has made for itself alone.
    """
    if isinstance(value, Partial):
        return _of_wrapper(facts, value.function, apart)
    if (
        isinstance(value, Definition)
        and isinstance(value.node, nodes.Lambda)
        and not isinstance(value.node, nodes.FunctionDef)
    ):
        return NOT_OBSERVED
    answer = ask(facts, value, partial(_wrapper_observes, apart=apart))
    return answer or _unknown("spawned by a function that is not resolved")


def _wrapper_observes(facts: Facts, function: nodes.FunctionDef, apart: bool) -> Answer:
    """Whether a function sees how the task ends that it spawns and returns."""
    inner = [spawn for spawn in facts.spawns.inside(function) if not spawn.scoped]
    if not inner:
        return _unknown("the spawn is not in the wrapper")
    return _worst(_of_value(facts, spawn.value, 0, returned=True, apart=apart) for spawn in inner)


def _of_value(facts: Facts, value: nodes.NodeNG, depth: int, *, returned: bool = False, apart: bool = False) -> Answer:
    """Whether the value of an expression, a task, is observed by what takes it."""
    use = facts.uses.of(value)
    function = enclosing_function(value)
    reads = [Read(facts, value, use)]
    if function is not None:
        reads += [one for one in followed(facts, function, use.names) if may_give(facts, value, one.load)]
    elif use.names:
        return _unknown("bound outside any function")
    handed_back = [one for one in reads if returned and one.use.fate is Fate.CALLER]
    answer = _worst(_watched_by_callee(one) for one in handed_back)
    if not answer.is_no:
        return answer
    answer = _judge([one for one in reads if one not in handed_back])
    if not answer.is_no:
        return answer
    drops = any(_is_discard(one) for one in reads)
    for one in reads:
        if one.use.fate is Fate.KEPT:
            held = held_by(one.facts, one.use)
            if held is None:
                return _unknown(f"kept in {one.use.holder}, whose readers are not known")
            answer = _of_held(facts, held, depth, drops, apart=apart)
            if not answer.is_no:
                return answer
    return NOT_OBSERVED


def _cancels(read: Read) -> bool:
    """``task.cancel()`` where it runs as it stands; one that is passed on, or put into a lambda, may never run."""
    function = read.attribute
    if function is None or function.attrname != "cancel":
        return False
    call = function.parent
    return isinstance(call, nodes.Call) and call.func is function and type(call.scope()) is not nodes.Lambda


def _is_discard(read: Read) -> bool:
    """``task.add_done_callback(tasks.discard)``: the dead leave the collection, so its readers never meet them."""
    if read.attribute is None or read.method != "add_done_callback":
        return False
    call = read.attribute.parent
    callback = call.args[0] if isinstance(call, nodes.Call) and call.args else None
    return isinstance(callback, nodes.Attribute) and callback.attrname in _TAKERS


def _of_held(facts: Facts, held: Held, depth: int, drops: bool, *, apart: bool = False) -> Answer:
    if depth > _MAX_DEPTH:
        return _unknown("handed on too often")
    own = _of_the_same(loads_of(facts, held), apart)
    answer = _of_loads(own, depth, drops)
    if not answer.is_yes and held.place is not None and _may_be_read(facts, held.place):
        return _unknown("read by somebody who cannot be told")
    if answer.is_no and _heals(facts, held, own):
        answer = Answer(Known.YES, "restarted once it is done")
    if not answer.is_no:
        return answer
    others = loads_elsewhere(facts, held)
    if others is None:
        return _unknown("the project is too large to search")
    return _of_loads(_of_the_same(others, apart), depth, drops)


def _of_the_same(loads: Iterable[Load], apart: bool) -> list[Load]:
    """The reads that may be of what is held; ``apart``: not by a function of an object that it makes for itself."""
    return [one for one in loads if not (apart and is_of_another(one))]


def _may_be_read(facts: Facts, place: Place) -> bool:
    return any(event.kind is Kind.HANDED and not event.sure for event in facts.slots.events(place))


def _of_loads(loads: list[Load], depth: int, drops: bool) -> Answer:
    by_function: dict[nodes.NodeNG | None, list[Read]] = {}
    for facts, load in loads:
        if is_target(load):
            continue
        function = enclosing_function(load)
        reads = by_function.setdefault(function, [])
        use = narrowed(facts, load)
        reads.append(Read(facts, load, use))
        if function is not None:
            reads += followed(facts, function, use.names)
        elif use.names:
            return _unknown("read outside any function")
    for reads in by_function.values():
        answer = _judge(reads, drops=drops)
        if not answer.is_no:
            return answer
        for one in reads:
            if one.use.fate is Fate.KEPT and not drops:
                held = held_by(one.facts, one.use)
                if held is None:
                    return _unknown(f"kept in {one.use.holder}")
                if any(last_word(load) == held.name for _, load in loads):
                    continue
                answer = _of_held(one.facts, held, depth + 2, drops)
                if not answer.is_no:
                    return answer
    return NOT_OBSERVED


def _judge(reads: list[Read], *, drops: bool = False) -> Answer:
    """Whether one of the reads in a function observes the outcome; ``drops``: the dead are not there to be read."""
    cancels = [one.load for one in reads if _cancels(one) or _cancelled_by_call(one)]
    for one in reads:
        before = [_line(cancel) for cancel in cancels if not _leaves_before(cancel, one.load)]
        answer = _judge_read(one, before, drops)
        if not answer.is_no:
            return answer
    return NOT_OBSERVED if drops else _of_race(reads, [_line(cancel) for cancel in cancels])


def _leaves_before(cancel: nodes.NodeNG, other: nodes.NodeNG) -> bool:
    """Whether a cancel stands in a handler, or under a test, that leaves the function before the other is reached."""
    child = cancel.statement()
    while not isinstance(child.parent, nodes.FunctionDef | nodes.Module):
        around = child.parent
        if isinstance(around, nodes.ExceptHandler | nodes.If) and not around.parent_of(other):
            block = around.body if child in around.body else around.orelse
            if isinstance(block[-1], nodes.Raise | nodes.Return):
                return True
        child = around
    return False


def _line(node: nodes.NodeNG) -> int:
    return node.lineno or 0


def _judge_read(read: Read, cancels: list[int], drops: bool) -> Answer:
    facts, method = read.facts, read.method
    if read.attribute is not None and method == "add_done_callback":
        call = read.attribute.parent
        if isinstance(call, nodes.Call) and call.func is read.attribute:
            return callback_reads(facts, call.args[0]) if call.args else _unknown("a callback that is not shown")
        return _unknown("its callbacks are registered elsewhere")
    if method in {"result", "exception"}:
        return _yes(facts, read.load, "its result is read")
    if drops:
        return NOT_OBSERVED
    watched = _watched_by_callee(read)
    if not watched.is_no:
        return watched
    match read.use.fate:
        case Fate.CALLER:
            return NOT_OBSERVED if any(line < _line(read.load) for line in cancels) else _unknown("returned")
        case Fate.AWAITED:
            return _of_wait(read, cancels)
        case Fate.RELEASED if method != "cancel" and not read.use.by_canceller:
            return _of_release(read, cancels)
        case Fate.HANDED:
            return _of_handed(read, cancels)
    return NOT_OBSERVED


def _watched_by_callee(read: Read) -> Answer:
    """Whether the task is given to a project function that has a done callback read its outcome."""
    call = read.load.parent
    if not isinstance(call, nodes.Call) or read.load not in call.args:
        return NOT_OBSERVED
    place = call.args.index(read.load)
    answers = (ask(read.facts, value, partial(_watches, given=place)) for value in read.facts.evaluator.of(call.func))
    return next((answer for answer in answers if answer is not None and answer.is_yes), NOT_OBSERVED)


def _watches(facts: Facts, function: nodes.FunctionDef, given: int) -> Answer:
    parameters = positional(function)
    if enclosing_class(function) is not None and not is_static(function):
        parameters = parameters[1:]
    if given >= len(parameters):
        return NOT_OBSERVED
    callbacks = (
        one.attribute.parent.args[0]
        for one in followed(facts, function, frozenset({parameters[given].name}))
        if one.method == "add_done_callback"
        and one.attribute is not None
        and isinstance(one.attribute.parent, nodes.Call)
        and one.attribute.parent.args
    )
    return _worst(callback_reads(facts, callback) for callback in callbacks)


def _yes(facts: Facts, node: nodes.NodeNG, note: str) -> Answer:
    return Answer(Known.YES, note, (facts.evidence(node, note)._replace(path=facts.source.name),))


def _of_wait(read: Read, cancels: list[int]) -> Answer:
    """An ``await``: of the task, or of a call that has it among its arguments."""
    if any(line < _line(read.load) for line in cancels) or _cancelled_by_call(read):
        return NOT_OBSERVED
    waiting, plain = _plain_wait(read)
    if plain and not _reads_done(read.facts, waiting):
        return NOT_OBSERVED
    return _yes(read.facts, read.load, "awaited")


def _of_race(reads: list[Read], cancels: list[int]) -> Answer:
    """A race that leaves when the task ends, with what ended read after the cancel: ``results = await gather(...)``."""
    waits = [one for one in reads if one.use.fate is Fate.AWAITED]
    if any(_is_race(one) and all(_line(one.load) < line for line in cancels) for one in waits):
        for one in waits:
            waiting, plain = _plain_wait(one)
            if not plain and _reads_done(one.facts, waiting):
                return _yes(one.facts, one.load, "its outcome is read after a race")
    return NOT_OBSERVED


def _is_race(read: Read) -> bool:
    waiting, plain = _plain_wait(read)
    call = waiting.value if isinstance(waiting, nodes.Await) else None
    limits = [one.value for one in call.keywords if one.arg == "return_when"] if isinstance(call, nodes.Call) else []
    return plain and any("ALL_COMPLETED" not in one.as_string() for one in limits)


def _plain_wait(read: Read) -> tuple[nodes.NodeNG, bool]:
    """The ``await`` around a read, and whether what is awaited is ``asyncio.wait``: it raises nothing of its tasks."""
    node, plain = read.load, False
    while node.parent is not None and not isinstance(node, nodes.Await) and not node.is_statement:
        node = node.parent
        if isinstance(node, nodes.Call):
            names = known_names(read.facts.evaluator.of(node.func), instance=False)
            plain = plain or names == {"asyncio.wait"}
    return node, plain


def _reads_done(facts: Facts, waiting: nodes.NodeNG) -> bool:
    """Whether the first set that ``asyncio.wait`` returns is looked at."""
    statement = waiting.parent
    if isinstance(statement, nodes.Expr):
        return False
    if not isinstance(statement, nodes.Assign) or len(statement.targets) != 1:
        return True
    target = statement.targets[0]
    first = target.elts[0] if isinstance(target, nodes.Tuple) and target.elts else target
    function = enclosing_function(waiting)
    if not isinstance(first, nodes.AssignName) or function is None:
        return True
    return bool(facts.frame(function).loads[first.name] or facts.frame(function).captured[first.name])


def _of_release(read: Read, cancels: list[int]) -> Answer:
    """A project helper, or a method, that releases the task: after a cancel, or by one, it tells nothing."""
    if any(line <= _line(read.load) for line in cancels):
        return NOT_OBSERVED
    return _of_handed(read, cancels)


def _of_handed(read: Read, cancels: list[int]) -> Answer:
    call = _call_of_argument(read.load)
    if call is not None and any(line < _line(read.load) for line in cancels):
        return NOT_OBSERVED
    if call is None:
        return _unknown("handed on")
    return _unknown("handed to a function that is not resolved")


def _call_of_argument(load: nodes.NodeNG) -> nodes.Call | None:
    """The call that has what is read, or what is taken out of it, among its arguments."""
    node = load
    if isinstance(load.parent, nodes.Attribute) and load.parent.attrname in _TAKERS:
        node = load.parent.parent if isinstance(load.parent.parent, nodes.Call) else load
    while isinstance(node.parent, nodes.Starred | nodes.Keyword | nodes.Tuple | nodes.List | nodes.Set | nodes.BoolOp):
        node = node.parent
    parent = node.parent
    return parent if isinstance(parent, nodes.Call) and node is not parent.func else None


def _cancelled_by_call(read: Read) -> bool:
    """Whether a read gives the task to a project function that cancels it."""
    call = _call_of_argument(read.load)
    if call is None:
        return False
    place = call.args.index(read.load) if read.load in call.args else None
    question = partial(_has_cancel, place=place)
    return any(bool(ask(read.facts, value, question)) for value in read.facts.evaluator.of(call.func))


def _has_cancel(facts: Facts, function: nodes.FunctionDef, place: int | None) -> bool:
    """Whether a function cancels what it is given at a place, or anything where the place does not show."""
    if not any(isinstance(node, nodes.Attribute) and node.attrname == "cancel" for node in walk(function.body)):
        return False
    found = cancels_of(facts, function)
    return place is None or function.args.vararg is not None or found is None or place in found[1]


def callback_reads(facts: Facts, callback: nodes.NodeNG) -> Answer:
    """Whether a done callback reads the outcome of its task."""
    if isinstance(callback, nodes.Attribute) and callback.attrname in _TAKERS:
        return NOT_OBSERVED
    return _worst(_callback_value(facts, value) for value in facts.evaluator.of(callback))


def _callback_value(facts: Facts, value: Value, given: int = 0) -> Answer:
    match value:
        case Partial(function, call):
            return _callback_value(facts, function, given + len(call.args) - 1)
        case Definition(node) if isinstance(node, nodes.FunctionDef):
            return _parameter_reads(facts, node, given)
        case Definition(node) if isinstance(node, nodes.Lambda):
            return _lambda_reads(facts, node, given)
        case External():
            answer = ask(facts, value, lambda home, node: _parameter_reads(home, node, given))
            return answer or _unknown("a callback of another project")
    return _unknown("a callback that is not resolved")


def _parameter_reads(facts: Facts, function: nodes.FunctionDef, given: int) -> Answer:
    parameters = positional(function)
    if enclosing_class(function) is not None and not is_static(function):
        parameters = parameters[1:]
    if given >= len(parameters):
        return _unknown("a callback that takes its task by other ways") if function.args.vararg else NOT_OBSERVED
    reads = followed(facts, function, frozenset({parameters[given].name}))
    if facts.spawns.inside(function):
        return _unknown("the callback starts another task")
    return _judge_callback(reads)


def _judge_callback(reads: list[Read]) -> Answer:
    for one in reads:
        if one.method in {"result", "exception", "print_stack"}:
            return _yes(one.facts, one.load, "its outcome is read by a done callback")
        if (
            one.use.fate in {Fate.HANDED, Fate.CALLER, Fate.AWAITED, Fate.KEPT, Fate.RELEASED}
            and one.method != "cancel"
        ):
            return _unknown("its done callback hands the task on")
    return NOT_OBSERVED


def _lambda_reads(facts: Facts, function: nodes.Lambda, given: int) -> Answer:
    parameters = positional(function)
    if given >= len(parameters):
        return NOT_OBSERVED
    name = parameters[given].name
    reads = [node for node in walk([function.body]) if isinstance(node, nodes.Name) and node.name == name]
    return _judge_callback([Read(facts, node, facts.uses.of(node)) for node in reads])


def _heals(facts: Facts, held: Held, loads: list[Load]) -> bool:
    """Whether a function that fills the slot asks ``done()`` of what it held: a restart once the task has died."""
    asking: set[nodes.NodeNG] = set()
    for _, load in loads:
        function = enclosing_function(load)
        if function is None:
            continue
        use = narrowed(facts, load)
        reads = [Read(facts, load, use), *followed(facts, function, use.names)]
        if any(one.method == "done" for one in reads):
            asking.add(function)
    if not asking:
        return False
    names = {function.name for function in asking}
    return any(home in asking or _asks(home, names) for home in _filling(facts, held))


def _filling(facts: Facts, held: Held) -> Iterator[nodes.FunctionDef]:
    """The functions that put a spawned task there."""
    for spawn in facts.spawns.all():
        function = enclosing_function(spawn.node)
        if function is None or spawn.scoped:
            continue
        for use in facts.owners.of(spawn.value).uses:
            if use.fate is Fate.KEPT and held_by(facts, use) == held:
                yield function


def _asks(function: nodes.FunctionDef, names: set[str]) -> bool:
    """Whether a test of the function asks a predicate of one of these names."""
    tests = [
        node.test
        for node in walk(function.body)
        if isinstance(node, nodes.If | nodes.While | nodes.Assert | nodes.IfExp)
    ]
    return any(isinstance(part, nodes.Attribute | nodes.Name) and last_word(part) in names for part in walk(tests))
