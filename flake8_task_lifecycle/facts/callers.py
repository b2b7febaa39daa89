"""Who calls a function, over a whole project: an index that an audit makes once and fills as it is asked.

Text comes first: a file that does not hold the wanted name is not parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flake8_task_lifecycle.facts.account_lines import text_at
from flake8_task_lifecycle.facts.families import ancestors
from flake8_task_lifecycle.facts.instances import Kept, MadeWords, kept_in
from flake8_task_lifecycle.facts.mentions import EXITS, Entry, Mention, entry_of, mentions
from flake8_task_lifecycle.names import enclosing_class, qualified_name
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.outline import stands_in
from flake8_task_lifecycle.project import Project, project_of
from flake8_task_lifecycle.source import is_test
from flake8_task_lifecycle.store import STORE

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts
    from flake8_task_lifecycle.facts.chains import Chain
    from flake8_task_lifecycle.facts.world import World

_CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)[ \t]*\(([^)]*)\)", re.MULTILINE)
_WORD = re.compile(r"\w+")
_MAX_FILES = 120
_KEPT_TREE_BYTES = 80_000_000  # the chains of one task after another lead through the same modules
_KEPT_WORLDS = 2  # an audit goes through its projects one by one
_FEW = 3


class Function(NamedTuple):
    """A function by the file that defines it and its qualified name in there."""

    path: str
    name: str


class Profile(NamedTuple):
    """What a search for a function needs: the ``names`` by which it is reached, its own and those of its bases.

    ``word`` is its last word; ``hints`` are the names of its classes. ``entry``: why something outside calls it.
    """

    names: frozenset[str]
    word: str
    is_method: bool
    hints: tuple[str, ...]
    entry: Entry | None
    line: int
    text: str


class Callers:
    """The callers of functions and the module-level instances of classes, by resolved names, each looked for once.

    ``chains`` are those found so far, ``parsed`` the files that had to be.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._projects: dict[Path, Project | None] = {}
        self._worlds: dict[object, World] = {}
        self._mentions: dict[tuple[Path, str], tuple[Mention, ...]] = {}
        self._profiles: dict[Function, Profile | None] = {}
        self._kept: dict[Path, tuple[Kept, ...]] = {}
        self._of: dict[Function, tuple[tuple[Mention, ...], str]] = {}
        self._bases: dict[object, list[tuple[str, frozenset[str]]]] = {}
        self._made: dict[object, list[tuple[Path, frozenset[str]]]] = {}
        self._instances: dict[tuple[object, str], list[Kept]] = {}
        self._named: dict[str, dict[Path, bool]] = {}
        self._tests: dict[str, bool] = {}
        self.chains: dict[Function, Chain] = {}
        self.parsed: set[Path] = set()
        STORE.kept_tree_bytes = _KEPT_TREE_BYTES

    def facts(self, path: Path) -> Facts | None:
        """The facts of a file of some project; None when it cannot be read or parsed."""
        project = self._project(path)
        if project is None:
            return None
        world = self._worlds.get(project.key)
        if world is None or world.is_spent:
            self._worlds.pop(next(iter(self._worlds)) if len(self._worlds) == _KEPT_WORLDS else project.key, None)
            world = self._worlds[project.key] = _world_at(path, self._options)
        self.parsed.add(path)
        found = world.facts(project.module)
        if found is not None and found.module is not None and found.module.path != path:
            return _world_at(path, self._options).facts(project.module)
        return found

    def _project(self, path: Path) -> Project | None:
        if path not in self._projects:
            self._projects[path] = project_of(str(path))
        return self._projects[path]

    def profile(self, function: Function) -> Profile | None:
        """What is known of a function by its name; None when it cannot be found."""
        if function not in self._profiles:
            self._profiles[function] = self._find_profile(function)
        return self._profiles[function]

    def _find_profile(self, function: Function) -> Profile | None:
        facts = self.facts(Path(function.path))
        found = [one for one in facts.tree.functions if qualified_name(one) == function.name] if facts else []
        if facts is None or not found:
            return None
        node = found[0]
        owner = enclosing_class(node)
        names = {facts.qualified(node)}
        hints: tuple[str, ...] = ()
        if owner is not None:
            lineage = ancestors(facts, owner)
            names |= {f"{home}.{node.name}" for home in lineage}
            hints = tuple(sorted({home.rpartition(".")[2] for home in lineage}))
        line = node.fromlineno or node.lineno or 1
        text = text_at(facts.source, line)
        return Profile(frozenset(names), node.name, owner is not None, hints, entry_of(facts, node), line, text)

    def of(self, function: Function) -> tuple[tuple[Mention, ...], str]:
        """The places that call a function or hand it on, by file and line; and why there may be more, "" if not.

        Those whose receiver does not resolve are left out; the first of them is the reason.
        """
        if function not in self._of:
            self._of[function] = ((), "")
            self._of[function] = self._find(function)
        return self._of[function]

    def _find(self, function: Function) -> tuple[tuple[Mention, ...], str]:
        profile = self.profile(function)
        project = self._project(Path(function.path))
        if profile is None or project is None:
            return (), "its file cannot be read"
        wanted = f".{profile.word}" if profile.is_method else profile.word
        hits = project.holding("with " if profile.word in EXITS else wanted)
        if hits is None:
            return (), "the project is too large to search"
        hints = frozenset(self._hints(function, profile))
        near = [path for path in hits if not hints or any(self._names(path, one) for one in hints)]
        far = [path for path in hits if path not in set(near)] if profile.word not in EXITS else []
        found, doubt = self._among(near, profile, function)
        if not found:
            found, far_doubt = self._among(far, profile, function, most=_FEW)
            doubt = doubt or far_doubt
        if not found and max(len(near), len(far)) > _MAX_FILES:
            doubt = f"too many files mention '{profile.word}'"
        return tuple(sorted(found, key=_order)), doubt

    def _among(
        self, files: list[Path], profile: Profile, function: Function, most: int = _MAX_FILES
    ) -> tuple[list[Mention], str]:
        """The mentions in some files that are of a function, and the first of those that may be.

        More than ``most`` of these say nothing: the name is a common one.
        """
        told = [one for path in files[:_MAX_FILES] for one in self._mentions_in(path, profile.word)]
        doubtful = sorted((one for one in told if not one.names), key=_order)
        doubt = ""
        if doubtful and len(doubtful) <= most:
            first = doubtful[0]
            where = f"{Path(first.path).name}:{first.line}"
            doubt = f"'{first.text}' ({where}) may call {function.name}, but its receiver is not resolved"
        return [one for one in told if one.names & profile.names], doubt

    def _names(self, path: Path, word: str) -> bool:
        """Whether a word stands in the text of a file: asked of the same classes again and again."""
        known = self._named.setdefault(word, {})
        if path not in known:
            known[path] = stands_in(STORE.text(path) or "", word)
        return known[path]

    def _hints(self, function: Function, profile: Profile) -> Iterator[str]:
        """The names of the classes that have a method, and those of their module-level instances."""
        yield from profile.hints
        if profile.is_method:
            for name in sorted(profile.names):
                for one in self.instances(function.path, name.rpartition(".")[0]):
                    yield one.name.rpartition(":")[2]

    def _mentions_in(self, path: Path, word: str) -> tuple[Mention, ...]:
        key = (path, word)
        if key not in self._mentions:
            self._mentions[key] = ()
            facts = self.facts(path)
            if facts is not None:
                self._mentions[key] = tuple(mentions(facts, word, str(path)))
        return self._mentions[key]

    def mentioning(self, near: str, words: tuple[str, ...]) -> list[tuple[Path, str]] | None:
        """The files of the project of the file ``near`` that hold one of the words, with their texts, in order.

        None when the project is too large to search.
        """
        project = self._project(Path(near))
        texts = project.texts() if project is not None else None
        if texts is None:
            return None
        return [(path, text) for path, text in texts if any(word in text for word in words)]

    def instances(self, near: str, owner: str) -> list[Kept]:
        """The module-level instances of a class, by its qualified name, in the project of the file ``near``.

        Those of its subclasses count; they come by file and line, those of tests last.
        """
        project = self._project(Path(near))
        if project is None:
            return []
        key = (project.key, owner)
        if key not in self._instances:
            self._instances[key] = self._find_instances(project, owner)
        return self._instances[key]

    def _find_instances(self, project: Project, owner: str) -> list[Kept]:
        texts = list(project.texts() or ())
        words = self._below(project, texts, owner.rpartition(".")[2])
        if project.key not in self._made:
            made = MadeWords(text for _, text in texts)
            self._made[project.key] = [(path, made.of(text)) for path, text in texts]
        found = [
            one
            for path, made_words in self._made[project.key]
            if not words.isdisjoint(made_words)
            for one in self._kept_in(path)
            if owner in one.classes
        ]
        return sorted(found, key=lambda one: (self.is_test(one.path), one.path, one.line))

    def _below(self, project: Project, texts: Iterable[tuple[Path, str]], word: str) -> frozenset[str]:
        """The name of a class and the names that, by text alone, may be those of its subclasses."""
        if project.key not in self._bases:
            self._bases[project.key] = [
                (match[1], frozenset(_WORD.findall(match[2]))) for _, text in texts for match in _CLASS.finditer(text)
            ]
        found = {word}
        while True:
            grown = found | {name for name, bases in self._bases[project.key] if not bases.isdisjoint(found)}
            if grown == found:
                return frozenset(found)
            found = grown

    def _kept_in(self, path: Path) -> tuple[Kept, ...]:
        if path not in self._kept:
            self._kept[path] = ()
            facts = self.facts(path)
            if facts is not None:
                self._kept[path] = tuple(kept_in(facts, str(path)))
        return self._kept[path]

    def is_test(self, path: str) -> bool:
        """Whether a file is one of tests, by its place in its project."""
        if path not in self._tests:
            project = self._project(Path(path))
            self._tests[path] = project.is_test(Path(path)) if project is not None else is_test(path)
        return self._tests[path]


def _order(one: Mention) -> tuple[str, int, int]:
    return (one.path, one.line, one.column)


def _world_at(path: Path, options: Options) -> World:
    from flake8_task_lifecycle.facts import world_of

    return world_of(str(path), STORE.text(path) or "", options)
