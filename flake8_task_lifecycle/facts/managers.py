"""Context managers that hide an exception of their body from what stands around them.

https://docs.python.org/3/reference/datamodel.html#object.__exit__: a true result swallows the exception.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.call_names import call_name_of
from flake8_task_lifecycle.facts.exceptions import NOTHING, Caught
from flake8_task_lifecycle.facts.targets import ask
from flake8_task_lifecycle.facts.values import Definition, External, Instance, known_names
from flake8_task_lifecycle.flow import FlowTooLarge
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Managers:
    """Reads the context managers of one module's ``with`` statements."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def suppressed(self, context: nodes.NodeNG) -> Caught:
        """What ``contextlib.suppress(...)`` hides, itself or through a name it is bound to."""
        call = self._call(context)
        if call is None or last_word(call.func) not in self._suppressors:
            return NOTHING
        if known_names(self._facts.evaluator.of(call.func), instance=False) != {"contextlib.suppress"}:
            return NOTHING
        found = [self._facts.exceptions.caught(one) for one in call.args]
        if not found:
            return NOTHING
        return Caught(frozenset().union(*(one.kinds for one in found)), all(one.resolved for one in found))

    @cached_property
    def _suppressors(self) -> frozenset[str]:
        """The names under which this module may know ``suppress``."""
        return frozenset(
            {"suppress", *(alias for alias, original in self._facts.tree.aliases if original == "suppress")}
        )

    def _call(self, context: nodes.NodeNG) -> nodes.Call | None:
        if isinstance(context, nodes.Call):
            return context
        if not isinstance(context, nodes.Name):
            return None
        binding = self._facts.names.binding(context, context.name)
        stores = binding.nodes if binding is not None else ()
        if len(stores) != 1 or not isinstance(stores[0].parent, nodes.Assign):
            return None
        value = stores[0].parent.value
        return value if isinstance(value, nodes.Call) else None

    def hides(self, context: nodes.NodeNG, *, asynchronous: bool) -> bool:
        """Whether a context manager of the project always says that it has dealt with the exception."""
        method = "__aexit__" if asynchronous else "__exit__"
        mention = call_name_of(context, method)
        homes = self._facts.homes
        if not self._facts.outline.hides_errors and (
            homes is None or mention is None or not homes.may_hide_errors(mention)
        ):
            return False
        values = self._facts.evaluator.of(context)
        return bool(values) and all(
            isinstance(value, Instance) and self._always_true(value, method) for value in values
        )

    def _always_true(self, manager: Instance, method: str) -> bool:
        if isinstance(manager.of, External):
            if manager.of.name.startswith(("builtins.", "asyncio.")):
                return False
            return bool(ask(self._facts, External(f"{manager.of.name}.{method}"), always_true))
        found = self._facts.evaluator.member(manager, method)
        answers = [
            ask(self._facts, value, always_true) if isinstance(value, Definition | External) else False
            for value in found
        ]
        return bool(answers) and all(answers)


def always_true(facts: Facts, function: nodes.FunctionDef) -> bool:
    """Whether a function returns something true on every path that ends it."""
    returned = facts.tree.returns.get(function, ())
    if not returned or not all(isinstance(one.value, nodes.Const) and one.value.value for one in returned):
        return False
    try:
        graph = facts.graph(function)
    except FlowTooLarge:
        return False
    reachable = facts.paths.reachable(graph)
    return all(
        isinstance(graph.steps[step].statement, nodes.Return)
        for step in reachable
        for target, _ in graph.steps[step].edges
        if target == graph.exit
    )
