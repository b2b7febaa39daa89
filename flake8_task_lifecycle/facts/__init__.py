"""Facts: what is so in the code. They know astroid; the rules read them and judge."""

from __future__ import annotations

import ast
from functools import cache, cached_property

from astroid import nodes

from flake8_task_lifecycle.facts.callbacks import Callbacks
from flake8_task_lifecycle.facts.coroutines import Coroutines
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.frames import Frame, frame_of
from flake8_task_lifecycle.facts.owners import Owners
from flake8_task_lifecycle.facts.sites import Task, task_of
from flake8_task_lifecycle.facts.spawns import Spawns
from flake8_task_lifecycle.facts.summaries import Summaries
from flake8_task_lifecycle.facts.uses import Uses
from flake8_task_lifecycle.flow import Graph
from flake8_task_lifecycle.model import Evidence
from flake8_task_lifecycle.names import Names
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import Source
from flake8_task_lifecycle.tree import build


class Facts:
    """The facts of one file, each family computed when it is first asked for."""

    def __init__(self, tree: ast.Module, source: Source, options: Options) -> None:
        self._source = source
        built = build(tree, "")
        names = Names(built.nonlocals)
        evaluator = Evaluator(built, names, "")
        callbacks = Callbacks(built, evaluator)
        self._coroutines = Coroutines(built, names, evaluator)
        self._summaries = Summaries(evaluator, lambda: self._spawns, lambda: self._owners)
        self._spawns = Spawns(built, evaluator, callbacks, self._coroutines, options, self._summaries.returned_task)

        @cache
        def frame(function: nodes.FunctionDef) -> Frame:
            return frame_of(function, names)

        uses = Uses(names, evaluator, callbacks, self._summaries.parameter_use)
        self._owners = Owners(uses, frame, cache(Graph), self._evidence)

    def _evidence(self, node: nodes.NodeNG, note: str) -> Evidence:
        return Evidence(self._source.span_of(node), note)

    @cached_property
    def tasks(self) -> list[Task]:
        """Every spawn of the file with its owner, in source order."""
        return [task_of(spawn, self._owners, self._coroutines, self._source) for spawn in self._spawns.all()]
