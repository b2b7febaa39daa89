"""Facts: what is so in the code. They know astroid; the rules read them and judge."""

from __future__ import annotations

import ast
import re
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.awaiting import Awaiting
from flake8_task_lifecycle.facts.callbacks import Callbacks
from flake8_task_lifecycle.facts.cancellations import Cancellations
from flake8_task_lifecycle.facts.cancelled import Cancelled
from flake8_task_lifecycle.facts.coroutines import Coroutines
from flake8_task_lifecycle.facts.elsewhere import Elsewhere
from flake8_task_lifecycle.facts.entries import Entries
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.exceptions import Exceptions
from flake8_task_lifecycle.facts.families import Named
from flake8_task_lifecycle.facts.finished import Finished
from flake8_task_lifecycle.facts.frames import frame_of
from flake8_task_lifecycle.facts.handlers import Handlers
from flake8_task_lifecycle.facts.holders import Holders
from flake8_task_lifecycle.facts.kept_itself import keeps_itself
from flake8_task_lifecycle.facts.observed import observed
from flake8_task_lifecycle.facts.outcomes import Outcomes
from flake8_task_lifecycle.facts.owners import Owners
from flake8_task_lifecycle.facts.paths import Paths
from flake8_task_lifecycle.facts.pending import Pending
from flake8_task_lifecycle.facts.plain_names import PlainNames
from flake8_task_lifecycle.facts.requests import Setter, setters
from flake8_task_lifecycle.facts.runners import Runners
from flake8_task_lifecycle.facts.shutdown import Shutdown
from flake8_task_lifecycle.facts.sites import Task, task_of
from flake8_task_lifecycle.facts.slots import Slots
from flake8_task_lifecycle.facts.spawns import Spawns
from flake8_task_lifecycle.facts.summaries import Summaries
from flake8_task_lifecycle.facts.unreleased import Held
from flake8_task_lifecycle.facts.uses import Uses
from flake8_task_lifecycle.facts.world import World
from flake8_task_lifecycle.flow import Graph
from flake8_task_lifecycle.homes import CallName
from flake8_task_lifecycle.leads import called_in
from flake8_task_lifecycle.model import Answer, Evidence
from flake8_task_lifecycle.names import Names, qualified_name
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.outline import Outline
from flake8_task_lifecycle.source import Source
from flake8_task_lifecycle.store import STORE, ModuleFile
from flake8_task_lifecycle.tree import Tree, build, build_from_text

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts.endings import Endings
    from flake8_task_lifecycle.facts.joined import Joined
    from flake8_task_lifecycle.facts.leaks import Leaks

_QUOTED = re.compile(r"""(?=(["'])(\w+)\1)""")


