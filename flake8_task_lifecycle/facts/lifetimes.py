"""How long a spawned coroutine runs: without bound, or to an end of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from astroid import nodes

from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator
from flake8_task_lifecycle.facts.drained import empties_its_test, ends_when_nothing_is_left
from flake8_task_lifecycle.facts.loop_tests import ENDS, goes_on
from flake8_task_lifecycle.facts.repeaters import repeater
from flake8_task_lifecycle.facts.sought import looks_for_one
from flake8_task_lifecycle.facts.spawns import Spawn
from flake8_task_lifecycle.facts.targets import ask, coroutine_answers, spawned_functions, targets
from flake8_task_lifecycle.facts.values import Definition, External, known_names
from flake8_task_lifecycle.flow import FlowTooLarge, Label, constant_truth, inside, leaves, walk
from flake8_task_lifecycle.model import Answer, Known
from flake8_task_lifecycle.names import dotted, last_word, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Loop: TypeAlias = nodes.While | nodes.For

_ENDLESS_ITERATORS = frozenset({"itertools.count", "itertools.cycle", "itertools.repeat"})
_BOUNDED_STREAMS = re.compile(
    r"as_completed$|^(?:aiter|iter)_(?:bytes|lines|text|raw|chunk|any|content)|scan_iter$|^find$"
)
_BOUNDED_LIBRARY = re.compile(
    r"asyncio\.(?:sleep|to_thread|open_connection|start_server|(?:Event|Condition|Barrier|Queue|LifoQueue|PriorityQueue"
    r"|Lock|Semaphore|BoundedSemaphore|StreamReader|StreamWriter)\.\w+)\Z"
)


def long_lived(facts: Facts, function: nodes.FunctionDef) -> Answer:
    """Whether a coroutine function loops without bound, itself or in a project function that it awaits.

    YES carries the loop as evidence.
    """
    return _of_function(facts, function, 1)


def _own(facts: Facts, function: nodes.NodeNG) -> Answer:
    if not isinstance(function, nodes.FunctionDef):
        return Answer(Known.UNKNOWN, "not a function")
    return _of_function(facts, function, 0)


def _of_function(facts: Facts, function: nodes.FunctionDef, levels: int) -> Answer:
    if is_abstract(function):
        return Answer(Known.UNKNOWN, f"'{qualified_name(function)}' is only a promise: what overrides it runs")
    unknown: Answer | None = None
    awaited: list[nodes.NodeNG] = []
    for node in inside(function):
        answer = None
        if isinstance(node, nodes.While | nodes.For):
            answer = _of_loop(facts, function, node)
        elif isinstance(node, nodes.Await) and isinstance(node.value, nodes.Call):
            awaited.append(node.value)
        if answer is not None and answer.is_yes:
            return answer
        if answer is not None and answer.known is Known.UNKNOWN:
            unknown = answer
    if levels:
        for call in awaited:
            inner = [ask(facts, target, _own) for target in targets(facts, call)]
            if inner and all(answer is not None and answer.is_yes for answer in inner) and not _left_after(call):
                return Answer(Known.YES, evidence=(facts.evidence(call, "awaits a loop without end"),))
    repeats = repeater(facts, function)
    if repeats is not None:
        return Answer(Known.YES, evidence=(facts.evidence(repeats, "is called again and again"),))
    return unknown or Answer(Known.NO)


def endless_loops(facts: Facts, function: nodes.FunctionDef) -> list[nodes.NodeNG]:
    """The function's own loops without bound, in source order."""
    found = [
        node
        for node in inside(function)
        if isinstance(node, nodes.While | nodes.For) and _of_loop(facts, function, node).is_yes
    ]
    return sorted(found, key=lambda loop: loop.lineno or 0)


def _left_after(call: nodes.Call) -> bool:
    """Whether the awaited loop runs under a time limit (``asyncio.timeout``)."""
    parent = call.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.AsyncWith) and any(
            isinstance(context, nodes.Call) and last_word(context.func) in {"timeout", "timeout_at", "fail_after"}
            for context, _ in parent.items
        ):
            return True
        parent = parent.parent
    return False


