"""What other classes, wrappers and modules say of a task that is cancelled here: where it is spawned, who waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.awaiting import Waited, end_signals
from flake8_task_lifecycle.facts.cleanup import has_nothing_to_clean_up
from flake8_task_lifecycle.facts.holders import Holder
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import ask, spawned_functions
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import inside
from flake8_task_lifecycle.names import last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts
    from flake8_task_lifecycle.facts.world import Question

_MAX_FUNCTIONS = 200


class Inherited(NamedTuple):
    """A spawn into an attribute by a base class of another module, in plain data."""

    coroutine: str
    bare: bool
    signals: frozenset[str]
    calls: frozenset[str]


def calls_in(facts: Facts, function: nodes.FunctionDef) -> Iterator[nodes.Call]:
    """The calls of a function that run in it: not the coroutines that it spawns."""
    spawned = set()
    for node in inside(function):
        spawn = facts.spawns.of(node) if isinstance(node, nodes.Call) else None
        if spawn is not None and spawn.coroutine is not None:
            spawned.add(spawn.coroutine)
    for node in inside(function):
        if isinstance(node, nodes.Call) and node not in spawned:
            yield node


def foreign_bases(facts: Facts, owner: nodes.ClassDef) -> Iterator[str]:
    """The bases of a class that other modules define, by qualified name."""
    for home in facts.evaluator.classes.hierarchy(owner):
        for value in facts.evaluator.bases(home):
            if isinstance(value, External):
                yield value.name


def waits_in_class(attribute: str) -> Question[Waited]:
    """Asks a base class whether it, or a base of its own, waits for what an attribute holds."""

    def question(facts: Facts, node: nodes.NodeNG) -> Waited:
        if not isinstance(node, nodes.ClassDef):
            return Waited.NO
        family = set(facts.evaluator.classes.hierarchy(node))
        own = facts.awaiting.elsewhere(attribute, {}, family)
        above = [facts.world.ask(base, question) for base in foreign_bases(facts, node)] if own is Waited.NO else []
        return next((one for one in above if one is not None and one is not Waited.NO), own)

    return question


def spawned_in_class(attribute: str) -> Question[tuple[Inherited, ...]]:
    """Asks a base class what it, or a base of its own, spawns into an attribute."""

    def question(facts: Facts, node: nodes.NodeNG) -> tuple[Inherited, ...]:
        if not isinstance(node, nodes.ClassDef):
            return ()
        found = [_plain(facts, spawn) for spawn in facts.holders.spawns(Holder(f"self.{attribute}", node, True))]
        for base in foreign_bases(facts, node):
            found += facts.world.ask(base, question) or ()
        return tuple(found)

    return question


def _plain(facts: Facts, spawn: Spawn) -> Inherited:
    signals: set[str] = set()
    calls: set[str] = set()
    for target in spawned_functions(facts, spawn):
        signals |= ask(facts, target, end_signals) or frozenset()
        calls |= ask(facts, target, called_words) or frozenset()
    return Inherited(
        facts.coroutines.name(spawn.coroutine),
        has_nothing_to_clean_up(facts, spawn),
        frozenset(signals),
        frozenset(calls),
    )


def called_words(facts: Facts, function: nodes.FunctionDef) -> frozenset[str]:
    """The last words of what a function calls, and of what its callees in the module do."""
    words: set[str] = set()
    waiting, seen = [function], {function}
    while waiting and len(seen) < _MAX_FUNCTIONS:
        for call in calls_in(facts, waiting.pop()):
            words.add(last_word(call.func))
            for value in facts.evaluator.of(call.func):
                callee = value.node if isinstance(value, Definition) else None
                if isinstance(callee, nodes.FunctionDef) and callee not in seen:
                    seen.add(callee)
                    waiting.append(callee)
    return frozenset(words)


def spawned_in_others(facts: Facts, attribute: str) -> list[Inherited]:
    """What the classes of other modules spawn into an attribute of this name, where each that has it does.

    For an object whose class is not known: the name alone is evidence only when nothing else goes by it.
    """
    others = facts.world.mentioning(f"self.{attribute}") if "task" in attribute else None
    found: list[Inherited] = []
    for other in others or ():
        for owner in other.tree.classes:
            if other.evaluator.classes.stores(owner, attribute):
                spawned = spawned_in_class(attribute)(other, owner)
                if not spawned:
                    return []
                found += spawned
    return found


def waited_in_others(facts: Facts, attribute: str) -> Waited:
    """Whether a function of another module waits for what any attribute of this name holds."""
    others = facts.world.mentioning(f".{attribute}")
    if others is None:
        return Waited.UNKNOWN
    answers = [other.awaiting.elsewhere(attribute, {}, None) for other in others]
    return next((one for one in answers if one is not Waited.NO), Waited.NO)


def kept_besides(facts: Facts, spawn: Spawn) -> Iterator[Holder]:
    """The attributes that hold a task as well: where it is spawned, and in the wrapper that spawns it."""
    yield from _kept(facts, spawn)
    if spawn.form is Form.WRAPPER and isinstance(spawn.node, nodes.Call):
        for value in facts.evaluator.of(spawn.node.func):
            if isinstance(value, Definition) and isinstance(value.node, nodes.FunctionDef):
                for inner in _spawns_in(facts, value.node):
                    yield from _kept(facts, inner)


def kept_elsewhere(facts: Facts, spawn: Spawn) -> Waited:
    """Whether the wrapper of another module that spawns a task keeps it where something waits for it."""
    if spawn.form is not Form.WRAPPER or not spawn.keeping or not isinstance(spawn.node, nodes.Call):
        return Waited.NO
    for value in facts.evaluator.of(spawn.node.func):
        if isinstance(value, External):
            answer = facts.world.ask(value.name, _keeps_and_waits)
            if answer is not Waited.NO:
                return answer or Waited.UNKNOWN
    return Waited.NO


def _keeps_and_waits(facts: Facts, node: nodes.NodeNG) -> Waited:
    if not isinstance(node, nodes.FunctionDef):
        return Waited.UNKNOWN
    for spawn in _spawns_in(facts, node):
        for holder in kept_besides(facts, spawn):
            family = set(facts.holders.family(holder.scope)) if isinstance(holder.scope, nodes.ClassDef) else None
            if holder.is_attribute:
                answer = facts.awaiting.elsewhere(holder.attribute, {}, family)
            else:
                answer = facts.awaiting.variable_elsewhere(holder, ())
            if answer is not Waited.NO:
                return answer
    return Waited.NO


def _spawns_in(facts: Facts, function: nodes.FunctionDef) -> list[Spawn]:
    found = [facts.spawns.of(node) for node in inside(function) if isinstance(node, nodes.Call)]
    return [spawn for spawn in found if spawn is not None and not spawn.scoped]


def _kept(facts: Facts, spawn: Spawn) -> Iterator[Holder]:
    use = facts.uses.of(spawn.value)
    for one in (use, *facts.owners.aliases(spawn.value, use)):
        target = one.target if one.fate is Fate.KEPT else None
        holder = facts.holders.of(target) if target is not None else None
        if holder is not None:
            yield holder
