"""Functions given to what calls them later and throws their result away.

https://docs.python.org/3/library/asyncio-eventloop.html#scheduling-callbacks: the result of a callback is not used.
"""

from __future__ import annotations

from collections.abc import Iterator

from astroid import nodes

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.loops import is_event_loop
from flake8_task_lifecycle.facts.values import Definition, known_names
from flake8_task_lifecycle.names import last_word
from flake8_task_lifecycle.tree import Tree

_REGISTRAR_WORDS = (
    "add_done_callback",
    *library.LOOP_REGISTRARS,
    *sorted(name.rpartition(".")[2] for name in library.OTHER_REGISTRARS),
)


class Callbacks:
    """The callbacks that a module registers with an event loop, a future, ``signal`` or ``atexit``."""

    def __init__(self, tree: Tree, evaluator: Evaluator) -> None:
        self._tree = tree
        self._evaluator = evaluator
        self._by_call: dict[nodes.Call, nodes.NodeNG | None] = {}
        self._lambdas: set[nodes.NodeNG] | None = None

    def registering(self) -> Iterator[nodes.Call]:
        """The calls whose last word is one that registers."""
        for word in _REGISTRAR_WORDS:
            yield from self._tree.calls.get(word, ())

    def registered(self) -> Iterator[tuple[nodes.Call, nodes.NodeNG]]:
        """The registering calls with the callback each is given."""
        for call in self.registering():
            callback = self.of(call)
            if callback is not None:
                yield call, callback

    def of(self, call: nodes.Call) -> nodes.NodeNG | None:
        """The callback that a call registers; None when it registers none."""
        if last_word(call.func) not in _REGISTRAR_WORDS:
            return None
        if call not in self._by_call:
            self._by_call[call] = self._callback(call)
        return self._by_call[call]

    def is_registered(self, function: nodes.Lambda) -> bool:
        """Whether a lambda is such a callback: given directly, or through a name it is bound to."""
        if self._lambdas is None:
            self._lambdas = set()
            for _, callback in self.registered():
                self._lambdas.update(self._lambdas_of(callback))
        return function in self._lambdas

    def _lambdas_of(self, callback: nodes.NodeNG) -> Iterator[nodes.NodeNG]:
        for value in self._evaluator.of(callback):
            if isinstance(value, Definition) and isinstance(value.node, nodes.Lambda):
                yield value.node

    def _callback(self, call: nodes.Call) -> nodes.NodeNG | None:
        function = call.func
        position = None
        if isinstance(function, nodes.Attribute):
            if function.attrname == "add_done_callback":
                position = 0
            elif function.attrname in library.LOOP_REGISTRARS and is_event_loop(self._evaluator, function.expr):
                position = library.LOOP_REGISTRARS[function.attrname]
        if position is None and self._is_other_registrar(function):
            names = known_names(self._evaluator.of(function), instance=False) or frozenset()
            positions = {library.OTHER_REGISTRARS.get(name) for name in names}
            position = positions.pop() if len(positions) == 1 else None
        if position is None:
            return None
        if len(call.args) > position and not any(isinstance(one, nodes.Starred) for one in call.args[: position + 1]):
            return call.args[position]
        for keyword in call.keywords:
            if keyword.arg in {"callback", "handler", "fn", "func"}:
                return keyword.value
        return None

    @staticmethod
    def _is_other_registrar(function: nodes.NodeNG) -> bool:
        return any(name.endswith(f".{last_word(function)}") for name in library.OTHER_REGISTRARS)
