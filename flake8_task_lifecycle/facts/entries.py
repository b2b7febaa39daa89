"""Entry coroutines: those that run as a task's outermost coroutine, so that nobody awaits them directly.

Evidence is searched in the module, then in the modules of the project that hold the function's name. A use that
does not resolve counts as a possible spawn, never as a proof of an await.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks, library
from flake8_task_lifecycle.facts.computed import may_name
from flake8_task_lifecycle.facts.definitions import is_generator, positional
from flake8_task_lifecycle.facts.families import ancestors
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.shapes import Shape, shape_of
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External, Instance, Partial, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Answer, Known
from flake8_task_lifecycle.names import enclosing_class, enclosing_function, last_word, scopes

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Start(Enum):
    """What becomes of a coroutine: awaited by its caller, started on its own, or perhaps started."""

    AWAITED = "awaited"
    STARTED = "started"
    MAYBE = "maybe"


Starts = frozenset[Start]
Names = tuple[str, ...]
_NONE: Starts = frozenset()
_AWAITED, _STARTED, _MAYBE = (frozenset({one}) for one in Start)
_RUNNERS = frozenset(
    {"asyncio.run", "asyncio.Runner.run"}
    | {f"{library.LOOP}.run_until_complete", "asyncio.start_server", "asyncio.start_unix_server", "asyncio.gather"}
    | {"asyncio.as_completed", "asyncio.wait", "asyncio.shield", "asyncio.ensure_future", "asyncio.create_task"}
    | {"asyncio.run_coroutine_threadsafe", "asyncio.Task"}
)
_STARTING_WORDS = re.compile(
    r"create_task|ensure_future|start_soon|spawn|background|run_until_complete|run_coroutine"
    r"|start_server|^start$|^gather$"
)
_HOLDERS = (
    *(nodes.List, nodes.Tuple, nodes.Set, nodes.Dict, nodes.Starred, nodes.Keyword, nodes.ListComp, nodes.SetComp),
    *(nodes.GeneratorExp, nodes.DictComp, nodes.IfExp, nodes.BoolOp, nodes.NamedExpr),
)
_MAX_DEPTH = 5
NO_START = "no start is seen"
_DIRECTLY = "awaited directly"


class Entries:
    """Finds the entry coroutines of one module."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[nodes.FunctionDef, Answer] = {}
        self._parameters: dict[tuple[nodes.FunctionDef, str], Starts] = {}

    def is_entry(self, function: nodes.FunctionDef) -> Answer:
        """Whether a coroutine function is an entry coroutine. NO when somebody awaits it, or no start is seen."""
        if function not in self._known:
            self._known[function] = Answer(Known.UNKNOWN, "goes round")
            self._known[function] = self._find(function)
        return self._known[function]

    def _find(self, function: nodes.FunctionDef) -> Answer:
        if is_generator(function):
            return Answer(Known.NO, "a generator")
        if function.name.startswith("test"):
            return Answer(Known.YES, "a test")
        own = self.starts(function.name, function, (self._facts.qualified(function),), shape_of(function))
        if Start.AWAITED in own:
            return Answer(Known.NO, _DIRECTLY)
        if enclosing_function(function) is not None:
            decorated = self._decorated(function)
            if decorated is None:
                return Answer(Known.UNKNOWN, "too large a project")
            own |= decorated
            return Answer(Known.NO, _DIRECTLY) if Start.AWAITED in own else self._answer(own)
        names = self._names(function)
        own |= self.starts(function.name, function, names, shape_of(function)) if len(names) > 1 else _NONE
        started = own or self._elsewhere(function, names, apart_from="await")
        found = self._elsewhere(function, names, near="await") if started and Start.AWAITED not in started else _NONE
        if started is None or found is None:
            return Answer(Known.UNKNOWN, "too large a project")
        found |= started
        if not found and self._is_looked_up(function):
            return Answer(Known.UNKNOWN, "may be started by a computed name")
        return Answer(Known.NO, _DIRECTLY) if Start.AWAITED in found else self._answer(found)

    def _is_looked_up(self, function: nodes.FunctionDef) -> bool:
        """Whether the class starts what it looks up on its own object: ``create_task(getattr(self, word)(...))``."""
        owner, classes = enclosing_class(function), self._facts.evaluator.classes
        if owner is None:
            return False
        return any(
            len(lookup.args) > 1
            and isinstance(lookup.parent, nodes.Call)
            and lookup.parent.func is lookup
            and classes.of_self(lookup.args[0]) in classes.hierarchy(owner)
            and may_name(self._facts, lookup.args[1], function.name)
            and self.is_started(lookup.parent)
            for lookup in self._facts.tree.calls.get("getattr", ())
        )

    def _decorated(self, function: nodes.FunctionDef) -> Starts | None:
        """What the project does with the functions that it decorates with what returns this nested one.

        Until one of them decides; None when there are too many modules to be read.
        """
        outer = function
        while (above := enclosing_function(outer)) is not None and any(
            isinstance(one.value, nodes.Name) and one.value.name == outer.name
            for one in self._facts.tree.returns.get(above, ())
        ):
            outer = above
        if outer is function:
            return _NONE
        name = self._facts.qualified(outer)
        found = self.of_decorated(outer.name, outer, name)
        if found or enclosing_function(outer) is not None:
            return found
        others = self._facts.world.mentioning(outer.name, near="@")
        if others is None:
            return None
        for facts in others:
            found |= facts.entries.of_decorated(outer.name, None, name)
            if Start.AWAITED in found:
                break
        return found

    def of_decorated(self, word: str, decorator: nodes.FunctionDef | None, name: str) -> Starts:
        """What becomes of this module's functions under a decorator: one of its own, or of another by its name."""
        found = _NONE
        for function in self._facts.tree.functions:
            for written in function.decorators.nodes if function.decorators is not None else ():
                named = written.func if isinstance(written, nodes.Call) else written
                if last_word(named) == word and self._is_of(named, decorator, (name,)):
                    entry = self.is_entry(function)
                    is_awaited = entry.is_no and entry.reason != NO_START
                    found |= _STARTED if entry.is_yes else _AWAITED if is_awaited else _NONE if entry.is_no else _MAYBE
        return found

    def _names(self, function: nodes.FunctionDef) -> Names:
        """The qualified names by which a call may run a function: its own, then those of what it overrides."""
        own, owner = self._facts.qualified(function), enclosing_class(function)
        above = {f"{name}.{function.name}" for name in ancestors(self._facts, owner)} if owner is not None else set()
        return own, *sorted(above - {own})

    def _elsewhere(
        self, function: nodes.FunctionDef, names: Names, near: str = "", apart_from: str = ""
    ) -> Starts | None:
        """What the other modules do with a function, until one of them decides; None: too many to be read."""
        others = self._facts.world.mentioning(function.name, used=True, near=near, apart_from=apart_from)
        if others is None:
            return None
        found = _NONE
        for facts in others:
            starts = facts.entries.starts(function.name, None, names, shape_of(function))
            if facts.is_test:
                starts -= _AWAITED
            found |= starts
            if Start.AWAITED in found or (found and not near):
                break
        return found

    def is_started(self, call: nodes.Call) -> bool:
        """Whether what a call makes is run as a task of its own, or may be, and is not awaited."""
        starts = self._fate(call, _MAX_DEPTH)
        return bool(starts) and Start.AWAITED not in starts

    @staticmethod
    def _answer(starts: Starts) -> Answer:
        if Start.STARTED in starts:
            return Answer(Known.YES)
        return Answer(Known.UNKNOWN, "may be started") if starts else Answer(Known.NO, NO_START)

    def starts(self, word: str, function: nodes.FunctionDef | None, names: Names, shape: Shape | None) -> Starts:
        """What this module does with a function: one of its own, or one of another module by its qualified names.

        A call that does not resolve is none of a function of another ``shape``.
        """
        tree = self._facts.tree
        words = {word, *(alias for alias, original in tree.aliases if original == word)}
        found = _NONE
        for name in words:
            for call in tree.calls.get(name, ()):
                matched = self._is_of(call.func, function, names)
                if matched is None and shape is not None and not shape.fits(call):
                    continue
                found |= self._judged(matched, self._fate(call, _MAX_DEPTH))
            for reference in self._referenced(name):
                matched = self._is_of(reference, function, names)
                found |= self._judged(matched, self._handed(reference, _MAX_DEPTH) if matched is not False else _NONE)
        return found

    @staticmethod
    def _judged(matched: bool | None, starts: Starts) -> Starts:
        if matched is None:
            return _MAYBE if Start.STARTED in starts or Start.MAYBE in starts else _NONE
        return starts if matched else _NONE

    def _is_of(self, expression: nodes.NodeNG, function: nodes.FunctionDef | None, names: Names) -> bool | None:
        """Whether an expression is the function; None when that is not known."""
        unknown, overridden = False, not _is_of_base(expression)
        names = names if overridden else names[:1]
        if len(names) > 1 and self._is_called_on(expression, names):
            return True
        for value in self._facts.evaluator.of(expression):
            while isinstance(value, Partial):
                value = value.function
            match value:
                case Definition(node) if node is function:
                    return True
                case Definition(node) if function is not None and overridden and self._related(node, function):
                    return True
                case Definition(node) if function is None and self._facts.qualified(node) in names:
                    return True
                case Definition():
                    continue
                case External(name) if name in names:
                    return True
                case External(name):
                    unknown = unknown or not self._facts.elsewhere.defines(name)
                case _:
                    unknown = unknown or value == UNKNOWN
        return None if unknown else False

    def _is_called_on(self, expression: nodes.NodeNG, names: Names) -> bool:
        """Whether an expression names a method of an object that may be of a class below the one it is known by."""
        if not isinstance(expression, nodes.Attribute):
            return False
        for value in self._facts.evaluator.of(expression.expr):
            match value:
                case Instance(Definition(node), exact=False):
                    home = self._facts.qualified(node)
                case Instance(External(name), exact=False):
                    home = name
                case _:
                    continue
            if f"{home}.{expression.attrname}" in names:
                return True
        return False

    def _related(self, node: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
        """Whether two methods of one name belong to one hierarchy, so that a call of one may run the other."""
        one, other = enclosing_class(node), enclosing_class(function)
        if one is None or other is None or getattr(node, "name", "") != function.name:
            return False
        classes = self._facts.evaluator.classes
        return one in classes.hierarchy(other) or other in classes.hierarchy(one)

    def _referenced(self, word: str) -> Sequence[nodes.NodeNG]:
        """The arguments of calls that are this name, not called."""
        return self._facts.tree.arguments.get(word)

    def _fate(self, coroutine: nodes.NodeNG, depth: int) -> Starts:
        """What becomes of a coroutine: from the call that makes it outwards."""
        if depth <= 0:
            return _MAYBE
        node, parent = coroutine, coroutine.parent
        while isinstance(parent, _HOLDERS):
            if isinstance(parent, nodes.NamedExpr):
                return self._fate_of_name(parent.target, depth)
            node, parent = parent, parent.parent
        match parent:
            case nodes.Await() | nodes.YieldFrom():
                return _AWAITED
            case nodes.Call() if node is not parent.func:
                return self._given(parent, node, depth)
            case nodes.Attribute():
                return _AWAITED if parent.attrname == "__await__" else _NONE
            case nodes.Assign() | nodes.AnnAssign():
                target = parent.targets[0] if isinstance(parent, nodes.Assign) else parent.target
                return self._fate_of_name(target, depth) if isinstance(target, nodes.AssignName) else _MAYBE
            case nodes.Return():
                home = enclosing_function(parent)
                if home is None or isinstance(home, nodes.AsyncFunctionDef):
                    return _NONE
                return self._fate_of_calls(home, depth)
            case nodes.Lambda():
                return self._handed(parent, depth - 1)
            case nodes.Comprehension() | nodes.For() if node is parent.iter and isinstance(
                parent.target, nodes.AssignName
            ):
                return self._fate_of_each(parent, parent.target.name, depth)
        return _NONE

    def _fate_of_each(self, loop: nodes.NodeNG, name: str, depth: int) -> Starts:
        """What a loop or comprehension does with each coroutine of a list that is written out."""
        body = [loop.parent] if isinstance(loop, nodes.Comprehension) else loop.body
        found = _NONE
        for node in walk(body):
            if isinstance(node, nodes.Name) and node.name == name:
                found |= self._fate(node, depth - 1)
        return found

    def _fate_of_calls(self, function: nodes.FunctionDef, depth: int) -> Starts:
        found = _NONE
        for call in self._facts.tree.calls.get(function.name, ()):
            if self._is_of(call.func, function, (self._facts.qualified(function),)) is not False:
                found |= self._fate(call, depth - 1)
        return found

    def _fate_of_name(self, target: nodes.AssignName, depth: int) -> Starts:
        home = next((scope for scope in scopes(target) if isinstance(scope, nodes.FunctionDef | nodes.Module)), None)
        if not isinstance(home, nodes.FunctionDef):
            return _MAYBE
        frame = self._facts.frame(home)
        found = _NONE
        for load in [*frame.loads.get(target.name, ()), *(one for one, _ in frame.captured.get(target.name, ()))]:
            found |= self._fate(load, depth - 1)
        return found

    def _given(self, call: nodes.Call, argument: nodes.NodeNG, depth: int) -> Starts:
        if self._facts.spawns.of(call) is not None:
            return _STARTED
        names = known_names(self._facts.evaluator.of(call.func), instance=False) or frozenset()
        word = last_word(call.func)
        if names & {"asyncio.wait_for"} or word == "wait_for":
            return self._fate(call, depth - 1)
        if names & _runners() or _STARTING_WORDS.search(word) or _is_given_to_starter(call, argument):
            return _STARTED
        if word in library.CONTAINER_ADDERS | {"list", "tuple", "set"}:
            return _MAYBE
        through = self._through(call, argument)
        if through is not None and Start.STARTED in through:
            return through
        outer = self._fate(call, depth - 1)
        if Start.AWAITED in outer:
            return through & _AWAITED if through is not None else _NONE
        return outer or _MAYBE

    def _handed(self, reference: nodes.NodeNG, depth: int) -> Starts:
        """What becomes of a coroutine function that is given to a call, itself or as a partial or lambda."""
        if depth <= 0:
            return _NONE
        node, parent = reference, reference.parent
        while isinstance(parent, _HOLDERS):
            node, parent = parent, parent.parent
        if not isinstance(parent, nodes.Call) or node is parent.func:
            return _NONE
        names = known_names(self._facts.evaluator.of(parent.func), instance=False) or frozenset()
        word = last_word(parent.func)
        if word in {"partial", "wraps"}:
            return self._handed(parent, depth - 1)
        if self._facts.spawns.of(parent) is not None or names & _runners() or _STARTING_WORDS.search(word):
            return _STARTED
        if _is_given_to_starter(parent, node):
            return _STARTED
        through = self._through(parent, node) or _NONE
        if Start.AWAITED not in through or Start.STARTED in through:
            return through
        return self._fate(parent, depth - 1)

    def _through(self, call: nodes.Call, argument: nodes.NodeNG) -> Starts | None:
        """What the project function that is called does with an argument; None when it is not resolved."""
        place = _place(call, argument)
        if place is None:
            return None

        def question(facts: Facts, function: nodes.FunctionDef) -> Starts:
            return facts.entries.of_parameter(function, place)

        found = _NONE
        for value in self._facts.evaluator.of(call.func):
            answer = ask(self._facts, value, question) if isinstance(value, Definition | External) else None
            if answer is None:
                return None
            found |= answer
        return found

    def of_parameter(self, function: nodes.FunctionDef, place: int | str) -> Starts:
        """What a function does with a coroutine, or a coroutine function, that it is given.

        One that starts it and awaits it as well, within what it starts, starts it.
        """
        parameters = [one.name for one in positional(function)]
        if enclosing_class(function) is not None and parameters[:1] in (["self"], ["cls"]):
            parameters = parameters[1:]
        if isinstance(place, int):
            name = parameters[place] if place < len(parameters) else function.args.vararg
        else:
            name = place
        if not name:
            return _NONE
        key = (function, name)
        if key not in self._parameters:
            self._parameters[key] = _NONE
            frame = self._facts.frame(function)
            found = _NONE
            for load in [*frame.loads.get(name, ()), *(one for one, _ in frame.captured.get(name, ()))]:
                called = isinstance(load.parent, nodes.Call) and load.parent.func is load
                found |= self._fate(load.parent if called else load, _MAX_DEPTH - 1)
                if not called:
                    found |= self._handed(load, _MAX_DEPTH - 1)
            self._parameters[key] = found - _AWAITED if Start.STARTED in found else found
        return self._parameters[key]


def _is_of_base(expression: nodes.NodeNG) -> bool:
    """``super().run``: the base's own method, not what overrides it."""
    return (
        isinstance(expression, nodes.Attribute)
        and isinstance(expression.expr, nodes.Call)
        and last_word(expression.expr.func) == "super"
    )


def _is_given_to_starter(call: nodes.Call, argument: nodes.NodeNG) -> bool:
    """``run_sync(nursery.start_soon, run)``, ``call_soon_threadsafe(spawn, run())``: one argument starts another."""
    starter = call.args[0] if call.args else None
    return (
        isinstance(starter, nodes.Attribute | nodes.Name)
        and starter is not argument
        and argument in call.args
        and _STARTING_WORDS.search(last_word(starter)) is not None
    )


def _runners() -> frozenset[str]:
    return _RUNNERS | frameworks.names(Does.RUNS) | frameworks.names(Does.ENTERS)


def _place(call: nodes.Call, argument: nodes.NodeNG) -> int | str | None:
    for index, one in enumerate(call.args):
        if one is argument:
            return index
        if isinstance(one, nodes.Starred):
            return None
    for keyword in call.keywords:
        if keyword is argument or keyword.value is argument:
            return str(keyword.arg) if keyword.arg else None
    return None
