"""The rest of the project, as one file sees it: questions go out by qualified name, plain answers come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from astroid import nodes

from flake8_task_lifecycle.facts.values import UNKNOWN, Definition, External, Instance, Ordered, Partial, Value, Values
from flake8_task_lifecycle.homes import Homes
from flake8_task_lifecycle.outline import Outline, stands_in
from flake8_task_lifecycle.project import MAX_BUILDS, MAX_BUILT_BYTES, Project, project_of
from flake8_task_lifecycle.source import Source, lines_of
from flake8_task_lifecycle.store import STORE, ModuleFile

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

_Answer = TypeVar("_Answer")
Question = Callable[["Facts", nodes.FunctionDef | nodes.ClassDef], _Answer]
_MAX_HOPS = 12


class World:
    """The modules of the project around one file, each read at most once and only when something asks for it.

    ``make_facts`` makes the facts of another module. The budget is that of one file: past it, nothing is known.
    """

    def __init__(self, path: str, text: str, make_facts: Callable[[World, ModuleFile, Source], Facts | None]) -> None:
        self.outline = Outline(text)
        self._make_facts = make_facts
        self._project = project_of(path)
        self._facts: dict[str, Facts | None] = {}
        self._built_bytes = 0
        self._hops: list[str] = []
        if self._project is not None:
            STORE.turn_to(self._project.base)

    @property
    def module(self) -> ModuleFile | None:
        """The file as a module of its project; None when its display name is not a file."""
        return self._project.module if self._project is not None else None

    @property
    def project(self) -> Project | None:
        """The project around the file; None when its display name is not a file."""
        return self._project

    def homes(self, module: ModuleFile | None, outline: Outline) -> Homes | None:
        """Where the other modules define what a module of the project calls; None without a project."""
        if self._project is None or module is None:
            return None
        return Homes(self._project, module, outline)

    @property
    def is_spent(self) -> bool:
        """Whether half of the budget is used up: the rest may not do for another wide question."""
        return len(self._facts) * 2 > MAX_BUILDS or self._built_bytes * 2 > MAX_BUILT_BYTES

    def add(self, facts: Facts) -> None:
        """Makes the facts of the file itself part of its world."""
        if self.module is not None:
            self._facts[self.module.name] = facts

    def facts(self, module: ModuleFile) -> Facts | None:
        """The facts of a module; None when it cannot be read or parsed, or the budget is used up."""
        if module.name not in self._facts:
            self._facts[module.name] = None
            self._facts[module.name] = self._build(module)
        return self._facts[module.name]

    def _build(self, module: ModuleFile) -> Facts | None:
        text = STORE.text(module.path)
        if text is None or len(self._facts) > MAX_BUILDS or self._built_bytes + len(text) > MAX_BUILT_BYTES:
            return None
        self._built_bytes += len(text)
        return self._make_facts(self, module, Source(lines_of(text), str(module.path)))

    def ask(self, name: str, question: Question[_Answer]) -> _Answer | None:
        """The answer of the module that defines ``name`` (a function, method or class of the project).

        The question is put to that module's own facts, with the definition's node. Its answer must be plain data:
        nodes do not leave their module. None when the name is not one of the project's, or cannot be read, or has
        several definitions of which the answers differ.
        """
        answers = [
            question(facts, value.node)
            for facts, value in self._homes(name)
            if isinstance(value, Definition) and not isinstance(value.node, nodes.Lambda)
        ]
        return answers[0] if answers and all(answer == answers[0] for answer in answers) else None

    def values(self, asker: Facts, name: str) -> Values | None:
        """What a qualified name of the project stands for, as ``asker`` sees it; None for names of elsewhere."""
        if self._is_defined_as_written(asker, name):
            return frozenset({External(name)})
        found = [self._exported(asker, facts, value) for facts, value in self._homes(name)]
        return Ordered(found) if found else None

    def _is_defined_as_written(self, asker: Facts, name: str) -> bool:
        """Whether another module defines the name at its top level: then nothing has to be built to follow it."""
        if self._project is None or self._project.defined(name) is None:
            return False
        return asker.module is None or name.rpartition(".")[0] != asker.module.name

    def is_class(self, name: str) -> bool:
        """Whether a module of the project defines a class of this qualified name at its top level."""
        return self._project is not None and self._project.defined(name) == "class"

    def _exported(self, asker: Facts, home: Facts, value: Value) -> Value:
        if home is asker:
            return value
        match value:
            case Definition(node) if not isinstance(node, nodes.Lambda):
                return External(home.qualified(node))
            case Instance(Definition(node), exact) if not isinstance(node, nodes.Lambda):
                return Instance(External(home.qualified(node)), exact)
            case Definition() | Instance(Definition()) | Partial():
                return UNKNOWN
        return value

    def export(self, asker: Facts, home: Facts, values: Values) -> Values:
        """Values found in one module, as another sees them."""
        return Ordered([self._exported(asker, home, value) for value in values])

    def _homes(self, name: str) -> Iterator[tuple[Facts, Value]]:
        """The modules that define a name, with what it stands for there; re-exports are followed."""
        if self._project is None or name in self._hops or len(self._hops) > _MAX_HOPS:
            return
        module, rest = self._project.split(name)
        facts = self.facts(module) if module is not None and rest else None
        if facts is None:
            return
        self._hops.append(name)
        try:
            values = facts.evaluator.exported(rest)
            for value in values:
                if isinstance(value, External) and value.name != name:
                    moved = list(self._homes(value.name))
                    yield from moved or [(facts, value)]
                else:
                    yield facts, value
        finally:
            self._hops.pop()

    def is_implemented_as_wrapper(self, word: str) -> bool:
        """Whether a function of that name anywhere in the project may return a task it spawned, by text alone."""
        return self._project is not None and self._project.has_wrapper(word)

    def mentioning(
        self,
        *words: str,
        used: bool = False,
        near: str = "",
        apart_from: str = "",
        where: Callable[[Outline], bool] | None = None,
        most: int = MAX_BUILDS,
    ) -> Iterator[Facts] | None:
        """The facts of the project's other modules whose text holds all of these words, each as a whole.

        With ``used``, only those that call what the first word names, or hand it on; with ``near``, only those where
        that stands shortly before; with ``apart_from``, where that does not stand right before; with ``where``, only
        those of whose outline that is so. Each is built when its turn comes. None when that cannot be told: the project
        has more files than may be read, more than ``most`` hold the words, or the budget is used up.
        """
        if self._project is None:
            return iter(())
        paths = self._project.holding(words[0])
        if paths is None:
            return None
        own = self._project.module.path
        hits = [
            (path, len(text))
            for path in paths
            if path != own
            and (text := STORE.text(path)) is not None
            and all(word in text for word in words)
            and stands_in(text, words[0], used=used, near=near, apart_from=apart_from)
            and all(stands_in(text, word) for word in words[1:])
            and (where is None or ((outline := STORE.outline(path)) is not None and where(outline)))
        ]
        if len(hits) > min(most, MAX_BUILDS) or sum(size for _, size in hits) > MAX_BUILT_BYTES:
            return None
        modules = [self._project.module_at(path) for path, _ in hits]
        return (facts for module in modules if (facts := self.facts(module)) is not None)
