"""How a call names its function, as the search by text wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.homes import OWN_RECEIVERS, CallName
from flake8_task_lifecycle.names import last_word
from flake8_task_lifecycle.outline import Outline

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def call_name_of(function: nodes.NodeNG, word: str = "") -> CallName | None:
    """The name by which an expression calls something; None when it ends in none.

    With a word, that of the method of this name on the expression.
    """
    if word:
        receiver = _written(function)
        return CallName(receiver, word, _owner(function) if receiver in OWN_RECEIVERS else "") if receiver else None
    match function:
        case nodes.Name():
            return CallName("", function.name)
        case nodes.Attribute():
            return call_name_of(function.expr, function.attrname)
    return None


def words_of(facts: Facts, function: nodes.NodeNG) -> list[str]:
    """The last word of a called expression, and what the module makes it another name for."""
    word = last_word(function)
    return [word, *(original for alias, original in facts.tree.aliases if alias == word)]


def may_call(facts: Facts, function: nodes.NodeNG, holds: Callable[[Outline, str], bool]) -> bool:
    """Whether something may be so of what a call names, by text alone: here, or in the modules that it leads to.

    ``holds`` is asked of a module's outline and a name there. True where the call names nothing that can be followed.
    """
    if not last_word(function):
        return True
    if any(holds(facts.outline, word) for word in words_of(facts, function)):
        return True
    name = call_name_of(function)
    if name is None:
        return True
    return facts.homes is not None and facts.homes.any_holds(name, holds)


def may_cancel(facts: Facts, function: nodes.NodeNG) -> bool:
    """Whether what a call names may cancel something, by text alone."""
    return may_call(facts, function, lambda outline, name: outline.holds(name, "ancel"))


def _written(expression: nodes.NodeNG) -> str:
    """A dotted receiver as written; a call in it stands for what it calls, and ``super()`` for itself."""
    parts: list[str] = []
    while isinstance(expression, nodes.Attribute | nodes.Call | nodes.Await):
        if isinstance(expression, nodes.Attribute):
            parts.append(expression.attrname)
            expression = expression.expr
        elif isinstance(expression, nodes.Await):
            expression = expression.value
        elif isinstance(expression.func, nodes.Name) and expression.func.name == "super":
            parts.append("super()")
            break
        else:
            expression = expression.func
    if isinstance(expression, nodes.Name):
        parts.append(expression.name)
    return ".".join(reversed(parts))


def _owner(node: nodes.NodeNG) -> str:
    parent = node.parent
    while parent is not None and not isinstance(parent, nodes.ClassDef):
        parent = parent.parent
    return parent.name if parent is not None else ""
