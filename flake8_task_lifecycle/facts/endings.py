"""What becomes of a cancellation that a handler may take: a success, another exception, or a lost one from outside."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.facts.absorbers import ASKS, CANCELLED_HERE, ENDS, RAISES, Absorber, Judged, Place, Site
from flake8_task_lifecycle.facts.values import Definition, External
from flake8_task_lifecycle.flow import walk
from flake8_task_lifecycle.names import dotted, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

# What ends the program, and what says that its line is never reached.
_NO_TRANSLATION = frozenset(
    {"builtins.SystemExit", "builtins.KeyboardInterrupt", "builtins.GeneratorExit", "builtins.AssertionError"}
)


class Translation(NamedTuple):
    """A handler that raises something else, written ``raised``, in place of the cancellation."""

    absorber: Absorber
    raised: str


class Hiding(NamedTuple):
    """A wait for what was cancelled here, written ``awaited``, that takes a cancellation from outside as well."""

    absorber: Absorber
    awaited: str


class Endings:
    """The handlers of one module's coroutines that a default rule lets pass, and what they do to a cancellation."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @cached_property
    def as_success(self) -> list[Absorber]:
        """The places at the end of a task's own coroutine that take its cancellation, so that it counts as done."""
        return [
            judged.absorber
            for judged in self._judged(ENDS)
            if not (judged.absorber.goes_on or _tells_a_future(judged.node))
            and not self._facts.runners.is_main(judged.function)
        ]

    @cached_property
    def translated(self) -> list[Translation]:
        """The handlers all of whose paths raise something other than the cancellation."""
        found = []
        for judged in self._judged(RAISES):
            site = judged.site
            if judged.absorber.place is not Place.HANDLER or site is None:
                continue
            raised = self._translation(site)
            if raised and not self._facts.handlers.excuse(
                site, False, self._facts.handlers.waits(judged.node, judged.function)
            ):
                found.append(Translation(judged.absorber, raised))
        return found

    @cached_property
    def hiding(self) -> list[Hiding]:
        """The waits for a task that was cancelled here which also take a cancellation of the waiting coroutine."""
        found = []
        for judged in [*self._judged(CANCELLED_HERE), *self._judged(ASKS)]:
            awaited = self._hides(judged)
            if awaited:
                found.append(Hiding(judged.absorber, awaited))
        return sorted(found, key=lambda one: one.absorber.span)

    def _judged(self, reason: str) -> Iterator[Judged]:
        for judged in self._facts.handlers.judged:
            if judged.absorber.swallows.is_no and judged.absorber.swallows.reason == reason:
                yield judged

    def _translation(self, site: Site) -> str:
        """What every path from a handler raises in place of the cancellation, as written; "" when one does not."""
        written = []
        for step, knowledge in site.journey.known.items():
            statement = site.graph.steps[step].statement
            if isinstance(statement, nodes.Raise):
                if self._facts.paths.raises_cancellation(statement, knowledge) or not self._is_another(statement):
                    return ""
                written.append(statement)
        first = min(written, key=lambda statement: statement.lineno or 0, default=None)
        if first is None:
            return ""
        return str((first.exc.func if isinstance(first.exc, nodes.Call) else first.exc).as_string())

    def _is_another(self, statement: nodes.Raise) -> bool:
        """Whether a ``raise`` is known to throw an error that is no cancellation and does not end the program."""
        if statement.exc is None:
            return False
        error = statement.exc.func if isinstance(statement.exc, nodes.Call) else statement.exc
        values = self._facts.evaluator.of(error)
        return bool(values) and all(self._is_error(value) for value in values)

    def _is_error(self, value: object) -> bool:
        match value:
            case Definition(node) if isinstance(node, nodes.ClassDef):
                return not is_cancellation_class(self._facts, node)
            case External(name):
                word = name.rpartition(".")[2]
                if name in _NO_TRANSLATION or "Cancel" in word:
                    return False
                return word[:1].isupper() and not self._facts.world.ask(name, is_cancellation_class)
        return False

    def _hides(self, judged: Judged) -> str:
        """The text of what is awaited where a cancellation from outside gets lost; "" where it does not."""
        facts, node = self._facts, judged.node
        if judged.function.name.startswith("test"):
            return ""
        waits = facts.handlers.waits(node, judged.function)
        site = judged.site
        if site is None:
            return ""
        if judged.absorber.swallows.reason == CANCELLED_HERE:
            if self._raises_sometimes(site):
                return ""
        elif not (self._asks_the_awaited(site, waits) and facts.handlers.cancelled_here(site, waits)):
            return ""
        if facts.handlers.ends(site) and facts.entries.is_entry(judged.function).is_yes:
            return ""
        first = min(waits, key=lambda one: (one.lineno or 0, one.col_offset or 0))
        return " ".join(first.as_string().split()) if isinstance(first, nodes.Await) else ""

    def _raises_sometimes(self, site: Site) -> bool:
        """Whether a path through a handler raises the cancellation again: a test of the code's own tells them apart."""
        for step, knowledge in site.journey.known.items():
            statement = site.graph.steps[step].statement
            inside = site.within is not None and isinstance(statement, nodes.Raise) and site.within.parent_of(statement)
            if inside and self._facts.paths.raises_cancellation(statement, knowledge):
                return True
        return False

    def _asks_the_awaited(self, site: Site, waits: list[nodes.NodeNG]) -> bool:
        """Whether all that a handler asks is if the very task that was awaited is cancelled: it is, either way."""
        awaited = frozenset(
            text for wait in waits if isinstance(wait, nodes.Await) for text in self._directly(wait.value)
        )
        methods = [
            node
            for node in walk(site.within.body if site.within is not None else ())
            if isinstance(node, nodes.Call) and isinstance(node.func, nodes.Attribute)
        ]
        asked = [node for node in methods if "cancel" in node.func.attrname]
        return bool(asked) and all(
            node.func.attrname == "cancelled" and not self._facts.cancelled.texts(node.func.expr).isdisjoint(awaited)
            for node in asked
        )

    def _directly(self, awaited: nodes.NodeNG) -> frozenset[str]:
        if isinstance(awaited, nodes.Call) and last_word(awaited.func) in {"shield", "wait"}:
            return frozenset()
        return self._facts.cancelled.texts(awaited) | frozenset(filter(None, [dotted(awaited)]))


def _tells_a_future(node: nodes.NodeNG) -> bool:
    """Whether a handler hands what it caught on: ``future.set_exception(error)``."""
    if not isinstance(node, nodes.ExceptHandler) or node.name is None:
        return False
    return any(
        isinstance(call, nodes.Call)
        and last_word(call.func) == "set_exception"
        and any(isinstance(one, nodes.Name) and one.name == node.name.name for one in call.args)
        for call in walk(node.body)
    )


def is_cancellation_class(facts: Facts, node: nodes.NodeNG) -> bool:
    """Whether a class derives from a cancellation type, or from something that is not known."""
    if not isinstance(node, nodes.ClassDef):
        return False
    for owner in facts.evaluator.classes.hierarchy(node):
        for base in owner.bases:
            caught = facts.exceptions.caught(base)
            if caught.kinds - {"BaseException"} or not caught.resolved:
                return True
            for value in facts.evaluator.of(base):
                if isinstance(value, External) and facts.world.ask(value.name, is_cancellation_class):
                    return True
    return False
