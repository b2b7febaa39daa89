"""Functions that go by names which are known, or which the options give: dotted, or ``*.method`` of any receiver."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from astroid import nodes

from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.names import dotted, qualified_name


def is_named(evaluator: Evaluator, function: nodes.NodeNG, names: AbstractSet[str]) -> bool:
    """Whether what is called goes by one of these names: as it is written, or as what it resolves to."""
    if not names or not isinstance(function, nodes.Name | nodes.Attribute | nodes.Call):
        return False
    if dotted(function) in names:
        return True
    if isinstance(function, nodes.Attribute) and f"*.{function.attrname}" in names:
        return True
    return any(
        _name_of(value.node) in names for value in evaluator.of(function) if isinstance(value, Definition)
    ) or any(value.name in names for value in evaluator.of(function) if isinstance(value, External))


def is_decorated(evaluator: Evaluator, function: nodes.NodeNG, names: AbstractSet[str]) -> bool:
    """Whether a decorator of a function goes by one of these names, called or not."""
    if not isinstance(function, nodes.FunctionDef) or function.decorators is None:
        return False
    called = (one.func if isinstance(one, nodes.Call) else one for one in function.decorators.nodes)
    return any(is_named(evaluator, one, names) for one in called)


def _name_of(node: nodes.NodeNG) -> str:
    return f"{node.root().name}.{qualified_name(node)}" if isinstance(node, nodes.FunctionDef) else ""
