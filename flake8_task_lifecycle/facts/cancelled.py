"""Tasks that the code itself cancels, and waits that wait for nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.call_names import may_cancel
from flake8_task_lifecycle.facts.handed_over import (
    cancels_what_it_returns,
    cancels_what_it_waits_for,
    returns_cancelled,
)
from flake8_task_lifecycle.facts.put_aside import put_aside
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.together import Concerns
from flake8_task_lifecycle.facts.values import Definition, External, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, enclosing_class, enclosing_function, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

Texts = frozenset[str]
_NO_TEXTS: Texts = frozenset()
_COPIES = frozenset(
    {"list", "tuple", "set", "frozenset", "reversed", "sorted", "iter", "enumerate", "zip", "chain", "filter"}
)
_VIEWS = frozenset({"values", "items", "copy", "keys", "pop", "popleft", "get", "popitem", "union", "difference"})
_PASSING = frozenset({"next", "shield", "ensure_future", "gather", "wait_for", "cast"})
_PLAIN = nodes.Expr | nodes.Return | nodes.Assign
_LEAVING = nodes.Return | nodes.Break | nodes.Continue | nodes.AsyncFor | nodes.AsyncWith
_TIMEOUTS = frozenset({"timeout", "timeout_at", "async_timeout"})
_MAX_DEPTH = 6


class Cancelled:
    """What one module cancels, by the names it goes under.

    A task goes by its dotted name; a local's name carries the function it belongs to, so that nested functions
    that share it agree. A member of a collection goes by the collection's name and ``[]``.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._by_function: dict[nodes.NodeNG, list[tuple[nodes.NodeNG, Texts]]] | None = None
        self._calls: dict[nodes.FunctionDef, list[tuple[int, Texts]]] = {}
        self.by_owner = cache(self._by_owner)
        self.put_aside = cache(lambda function: put_aside(facts, function))
        self._made: dict[str, nodes.Call] = {}
        self._returned: dict[tuple[nodes.FunctionDef, bool], bool] = {}

    def texts(self, expression: nodes.NodeNG, depth: int = _MAX_DEPTH) -> Texts:
        """The names that a task expression goes under."""
        if depth <= 0:
            return _NO_TEXTS
        match expression:
            case nodes.Name() | nodes.AssignName():
                return self._of_name(expression, depth)
            case nodes.Attribute() | nodes.AssignAttr():
                text = dotted(expression)
                return frozenset({text}) if text else _NO_TEXTS
            case nodes.Subscript() | nodes.Starred():
                return self.members(expression.value, depth - 1)
            case nodes.NamedExpr():
                return self.texts(expression.target, depth) | self.texts(expression.value, depth - 1)
            case nodes.Await():
                return self.texts(expression.value, depth - 1)
            case nodes.Call():
                function = expression.func
                if isinstance(function, nodes.Attribute) and function.attrname in _VIEWS:
                    return self.members(function.expr, depth - 1)
                if last_word(function) in _PASSING:
                    return self._all_texts(expression.args, depth - 1)
                return frozenset({self._made_by(expression)})
            case nodes.IfExp() | nodes.BoolOp():
                return self._all_texts(expression.get_children(), depth - 1)
        return _NO_TEXTS

    def _all_texts(self, expressions: Iterable[nodes.NodeNG], depth: int) -> Texts:
        return frozenset(text for one in expressions for text in self.texts(one, depth))

    def members(self, collection: nodes.NodeNG, depth: int = _MAX_DEPTH) -> Texts:
        """The names that the members of a collection go under."""
        if depth <= 0:
            return _NO_TEXTS
        match collection:
            case nodes.Tuple() | nodes.List() | nodes.Set():
                return self._all_texts(collection.elts, depth - 1)
            case nodes.ListComp() | nodes.GeneratorExp() | nodes.SetComp():
                return self.texts(collection.elt, depth - 1)
            case nodes.Call():
                function = collection.func
                if isinstance(function, nodes.Attribute) and function.attrname in _VIEWS:
                    return self.members(function.expr, depth - 1)
                if last_word(function) in _COPIES:
                    return frozenset(text for one in collection.args for text in self.members(one, depth - 1))
                return frozenset({f"{self._made_by(collection)}[]"})
            case nodes.BinOp():
                return self.members(collection.left, depth - 1) | self.members(collection.right, depth - 1)
            case nodes.Starred():
                return self.members(collection.value, depth - 1)
        found = {f"{text}[]" for text in self.texts(collection, depth - 1)}
        if isinstance(collection, nodes.Name):
            for value in self._assigned(collection):
                found |= self.members(value, depth - 1)
        return frozenset(found)

    def _made_by(self, call: nodes.Call) -> str:
        """The name of what a call gives: it says where it is from, and two of one call need not be the same."""
        text = f"(){call.lineno or 0}:{call.col_offset or 0}"
        self._made[text] = call
        return text

    def is_among(self, names: Texts, cancelled: Texts, waited: nodes.NodeNG | None = None) -> bool:
        """Whether a task that goes under some names is a cancelled one, or was cancelled by the call that gave it.

        Of the call that is itself ``waited`` for, what it returns is not waited for.
        """
        return any(self._is_one_of(text, cancelled, waited) for text in sorted(names))

    def _is_one_of(self, text: str, cancelled: Texts, waited: nodes.NodeNG | None) -> bool:
        made, _, members = text.partition("[")
        call = self._made.get(made)
        if call is None:
            return text in cancelled
        is_result = isinstance(call.parent, nodes.Await) and call is not waited
        return members in {"", "]"} and returns_cancelled(self._facts, call, is_result, bool(members))

    def is_returned(self, function: nodes.FunctionDef, members: bool) -> bool:
        """Whether a function cancels what it returns, or the members of it."""
        key = (function, members)
        if key not in self._returned:
            self._returned[key] = False
            self._returned[key] = cancels_what_it_returns(self._facts, function, members)
        return self._returned[key]

    def parts(self, given: nodes.NodeNG, members: bool) -> Iterator[tuple[nodes.NodeNG, Texts]]:
        """What is given, with the names it goes under; of ``members``, each that is written out."""
        if members and isinstance(given, nodes.Tuple | nodes.List | nodes.Set):
            for one in given.elts:
                inner = one.value if isinstance(one, nodes.Starred) else one
                yield from self.parts(inner, isinstance(one, nodes.Starred))
        else:
            yield given, self.members(given) if members else self.texts(given)

    def under(self, texts: Texts) -> Concerns:
        """Whether an expression goes under one of some names, or is the collection of what goes under one."""
        known = {text.removesuffix("[]") for text in texts}
        return lambda one: not known.isdisjoint(text.removesuffix("[]") for text in self.texts(one))

    def _assigned(self, name: nodes.Name) -> Iterator[nodes.NodeNG]:
        binding = self._facts.names.binding(name, name.name)
        for store in binding.nodes if binding is not None else ():
            if isinstance(store, nodes.AssignName) and isinstance(store.parent, nodes.Assign | nodes.NamedExpr):
                yield store.parent.value

    def _of_name(self, name: nodes.Name | nodes.AssignName, depth: int) -> Texts:
        binding = self._facts.names.binding(name, name.name)
        if binding is None:
            return frozenset({name.name})
        scope = binding.scope
        found = {f"{name.name}@module" if isinstance(scope, nodes.Module) else f"{name.name}@{scope.lineno or 0}"}
        for store in binding.nodes:
            found |= self._stored(store, depth - 1)
        return frozenset(found)

    def _stored(self, store: nodes.NodeNG, depth: int) -> Texts:
        """What a name holds after one of its stores."""
        parent = store.parent
        if isinstance(parent, nodes.Tuple) and isinstance(parent.parent, nodes.Assign):
            values = parent.parent.value
            if isinstance(values, nodes.Tuple) and len(values.elts) == len(parent.elts):
                return self.texts(values.elts[parent.elts.index(store)], depth)
            return self.members(values, depth)
        target = parent
        while isinstance(target, nodes.Tuple | nodes.List | nodes.Starred):
            target = target.parent
        match target:
            case nodes.Assign() | nodes.AnnAssign() | nodes.NamedExpr() if target.value is not None:
                return self.texts(target.value, depth)
            case nodes.For() | nodes.Comprehension():
                return self.members(target.iter, depth)
        return _NO_TEXTS

    def by_function(self, function: nodes.NodeNG) -> list[tuple[nodes.NodeNG, Texts]]:
        """The places in a function, or in what it nests, that cancel something, with the names of what they cancel."""
        if self._by_function is None:
            self._by_function = {}
            for place, cancelled in self._all():
                home = enclosing_function(place)
                while home is not None:
                    self._by_function.setdefault(home, []).append((place, cancelled))
                    home = enclosing_function(home)
        return self._by_function.get(function, [])

    def _all(self) -> Iterator[tuple[nodes.NodeNG, Texts]]:
        for word in [word for word in self._facts.called if "cancel" in word.lower()]:
            for call in self._facts.tree.calls.get(word):
                if word == "cancel" and isinstance(call.func, nodes.Attribute):
                    yield call, self.texts(call.func.expr) | self.given(call.args)
                elif call.args or call.keywords:
                    yield call, self.given([*call.args, *(one.value for one in call.keywords)])
        for argument in self._facts.tree.arguments.get("cancel"):
            if isinstance(argument, nodes.Attribute) and isinstance(argument.parent, nodes.Call):
                yield argument.parent, self.texts(argument.expr)

    @cached_property
    def arranged(self) -> frozenset[nodes.NodeNG | None]:
        """The functions that hand the ``cancel`` of the task that runs them to a timer, a signal or a callback."""
        return frozenset(
            enclosing_function(argument)
            for argument in self._facts.tree.arguments.get("cancel")
            if isinstance(argument, nodes.Attribute) and self.is_own_task(argument.expr)
        )

    def is_own_task(self, task: nodes.NodeNG) -> bool:
        """Whether an expression is the task that runs it."""
        made = list(self._assigned(task)) if isinstance(task, nodes.Name) else [task]
        return bool(made) and all(
            isinstance(one, nodes.Call)
            and known_names(self._facts.evaluator.of(one.func), instance=False) == {"asyncio.current_task"}
            for one in made
        )

    def is_raised_anew(self, handler: nodes.ExceptHandler) -> bool:
        """Whether a handler cancels the task that runs it, or has to wait for what it has itself cancelled."""
        cancelled: set[str] = set()
        for place, texts in self.by_function(enclosing_function(handler)):
            if handler.parent_of(place):
                if isinstance(place.func, nodes.Attribute) and self.is_own_task(place.func.expr):
                    return True
                cancelled |= texts
        if not cancelled:
            return False
        for statement in handler.body:
            waits = [node for node in walk([statement]) if isinstance(node, nodes.Await)]
            if isinstance(statement, _PLAIN) and waits:
                return self.waits_only_for(waits, frozenset(cancelled))
            if waits or any(isinstance(node, _LEAVING) for node in walk([statement])):
                return False
        return False

    def given(self, arguments: Iterable[nodes.NodeNG]) -> Texts:
        """What the arguments of a call go under, they and their members."""
        return frozenset(text for one in arguments for text in self.texts(one) | self.members(one))

    def through_calls(self, function: nodes.FunctionDef, before: int) -> Texts:
        """What the project functions cancel that a function calls before a line: their arguments, and ``self.x``.

        Of a method of another object, what that object has: ``session.stop()`` and ``session.task``.
        """
        if function not in self._calls:
            self._calls[function] = list(self._through_calls(function))
        return frozenset(text for line, texts in self._calls[function] if line <= before for text in texts)

    def _through_calls(self, function: nodes.FunctionDef) -> Iterator[tuple[int, Texts]]:
        for node in walk(function.body):
            if not isinstance(node, nodes.Call):
                continue
            receiver = dotted(node.func.expr) if isinstance(node.func, nodes.Attribute) else ""
            if not receiver and not node.args:
                continue
            if not may_cancel(self._facts, node.func):
                continue
            for value in self._facts.evaluator.of(node.func):
                answer = ask(self._facts, value, cancels_of) if isinstance(value, Definition | External) else None
                if answer is None:
                    continue
                attributes, parameters = answer
                given = {text for index in parameters for text in self.given(node.args[index : index + 1])}
                if receiver in {"self", "cls"}:
                    given |= attributes
                elif receiver:
                    given |= {f"{receiver}.{text.removeprefix('self.')}" for text in attributes}
                if given:
                    yield node.lineno or 0, frozenset(given)

    def _by_owner(self, function: nodes.FunctionDef) -> Texts:
        """What the methods of the class cancel, its bases included, and what the functions of a module cancel."""
        owner: nodes.FunctionDef | None = function
        while owner is not None and enclosing_class(owner) is None:
            owner = enclosing_function(owner)
        home = enclosing_class(owner) if owner is not None else None
        found: set[str] = set()
        if home is not None:
            classes = self._facts.evaluator.classes
            for one in [*classes.hierarchy(home), *classes.subclasses(home)]:
                found |= class_cancels(self._facts, one)
                for value in self._facts.evaluator.bases(one):
                    if isinstance(value, External):
                        found |= self._facts.world.ask(value.name, class_cancels) or _NO_TEXTS
        for other in self._facts.tree.functions:
            if enclosing_function(other) is None and other is not function:
                for _, texts in self.by_function(other):
                    found |= {text for text in texts if "@module" in text}
        return frozenset(found)

    def waits_only_for(self, waits: Iterable[nodes.NodeNG], cancelled: Texts) -> bool:
        """Whether every wait of a block waits for a cancelled task and would raise that task's cancellation."""
        found = False
        for wait in waits:
            if isinstance(wait, nodes.AsyncWith):
                if not all(self._is_timeout(context) for context, _ in wait.items):
                    return False
                continue
            if not isinstance(wait, nodes.Await) or not self._waits_for(wait.value, cancelled):
                return False
            found = True
        return found

    def _is_timeout(self, context: nodes.NodeNG) -> bool:
        if not isinstance(context, nodes.Call):
            return False
        names = known_names(self._facts.evaluator.of(context.func), instance=False) or frozenset()
        words = {last_word(context.func), *(name.rpartition(".")[2] for name in names)}
        return not words.isdisjoint(_TIMEOUTS)

    def _waits_for(self, awaited: nodes.NodeNG, cancelled: Texts) -> bool:
        if isinstance(awaited, nodes.Call):
            names = known_names(self._facts.evaluator.of(awaited.func), instance=False) or frozenset()
            word = last_word(awaited.func)
            if names & {"asyncio.wait_for", "asyncio.shield"} or word in {"wait_for", "shield"}:
                return bool(awaited.args) and self._waits_for(awaited.args[0], cancelled)
            if word == "gather":
                if any(one.arg == "return_exceptions" and not _is_false(one.value) for one in awaited.keywords):
                    return False
                return bool(awaited.args) and all(self._waits_for(one, cancelled) for one in awaited.args)
            if cancels_what_it_waits_for(self._facts, awaited):
                return True
        return self.is_among(self.texts(awaited), cancelled, awaited)


