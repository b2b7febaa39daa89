"""The first-party modules around a file: found from the file itself, read as text, never imported.

The search path is the parent of the file's top package, then the nearest ancestor with a project marker and its
``src``. What is installed, the working directory and the other files of a run play no part.
"""

from __future__ import annotations

import io
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import detect_encoding
from typing import TypeVar, cast

from flake8_task_lifecycle import requirements, source
from flake8_task_lifecycle.outline import Outline

_Tree = TypeVar("_Tree")
MAX_BUILDS = 200
MAX_BUILT_BYTES = 5_000_000
_ENCODING_BYTES = 1_000  # more than the two lines that may name an encoding have
_MAX_FILES = 5_000
_MAX_READ_BYTES = 50_000_000
_MAX_FILE_BYTES = 1_500_000
_KEPT_TEXT_BYTES = 24_000_000
_KEPT_OF_OTHERS = 12_000_000
_KEPT_OUTLINED = 6_000_000
_KEPT_TREE_BYTES = 16_000_000
# What a tree takes for each character of its text, and what it takes less while its functions are hidden: measured.
_TREE_BYTES = 14
_HIDDEN_BYTES = 8
_MARKERS = frozenset({"pyproject.toml", "setup.cfg", "setup.py", ".git"})
_FOREIGN_FOLDERS = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__", "build", "dist"})
# Names that the table of library names answers for: a module of the project does not take their place.
_LIBRARY = frozenset(
    {"asyncio", "contextlib", "functools", "typing", "builtins", "weakref", "logging", "signal", "atexit"}
    | {"contextvars", "collections", "concurrent", "trio", "anyio", "aiojobs", "uvloop", "copy", "itertools"}
)
_SPAWNERS = frozenset(source.SPAWN_WORDS)
_WIDEST_GAP = 2
_KEPT_LAYOUTS = 4_000


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """One module: its dotted name, its path, and whether it is a package's ``__init__``."""

    name: str
    path: Path
    is_package: bool

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


