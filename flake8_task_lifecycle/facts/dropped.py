"""Coroutines that are made and never run: a call whose result is dropped, a callback that nobody awaits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks
from flake8_task_lifecycle.facts.call_names import call_name_of
from flake8_task_lifecycle.facts.definitions import decorator_names, is_abstract, is_generator, is_property
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External, Partial, Value, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import dotted, enclosing_class, last_word, member_name, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_PLAIN_DECORATORS = frozenset({"staticmethod", "classmethod", "override", "final", "abstractmethod"})
_EXPECTATIONS = frozenset({"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns", "catch_warnings"})
_THREADS = {"threading.Thread": 1, "threading.Timer": 1}
_THREAD_KEYWORDS = {"threading.Thread": "target", "threading.Timer": "function"}


class Dropped(NamedTuple):
    """A coroutine that never runs: where it is made, what function makes it, and who calls that function.

    ``registrar`` is what the function was given to, "" for a call in this code.
    """

    span: Span
    coroutine: str
    registrar: str
    qualname: str
    evidence: tuple[Evidence, ...]


class _Made(NamedTuple):
    """A coroutine function of the project, as its own module sees it."""

    name: str
    span: Span
    path: str


def dropped(facts: Facts) -> Iterator[Dropped]:
    """The coroutines of one module that are made and dropped."""
    words = _words(facts)
    for word, names in sorted(facts.called.items()):
        if word not in words and (facts.homes is None or not any(map(facts.homes.may_be_coroutine, names))):
            continue
        for call in facts.tree.calls.get(word):
            if _is_thrown_away(call) and (word in words or _may_be_foreign(facts, call)):
                made = _made(facts, call.func)
                if made is not None and facts.paths.may_run(call) and not _is_asked_first(call):
                    yield _dropped(facts, call, made, "")
    yield from _registered(facts)


def _words(facts: Facts) -> set[str]:
    """The last words of the calls that may make a coroutine of this module, aliases included."""
    words = {function.name for function in facts.tree.functions if isinstance(function, nodes.AsyncFunctionDef)}
    return words | {alias for alias, original in facts.tree.aliases if original in words}


def _may_be_foreign(facts: Facts, call: nodes.Call) -> bool:
    """Whether what a call names may be a coroutine function of another module, by its text alone."""
    mention = call_name_of(call.func)
    return facts.homes is not None and mention is not None and facts.homes.may_be_coroutine(mention)


def _is_thrown_away(call: nodes.NodeNG) -> bool:
    """Whether the value of an expression goes nowhere, or only through a test."""
    node, parent = call, call.parent
    if _expects_error(call):
        return False
    while True:
        match parent:
            case nodes.Expr():
                return True
            case nodes.BoolOp() | nodes.Tuple() | nodes.List() | nodes.Set() | nodes.ListComp() | nodes.SetComp():
                if isinstance(parent, nodes.ListComp | nodes.SetComp) and node is not parent.elt:
                    return False
            case nodes.IfExp():
                if node is parent.test:
                    return True
            case nodes.UnaryOp() if parent.op == "not":
                return True
            case nodes.If() | nodes.While() | nodes.Assert():
                return node is parent.test
            case nodes.Assign():
                return all(isinstance(one, nodes.AssignName) and one.name == "_" for one in parent.targets)
            case _:
                return False
        node, parent = parent, parent.parent


def _is_asked_first(call: nodes.Call) -> bool:
    """Whether a test around a call asks whether the very function is one that makes a coroutine."""
    parent = call.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.If | nodes.IfExp) and any(
            isinstance(one, nodes.Call)
            and last_word(one.func) == "iscoroutinefunction"
            and any(dotted(asked) == dotted(call.func) for asked in one.args)
            for one in walk([parent.test])
        ):
            return True
        parent = parent.parent
    return False


def _expects_error(call: nodes.NodeNG) -> bool:
    """Whether a call stands in a test of what it raises or warns of."""
    parent = call.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.With) and any(
            isinstance(context, nodes.Call) and last_word(context.func) in _EXPECTATIONS for context, _ in parent.items
        ):
            return True
        parent = parent.parent
    return False


def _dropped(facts: Facts, node: nodes.NodeNG, made: _Made, registrar: str) -> Dropped:
    path = "" if made.path == facts.source.name else made.path
    evidence = Evidence(made.span, f"{made.name!r} is a coroutine function", path)
    return Dropped(facts.source.span_of(node), made.name, registrar, qualified_name(node), (evidence,))


def _made(facts: Facts, function: nodes.NodeNG) -> _Made | None:
    """The coroutine function that an expression certainly is; None for anything else."""
    values = facts.evaluator.of(function)
    found = [_coroutine_function(facts, value) for value in values]
    known = [one for one in found if one is not None]
    if not known or len(known) != len(found) or _is_replaced(facts, function):
        return None
    return min(known, key=lambda made: (made.path != facts.source.name, made.span, made.name))


def _coroutine_function(facts: Facts, value: Value) -> _Made | None:
    while isinstance(value, Partial):
        value = value.function
    return ask(facts, value, made_by) if isinstance(value, Definition | External) else None


def made_by(facts: Facts, function: nodes.FunctionDef) -> _Made | None:
    """The function, if calling it makes a coroutine: no generator, no promise of one, no unknown decorator."""
    if not isinstance(function, nodes.AsyncFunctionDef) or is_generator(function) or is_property(function):
        return None
    if _is_promise(function) or not _is_plain(function) or _is_overridden(facts, function):
        return None
    return _Made(member_name(function), facts.source.span_of(function), facts.source.name)


def _is_promise(function: nodes.FunctionDef) -> bool:
    """Whether a method leaves it to other classes, unknown here, what calling it does."""
    owner = enclosing_class(function)
    if owner is None or not is_abstract(function):
        return False
    if any(last_word(base.value if isinstance(base, nodes.Subscript) else base) == "Protocol" for base in owner.bases):
        return True
    return "abstractmethod" in decorator_names(function) or any(isinstance(one, nodes.Raise) for one in function.body)


def _is_plain(function: nodes.FunctionDef) -> bool:
    if function.decorators is None:
        return True
    return all(last_word(decorator) in _PLAIN_DECORATORS for decorator in function.decorators.nodes)


def _is_overridden(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a class of another module overrides the method with a plain function, or that cannot be told."""
    owner = enclosing_class(function)
    if owner is None or function.name.startswith("__"):
        return False
    others = facts.world.mentioning(
        owner.name, f"def {function.name}", where=lambda outline: outline.derives(owner.name)
    )
    if others is None:
        return True
    qualified = facts.qualified(owner)
    for other in others:
        for below in other.tree.classes:
            own = below.locals.get(function.name, ())
            if any(not isinstance(one, nodes.AsyncFunctionDef) for one in own) and _derives(other, below, qualified):
                return True
    return False