class Facts:
    """The facts of one file, each family computed when it is first asked for."""

    def __init__(self, tree: Tree, source: Source, options: Options, world: World, module: ModuleFile | None) -> None:
        self.source = source
        self.options = options
        self.tree = tree
        self.world = world
        self.module = module
        is_own = module is None or module == world.module
        outline = world.outline if module is None or is_own else STORE.outline(module.path)
        self.outline = outline or Outline("".join(source.lines))
        self.homes = world.homes(module, self.outline)
        self.names = Names(self.tree.nonlocals)
        self.evaluator = Evaluator(tree, self.names, module.package if module is not None else "", Elsewhere(self))
        self.callbacks = Callbacks(self.tree, self.evaluator)
        self.elsewhere = self.evaluator.elsewhere
        self.coroutines = Coroutines(self.tree, self.names, self.evaluator)
        self.summaries = Summaries(self.evaluator, lambda: self.spawns, lambda: self.owners)
        self.spawns = Spawns(
            self.tree,
            self.evaluator,
            self.callbacks,
            self.coroutines,
            options,
            self.summaries.returned_task,
            self.outline,
            self.homes,
            lambda: self.called,
            is_judged=is_own,
        )
        self.uses = Uses(self.names, self.evaluator, self.callbacks, self.summaries.parameter_use, options.cancellers)
        self.frame = cache(lambda function: frame_of(function, self.names))
        self.graph = cache(Graph)
        self.exceptions = Exceptions(self)
        self.outcomes = Outcomes(self)
        self.paths = Paths(self)
        self.cancelled = Cancelled(self)
        self.finished = Finished(self)
        self.entries = Entries(self)
        self.handlers = Handlers(self)
        self.owners = Owners(self.uses, self.frame, self.graph, self.evidence)
        self.holders = Holders(self)
        self.awaiting = Awaiting(self)
        self.runners = Runners(self)
        self.cancellations = Cancellations(self)
        self.shutdown = Shutdown(self)
        self.pending = Pending(self)
        self.attribute = cache(partial(Named, self))
        self._classes: dict[str, nodes.ClassDef] = {}
        self._placed = 0
        self._named = 0
        self._functions: dict[str, list[nodes.FunctionDef]] = {}
        self.streams: dict[nodes.FunctionDef, Answer] = {}
        self.dangers: dict[tuple[nodes.FunctionDef, int], frozenset[str]] = {}

    @cached_property
    def called(self) -> dict[str, dict[CallName, bool]]:
        """How the module's calls name what they call, by the last word; True where a statement drops what one gives."""
        return called_in(self.tree.source())

    @cached_property
    def min_python(self) -> tuple[int, int] | None:
        """The lowest Python version that the code must run on: the option's, else the project's; None: not known."""
        project = self.world.project
        return self.options.min_python or (project.min_python if project is not None else None)

    @cached_property
    def slots(self) -> Slots:
        """The places that hold tasks beyond the call that spawned them."""
        return Slots(self)

    @cached_property
    def held(self) -> Held:
        """What becomes of the tasks that the slots of the module hold."""
        return Held(self)

    @cached_property
    def setters(self) -> dict[str, dict[int, Setter]]:
        """The calls that may set a signal, by the last word of what they are called on."""
        return setters(self)

    @cached_property
    def leaks(self) -> Leaks:
        """The ways out of a function that leave a task of it running."""
        from flake8_task_lifecycle.facts.leaks import Leaks

        return Leaks(self)

    @cached_property
    def endings(self) -> Endings:
        """What becomes of the cancellations that handlers may take."""
        from flake8_task_lifecycle.facts.endings import Endings

        return Endings(self)

    @cached_property
    def joined(self) -> Joined:
        """What becomes of the awaitables that one call waits for together."""
        from flake8_task_lifecycle.facts.joined import Joined

        return Joined(self)

    @cached_property
    def plain_names(self) -> PlainNames:
        """Every plain name of the module, by name."""
        return PlainNames(self.tree, self.source)

    @cached_property
    def quoted(self) -> frozenset[str]:
        """The words of the text that stand alone between quotes."""
        said = (line.partition("#")[0] for line in self.source.lines if '"' in line or "'" in line)
        return frozenset(word for line in said for _, word in _QUOTED.findall(line))

    def class_named(self, name: str) -> nodes.ClassDef | None:
        """The first class of the module with a qualified name."""
        while self._placed < len(self.tree.classes):
            owner = self.tree.classes[self._placed]
            self._placed += 1
            self._classes.setdefault(self.qualified(owner), owner)
        return self._classes.get(name)

    def functions_named(self, name: str) -> list[nodes.FunctionDef]:
        """The functions of the module with a qualified name, the module's own name apart."""
        while self._named < len(self.tree.functions):
            function = self.tree.functions[self._named]
            self._named += 1
            self._functions.setdefault(qualified_name(function), []).append(function)
        return self._functions.get(name, [])

    @cached_property
    def is_test(self) -> bool:
        """Whether the file is one of tests, by its place in its project."""
        project = self.world.project
        return project is not None and self.module is not None and project.is_test(self.module.path)

    def qualified(self, node: nodes.NodeNG) -> str:
        """``package.module.Class.method`` for a definition of this module."""
        return ".".join(part for part in (self.module.name if self.module else "", qualified_name(node)) if part)

    def evidence(self, node: nodes.NodeNG, note: str) -> Evidence:
        """A line of this file that proves something."""
        return Evidence(self.source.span_of(node), note)

    @cached_property
    def tasks(self) -> list[Task]:
        """Every spawn of the file with its owner, in source order."""
        ends, keeps = partial(observed, self), partial(keeps_itself, self)
        return [task_of(spawn, self.owners, self.coroutines, self.source, ends, keeps) for spawn in self.spawns.all()]


def facts_of(tree: ast.Module, source: Source, options: Options) -> Facts:
    """The facts of one file, and through them those of its project.

    ``tree`` is what ``ast.parse`` made of the source; it is left unchanged.
    """
    text = "".join(source.lines)
    world = world_of(source.name, text, options)
    name = world.module.name if world.module is not None else ""
    facts = Facts(build(tree, name, text), source, options, world, world.module)
    world.add(facts)
    return facts


def world_of(path: str, text: str, options: Options) -> World:
    """The project around a file, by the name that the file is displayed under and its text."""

    def other(world: World, module: ModuleFile, text: Source) -> Facts | None:
        built = STORE.tree(module, build_from_text, lambda tree: len(tree.hidden))
        return Facts(built, text, options, world, module) if built is not None else None

    return World(path, text, other)