class _Store:
    """Texts, outlines and trees of the process, by path, as long as the file's time and size stay the same.

    What was used last is kept, within bounds of memory: a run goes through its projects one by one.
    """

    def __init__(self) -> None:
        self._texts: OrderedDict[str, tuple[tuple[int, int], str]] = OrderedDict()
        self._trees: OrderedDict[str, tuple[tuple[int, int], object, Callable[[], float]]] = OrderedDict()
        self._outlines: OrderedDict[str, Outline] = OrderedDict()
        self._checked: dict[str, int] = {}
        self._text_bytes = 0
        self._outlined = 0
        self._base: Path | None = None
        self.kept_tree_bytes = _KEPT_TREE_BYTES
        self.reads = 0
        self.builds = 0

    def turn_to(self, base: Path) -> None:
        """Lets go of texts of other projects than the one whose files lie in this folder, down to a bound."""
        if base != self._base:
            self._base = base
            self._keep_texts(_KEPT_OF_OTHERS)

    def text(self, path: Path) -> str | None:
        """The text of a file; None when it cannot be read or is too large. Looked at on disk once a run."""
        key = str(path)
        known = self._texts.get(key)
        if known is not None and self._checked.get(key) == source.run_number():
            self._texts.move_to_end(key)
            return known[1]
        version = _version(path)
        if version is None or version[1] > _MAX_FILE_BYTES:
            return None
        self._checked[key] = source.run_number()
        if known is not None and known[0] == version:
            self._texts.move_to_end(key)
            return known[1]
        text = _read(path)
        if text is None:
            return None
        self.reads += 1
        self._drop(key)
        self._texts[key] = (version, text)
        self._text_bytes += sys.getsizeof(text)
        self._keep_texts(_KEPT_TEXT_BYTES)
        return text

    def _keep_texts(self, size: int) -> None:
        while self._text_bytes > size and len(self._texts) > 1:
            self._drop(next(iter(self._texts)))

    def outline(self, path: Path) -> Outline | None:
        """The outline of a file; None when it cannot be read."""
        text = self.text(path)
        if text is None:
            return None
        key = str(path)
        found = self._outlines.get(key)
        if found is None:
            found = self._outlines[key] = Outline(text)
            self._outlined += len(text)
            while self._outlined > _KEPT_OUTLINED and len(self._outlines) > 1:
                self._drop_outline(next(iter(self._outlines)))
        self._outlines.move_to_end(key)
        return found

    def _drop(self, key: str) -> None:
        self._drop_outline(key)
        self._checked.pop(key, None)
        self._trees.pop(key, None)
        known = self._texts.pop(key, None)
        if known is not None:
            self._text_bytes -= sys.getsizeof(known[1])

    def _drop_outline(self, key: str) -> None:
        if self._outlines.pop(key, None) is not None:
            self._outlined -= len(self._texts[key][1])

    def tree(
        self, module: ModuleFile, build: Callable[[str, str], _Tree], hidden: Callable[[_Tree], int]
    ) -> _Tree | None:
        """The tree that ``build`` makes of a module's name and its text; None when it cannot be read or parsed.

        ``hidden`` tells how many of the functions of a tree have not been built yet.
        """
        text = self.text(module.path)
        if text is None:
            return None
        key = str(module.path)
        version = self._texts[key][0]
        known = self._trees.get(key)
        if known is not None and known[0] == version:
            self._trees.move_to_end(key)
            return cast("_Tree", known[1])
        try:
            tree = build(module.name, text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        self.builds += 1
        first = hidden(tree)
        self._trees[key] = (version, tree, lambda: hidden(tree) / first if first else 0)
        self._keep_trees()
        return tree

    def _keep_trees(self) -> None:
        """Keeps the trees that were used last: they grow while more of them is asked for."""
        size = 0.0
        for key in list(reversed(self._trees)):
            (_, length), _, hidden = self._trees[key]
            size += length * (_TREE_BYTES - hidden() * _HIDDEN_BYTES)
            if size > self.kept_tree_bytes and len(self._trees) > 1:
                del self._trees[key]


STORE = _Store()


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size)


def _read(path: Path) -> str | None:
    try:
        data = path.read_bytes()
        encoding, _ = detect_encoding(io.BytesIO(data[:_ENCODING_BYTES]).readline)
        text = data.decode(encoding)
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError, ValueError):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(slots=True)
class _Shared:
    """What this run has found in one project: modules, wrappers and what they return by name, files by words."""

    modules: dict[str, ModuleFile | None]
    wrappers: dict[str, bool]
    returns: dict[tuple[str, str], bool]
    holding: dict[str, tuple[Path, ...]]


@dataclass(slots=True)
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


_entries_seen: dict[str, frozenset[str]] = {}
_entries_run = 0


def _entries(folder: str) -> frozenset[str]:
    """The names in a folder, listed once a run; none where there is no such folder."""
    global _entries_run  # noqa: PLW0603
    if _entries_run != source.run_number() or len(_entries_seen) > _KEPT_LAYOUTS:
        _entries_seen.clear()
        _entries_run = source.run_number()
    if folder not in _entries_seen:
        try:
            _entries_seen[folder] = frozenset(os.listdir(folder))  # noqa: PTH208
        except (OSError, ValueError):
            _entries_seen[folder] = frozenset()
    return _entries_seen[folder]


_layouts: dict[Path, tuple[int, _Layout]] = {}