def _is_false(value: nodes.NodeNG) -> bool:
    return isinstance(value, nodes.Const) and not value.value


def class_cancels(facts: Facts, owner: nodes.NodeNG) -> Texts:
    """The attributes, as ``self.x`` or by the class's name, that its methods and those of its bases here cancel."""
    if not isinstance(owner, nodes.ClassDef):
        return _NO_TEXTS
    found: set[str] = set()
    for home in facts.evaluator.classes.hierarchy(owner):
        for method in home.body:
            if isinstance(method, nodes.FunctionDef):
                for _, texts in facts.cancelled.by_function(method):
                    found |= {text for text in texts if text.startswith(("self.", "cls.", f"{home.name}."))}
    return frozenset(found)


def cancels_of(facts: Facts, function: nodes.NodeNG) -> tuple[Texts, tuple[int, ...]] | None:
    """What a function cancels: attributes of its object, and parameters by their place in a call."""
    if not isinstance(function, nodes.FunctionDef):
        return None
    texts = {text for _, cancelled in facts.cancelled.by_function(function) for text in cancelled}
    parameters = [one.name for one in function.args.args or ()]
    if enclosing_class(function) is not None and parameters[:1] in (["self"], ["cls"]):
        parameters = parameters[1:]
    scope = f"@{function.lineno or 0}"
    given = tuple(
        index for index, name in enumerate(parameters) if not texts.isdisjoint({f"{name}{scope}", f"{name}{scope}[]"})
    )
    return frozenset(text for text in texts if text.startswith("self.")), given
