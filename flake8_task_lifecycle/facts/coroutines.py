"""What kind of awaitable an expression is, and what the coroutine does that matters to its task."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.definitions import is_abstract, is_generator, is_plainly_decorated
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.values import Definition, External, Values, known_names
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import Names, dotted, enclosing_class, member_name
from flake8_task_lifecycle.tree import Tree

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Kind(Enum):
    """Coroutine (not yet running), future or task (running already), or not known."""

    COROUTINE = "coroutine"
    FUTURE = "future"
    UNKNOWN = "unknown"


class Coroutines:
    """Reads the awaitables of one module."""

    def __init__(self, tree: Tree, names: Names, evaluator: Evaluator) -> None:
        self._tree = tree
        self._names = names
        self._evaluator = evaluator

    def kind(self, expression: nodes.NodeNG) -> Kind:
        """Coroutine or future? A call of something unknown is taken for a coroutine, also where a local is bound to it.

        A name that holds anything else is not.
        """
        match expression:
            case nodes.Call():
                resolved = self._kind_of_call(expression)
                return Kind.COROUTINE if resolved is Kind.UNKNOWN else resolved
            case nodes.Name():
                resolved, made = self._kind_of_name(expression), self._made(expression)
                calls = [one for one in made if isinstance(one, nodes.Call)]
                if resolved is not Kind.UNKNOWN or not made or len(calls) < len(made):
                    return resolved
                return self._common(calls)
            case nodes.IfExp():
                return self._common([expression.body, expression.orelse])
        return self._kind_of_values(self._evaluator.of(expression))

    def _common(self, expressions: Sequence[nodes.NodeNG]) -> Kind:
        kinds = {self.kind(one) for one in expressions}
        return kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN

    def is_resolved(self, expression: nodes.NodeNG) -> bool:
        """Whether the expression is a coroutine on evidence; of a starred comprehension, what it makes."""
        if isinstance(expression, nodes.Starred):
            inner = expression.value
            if isinstance(inner, nodes.ListComp | nodes.GeneratorExp | nodes.SetComp):
                return self.is_resolved(inner.elt)
            if isinstance(inner, nodes.List | nodes.Tuple):
                return any(self.is_resolved(element) for element in inner.elts)
            return False
        if isinstance(expression, nodes.Call):
            return self._kind_of_call(expression) is Kind.COROUTINE
        return isinstance(expression, nodes.Name) and self._kind_of_name(expression) is Kind.COROUTINE

    def _kind_of_call(self, call: nodes.Call) -> Kind:
        kinds = {self._kind_of_function(value, call) for value in self._evaluator.of(call.func)}
        return kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN

    def _kind_of_function(self, function: object, call: nodes.Call) -> Kind:
        match function:
            case Definition(node) if isinstance(node, nodes.AsyncFunctionDef):
                return Kind.COROUTINE if _makes_coroutine(None, node) else Kind.UNKNOWN
            case External(name) if name in library.COROUTINE_FUNCTIONS:
                return Kind.COROUTINE
            case External(name) if self._evaluator.elsewhere.ask(name, _makes_coroutine):
                return Kind.COROUTINE
        return self._kind_of_values(self._evaluator.of(call))

    def _kind_of_values(self, values: Values) -> Kind:
        classes = known_names(values, instance=True)
        if classes is None:
            return Kind.UNKNOWN
        if classes <= library.FUTURE_CLASSES:
            return Kind.FUTURE
        return Kind.COROUTINE if classes <= library.COROUTINE_ANNOTATIONS else Kind.UNKNOWN

    def _kind_of_name(self, name: nodes.Name) -> Kind:
        made = self._made(name)
        if made:
            kinds = {self._kind_of_call(one) if isinstance(one, nodes.Call) else Kind.UNKNOWN for one in made}
            return kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN
        return self._kind_of_values(self._evaluator.of(name))

    def _made(self, name: nodes.Name) -> list[nodes.NodeNG]:
        """What a name is bound to by plain assignments; nothing when it is bound in any other way too."""
        binding = self._names.binding(name, name.name)
        made = [
            target.parent.value
            for target in (binding.nodes if binding is not None else ())
            if isinstance(target, nodes.AssignName) and isinstance(target.parent, nodes.Assign)
        ]
        return made if binding is not None and len(made) == len(binding.nodes) else []

    def ends_in_first_step(self, coroutine: nodes.NodeNG) -> bool:
        """Whether the coroutine never suspends, so that nothing can be lost: or may, for all that is known.

        True for ``put`` on a queue not known to be bounded (``asyncio.Queue.put`` waits only when the queue is
        full, https://docs.python.org/3/library/asyncio-queue.html#asyncio.Queue.put), and for a coroutine of the
        module without a step that can wait.
        """
        if not isinstance(coroutine, nodes.Call):
            return False
        function = coroutine.func
        if isinstance(function, nodes.Attribute) and function.attrname == "put":
            return not self._is_bounded(function.expr)
        values = self._evaluator.of(function)
        return bool(values) and all(self._never_waits(value) for value in values)

    def never_suspends(self, coroutine: nodes.NodeNG) -> bool:
        """Whether a coroutine of the project is known to have no step that can wait: no promise, and not overridden."""
        if not isinstance(coroutine, nodes.Call):
            return False
        values = self._evaluator.of(coroutine.func)
        return bool(values) and all(self._never_waits(value, surely=True) for value in values)

    def _never_waits(self, function: object, *, surely: bool = False) -> bool:
        match function:
            case Definition(node):
                return _never_waits(None, node) and not (surely and _may_be_overridden(self._evaluator, node))
            case External(name):
                return bool(
                    self._evaluator.elsewhere.ask(
                        name,
                        lambda facts, node: (
                            _never_waits(facts, node) and not (surely and _may_be_overridden(facts.evaluator, node))
                        ),
                    )
                )
        return False

    def _is_bounded(self, queue: nodes.NodeNG) -> bool:
        classes = known_names(self._evaluator.of(queue), instance=True)
        makers = [
            call
            for kind in sorted(library.ASYNCIO_QUEUES)
            for call in self._tree.calls.get(kind.rpartition(".")[2], ())
            if self._makes(call, queue)
        ]
        if classes is not None and not classes <= library.ASYNCIO_QUEUES:
            return True
        return any(_has_bound(call) for call in makers)

    def _makes(self, call: nodes.Call, queue: nodes.NodeNG) -> bool:
        """Whether a call is assigned to a name or attribute of the queue's name anywhere in the module."""
        parent = call.parent
        targets = parent.targets if isinstance(parent, nodes.Assign) else [getattr(parent, "target", None)]
        word = dotted(queue).rpartition(".")[2]
        return any(target is not None and dotted(target).rpartition(".")[2] == word for target in targets if word)

    def name(self, expression: nodes.NodeNG | None) -> str:
        """``Poller._run`` for ``self._run()`` in that class, the dotted text of other calls, "" for the rest."""
        if isinstance(expression, nodes.Call):
            expression = expression.func
        if expression is None:
            return ""
        for value in self._evaluator.of(expression):
            if isinstance(value, Definition) and isinstance(value.node, nodes.FunctionDef):
                return member_name(value.node)
        return dotted(expression)


def _has_bound(call: nodes.Call) -> bool:
    sizes = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "maxsize")]
    return any(not (isinstance(size, nodes.Const) and size.value == 0) for size in sizes)


def _makes_coroutine(_facts: Facts | None, node: nodes.NodeNG) -> bool:
    return isinstance(node, nodes.AsyncFunctionDef) and is_plainly_decorated(node) and not is_generator(node)


def _may_be_overridden(evaluator: Evaluator, function: nodes.NodeNG) -> bool:
    """Whether a method is only a promise, or a class below its own has another, or may have."""
    owner = enclosing_class(function)
    if owner is None or is_abstract(function):
        return owner is not None
    if any(function.name in one.locals for one in evaluator.classes.subclasses(owner)):
        return True
    others = evaluator.elsewhere.implementations(owner, function.name)
    return others is None or bool(others)


def _never_waits(_facts: Facts | None, function: nodes.NodeNG) -> bool:
    waiting = nodes.Await | nodes.AsyncFor | nodes.AsyncWith | nodes.YieldFrom
    return _makes_coroutine(None, function) and not any(
        isinstance(node, waiting) or (isinstance(node, nodes.Comprehension) and node.is_async)
        for node in walk(function.body)
    )