def _layout(folder: Path) -> _Layout:
    known = _layouts.get(folder)
    if known is not None and known[0] == source.run_number():
        return known[1]
    parent, parts = folder, []
    while "__init__.py" in _entries(str(parent)) and parent != parent.parent:
        parts.append(parent.name)
        parent = parent.parent
    marked = next((above for above in (folder, *folder.parents) if not _MARKERS.isdisjoint(_entries(str(above)))), None)
    near = [] if marked is None else [marked / "src", marked]
    own = [parent] if parts else []
    top = _package_above(parent, marked)
    if top is not None:
        parts, parent = [*parts, *reversed(parent.relative_to(top).parts)], top
    roots = tuple(dict.fromkeys([parent, *own, *near] if parts else [*near, parent]))
    layout = _Layout(parent, tuple(reversed(parts)), marked, roots, _Shared({}, {}, {}, {}))
    for run, other in _layouts.values():
        if run == source.run_number() and (other.roots, other.parts[:1]) == (roots, layout.parts[:1]):
            layout.shared = other.shared
            break
    if len(_layouts) > _KEPT_LAYOUTS:
        _layouts.clear()
    _layouts[folder] = (source.run_number(), layout)
    return layout


def _package_above(folder: Path, marked: Path | None) -> Path | None:
    """The parent of the package that a folder without an ``__init__.py`` is a namespace portion of; None: of none."""
    top, above, gap = None, folder, 0
    while above not in (marked, above.parent) and gap <= _WIDEST_GAP:
        if "__init__.py" in _entries(str(above)):
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
            if last in _entries(folder) and "__init__.py" in _entries(path):
                return ModuleFile(name, Path(path, "__init__.py"), is_package=True)
            if f"{last}.py" in _entries(folder):
                return ModuleFile(name, Path(f"{path}.py"), is_package=False)
        return None

    def _places(self, name: str) -> Iterator[tuple[str, str]]:
        """Where a module could lie: the folder, and the path without an ending."""
        *parents, last = name.split(".")
        for root in self._layout.roots:
            if root.name not in _FOREIGN_FOLDERS or name.partition(".")[0] in self._layout.parts[:1]:
                folder = str(root.joinpath(*parents))
                yield folder, f"{folder}{os.sep}{last}"

    def _is_folder(self, name: str) -> bool:
        return name.partition(".")[0] not in _LIBRARY and any(_entries(path) for _, path in self._places(name))

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
        return _listing(base) if self._is_listed(base) else None

    def _is_listed(self, base: Path) -> bool:
        """Whether the walk from the base comes to the file's folder."""
        layout = self._layout
        if layout.listed is None:
            folders = [self._path.parent, *self._path.parent.parents]
            layout.listed = all(map(_is_own, folders[: folders.index(base)]))
        return layout.listed

    @cached_property
    def min_python(self) -> tuple[int, int] | None:
        """The lowest Python version that ``requires-python`` of the nearest pyproject.toml allows; None: not known."""
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


_listings: dict[Path, tuple[int, list[Path] | None]] = {}


def _listing(base: Path) -> list[Path] | None:
    """The Python files below a folder, walked once a run; None when they are too many or too large to read."""
    known = _listings.get(base)
    if known is not None and known[0] == source.run_number():
        return known[1]
    found = _walked(base)
    _listings.clear()
    _listings[base] = (source.run_number(), found)
    return found


def _walked(base: Path) -> list[Path] | None:
    found: list[Path] = []
    size = 0
    for name, folders, files in os.walk(base):
        folder = Path(name)
        folders[:] = sorted(inner for inner in folders if _is_own(folder / inner))
        paths = [folder / file for file in sorted(files) if file.endswith(".py")]
        found += paths
        size += sum(version[1] for path in paths if (version := _version(path)) is not None)
        if len(found) > _MAX_FILES or size > _MAX_READ_BYTES:
            return None
    return found


def _is_own(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _FOREIGN_FOLDERS:
        return False
    return not (folder / "pyvenv.cfg").exists()


def project_of(display_name: str) -> Project | None:
    """The project around the file that a display name leads to; None when it leads to no file."""
    try:
        path = Path(display_name).absolute()
        return Project(path) if display_name and path.is_file() else None
    except (OSError, ValueError):
        return None
