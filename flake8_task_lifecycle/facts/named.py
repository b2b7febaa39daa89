"""Functions that the options name: by dotted name, or as ``*.method`` of whatever receiver."""

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


def _name_of(node: nodes.NodeNG) -> str:
    return f"{node.root().name}.{qualified_name(node)}" if isinstance(node, nodes.FunctionDef) else ""
