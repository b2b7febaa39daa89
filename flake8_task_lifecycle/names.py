"""Where a name is bound, and what a dotted name is called at home: lexical scopes, nothing inferred.

Python's own scoping rules: https://docs.python.org/3/reference/executionmodel.html#resolution-of-names
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from astroid import nodes

_SUBMODULES = re.compile(
    r"asyncio\.(?:tasks|events|futures|queues|locks|runners|taskgroups|timeouts|exceptions|base_events"
    r"|base_futures|coroutines|unix_events|selector_events|proactor_events|windows_events)\.(\w+)"
)
_LOOP_CLASSES = re.compile(
    r"(?:asyncio\.(?:Abstract|Base|Selector|Proactor|_UnixSelector|BaseSelector|BaseProactor)?EventLoop|uvloop\.Loop)\b"
)


class Binding(NamedTuple):
    """A name's home scope and the nodes that bind it there, in source order."""

    scope: nodes.LocalsDictNodeNG
    nodes: tuple[nodes.NodeNG, ...]


def canonical(qualname: str) -> str:
    """The public name of an object of the standard library: ``asyncio.tasks.create_task`` is ``asyncio.create_task``.

    Every class of event loop is called ``asyncio.AbstractEventLoop``, the interface they share; what
    ``typing_extensions`` gives to older versions of Python is what ``typing`` gives.
    """
    if qualname.startswith("typing_extensions."):
        return f"typing.{qualname.partition('.')[2]}"
    shortened = _SUBMODULES.sub(r"asyncio.\1", qualname)
    return _LOOP_CLASSES.sub("asyncio.AbstractEventLoop", shortened)


def dotted(expression: nodes.NodeNG) -> str:
    """``self._loop`` for an attribute chain on a name; "" for anything else."""
    parts: list[str] = []
    while isinstance(expression, nodes.Attribute | nodes.AssignAttr | nodes.DelAttr):
        parts.append(expression.attrname)
        expression = expression.expr
    if not isinstance(expression, nodes.Name | nodes.AssignName | nodes.DelName):
        return ""
    parts.append(expression.name)
    return ".".join(reversed(parts))


def last_word(expression: nodes.NodeNG) -> str:
    """The name an expression ends in: ``_loop`` for ``self._loop``, "" for a call or a subscript."""
    if isinstance(expression, nodes.Attribute | nodes.AssignAttr):
        return str(expression.attrname)
    if isinstance(expression, nodes.Name | nodes.AssignName):
        return str(expression.name)
    return ""


def enclosing_function(node: nodes.NodeNG) -> nodes.FunctionDef | None:
    """The function whose frame runs this node, lambdas and comprehensions passed through; None outside any."""
    for scope in scopes(node):
        if isinstance(scope, nodes.FunctionDef):
            return scope
        if isinstance(scope, nodes.ClassDef | nodes.Module):
            return None
    return None


def enclosing_class(function: nodes.NodeNG) -> nodes.ClassDef | None:
    """The class whose body defines this function directly; None for any other function."""
    parent = function.parent
    while parent is not None and not isinstance(parent, nodes.LocalsDictNodeNG):
        parent = parent.parent
    return parent if isinstance(parent, nodes.ClassDef) else None


def qualified_name(node: nodes.NodeNG) -> str:
    """``Poller._run`` for a node in that method: the functions and classes around it, "" at module level."""
    parts: list[str] = []
    current: nodes.NodeNG | None = node
    while current is not None:
        if isinstance(current, nodes.FunctionDef | nodes.ClassDef):
            parts.append(current.name)
        current = current.parent
    return ".".join(reversed(parts))


def member_name(function: nodes.FunctionDef) -> str:
    """``Poller._run`` for a method of that class, the plain name of any other function."""
    owner = enclosing_class(function)
    return f"{owner.name}.{function.name}" if owner is not None else str(function.name)


def scopes(node: nodes.NodeNG) -> Iterator[nodes.LocalsDictNodeNG]:
    """The scopes in which a node's names are looked up, innermost first, class bodies included.

    Decorators, defaults, annotations and base classes belong to the scope around their definition.
    """
    child, current = node, node.parent
    while current is not None:
        if isinstance(current, nodes.LocalsDictNodeNG) and not _evaluated_outside(current, child):
            yield current
        child, current = current, current.parent


def _evaluated_outside(scope: nodes.LocalsDictNodeNG, child: nodes.NodeNG) -> bool:
    if isinstance(scope, nodes.FunctionDef):
        return child is scope.args or child is scope.decorators or child is scope.returns
    if isinstance(scope, nodes.Lambda):
        return child is scope.args
    if isinstance(scope, nodes.ClassDef):
        return child is scope.decorators or child in scope.bases or child in scope.keywords
    return False


class Names:
    """Name look-ups in one module."""

    def __init__(self, nonlocals: Mapping[nodes.NodeNG, set[str]]) -> None:
        self._nonlocals = nonlocals

    def binding(self, node: nodes.NodeNG, name: str) -> Binding | None:
        """The binding that ``name`` has when it is read at ``node``; None for a builtin or an unknown name."""
        innermost = True
        for scope in scopes(node):
            if not innermost and isinstance(scope, nodes.ClassDef):
                continue
            innermost = innermost and isinstance(scope, nodes.ComprehensionScope)
            bound = self._bound_in(scope, name)
            if bound:
                return Binding(scope, bound)
        return None

    def local_scope(self, node: nodes.NodeNG, name: str) -> nodes.FunctionDef | None:
        """The function in which ``name``, stored at ``node``, is a plain local; None for every other home."""
        binding = self.binding(node, name)
        function = enclosing_function(node)
        if binding is None or function is None or binding.scope is not function:
            return None
        return function

    def _bound_in(self, scope: nodes.LocalsDictNodeNG, name: str) -> tuple[nodes.NodeNG, ...]:
        if name in self._nonlocals.get(scope, ()):
            return ()
        found = scope.locals.get(name)
        if not found:
            return ()
        inner = [
            node
            for function, names in self._nonlocals.items()
            if name in names and scope.parent_of(function)
            for node in function.locals.get(name, ())
        ]
        return tuple(node for node in [*found, *inner] if isinstance(node, nodes.NodeNG) and node.lineno is not None)