def _of_loop(facts: Facts, function: nodes.FunctionDef, loop: Loop) -> Answer:
    answer = unbounded(facts, loop)
    if not answer.is_yes:
        return answer
    ending = _way_out(facts, function, loop)
    if ending:
        return Answer(Known.NO, ending)
    return Answer(Known.YES, evidence=(facts.evidence(loop, _how_it_loops(loop)),))


def _how_it_loops(loop: Loop) -> str:
    if isinstance(loop, nodes.While) and constant_truth(loop.test) is None:
        return f"loops while '{' '.join(loop.test.as_string().split())}'"
    return "loops without end"


def unbounded(facts: Facts, loop: Loop) -> Answer:
    """Whether the loop's own header sets no bound."""
    if isinstance(loop, nodes.While):
        if _ends_with_what_it_awaits(loop):
            return Answer(Known.NO, "it ends with what it waits for")
        if empties_its_test(loop):
            return Answer(Known.NO, "it takes what there is and waits for no more")
        return goes_on(facts, loop.test, True)
    if isinstance(loop, nodes.AsyncFor):
        return _stream(facts, loop.iter)
    if isinstance(loop.iter, nodes.Call):
        names = known_names(facts.evaluator.of(loop.iter.func), instance=False)
        if names is not None and names <= _ENDLESS_ITERATORS:
            return Answer(Known.YES)
    return Answer(Known.NO)


def _goes_on_until_done(loop: nodes.While) -> str:
    """The future of ``while not future.done()``; "" for any other loop."""
    test = loop.test
    if not (isinstance(test, nodes.UnaryOp) and test.op == "not" and isinstance(test.operand, nodes.Call)):
        return ""
    done = test.operand.func
    return dotted(done.expr) if isinstance(done, nodes.Attribute) and done.attrname == "done" else ""


def _ends_with_what_it_awaits(loop: nodes.While) -> bool:
    """``while not task.done(): await asyncio.wait({task})``: the loop is over when the task is."""
    awaited = _goes_on_until_done(loop)
    return bool(awaited) and any(
        isinstance(node, nodes.Await) and any(dotted(one) == awaited for one in walk([node.value]))
        for node in inside(loop)
    )


def ends_with_what_it_shields(facts: Facts, function: nodes.FunctionDef, loop: nodes.NodeNG) -> bool:
    """``while True: try: await shield(task) ... break``: it waits on for one task, and is left once that is done.

    So is a loop that waits on until it has a lock, or until one future is done: ``while not future.done()``.
    """
    if not isinstance(loop, nodes.While):
        return False
    future = _goes_on_until_done(loop)
    if future:
        stores = (node for node in inside(loop) if isinstance(node, nodes.AssignName | nodes.AssignAttr))
        return all(dotted(one) != future for one in stores)
    waits = [node for node in inside(loop) if isinstance(node, nodes.Await | nodes.AsyncFor | nodes.AsyncWith)]
    if not waits or not all(isinstance(one, nodes.Await) and _is_shielded_wait(facts, one.value) for one in waits):
        return False
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return False
    headers = set(graph.at(loop))
    waiting = [step for wait in waits for step in graph.at(wait.statement())]
    seen = set(waiting)
    while waiting:
        for target, label in graph.steps[waiting.pop()].edges:
            statement = graph.steps[target].statement
            if target in headers:
                return False
            if label is not Label.RAISE and target not in seen and statement is not None and loop.parent_of(statement):
                seen.add(target)
                waiting.append(target)
    return bool(seen)


def _is_shielded_wait(facts: Facts, awaited: nodes.NodeNG) -> bool:
    """Whether an awaited expression waits for something that a name holds, and that goes on when the wait does not.

    A lock that others will let go, too.
    """
    if isinstance(awaited, nodes.Call) and last_word(awaited.func).strip("_") == "acquire":
        return True
    if not isinstance(awaited, nodes.Call) or len(awaited.args) != 1 or not dotted(awaited.args[0]):
        return False
    return known_names(facts.evaluator.of(awaited.func), instance=False) == {"asyncio.shield"}


