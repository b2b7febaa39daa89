"""The spawns of a module: every expression that starts a coroutine running on its own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle import source
from flake8_task_lifecycle.facts import frameworks, library
from flake8_task_lifecycle.facts.call_names import call_name_of
from flake8_task_lifecycle.facts.callbacks import Callbacks
from flake8_task_lifecycle.facts.coroutines import Coroutines, Kind
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.loops import is_event_loop
from flake8_task_lifecycle.facts.named import is_named
from flake8_task_lifecycle.facts.values import Definition, External, Partial, Value, known_names
from flake8_task_lifecycle.homes import OWN_RECEIVERS, CallName, Homes, call_names_of
from flake8_task_lifecycle.names import dotted, enclosing_function, last_word
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.outline import Outline
from flake8_task_lifecycle.tree import Tree

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Form(Enum):
    """How a coroutine is started."""

    TASK = "task"
    THREADSAFE = "threadsafe"
    FUTURE = "future"
    GATHER = "gather"
    SHIELD = "shield"
    WRAPPER = "wrapper"
    CALLBACK = "callback"
    SCOPED = "scoped"


class Returned(Enum):
    """What a call of a project function gives its caller, as to tasks."""

    NOTHING = "nothing"
    TASK = "task"
    KEPT_TASK = "kept task"
    UNKNOWN = "unknown"


class Spawn(NamedTuple):
    """One spawn. ``node`` stands where the spawn is written, ``value`` is the expression that gives the task.

    ``coroutine`` is what runs, when the spawn shows it; ``keeping``: what is called keeps the task itself;
    ``ends_at_once``: the coroutine never suspends, so the task is done in its first step.
    """

    form: Form
    node: nodes.NodeNG
    value: nodes.NodeNG
    spawner: str
    coroutine: nodes.NodeNG | None = None
    keeping: bool = False
    ends_at_once: bool = False

    @property
    def scoped(self) -> bool:
        """Whether the receiver waits for what it starts."""
        return self.form is Form.SCOPED


_SPAWNERS = {
    "asyncio.create_task": Form.TASK,
    "asyncio.Task": Form.TASK,
    f"{library.LOOP}.create_task": Form.TASK,
    "asyncio.run_coroutine_threadsafe": Form.THREADSAFE,
    "asyncio.ensure_future": Form.FUTURE,
    "asyncio.gather": Form.GATHER,
    "asyncio.shield": Form.SHIELD,
}
_WRAPPERS: dict[Returned | None, tuple[Form | None, bool]] = {
    Returned.TASK: (Form.WRAPPER, False),
    Returned.KEPT_TASK: (Form.WRAPPER, True),
}
_SPAWN_WORDS = (*sorted({name.rpartition(".")[2] for name in _SPAWNERS}), "start_soon", "map", "")
_SCOPED_WORDS = (*sorted(frameworks.last_words(Does.SCOPES) - {"create_task", "start_soon"}), "run")
_GROUP_NAME = re.compile(r"tg|group|nursery|sched|context|ctx|portal|scope", re.IGNORECASE)
_SPAWNING = frozenset(source.SPAWN_WORDS)
_OWN_RECEIVERS = frozenset({"", *(f"{receiver}." for receiver in OWN_RECEIVERS)})
ReturnedTask = Callable[[nodes.FunctionDef], Returned]


class Spawns:
    """Finds spawns. ``returned_task`` tells whether a function of the project returns a task it spawned.

    ``is_judged``: the module is the one that is reported on, so that what its statements drop counts.
    """

    def __init__(
        self,
        tree: Tree,
        evaluator: Evaluator,
        callbacks: Callbacks,
        coroutines: Coroutines,
        options: Options,
        returned_task: ReturnedTask,
        outline: Outline,
        homes: Homes | None,
        called: Callable[[], dict[str, dict[CallName, bool]]],
        *,
        is_judged: bool,
    ) -> None:
        self._tree = tree
        self._outline = outline
        self._homes = homes
        self._called = called
        self._is_judged = is_judged
        self._evaluator = evaluator
        self._callbacks = callbacks
        self._coroutines = coroutines
        self._options = options
        self._returned_task = returned_task
        self._by_call: dict[nodes.Call, Spawn | None] = {}
        self._wrappers: dict[str, bool] = {}
        self._all: list[Spawn] | None = None
        self._by_function: dict[nodes.FunctionDef, list[Spawn]] = {}
        self._is_end_of_wrappers = cache(self._find_end_of_wrappers)

    def all(self) -> list[Spawn]:
        """Every spawn of the module in source order, callbacks that are spawns themselves included."""
        if self._all is None:
            calls = [call for word in self._called() if self._may_spawn(word) for call in self._tree.calls.get(word)]
            found = [spawn for call in calls if (spawn := self.of(call)) is not None]
            found += filter(None, map(self._from_callback, self._callbacks.registering()))
            self._all = sorted(found, key=_place)
        return self._all

    def inside(self, function: nodes.FunctionDef) -> list[Spawn]:
        """The spawns that stand in a function itself, in source order. Nothing outside it is judged."""
        if function not in self._by_function:
            calls = [one for one in function.nodes_of_class(nodes.Call) if enclosing_function(one) is function]
            found = [spawn for call in calls for spawn in (self.of(call), self._from_callback(call)) if spawn]
            self._by_function[function] = sorted(found, key=_place)
        return self._by_function[function]

    def of(self, call: nodes.Call) -> Spawn | None:
        """The spawn that a call is; None when it is none, or not known to be one."""
        word = last_word(call.func)
        if not self._may_spawn(word) or self._is_awaited_at_once(call, word) or self._is_other_start(call, word):
            return None
        if call not in self._by_call:
            self._by_call[call] = None
            self._by_call[call] = self._classify(call)
        return self._by_call[call]

    def may_be_wrapped(self, call: nodes.Call) -> bool:
        """Whether a call may spawn by what the function that it calls returns."""
        word = last_word(call.func)
        return word not in _SPAWN_WORDS and self._may_spawn(word)

    def _may_spawn(self, word: str) -> bool:
        """Whether a call of this last word may spawn: a known name, another name for one, or a wrapper by its text."""
        return word in self._known_words or self._is_wrapper(word)

    @cached_property
    def _known_words(self) -> frozenset[str]:
        """The last words of the known names that spawn, and their other names in this module."""
        scoped = _SCOPED_WORDS if self._outline.mentions_groups else ()
        waiting = [*_SPAWN_WORDS, *scoped, *self._named_in_any_option, *frameworks.last_words(Does.KEEPS)]
        words: set[str] = set()
        while waiting:
            word = waiting.pop()
            if word not in words:
                words.add(word)
                waiting += self._other_names.get(word, ())
        return frozenset(words)

    @cached_property
    def _other_names(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for alias, original in self._tree.aliases:
            found[original].append(alias)
        return found

    @cached_property
    def _originals(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for alias, original in self._tree.aliases:
            found[alias].append(original)
        return found

    @cached_property
    def _named_in_any_option(self) -> frozenset[str]:
        return frozenset(name.rpartition(".")[2] for name in self._options.spawners | self._options.keeping_spawners)

    def _is_wrapper(self, word: str) -> bool:
        """Whether a function of this name, here or elsewhere, may return a task it spawned, by text alone."""
        if word not in self._wrappers:
            self._wrappers[word] = bool(word) and self._leads_to_spawn(word)
        return self._wrappers[word]

    def _leads_to_spawn(self, word: str) -> bool:
        waiting, led_by = [word], {word: ""}
        while waiting:
            one = waiting.pop()
            if self._wrappers.get(one) is False:
                continue
            if self._wrappers.get(one) or self._is_end_of_wrappers(one):
                while one:
                    self._wrappers[one] = True
                    one = led_by[one]
                return True
            returned = self._outline.returned_by(one) if self._may_wrap else frozenset[tuple[str, str]]()
            if self._homes is not None and any(map(self._homes.may_return_task, _on_others(returned))):
                self._wrappers[one] = True
                waiting.append(one)
                continue
            further = {
                called
                for before, called in returned
                if called in _SPAWNING or before in _OWN_RECEIVERS or before.rstrip(".") in self._outline.bindings
            }
            further = {*further, *self._originals.get(one, ())} - led_by.keys()
            led_by |= dict.fromkeys(further, one)
            waiting += sorted(further)
        self._wrappers |= dict.fromkeys(led_by, False)
        return False

    @cached_property
    def _may_wrap(self) -> bool:
        """Whether a function of the module can be a wrapper: some call is of a known name, or of another wrapper."""
        return not self._is_judged or any(map(self._is_end_of_wrappers, self._called()))

    def _find_end_of_wrappers(self, word: str) -> bool:
        """Whether a call of this last word is of a known name, or may be of another module's wrapper."""
        return word in self._known_words or self._is_foreign(word)

    def _is_foreign(self, word: str) -> bool:
        """Whether some call of this word here may be of another module's function that returns a task it spawned.

        What implements an abstract method may be one too: asked for the methods whose result a statement drops.
        """
        if self._homes is None:
            return False
        if not self._is_judged:
            return any(map(self._homes.may_return_task, call_names_of(self._outline.calls_of(word), self._outline)))
        names = self._called().get(word, {})
        if any(map(self._homes.may_return_task, names)):
            return True
        if self._outline.kinds(word):
            return False
        dropped = any(self._homes.may_leave_result_open(name) for name, is_dropped in names.items() if is_dropped)
        return dropped and self._evaluator.elsewhere.world.is_implemented_as_wrapper(word)

    def _may_be_coroutine(self, call: nodes.Call, word: str) -> bool:
        """Whether what a call names may be a coroutine function, of this module or another: it is awaited first."""
        if not word or any(one.name == word for one in self._tree.functions if isinstance(one, nodes.AsyncFunctionDef)):
            return True
        mention = call_name_of(call.func)
        return self._homes is not None and mention is not None and self._homes.may_be_coroutine(mention)

    def _is_other_start(self, call: nodes.Call, word: str) -> bool:
        """Whether a ``start`` or ``run`` stands on what is neither named like a group nor known to spawn."""
        if word not in _SCOPED_WORDS or not isinstance(call.func, nodes.Attribute):
            return False
        if word in self._named_in_any_option or self._is_wrapper(word):
            return False
        receiver = call.func.expr
        return not isinstance(receiver, nodes.Call) and _GROUP_NAME.search(last_word(receiver)) is None

    def _is_awaited_at_once(self, call: nodes.Call, word: str) -> bool:
        """Whether a call of a wrapper is awaited where it stands, so that its task cannot be lost or kept."""
        return (
            isinstance(call.parent, nodes.Await)
            and word not in _SPAWN_WORDS
            and self._options.codes.isdisjoint({"TLC106", "TLC900"})
            and not self._may_be_coroutine(call, word)
        )

    def _classify(self, call: nodes.Call) -> Spawn | None:
        form, keeping = self._form(call.func)
        if form is not None:
            return self._spawn(call, form, keeping)
        return self._mapped(call) or self._run_in_context(call)

    def _form(self, function: nodes.NodeNG) -> tuple[Form | None, bool]:
        """How a call of this function would spawn; keeping: the function holds the task itself."""
        if isinstance(function, nodes.Attribute):
            if self._is_scoped(function):
                return Form.SCOPED, True
            if function.attrname == "create_task" and is_event_loop(self._evaluator, function.expr):
                return Form.TASK, False
        if not isinstance(function, nodes.Name | nodes.Attribute | nodes.Call):
            return None, False
        option = self._named_in_options(function)
        if option is not None:
            return Form.WRAPPER, option
        if last_word(function) in frameworks.last_words(Does.KEEPS) and is_named(
            self._evaluator, function, frameworks.names(Does.KEEPS)
        ):
            return Form.WRAPPER, True
        answers = [self._form_of_value(value) for value in self._evaluator.of(function) if not _runs_to_the_end(value)]
        forms = {form for form, _ in answers if form is not None}
        if not forms or any(form is None for form, _ in answers):
            return None, False
        most_demanding = Form.FUTURE if Form.FUTURE in forms else min(forms, key=lambda form: form.value)
        return most_demanding, any(keeping for _, keeping in answers)

    def _form_of_value(self, value: Value) -> tuple[Form | None, bool]:
        match value:
            case External(name) if name in _SPAWNERS:
                return _SPAWNERS[name], False
            case External(name) if self._may_be_project_wrapper(name):
                return _WRAPPERS.get(self._evaluator.elsewhere.ask(name, _returned_elsewhere), (None, False))
            case Partial(function):
                return self._form_of_value(function)
            case Definition(node) if isinstance(node, nodes.FunctionDef):
                return _WRAPPERS.get(self._returned_task(node), (None, False))
            case Definition(node) if isinstance(node, nodes.Lambda) and isinstance(node.body, nodes.Call):
                spawn = self.of(node.body)
                if spawn is not None and not spawn.scoped:
                    return Form.WRAPPER, spawn.keeping
        return None, False

    def _may_be_project_wrapper(self, name: str) -> bool:
        if self._homes is None:
            return False
        return self._homes.may_name_wrapper(name) or self._is_wrapper(name.rpartition(".")[2])

    def _is_scoped(self, function: nodes.Attribute) -> bool:
        scoped = library.SCOPED | frameworks.names(Does.SCOPES)
        if f"*.{function.attrname}" in scoped:
            return True
        if not any(name.endswith(f".{function.attrname}") for name in scoped):
            return False
        classes = known_names(self._evaluator.of(function.expr), instance=True)
        if classes is None:
            names = known_names(self._evaluator.of(function), instance=False) or frozenset()
            classes = frozenset(name.rpartition(".")[0] for name in names)
        return bool(classes) and all(f"{name}.{function.attrname}" in scoped for name in classes)

    def _named_in_options(self, function: nodes.NodeNG) -> bool | None:
        """Whether the options call the function a keeping spawner (True) or a spawner (False); None: neither."""
        options = self._options
        if not options.spawners and not options.keeping_spawners:
            return None
        if is_named(self._evaluator, function, options.keeping_spawners):
            return True
        return False if is_named(self._evaluator, function, options.spawners) else None

    def _spawn(self, call: nodes.Call, form: Form, keeping: bool) -> Spawn | None:
        value: nodes.NodeNG = call
        coroutine = self._coroutine_argument(call, form)
        match form:
            case Form.TASK if coroutine is None and not _spreads(call):
                return None
            case Form.FUTURE if coroutine is not None and self._coroutines.kind(coroutine) is not Kind.COROUTINE:
                return None
            case Form.GATHER | Form.SHIELD:
                started = [one for one in call.args if self._coroutines.is_resolved(one)]
                if not started or _is_awaited(call):
                    return None
                coroutine = started[0]
            case Form.WRAPPER if self._gives_coroutine(call.func):
                if not isinstance(call.parent, nodes.Await):
                    return None
                value = call.parent
        at_once = form is Form.THREADSAFE and coroutine is not None and self._coroutines.ends_in_first_step(coroutine)
        return Spawn(form, call, value, self._spawner_name(call), coroutine, keeping, at_once)

    def _gives_coroutine(self, function: nodes.NodeNG) -> bool:
        """Whether calling a function of the project makes a coroutine, which has to be awaited first."""
        for value in self._evaluator.of(function):
            if isinstance(value, Definition) and isinstance(value.node, nodes.AsyncFunctionDef):
                return True
            if isinstance(value, External) and self._evaluator.elsewhere.ask(value.name, _is_async):
                return True
        return False

    def _coroutine_argument(self, call: nodes.Call, form: Form) -> nodes.NodeNG | None:
        given = [*self._partial_arguments(call.func), *call.args]
        if given and not isinstance(given[0], nodes.Starred):
            if form is Form.WRAPPER:
                return next((one for one in given if self._coroutines.is_resolved(one)), None)
            return given[0]
        for keyword in call.keywords:
            if keyword.arg in {"coro", "coro_or_future", "async_fn", "func"}:
                return keyword.value
        return None

    def _partial_arguments(self, function: nodes.NodeNG) -> list[nodes.NodeNG]:
        for value in self._evaluator.of(function):
            if isinstance(value, Partial):
                return list(value.call.args[1:])
        return []

    def _spawner_name(self, call: nodes.Call) -> str:
        names = known_names(self._evaluator.of(call.func), instance=False)
        if names is not None and len(names) == 1:
            return next(iter(names)).replace(library.LOOP, "loop")
        return dotted(call.func) or last_word(call.func) or "call"

    def _mapped(self, call: nodes.Call) -> Spawn | None:
        """``map(create_task, coroutines)``, where something consumes it: ``map`` itself runs nothing."""
        if not isinstance(call.func, nodes.Name) or call.func.name != "map" or len(call.args) < 2:
            return None
        if known_names(self._evaluator.of(call.func), instance=False) != {"builtins.map"}:
            return None
        form, keeping = self._form(call.args[0])
        if form is None or isinstance(call.parent, nodes.Expr | nodes.Assign):
            return None
        return Spawn(form, call, call, dotted(call.args[0]), None, keeping)

    def _run_in_context(self, call: nodes.Call) -> Spawn | None:
        """``context.run(loop.create_task, coroutine)``: https://docs.python.org/3/library/contextvars.html."""
        function = call.func
        if not isinstance(function, nodes.Attribute) or function.attrname != "run" or not call.args:
            return None
        if not isinstance(call.args[0], nodes.Name | nodes.Attribute | nodes.Call):
            return None
        classes = known_names(self._evaluator.of(function.expr), instance=True)
        named = last_word(function.expr).strip("_").endswith(("context", "ctx"))
        if classes != {"contextvars.Context"} and not (classes is None and named):
            return None
        form, keeping = self._form(call.args[0])
        if form is None:
            return None
        coroutine = call.args[1] if len(call.args) > 1 else None
        return Spawn(form, call, call, dotted(call.args[0]), coroutine, keeping)

    def _from_callback(self, call: nodes.Call) -> Spawn | None:
        """The spawn that a call registers as a callback."""
        callback = self._callbacks.of(call)
        if callback is None or isinstance(callback, nodes.Lambda):
            return None
        reference, arguments = callback, call.args[call.args.index(callback) + 1 :] if callback in call.args else []
        if isinstance(callback, nodes.Call):
            if known_names(self._evaluator.of(callback.func), instance=False) != {"functools.partial"}:
                return None
            if not callback.args:
                return None
            reference, arguments = callback.args[0], callback.args[1:]
        values = self._evaluator.of(reference)
        if any(isinstance(value, Definition) and isinstance(value.node, nodes.Lambda) for value in values):
            return None
        form, keeping = self._form(reference)
        if form is None or form is Form.SCOPED or self._gives_coroutine(reference):
            return None
        coroutine = arguments[0] if arguments else None
        if form is Form.FUTURE and (coroutine is None or self._coroutines.kind(coroutine) is not Kind.COROUTINE):
            return None
        if form in {Form.GATHER, Form.SHIELD} and not any(map(self._coroutines.is_resolved, arguments)):
            return None
        return Spawn(Form.CALLBACK, callback, callback, dotted(reference) or "partial", coroutine, keeping)


