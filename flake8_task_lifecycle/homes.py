"""Where, by text alone, the project defines what a call names: through imports, base classes and annotations.

Nothing is built. Only the modules that a name leads to are read, each once a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from flake8_task_lifecycle.outline import Outline
from flake8_task_lifecycle.project import Project, absolute
from flake8_task_lifecycle.source import SPAWN_WORDS
from flake8_task_lifecycle.store import STORE, ModuleFile

OWN_RECEIVERS = frozenset({"self", "cls", "super()"})
_SPAWNERS = frozenset(SPAWN_WORDS)
_MAX_STEPS = 40
_MAX_HOPS = 4


Place = tuple[ModuleFile, str]
"""A module and the name under which it defines a function."""


class CallName(NamedTuple):
    """A function as a call names it: what stands before its last word, that word, and the class around the call."""

    receiver: str
    word: str
    owner: str = ""


def call_names_of(written: Iterable[str], outline: Outline) -> Iterator[CallName]:
    """The mentions that names in a text are, each in every class of the text that it could stand in."""
    for name in sorted(written):
        receiver, _, word = name.rpartition(".")
        owners = outline.bases if receiver in OWN_RECEIVERS else ("",)
        yield from (CallName(receiver, word, owner) for owner in owners)


class Homes:
    """The other modules of a project that may define what one module calls."""

    def __init__(self, project: Project, module: ModuleFile, outline: Outline) -> None:
        self._project = project
        self._module = module
        self._outline = outline
        self._receivers: dict[tuple[str, str], tuple[tuple[ModuleFile, bool], ...]] = {}
        self._found: dict[CallName, tuple[Place, ...]] = {}
        self._wrappers: dict[str, bool] = {}

    def of(self, mention: CallName) -> tuple[Place, ...]:
        """The other modules in which a function of that name is defined, where the mention leads to."""
        if mention not in self._found:
            self._found[mention] = tuple(
                (module, name)
                for module, name in dict.fromkeys(self._followed(mention))
                if module.path != self._module.path
                if (there := STORE.outline(module.path)) is not None and there.kinds(name)
            )
        return self._found[mention]

    def _outlines(self, mention: CallName) -> Iterator[tuple[Outline, str]]:
        for module, name in self.of(mention):
            there = STORE.outline(module.path)
            if there is not None:
                yield there, name

    def may_be_coroutine(self, mention: CallName) -> bool:
        """Whether a module that the mention leads to defines it as a coroutine function, and as nothing else."""
        return any(there.kinds(name) == {"async"} for there, name in self._outlines(mention))

    def may_return_task(self, mention: CallName) -> bool:
        """Whether what the mention leads to may return a task that it spawned, through calls of one another."""
        return any(self._returns_task(*place) for place in self.of(mention))

    def may_name_wrapper(self, name: str) -> bool:
        """Whether a qualified name of the project is that of a function which may return a task it spawned."""
        if name not in self._wrappers:
            self._wrappers[name] = any(self._returns_task(*place) for place in _Steps(self._project).of_name(name))
        return self._wrappers[name]

    def may_hide_errors(self, manager: CallName) -> bool:
        """Whether the mention of a method leads to a class, or to one near it, that may hide exceptions.

        Such a context manager says that it has dealt with the exception.
        """
        return self._outline.hides_errors or any(there.hides_errors for there, _ in self._outlines(manager))

    def any_holds(self, mention: CallName, holds: Callable[[Outline, str], bool]) -> bool:
        """Whether something is so of what the mention leads to, by the text of its module and its name there."""
        return any(holds(there, name) for there, name in self._outlines(mention))

    def may_leave_result_open(self, mention: CallName) -> bool:
        """Whether the mention leads to an abstract method whose implementations may give their caller something."""
        return any(there.leaves_result_open(name) for there, name in self._outlines(mention))

    def _returns_task(self, module: ModuleFile, word: str) -> bool:
        key = (module.name, word)
        known = self._project.returns
        if key not in known:
            known[key] = self._find_spawner([(module, word)])
        return known[key]

    def _find_spawner(self, level: list[Place]) -> bool:
        """Whether a spawner is among what these functions return, or those do that they return, and so on."""
        seen = set(level)
        for _ in range(_MAX_HOPS + 1):
            further: list[Place] = []
            for module, word in level:
                there = STORE.outline(module.path)
                for before, called in sorted(there.returned_by(word)) if there is not None else ():
                    if called in _SPAWNERS:
                        return True
                    assert there is not None
                    further += [place for place in self._called_in(module, there, before, called) if place not in seen]
                    seen.update(further)
            level = further
        return False

    def _called_in(self, module: ModuleFile, there: Outline, before: str, called: str) -> Iterator[Place]:
        """The functions that a call in another module names: there itself, or where it leads to."""
        receiver = before.rstrip(".")
        if (not receiver or receiver in OWN_RECEIVERS) and there.kinds(called):
            yield module, called
            return
        homes = Homes(self._project, module, there)
        for owner in there.bases if receiver in OWN_RECEIVERS else ("",):
            yield from homes.of(CallName(receiver, called, owner))

    def _followed(self, mention: CallName) -> Iterator[Place]:
        if mention.receiver:
            key = (mention.receiver, mention.owner)
            if key not in self._receivers:
                self._receivers[key] = tuple(dict.fromkeys(self._of_receiver(*key)))
            for module, is_module in self._receivers[key]:
                if is_module:
                    yield from _Steps(self._project).of_name(f"{module.name}.{mention.word}")
                else:
                    yield module, mention.word
            return
        steps = _Steps(self._project)
        if mention.word in self._outline.bindings:
            yield from steps.of_binding(self._module, self._outline, mention.word, ())
        else:
            for star in self._outline.stars:
                yield from steps.of_name(_joined(absolute(star, self._module.package), mention.word))

    def _of_receiver(self, receiver: str, owner: str) -> Iterator[tuple[ModuleFile, bool]]:
        """The modules of what a receiver is: those of its class and its bases, or the module itself (True)."""
        steps = _Steps(self._project)
        if receiver in OWN_RECEIVERS:
            for module in steps.of_class(self._module, self._outline, owner):
                yield module, False
            return
        root, *names = receiver.split(".")
        if root in self._outline.bindings:
            written, original = self._outline.bindings[root]
            home = absolute(written, self._module.package)
            itself = self._project.find(_joined(home, original, *names)) if home is not None else None
            if itself is not None:
                yield itself, True
                return
            for module, _ in steps.of_binding(self._module, self._outline, root, [*names, ""]):
                yield module, False
        if root in self._outline.bases:
            for module in steps.of_class(self._module, self._outline, root):
                yield module, False
        for name in self._outline.classes_of((names or [root])[-1]):
            for module in steps.of_class(self._module, self._outline, name):
                yield module, False


class _Steps:
    """One search, bounded in the number of names that it follows."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._seen: set[tuple[str, str]] = set()

    def _is_new(self, home: str, name: str) -> bool:
        key = (home, name)
        if key in self._seen or len(self._seen) >= _MAX_STEPS:
            return False
        self._seen.add(key)
        return True

    def of_binding(self, module: ModuleFile, outline: Outline, root: str, names: Sequence[str]) -> Iterator[Place]:
        """The modules that an imported name, and the names after it, lead to, with the name there."""
        home, original = outline.bindings[root]
        base = absolute(home, module.package)
        if base is not None:
            yield from self.of_name(_joined(base, original), names)

    def of_name(self, name: str, names: Sequence[str] = ()) -> Iterator[Place]:
        """The modules that a qualified name and the names after it lead to, with the last name.

        Re-exports are followed, instances to their classes. An empty last name stands for any.
        """
        if not self._is_new("", _joined(name, *names)):
            return
        module, rest = self._project.split(name)
        rest = [*rest, *names]
        outline = STORE.outline(module.path) if module is not None and rest else None
        if module is None or outline is None:
            return
        first, inner = rest[0], rest[1:]
        if first in outline.bases or outline.kinds(first):
            if not inner:
                yield module, first
                return
            for written in (first, *outline.promised_by(first)):
                for home in self.of_class(module, outline, written):
                    yield home, inner[-1]
        elif first in outline.bindings:
            yield from self.of_binding(module, outline, first, inner)
        elif inner:
            for made_from in outline.classes_of(first):
                for home in self.of_class(module, outline, made_from):
                    yield home, inner[-1]
        for star in outline.stars:
            base = absolute(star, module.package)
            if base is not None:
                yield from self.of_name(base, rest)

    def of_class(self, module: ModuleFile, outline: Outline, written: str) -> Iterator[ModuleFile]:
        """The modules of a class, named as this module writes it, and of its base classes."""
        if not self._is_new(module.name, written):
            return
        root, _, rest = written.partition(".")
        if root in outline.bases:
            yield module
            for base in outline.bases.get(root, ()):
                yield from self.of_class(module, outline, base)
        elif root in outline.bindings:
            home, original = outline.bindings[root]
            yield from self._of_class_named(absolute(home, module.package), original, rest)
        else:
            for star in outline.stars:
                yield from self._of_class_named(absolute(star, module.package), written)

    def _of_class_named(self, home: str | None, *names: str) -> Iterator[ModuleFile]:
        module, rest = self._project.split(_joined(home, *names)) if home is not None else (None, [])
        outline = STORE.outline(module.path) if module is not None and rest else None
        if module is not None and outline is not None:
            yield from self.of_class(module, outline, ".".join(rest))


def _joined(*names: str | None) -> str:
    return ".".join(name for name in names if name)