def _stream(facts: Facts, iterable: nodes.NodeNG) -> Answer:
    if not isinstance(iterable, nodes.Call):
        return Answer(Known.YES)
    if _BOUNDED_STREAMS.search(last_word(iterable.func)):
        return Answer(Known.NO)
    for value in facts.evaluator.of(iterable.func):
        answer = ask(facts, value, _own_generator) if isinstance(value, Definition | External) else None
        if answer is not None:
            return answer
    return Answer(Known.YES)


def _own_generator(facts: Facts, function: nodes.NodeNG) -> Answer:
    if not isinstance(function, nodes.AsyncFunctionDef) or not is_generator(function):
        return Answer(Known.YES)
    if function not in facts.streams:
        facts.streams[function] = Answer(Known.UNKNOWN, "it goes over itself")
        facts.streams[function] = _of_function(facts, function, 0)
    return facts.streams[function]


def _way_out(facts: Facts, function: nodes.FunctionDef, loop: Loop) -> str:
    """Why an unbounded loop comes to an end of itself; "" when it does not."""
    if _ends_when_it_succeeds(facts, function, loop):
        return "it goes round again only after an error"
    if ends_when_nothing_is_left(loop):
        return "it takes what there is and waits for no more"
    if looks_for_one(loop):
        return "it looks for one thing and ends with it"
    for node in walk(loop.body):
        if _is_timeout(node) and leaves(node.body, loop) and not _handles_error(node, loop):
            return "it ends when a wait times out"
        if isinstance(node, nodes.Return) and _gives_what_it_waited_for(loop, node) and not _handles_error(node, loop):
            return "it ends with what it waits for"
        if isinstance(node, nodes.If) and leaves(node.body, loop) and not isinstance(loop, nodes.AsyncFor):
            if _is_empty_read(loop, node.test) and not _handles_error(node, loop):
                return "it ends on an empty read"
            if _is_deadline(loop, node.test):
                return "it only sleeps until a time"
            if _is_success(node.test):
                return "it tries until it succeeds"
    return ""


def _ends_when_it_succeeds(facts: Facts, function: nodes.FunctionDef, loop: Loop) -> bool:
    if isinstance(loop, nodes.For) and not isinstance(loop, nodes.AsyncFor):
        return False
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return False
    headers = set(graph.at(loop))
    waiting = [target for header in headers for target, label in graph.steps[header].edges if label is Label.TRUE]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in headers:
            return False
        statement = graph.steps[index].statement
        if index in seen or statement is None or not loop.parent_of(statement):
            continue
        seen.add(index)
        for target, label in graph.steps[index].edges:
            if label is not Label.RAISE:
                waiting.append(target)
            elif _paces_by_timeout(graph.steps[target].statement):
                waiting += [
                    entry for entry, _ in graph.steps[target].edges if _is_timeout(graph.steps[entry].statement)
                ]
    return bool(seen)


def _is_timeout(handler: nodes.NodeNG | None) -> bool:
    if not isinstance(handler, nodes.ExceptHandler):
        return False
    kinds = handler.type.elts if isinstance(handler.type, nodes.Tuple) else [handler.type]
    return all(kind is not None and last_word(kind) == "TimeoutError" for kind in kinds)


def _paces_by_timeout(statement: nodes.NodeNG | None) -> bool:
    """``try: await wait_for(stop.wait(), interval)``: the time-out is the tick, the event is the request to stop."""
    return isinstance(statement, nodes.Try) and any(
        isinstance(node, nodes.Call)
        and last_word(node.func) == "wait_for"
        and bool(node.args)
        and isinstance(node.args[0], nodes.Call)
        and last_word(node.args[0].func) == "wait"
        for node in inside(statement)
    )


def _handles_error(node: nodes.NodeNG, loop: Loop) -> bool:
    """Whether a node stands in an ``except`` inside the loop."""
    parent = node.parent
    while parent is not loop and not isinstance(parent, nodes.ExceptHandler):
        parent = parent.parent
    return parent is not loop


