"""Who holds a task, under which name, and what runs in it: the head of an account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks
from flake8_task_lifecycle.facts.account_lines import Line, line_at, path_of
from flake8_task_lifecycle.facts.callers import Callers
from flake8_task_lifecycle.facts.frameworks import Does
from flake8_task_lifecycle.facts.named import is_named
from flake8_task_lifecycle.facts.sites import Task
from flake8_task_lifecycle.facts.slots import Place
from flake8_task_lifecycle.facts.spawns import Form, Spawn
from flake8_task_lifecycle.facts.targets import Target, ask, spawned_functions
from flake8_task_lifecycle.facts.uses import Fate
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.names import dotted, qualified_name

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_SUBSTITUTION = re.compile(r"\|\w+\|")
_ROLE = re.compile(r":\w+(?::\w+)*:`([^`]*)`")
_MAX_DEPTH = 3
_SENTENCE = re.compile(r"""(.*?(?:[^\W\d_]{2}|[)\]'"`])[.!?])(?:\s|\Z)""", re.DOTALL)


class Runs(NamedTuple):
    """What a task runs. ``functions`` are paths and qualified names; ``reason``: why the purpose is not known."""

    name: str
    purpose: str
    functions: tuple[tuple[str, str], ...] = ()
    reason: str = ""


class Holds(NamedTuple):
    """Who holds a task. ``kind`` is a word of the report's list; ``places`` are the slots that take it.

    ``reason``: why the owner, or the place that it is kept in, is not known; ``trusted``: the owner ends the task, by
    what is known of a framework or said by an option, in this clause.
    """

    kind: str
    name: str = ""
    places: tuple[Place, ...] = ()
    reason: str = ""
    trusted: str = ""


class _Doc(NamedTuple):
    path: str
    name: str
    doc: str


def runs_of(facts: Facts, spawn: Spawn) -> Runs:
    """What a spawn starts, with its purpose: the first sentence of a docstring, else the qualified name."""

    def question(home: Facts, function: nodes.FunctionDef) -> _Doc:
        doc = function.doc_node.value if function.doc_node is not None else ""
        return _Doc(path_of(home), qualified_name(function), doc)

    found = spawned_functions(facts, spawn) or _made_by_wrapper(facts, spawn)
    answers = [(target, ask(facts, target, question)) for target in found]
    known = [answer for _, answer in answers if answer is not None]
    names = [answer.name if answer is not None else _name(target) for target, answer in answers]
    written = " or ".join(dict.fromkeys(names)) or _as_written(facts, spawn)
    functions = tuple(dict.fromkeys((answer.path, answer.name) for answer in known))
    purposes = [sentence for answer in known if (sentence := first_sentence(answer.doc))]
    if purposes:
        return Runs(written, purposes[0], functions)
    if found:
        return Runs(written, written, functions)
    what = f"'{written}' is not resolved" if written else "the spawn does not show what it runs"
    return Runs(written, "unknown", (), what)


def _as_written(facts: Facts, spawn: Spawn) -> str:
    """The name of what runs as the spawn has it, of a wrapper's first argument too; "" when it shows none."""
    given = spawn.node.args[:1] if spawn.form is Form.WRAPPER and isinstance(spawn.node, nodes.Call) else []
    first = given[0] if given and isinstance(given[0], nodes.Call) else None
    return facts.coroutines.name(spawn.coroutine if spawn.coroutine is not None else first)


def _name(target: Target) -> str:
    return target.name if isinstance(target, External) else qualified_name(target.node)


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring in one line, without its full stop; "" when there is none."""
    paragraphs = (" ".join(part.split()) for part in doc.strip().split("\n\n"))
    paragraph = next((part for part in paragraphs if not _SUBSTITUTION.fullmatch(part)), "")
    paragraph = _ROLE.sub(lambda role: role[1].removeprefix("~"), paragraph).replace("``", "")
    match = _SENTENCE.match(paragraph)
    return (match[1] if match else paragraph).rstrip(".").strip()


def _made_by_wrapper(facts: Facts, spawn: Spawn) -> tuple[Target, ...]:
    """What a wrapper of another module starts when the call does not show it."""
    if spawn.form is not Form.WRAPPER or spawn.coroutine is not None or not isinstance(spawn.node, nodes.Call):
        return ()

    def question(home: Facts, function: nodes.FunctionDef) -> tuple[str, ...]:
        inner = [one for one in home.spawns.inside(function) if not one.scoped]
        return tuple(
            home.qualified(target.node) if isinstance(target, Definition) else target.name
            for one in inner
            for target in spawned_functions(home, one)
        )

    names = [ask(facts, value, question) or () for value in facts.evaluator.of(spawn.node.func)]
    return tuple(External(name) for found in names for name in found)


def holds_of(facts: Facts, spawn: Spawn, task: Task) -> Holds:
    """Who holds the task of a spawn."""
    if spawn.scoped:
        return Holds("scope", task.owner.removeprefix("scope:"))
    if task.unheld.is_yes:
        return Holds("nobody")
    uses = facts.owners.of(spawn.value).uses if spawn.form is not Form.CALLBACK else ()
    fates = {use.fate for use in uses}
    places = facts.slots.places(spawn)
    if spawn.keeping:
        return _kept_by_callee(facts, spawn, places)
    if places:
        return Holds(_kind(places[0]), owner_name(facts, places[0]), places)
    kept = next((use for use in uses if use.fate is Fate.KEPT), None)
    if kept is not None and kept.holder.startswith("closure:"):
        return Holds("local", kept.holder.partition(":")[2])
    if kept is not None:
        return Holds("attribute", kept.holder.rpartition(":")[2], (), f"the class of '{kept.holder}' is not resolved")
    if task.owner == "awaited" or (fates == {Fate.AWAITED} and not task.local):
        return Holds("awaited")
    handed = [use.holder.rpartition(".")[2] for use in uses if use.fate is Fate.HANDED]
    if task.local and set(handed) == {"as_completed"}:
        return Holds("local", task.local)
    if task.unheld.known.value == "unknown":
        return Holds("unknown", "", (), task.unheld.reason)
    if task.owner.startswith("local:"):
        return Holds("local", task.owner.partition(":")[2])
    if task.owner == "caller":
        return Holds("caller", qualified_name(spawn.node))
    if task.owner == "nobody":
        return Holds("nobody", trusted="it is done in its first step" if spawn.ends_at_once else "")
    if task.owner.startswith("callee:"):
        return Holds("callee", task.owner.partition(":")[2])
    return Holds("local", task.owner)


def _kept_by_callee(facts: Facts, spawn: Spawn, places: tuple[Place, ...]) -> Holds:
    """A spawner that keeps the task itself: a framework's, one that an option names, or a wrapper of the project."""
    name = spawn.spawner
    if isinstance(spawn.node, nodes.Call):
        if is_named(facts.evaluator, spawn.node.func, frameworks.names(Does.KEEPS)):
            return Holds("callee", name, places, "", f"'{name}' keeps the task and ends it at shutdown")
        if is_named(facts.evaluator, spawn.node.func, facts.options.keeping_spawners):
            return Holds("callee", name, places, "", f"the options name '{name}' as a spawner that keeps its tasks")
    places = tuple(dict.fromkeys((*places, *_kept_by_wrapper(facts, spawn, _MAX_DEPTH))))
    if places:
        return Holds(_kind(places[0]), owner_name(facts, places[0]), places)
    return Holds("callee", name, (), f"where '{name}' keeps the task is not resolved")


def _kept_by_wrapper(facts: Facts, spawn: Spawn, depth: int) -> tuple[Place, ...]:
    """The slots that a keeping wrapper, here or in another module, puts the task into, itself or by another one."""

    def question(home: Facts, function: nodes.FunctionDef) -> tuple[Place, ...]:
        inner = [one for one in home.spawns.inside(function) if not one.scoped]
        return tuple(
            place
            for one in inner
            for place in (*home.slots.places(one), *(_kept_by_wrapper(home, one, depth - 1) if one.keeping else ()))
        )

    if depth <= 0 or not isinstance(spawn.node, nodes.Call):
        return ()
    return tuple(place for value in facts.evaluator.of(spawn.node.func) for place in ask(facts, value, question) or ())


def _kind(place: Place) -> str:
    if place.is_collection:
        return "collection"
    return "global" if place.is_global else "attribute"


def owner_name(facts: Facts, place: Place) -> str:
    """``Scheduler._task`` for an attribute, the plain name for a global."""
    if place.is_global:
        return place.attribute
    for owner in facts.tree.classes:
        if facts.qualified(owner) == place.home:
            return f"{qualified_name(owner)}.{place.attribute}"
    return f"{place.owner}.{place.attribute}"


def instance_of(callers: Callers, near: str, holds: Holds) -> tuple[str, Line | None]:
    """The module-level instance of the class that holds a task, and the line that makes it."""
    for place in holds.places:
        if not place.is_global:
            for kept in callers.instances(near, place.home):
                line = Line("instance", kept.path, kept.line, f"{kept.name} is {kept.made}", kept.text)
                return kept.name, line
    return "", None


def scope_line(facts: Facts, spawn: Spawn) -> Line | None:
    """The ``async with`` that waits for the tasks of a scope; None when the function does not show it."""
    receiver = spawn.node.func.expr if isinstance(spawn.node.func, nodes.Attribute) else None
    parent = spawn.node.parent
    while parent is not None and not isinstance(parent, nodes.FunctionDef):
        if isinstance(parent, nodes.AsyncWith) and receiver is not None:
            for context, target in parent.items:
                if target is not None and dotted(target) == dotted(receiver) != "":
                    return line_at(facts, context, "scope", f"'{dotted(receiver)}' waits for its tasks at its end")
        parent = parent.parent
    return None


def class_names(facts: Facts, place: Place) -> frozenset[str]:
    """The last words of the class that has a slot, and of its bases."""
    return frozenset(home.rpartition(".")[2] for home in facts.slots.lineage(place.home))
