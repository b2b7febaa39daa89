"""What stands around a step that can raise: handlers that see the exception, inside the loop or around it."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.definitions import decorator_names
from flake8_task_lifecycle.facts.values import Definition, External, Instance
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

# What a step can raise: the names of exception classes, none for a step that cannot raise, ANY for one that can
# raise whatever there is.
Danger = frozenset[str]
ANY: Danger = frozenset({"*"})
NEVER: Danger = frozenset()
_BROAD = frozenset({"builtins.Exception", "builtins.BaseException"})
_CANCELLATION = frozenset(
    {"asyncio.CancelledError", "trio.Cancelled", "builtins.GeneratorExit", "builtins.KeyboardInterrupt"}
    | {"builtins.SystemExit"}
)
_SAME = {"asyncio.TimeoutError": "builtins.TimeoutError", "concurrent.futures.TimeoutError": "builtins.TimeoutError"}
_GUARD_WORDS = ("suppress", "catch", "swallow", "ignor", "guard", "handl", "report", "log", "error", "exception")


def exceptions(facts: Facts, expression: nodes.NodeNG | None) -> Danger | None:
    """The qualified names of the exception classes that an expression after ``except`` names; None if not all known.

    A bare ``except`` is BaseException.
    """
    if expression is None:
        return frozenset({"builtins.BaseException"})
    if isinstance(expression, nodes.Tuple):
        found = [exceptions(facts, element) for element in expression.elts]
        known = [one for one in found if one is not None]
        return frozenset().union(*known) if len(known) == len(found) else None
    names = set()
    for value in facts.evaluator.of(expression):
        match value:
            case External(name) if _is_class_name(name):
                names.add(_SAME.get(name, name))
            case Definition(node) if isinstance(node, nodes.ClassDef):
                names.add(facts.qualified(node))
            case Instance(External(name)) if name == "builtins.tuple":
                return _of_tuple_name(facts, expression)
            case _:
                return None
    return frozenset(names) or None


def _is_class_name(name: str) -> bool:
    word = name.rpartition(".")[2].lstrip("_")
    return word[:1].isupper() and not (word.isupper() and len(word) > 2 and not hasattr(builtins, word))


def _of_tuple_name(facts: Facts, expression: nodes.NodeNG) -> Danger | None:
    if not isinstance(expression, nodes.Name):
        return None
    binding = facts.names.binding(expression, expression.name)
    stores = binding.nodes if binding is not None else ()
    values = [getattr(store.parent, "value", None) for store in stores]
    found = [exceptions(facts, value) if isinstance(value, nodes.Tuple) else None for value in values]
    known = [one for one in found if one is not None]
    return frozenset().union(*known) if known and len(known) == len(found) else None


def is_cancellation(names: Danger | None) -> bool:
    """Whether exceptions are all such as end a program or a task by request."""
    return names is not None and names <= _CANCELLATION


def is_translated(facts: Facts, step: nodes.NodeNG, function: nodes.FunctionDef) -> bool:
    """Whether a broad handler around a step only raises another exception in the place of what the step can raise."""
    child, parent = step, step.parent
    while child is not function and parent is not None:
        if isinstance(parent, nodes.Try) and child in parent.body:
            broad = next((one for one in parent.handlers if is_broad(facts, one)), None)
            if broad is not None:
                return _translates(broad)
        child, parent = parent, parent.parent
    return False


def _translates(handler: nodes.ExceptHandler) -> bool:
    last = handler.body[-1]
    name = handler.name.name if handler.name is not None else ""
    return _passes_on(handler) and last.exc is not None and dotted(last.exc) != name


def is_seen(facts: Facts, step: nodes.NodeNG, danger: Danger, loop: nodes.NodeNG | None, top: nodes.NodeNG) -> bool:
    """Whether something between a step and the end of its function sees every exception the step can raise.

    ``loop`` is the loop whose end is in question (None: any handler counts as inside), ``top`` the function. What
    stands in an ``except`` or ``finally`` body beside a broad handler inside the loop counts as seen.
    """
    child, parent = step, step.parent
    inside = step is not loop
    while child is not top and parent is not None:
        match parent:
            case nodes.Try() | nodes.TryStar():
                if child in parent.body and any(_takes(facts, one, danger, inside) for one in parent.handlers):
                    return True
            case nodes.ExceptHandler():
                if inside and child in parent.body and any(is_broad(facts, one) for one in parent.parent.handlers):
                    return loop is not None or not (isinstance(step, nodes.Raise) and _translates(parent))
            case nodes.With() if child in parent.body:
                if any(context_takes(facts, context, danger, inside) for context, _ in parent.items):
                    return True
        if parent is loop:
            inside = False
        child, parent = parent, parent.parent
    return False


def is_broad(facts: Facts, handler: nodes.ExceptHandler) -> bool:
    """Whether a handler takes every error, or may: its types are not all known."""
    names = exceptions(facts, handler.type)
    return names is None or not _BROAD.isdisjoint(names)


def _takes(facts: Facts, handler: nodes.ExceptHandler, danger: Danger, inside: bool) -> bool:
    names = exceptions(facts, handler.type)
    if names is None:
        return True
    if not _BROAD.isdisjoint(names):
        return not _passes_on(handler) if inside else _observes(handler)
    return danger != ANY and all(may_catch(facts, names, one) for one in danger)


def may_catch(facts: Facts, caught: Danger, raised: str) -> bool:
    """Whether a handler of ``caught`` may take ``raised``: not when all that it derives from is known and unrelated."""
    lineage = {raised} if _builtin(raised) is not None else _lineage(facts, raised)
    if lineage is None or not lineage.isdisjoint(caught):
        return True
    kinds = [_builtin(name) for name in lineage]
    return any(
        kind is not None and other is not None and issubclass(kind, other)
        for kind in kinds
        for other in map(_builtin, caught)
    )


def _lineage(facts: Facts, raised: str) -> AbstractSet[str] | None:
    """The names of an exception class of the project and of its bases; None when one of them is of elsewhere."""
    own = next((owner for owner in facts.tree.classes if facts.qualified(owner) == raised), None)
    if own is not None:
        return class_lineage(facts, own)
    return facts.world.ask(raised, class_lineage)


def class_lineage(facts: Facts, owner: nodes.NodeNG) -> frozenset[str] | None:
    """The qualified names of a class and its bases; None when one of them is neither builtin nor of the project."""
    if not isinstance(owner, nodes.ClassDef):
        return None
    found = {facts.qualified(owner)}
    for value in facts.evaluator.bases(owner):
        match value:
            case Definition(node):
                above = class_lineage(facts, node) if node is not owner else None
            case External(name):
                above = frozenset({name}) if _builtin(name) is not None else facts.world.ask(name, class_lineage)
            case _:
                above = None
        if above is None:
            return None
        found |= above
    return frozenset(found)


def _builtin(name: str) -> type[BaseException] | None:
    home, _, word = name.rpartition(".")
    found = getattr(builtins, word, None) if home == "builtins" else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _passes_on(handler: nodes.ExceptHandler) -> bool:
    """Whether a handler does nothing but raise: it translates or repeats the error, and tells nobody."""
    last = handler.body[-1]
    return isinstance(last, nodes.Raise) and not _tells(handler)


def _observes(handler: nodes.ExceptHandler) -> bool:
    """Whether a handler around a loop logs, raises or hands the error on: a bare ``pass`` there is the silent death."""
    return _tells(handler) or any(isinstance(node, nodes.Raise) for node in walk(handler.body))


def _tells(handler: nodes.ExceptHandler) -> bool:
    """Whether a handler calls anything, or stores the error, other than to raise it."""
    name = handler.name.name if handler.name is not None else ""
    stack = list(handler.body)
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Raise):
            continue
        if isinstance(node, nodes.Call) and last_word(node.func) not in {"isinstance", "len", "type", "getattr"}:
            return True
        if isinstance(node, nodes.Assign | nodes.AnnAssign | nodes.Return | nodes.Yield) and any(
            isinstance(part, nodes.Name) and part.name == name for part in walk([node])
        ):
            return True
        if not isinstance(node, nodes.FunctionDef | nodes.Lambda | nodes.ClassDef):
            stack.extend(node.get_children())
    return False


def context_takes(facts: Facts, context: nodes.NodeNG, danger: Danger, inside: bool) -> bool:
    """Whether a context manager sees what its body raises: ``suppress``, or one of the project that catches.

    ``inside``: it stands inside the loop whose end is in question.
    """
    if not isinstance(context, nodes.Call):
        return any(word in last_word(context).lower() for word in _GUARD_WORDS)
    word = last_word(context.func).lower()
    if word == "suppress":
        found = [exceptions(facts, one) for one in context.args]
        names = None if any(one is None for one in found) else frozenset().union(*(one for one in found if one))
        if names is None:
            return True
        if not _BROAD.isdisjoint(names):
            return inside
        return danger != ANY and all(may_catch(facts, names, one) for one in danger)
    if any(guard in word for guard in _GUARD_WORDS):
        return True
    return any(_may_swallow(facts, value) for value in facts.evaluator.of(context.func))


def _may_swallow(facts: Facts, value: object) -> bool:
    match value:
        case Definition(node) if isinstance(node, nodes.ClassDef):
            return class_swallows(facts, node)
        case Definition(node) if isinstance(node, nodes.FunctionDef):
            return class_swallows(facts, node)
        case External(name):
            return bool(facts.world.ask(name, class_swallows))
    return False


def class_swallows(facts: Facts, node: nodes.NodeNG) -> bool:
    """Whether a context manager of the project catches broadly, or may return true from its exit method."""
    if isinstance(node, nodes.FunctionDef):
        return any(isinstance(one, nodes.ExceptHandler) and is_broad(facts, one) for one in walk(node.body))
    if not isinstance(node, nodes.ClassDef):
        return False
    for home in facts.evaluator.classes.hierarchy(node):
        for method in ("__exit__", "__aexit__"):
            for exit_method in home.locals.get(method, ()):
                if isinstance(exit_method, nodes.FunctionDef) and _exit_may_swallow(exit_method):
                    return True
    return False


def _exit_may_swallow(exit_method: nodes.FunctionDef) -> bool:
    results = [node.value for node in walk(exit_method.body) if isinstance(node, nodes.Return)]
    if any(value is not None and not (isinstance(value, nodes.Const) and not value.value) for value in results):
        return True
    return any(
        isinstance(node, nodes.Call)
        and isinstance(node.func, nodes.Attribute)
        and node.func.attrname in library.LOG_METHODS
        for node in walk(exit_method.body)
    )


def decorator_shelters(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a decorator may see what the coroutine raises: one of the project that catches, or an unknown one."""
    if function.decorators is None:
        return False
    plain = {"staticmethod", "classmethod", "override", "final", "abstractmethod", "wraps", "deprecated"}
    if plain.issuperset(decorator_names(function)):
        return False
    return any(_decorator_may_shelter(facts, one) for one in function.decorators.nodes)


def _decorator_may_shelter(facts: Facts, decorator: nodes.NodeNG) -> bool:
    called = decorator.func if isinstance(decorator, nodes.Call) else decorator
    for value in facts.evaluator.of(called):
        match value:
            case Definition(node) if isinstance(node, nodes.FunctionDef):
                if catches_broadly(facts, node):
                    return True
            case External(name):
                if facts.world.ask(name, catches_broadly) is not False:
                    return True
            case _:
                return True
    return False


def catches_broadly(facts: Facts, function: nodes.NodeNG) -> bool:
    """Whether a function of the project, or one nested in it, has a broad handler."""
    return any(is_broad(facts, handler) for handler in _handlers(function))


def _handlers(function: nodes.NodeNG) -> Iterator[nodes.ExceptHandler]:
    stack = [function]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.ExceptHandler):
            yield node
        stack.extend(node.get_children())