def _is_empty_read(loop: Loop, test: nodes.NodeNG) -> bool:
    """``data = await read()`` and then ``if not data: break``; a sentinel taken from a queue is a request instead."""
    made = _made_in(loop, _emptied(test))
    return bool(made) and all(isinstance(value, nodes.Await) and not _is_queue_get(value) for value in made)


def _made_in(loop: Loop, name: str) -> list[nodes.NodeNG | None]:
    """The values that a loop binds a name to; None for a store that is no plain assignment."""
    return [
        getattr(node.parent, "value", None)
        for node in walk(loop.body)
        if isinstance(node, nodes.AssignName) and node.name == name
    ]


def _gives_what_it_waited_for(loop: Loop, statement: nodes.Return) -> bool:
    """``answer = await receive()`` and then ``if answer.id == wanted: return answer``."""
    made = _made_in(loop, _bare(statement.value)) if isinstance(statement.value, nodes.Name) else []
    return bool(made) and all(isinstance(value, nodes.Await) for value in made)


def _emptied(test: nodes.NodeNG) -> str:
    match test:
        case nodes.UnaryOp() if test.op == "not":
            return _bare(test.operand)
        case nodes.Compare() if len(test.ops) == 1:
            operator, right = test.ops[0]
            if operator in {"==", "is"} and isinstance(right, nodes.Const) and not right.value:
                return _bare(test.left)
        case nodes.BoolOp() if test.op == "or":
            return next((name for operand in test.values if (name := _emptied(operand))), "")
    return ""


def _bare(expression: nodes.NodeNG) -> str:
    if isinstance(expression, nodes.NamedExpr):
        expression = expression.target
    if isinstance(expression, nodes.Call) and last_word(expression.func) == "len" and expression.args:
        expression = expression.args[0]
    return expression.name if isinstance(expression, nodes.Name | nodes.AssignName) else ""


def _is_queue_get(waiting: nodes.Await) -> bool:
    call = waiting.value
    if isinstance(call, nodes.Call) and last_word(call.func) == "wait_for" and call.args:
        call = call.args[0]
    return isinstance(call, nodes.Call) and last_word(call.func) in {"get", "popleft", "receive"}


def _is_success(test: nodes.NodeNG) -> bool:
    """``if await connect(): break``: the answer of what was tried, and not of somebody who asks the loop to stop."""
    if not (isinstance(test, nodes.Await) and isinstance(test.value, nodes.Call)):
        return False
    call = test.value
    asked = [call.func, *(node for node in walk(call.args) if isinstance(node, nodes.Name | nodes.Attribute))]
    return not any(ENDS.search(last_word(one).lower()) for one in asked)


def _is_deadline(loop: Loop, test: nodes.NodeNG) -> bool:
    compared = [node for node in walk([test]) if isinstance(node, nodes.Compare)]
    if not any(operator in {"<", "<=", ">", ">="} for node in compared for operator, _ in node.ops):
        return False
    waits = [node for node in walk(loop.body) if isinstance(node, nodes.Await | nodes.AsyncFor | nodes.AsyncWith)]
    return all(
        isinstance(wait, nodes.Await) and isinstance(wait.value, nodes.Call) and last_word(wait.value.func) == "sleep"
        for wait in waits
    )


def long_lived_spawn(facts: Facts, spawn: Spawn) -> Answer:
    """Whether what a spawn starts loops without bound; UNKNOWN when it is unresolved or depends."""
    found = spawned_functions(facts, spawn)
    if found and all(isinstance(one, External) and _BOUNDED_LIBRARY.match(one.name) for one in found):
        return Answer(Known.NO)
    answers = coroutine_answers(facts, spawn, long_lived)
    if not answers:
        return Answer(Known.UNKNOWN, "the coroutine is not resolved")
    if all(answer.is_yes for answer in answers):
        return answers[0]
    if all(answer.is_no for answer in answers):
        return Answer(Known.NO)
    reasons = (answer.reason for answer in answers if answer.known is Known.UNKNOWN and answer.reason)
    return Answer(Known.UNKNOWN, next(reasons, "one of what it may run ends, and another loops"))