def _derives(facts: Facts, below: nodes.ClassDef, name: str) -> bool:
    return any(External(name) in facts.evaluator.bases(home) for home in facts.evaluator.classes.hierarchy(below))


def _is_replaced(facts: Facts, function: nodes.NodeNG) -> bool:
    """Whether something in the module stores another value under the attribute's name on an object from outside."""
    if not isinstance(function, nodes.Attribute):
        return False
    for store in facts.tree.attribute_stores.get(function.attrname, ()):
        if facts.evaluator.classes.of_self(store.expr) is None and dotted(store.expr) == dotted(function.expr):
            return True
    return False


def _registered(facts: Facts) -> Iterator[Dropped]:
    given = [*facts.callbacks.registered(), *_given_to_threads(facts)]
    for call, callback in given:
        registrar = last_word(call.func)
        if _accepts_coroutines(facts, call):
            continue
        made = _made_by_callback(facts, callback)
        if made is not None:
            yield _dropped(facts, callback, made, registrar)


def _made_by_callback(facts: Facts, callback: nodes.NodeNG) -> _Made | None:
    if isinstance(callback, nodes.Call):
        if known_names(facts.evaluator.of(callback.func), instance=False) != {"functools.partial"} or not callback.args:
            return None
        return _made(facts, callback.args[0])
    lambdas = [
        value.node
        for value in facts.evaluator.of(callback)
        if isinstance(value, Definition)
        and isinstance(value.node, nodes.Lambda)
        and not isinstance(value.node, nodes.FunctionDef)
    ]
    if lambdas:
        if len(facts.evaluator.of(callback)) > 1 or not isinstance(lambdas[0].body, nodes.Call):
            return None
        return _made(facts, lambdas[0].body.func)
    return _made(facts, callback)


def _accepts_coroutines(facts: Facts, call: nodes.Call) -> bool:
    """Whether what a callback is given to may run a coroutine: a method of the project, or Tornado's loop."""
    if any(isinstance(value, Definition) for value in facts.evaluator.of(call.func)):
        return True
    packages = frameworks.names(Does.ACCEPTS)
    return any("import" in line and any(package in line for package in packages) for line in facts.source.lines)


def _given_to_threads(facts: Facts) -> Iterator[tuple[nodes.Call, nodes.NodeNG]]:
    for word in ("Thread", "Timer"):
        for call in facts.tree.calls.get(word, ()):
            names = known_names(facts.evaluator.of(call.func), instance=False) or frozenset()
            for name in sorted(names & _THREADS.keys()):
                position = _THREADS[name]
                if len(call.args) > position and not any(isinstance(one, nodes.Starred) for one in call.args):
                    yield call, call.args[position]
                for keyword in call.keywords:
                    if keyword.arg == _THREAD_KEYWORDS[name]:
                        yield call, keyword.value
