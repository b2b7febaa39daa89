"""The first-party modules around a file: found from the file itself, read as text, never imported.

The search path is the parent of the file's top package, then the nearest ancestor with a project marker and its
``src``. What is installed, the working directory and the other files of a run play no part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flake8_task_lifecycle import source
from flake8_task_lifecycle.folders import FOREIGN_FOLDERS, entries_of, files_below, is_own
from flake8_task_lifecycle.store import STORE, ModuleFile

MAX_BUILDS = 200
MAX_BUILT_BYTES = 5_000_000
_MARKERS = frozenset({"pyproject.toml", "setup.cfg", "setup.py", ".git"})
# Names that the table of library names answers for: a module of the project does not take their place.
_LIBRARY = frozenset(
    {"asyncio", "contextlib", "functools", "typing", "builtins", "weakref", "logging", "signal", "atexit"}
    | {"contextvars", "collections", "concurrent", "trio", "anyio", "aiojobs", "uvloop", "copy", "itertools"}
)
_SPAWNERS = frozenset(source.SPAWN_WORDS)
_WIDEST_GAP = 2
_KEPT_LAYOUTS = 4_000


@dataclass(slots=True, eq=False)
class _Shared:
    """What this run has found below some roots: modules, wrappers and what they return by name, files by words."""

    roots: tuple[Path, ...]
    modules: dict[str, ModuleFile | None]
    wrappers: dict[str, bool]
    returns: dict[tuple[str, str], bool]
    holding: dict[str, tuple[Path, ...]]


@dataclass(slots=True, eq=False)
class _Layout:
    """Where the modules around one folder are found, and what this run has found there.

    ``parent`` is the parent of the top package, ``parts`` the packages down to the folder, ``marked`` the nearest
    folder above with a project marker.
    """

    parent: Path
    parts: tuple[str, ...]
    marked: Path | None
    roots: tuple[Path, ...]
    shared: _Shared
    listed: bool | None = None


_layouts: dict[Path, _Layout] = {}
_shared: dict[tuple[tuple[Path, ...], tuple[str, ...]], _Shared] = {}
_layouts_run = 0


def _layout(folder: Path) -> _Layout:
    global _layouts_run  # noqa: PLW0603
    if _layouts_run != source.run_number() or len(_layouts) > _KEPT_LAYOUTS:
        _layouts.clear()
        _shared.clear()
        _layouts_run = source.run_number()
    if folder not in _layouts:
        _layouts[folder] = _found_layout(folder)
    return _layouts[folder]


def _found_layout(folder: Path) -> _Layout:
    parent, parts = folder, []
    while "__init__.py" in entries_of(str(parent)) and parent != parent.parent:
        parts.append(parent.name)
        parent = parent.parent
    marked = next(
        (above for above in (folder, *folder.parents) if not _MARKERS.isdisjoint(entries_of(str(above)))), None
    )
    near = [] if marked is None else [marked / "src", marked]
    own = [parent] if parts else []
    top = _package_above(parent, marked)
    if top is not None:
        parts, parent = [*parts, *reversed(parent.relative_to(top).parts)], top
    roots = tuple(dict.fromkeys([parent, *own, *near] if parts else [*near, parent]))
    shared = _shared.setdefault((roots, tuple(parts[-1:])), _Shared(roots, {}, {}, {}, {}))
    same = {root: root for root in shared.roots}
    marked = same[marked] if marked is not None else None
    return _Layout(same[parent], tuple(reversed(parts)), marked, shared.roots, shared)


def _package_above(folder: Path, marked: Path | None) -> Path | None:
    """The parent of the package that a folder without an ``__init__.py`` is a namespace portion of; None: of none."""
    top, above, gap = None, folder, 0
    while above not in (marked, above.parent) and gap <= _WIDEST_GAP:
        if "__init__.py" in entries_of(str(above)):
            top, gap = above.parent, 0
        else:
            gap += 1
        above = above.parent
    return top


class Project:
    """The modules that one file can import from its own project. Nothing is looked up before it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _layout(self) -> _Layout:
        return _layout(self._path.parent)

    @cached_property
    def module(self) -> ModuleFile:
        """The file itself as a module."""
        layout, folder = self._layout, self._path.parent
        is_package = self._path.stem == "__init__"
        home = layout.parts
        if not home:
            base = next((root for root in layout.roots if folder.is_relative_to(root)), layout.parent)
            home = folder.relative_to(base).parts
        return ModuleFile(".".join([*home, *(() if is_package else (self._path.stem,))]), self._path, is_package)

    def find(self, name: str) -> ModuleFile | None:
        """The project's module of a dotted name; None for every other."""
        found = self._layout.shared.modules
        if name not in found:
            found[name] = self._find(name)
        return found[name]

    def split(self, name: str) -> tuple[ModuleFile | None, list[str]]:
        """The longest module of the project that a qualified name begins with, and the names inside it."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = self.find(".".join(parts[:length]))
            if module is not None:
                return module, parts[length:]
        return None, []

    def _find(self, name: str) -> ModuleFile | None:
        parent, _, last = name.rpartition(".")
        if not last.isidentifier() or (not parent and name in _LIBRARY):
            return None
        if parent and self.find(parent) is None and not self._is_folder(parent):
            return None
        for folder, path in self._places(name):
            if last in entries_of(folder) and "__init__.py" in entries_of(path):
                return ModuleFile(name, Path(path, "__init__.py"), is_package=True)
            if f"{last}.py" in entries_of(folder):
                return ModuleFile(name, Path(f"{path}.py"), is_package=False)
        return None

    def _places(self, name: str) -> Iterator[tuple[str, str]]:
        """Where a module could lie: the folder, and the path without an ending."""
        *parents, last = name.split(".")
        for root in self._layout.roots:
            if root.name not in FOREIGN_FOLDERS or name.partition(".")[0] in self._layout.parts[:1]:
                folder = str(root.joinpath(*parents))
                yield folder, f"{folder}{os.sep}{last}"

    def _is_folder(self, name: str) -> bool:
        return name.partition(".")[0] not in _LIBRARY and any(entries_of(path) for _, path in self._places(name))

    @property
    def key(self) -> tuple[Path | None, tuple[Path, ...], tuple[str, ...]]:
        """What the files of one project have in common."""
        return (self._base, self._layout.roots, self._layout.parts[:1])

    @property
    def base(self) -> Path:
        """The folder that holds the project's files."""
        return self._base or self._path.parent

    @property
    def _base(self) -> Path | None:
        layout = self._layout
        if layout.marked is None and layout.parts:
            return layout.parent / layout.parts[0]
        return layout.marked

    def is_test(self, path: Path) -> bool:
        """Whether a file of the project is one of tests, by its place in it: wherever the project itself lies."""
        return source.is_test(str(path.relative_to(self.base)) if path.is_relative_to(self.base) else path.name)

    def files(self) -> list[Path] | None:
        """Every Python file of the project in a fixed order.

        None when there are more than may be read, or when the file itself is not among them: a search would then find
        nothing, and that would prove nothing.
        """
        base = self._base
        if base is None:
            return sorted(self._path.parent.glob("*.py"))
        return files_below(base) if self._is_listed(base) else None

    def _is_listed(self, base: Path) -> bool:
        """Whether the walk from the base comes to the file's folder."""
        layout = self._layout
        if layout.listed is None:
            folders = [self._path.parent, *self._path.parent.parents]
            layout.listed = all(map(is_own, folders[: folders.index(base)]))
        return layout.listed

    @cached_property
    def min_python(self) -> tuple[int, int] | None:
        """The lowest Python version that ``requires-python`` of the nearest pyproject.toml allows; None: not known."""
        from flake8_task_lifecycle import requirements

        for folder in self._path.parents:
            path = folder / "pyproject.toml"
            if path.is_file():
                return requirements.min_python(STORE.text(path) or "")
            if (folder / ".git").exists():
                break
        return None

    def module_at(self, path: Path) -> ModuleFile:
        """The module that a file of the project is."""
        return self.module if path == self._path else Project(path).module

    def texts(self) -> Iterator[tuple[Path, str]] | None:
        """The files of the project with their texts; None when they are more than may be read."""
        files = self.files()
        return None if files is None else self._read_all(files)

    @staticmethod
    def _read_all(files: list[Path]) -> Iterator[tuple[Path, str]]:
        for path in files:
            text = STORE.text(path)
            if text is not None:
                yield path, text

    def holding(self, word: str) -> tuple[Path, ...] | None:
        """The files of the project whose text holds a word, looked for once a run; None as for all of them."""
        texts, known = self.texts(), self._layout.shared.holding
        if texts is not None and word not in known:
            known[word] = tuple(path for path, text in texts if word in text)
        return known[word] if texts is not None else None

    def has_wrapper(self, word: str) -> bool:
        """Whether some module of the project defines a function of that name which may return a spawned task."""
        texts, known = self.texts(), self._layout.shared.wrappers
        if texts is None:
            return False
        if word not in known:
            known[word] = any(
                there.may_return(word, _SPAWNERS)
                for path, text in texts
                if f"def {word}(" in text and any(spawner in text for spawner in _SPAWNERS)
                if (there := STORE.outline(path)) is not None
            )
        return known[word]

    @property
    def returns(self) -> dict[tuple[str, str], bool]:
        """Whether functions may return a task that they spawned, by module and name, as far as this run has found."""
        return self._layout.shared.returns

    def defined(self, name: str) -> str | None:
        """``"class"`` or ``"function"`` for a qualified name that a module defines at its top level; else None."""
        home, _, last = name.rpartition(".")
        module = self.find(home) if home else None
        there = STORE.outline(module.path) if module is not None else None
        return there.top_level.get(last) if there is not None else None


def absolute(home: str, package: str) -> str | None:
    """The absolute name of a module as ``from`` writes it; None when it leads past the top of the package."""
    level = len(home) - len(home.lstrip("."))
    if not level:
        return home
    base = package.split(".") if package else []
    if len(base) < level:
        return None
    rest = home[level:]
    return ".".join([*base[: len(base) - level + 1], *([rest] if rest else [])])


def project_of(display_name: str) -> Project | None:
    """The project around the file that a display name leads to; None when it leads to no file."""
    try:
        path = Path(display_name).absolute()
        return Project(path) if display_name and path.is_file() else None
    except (OSError, ValueError):
        return None