def _place(spawn: Spawn) -> tuple[int, int]:
    return (spawn.node.lineno, spawn.node.col_offset)


def _returned_elsewhere(facts: Facts, node: nodes.NodeNG) -> Returned:
    return facts.summaries.returned_task(node) if isinstance(node, nodes.FunctionDef) else Returned.NOTHING


def _is_async(_facts: Facts, node: nodes.NodeNG) -> bool:
    return isinstance(node, nodes.AsyncFunctionDef)


def _runs_to_the_end(function: Value) -> bool:
    return isinstance(function, External) and function.name in library.TO_THE_END


def _spreads(call: nodes.Call) -> bool:
    return any(isinstance(one, nodes.Starred) for one in call.args) or any(one.arg is None for one in call.keywords)


def _is_awaited(call: nodes.Call) -> bool:
    parent = call.parent
    while isinstance(parent, nodes.Call):
        parent = parent.parent
    return isinstance(parent, nodes.Await | nodes.YieldFrom)


def _on_others(returned: frozenset[tuple[str, str]]) -> Iterator[CallName]:
    """The calls among what a function returns that stand on another object than its own."""
    for before, called in sorted(returned):
        if before not in _OWN_RECEIVERS and called not in _SPAWNING:
            yield CallName(before.rstrip("."), called)
