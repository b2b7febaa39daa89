"""The first-party modules around a file: found from the file itself, read as text, never imported.

The search path is the parent of the file's top package, then the nearest ancestor with a project marker and its
``src``. What is installed, the working directory and the other files of a run play no part.
"""

from __future__ import annotations

import ast
import os
import warnings
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
_MAX_FILES = 5_000
_MAX_READ_BYTES = 50_000_000
_MAX_FILE_BYTES = 1_500_000
_KEPT_TEXT_BYTES = 24_000_000
_KEPT_TREE_BYTES = 1_500_000
_MARKERS = ("pyproject.toml", "setup.cfg", "setup.py", ".git")
_FOREIGN_FOLDERS = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__", "build", "dist"})
# Names that the table of library names answers for: a module of the project does not take their place.
_LIBRARY = frozenset(
    {"asyncio", "contextlib", "functools", "typing", "builtins", "weakref", "logging", "signal", "atexit"}
    | {"contextvars", "collections", "concurrent", "trio", "anyio", "aiojobs", "uvloop", "copy", "itertools"}
)
_WRAPPER_HOPS = 3
_SPAWNERS = frozenset(source.SPAWN_WORDS)
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
    """Texts and trees of the process, by path, as long as the file's time and size stay the same."""

    def __init__(self) -> None:
        self._texts: OrderedDict[Path, tuple[tuple[int, int], str]] = OrderedDict()
        self._trees: OrderedDict[Path, tuple[tuple[int, int], object]] = OrderedDict()
        self._outlines: dict[Path, Outline] = {}
        self._checked: dict[Path, int] = {}
        self._text_bytes = 0
        self._tree_bytes = 0
        self.reads = 0
        self.builds = 0

    def text(self, path: Path) -> str | None:
        """The text of a file; None when it cannot be read or is too large. Looked at on disk once a run."""
        known = self._texts.get(path)
        if known is not None and self._checked.get(path) == source.run_number():
            self._texts.move_to_end(path)
            return known[1]
        version = _version(path)
        if version is None or version[1] > _MAX_FILE_BYTES:
            return None
        self._checked[path] = source.run_number()
        if known is not None and known[0] == version:
            self._texts.move_to_end(path)
            return known[1]
        text = _read(path)
        if text is None:
            return None
        self.reads += 1
        self._drop(path)
        self._texts[path] = (version, text)
        self._text_bytes += len(text)
        while self._text_bytes > _KEPT_TEXT_BYTES and len(self._texts) > 1:
            self._drop(next(iter(self._texts)))
        return text

    def outline(self, path: Path) -> Outline | None:
        """The outline of a file; None when it cannot be read."""
        text = self.text(path)
        if text is None:
            return None
        if path not in self._outlines:
            self._outlines[path] = Outline(text)
        return self._outlines[path]

    def _drop(self, path: Path) -> None:
        self._outlines.pop(path, None)
        self._checked.pop(path, None)
        known = self._texts.pop(path, None)
        if known is not None:
            self._text_bytes -= len(known[1])
        tree = self._trees.pop(path, None)
        if tree is not None:
            self._tree_bytes -= tree[0][1]

    def tree(self, module: ModuleFile, build: Callable[[ast.Module, str], _Tree]) -> _Tree | None:
        """The tree that ``build`` makes of a module and its name; None when it cannot be read or parsed."""
        text = self.text(module.path)
        if text is None:
            return None
        version = self._texts[module.path][0]
        known = self._trees.get(module.path)
        if known is not None and known[0] == version:
            self._trees.move_to_end(module.path)
            return cast("_Tree", known[1])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = build(ast.parse(text), module.name)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        self.builds += 1
        self._trees[module.path] = (version, tree)
        self._tree_bytes += version[1]
        while self._tree_bytes > _KEPT_TREE_BYTES and len(self._trees) > 1:
            _, (old, _) = self._trees.popitem(last=False)
            self._tree_bytes -= old[1]
        return tree


STORE = _Store()


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size)


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            encoding, _ = detect_encoding(stream.readline)
            stream.seek(0)
            text = stream.read().decode(encoding)
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError, ValueError):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
    found: dict[str, ModuleFile | None]
    wrappers: dict[tuple[str, int], frozenset[str]]
    imports: dict[str, list[ModuleFile]]


_layouts: dict[Path, tuple[int, _Layout]] = {}


def _layout(folder: Path) -> _Layout:
    known = _layouts.get(folder)
    if known is not None and known[0] == source.run_number():
        return known[1]
    parent, parts = folder, []
    while (parent / "__init__.py").is_file() and parent != parent.parent:
        parts.append(parent.name)
        parent = parent.parent
    marked = next(
        (above for above in (folder, *folder.parents) if any((above / marker).exists() for marker in _MARKERS)), None
    )
    near = [] if marked is None else [marked / "src", marked]
    roots = tuple(dict.fromkeys([parent, *near] if parts else [*near, parent]))
    layout = _Layout(parent, tuple(reversed(parts)), marked, roots, {}, {}, {})
    for run, other in _layouts.values():
        if run == source.run_number() and (other.roots, other.parts[:1]) == (roots, layout.parts[:1]):
            layout.found, layout.wrappers, layout.imports = other.found, other.wrappers, other.imports
            break
    if len(_layouts) > _KEPT_LAYOUTS:
        _layouts.clear()
    _layouts[folder] = (source.run_number(), layout)
    return layout


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
        found = self._layout.found
        if name not in found:
            found[name] = self._find(name)
        return found[name]

    def _find(self, name: str) -> ModuleFile | None:
        parent, _, last = name.rpartition(".")
        if not last.isidentifier() or (not parent and name in _LIBRARY):
            return None
        if parent and self.find(parent) is None and not self._is_folder(parent):
            return None
        for path in self._places(name):
            for candidate, is_package in ((path / "__init__.py", True), (path.with_suffix(".py"), False)):
                if candidate.is_file():
                    return ModuleFile(name, candidate, is_package)
        return None

    def _places(self, name: str) -> Iterator[Path]:
        parts = name.split(".")
        for root in self._layout.roots:
            if root.name not in _FOREIGN_FOLDERS or parts[0] in self._layout.parts[:1]:
                yield root.joinpath(*parts)

    def _is_folder(self, name: str) -> bool:
        return name.partition(".")[0] not in _LIBRARY and any(path.is_dir() for path in self._places(name))

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

    def files(self) -> list[Path] | None:
        """Every Python file of the project in a fixed order; None when there are more than may be read."""
        base = self._base
        if base is None:
            return sorted(self._path.parent.glob("*.py"))
        return _listing(base)

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

    def imports(self, outline: Outline, package: str) -> list[ModuleFile]:
        """The project's modules that a module imports, in order, each once."""
        names = (absolute(written, package) for written in outline.imports)
        found = {module.name: module for name in names if name and (module := self.find(name)) is not None}
        return list(found.values())

    def _imports_of(self, module: ModuleFile) -> list[ModuleFile]:
        known = self._layout.imports
        if module.name not in known:
            there = STORE.outline(module.path)
            known[module.name] = self.imports(there, module.package) if there is not None else []
        return known[module.name]

    def _near(self, outline: Outline) -> tuple[list[ModuleFile], list[ModuleFile]]:
        """The project's modules that a module imports, and those that these import in turn."""
        own = self.module
        near = [module for module in self.imports(outline, own.package) if module.path != own.path][:MAX_BUILDS]
        beyond = {other.name: other for module in near for other in self._imports_of(module)}
        return near, [other for other in beyond.values() if other.path != own.path][:MAX_BUILDS]

    def wrapper_words(self, outline: Outline) -> frozenset[str]:
        """The names of functions, in the modules that a module imports and in their imports, that may spawn.

        They return what a spawn word made, by their text alone, through calls of one another.
        """
        near, beyond = self._near(outline)
        words = [self._wrappers(module, _WRAPPER_HOPS) for module in near]
        words += [self._wrappers(module, _WRAPPER_HOPS - 1) for module in beyond]
        return frozenset().union(*words)

    def _wrappers(self, module: ModuleFile, hops: int) -> frozenset[str]:
        known = self._layout.wrappers
        key = (module.name, hops)
        if key not in known:
            known[key] = frozenset()
            there = STORE.outline(module.path)
            if there is not None:
                inner = self._imports_of(module) if hops else []
                words = frozenset().union(*(self._wrappers(one, hops - 1) for one in inner))
                known[key] = there.returning(_SPAWNERS, words)
        return known[key]

    def has_wrapper(self, word: str) -> bool:
        """Whether some module of the project defines a function of that name which may return a spawned task."""
        for path, text in self.texts() or ():
            if f"def {word}(" in text and any(spawner in text for spawner in _SPAWNERS):
                there = STORE.outline(path)
                if there is not None and word in there.returning(_SPAWNERS):
                    return True
        return False

    def coroutine_words(self, outline: Outline) -> frozenset[str]:
        """The names of coroutine functions in the modules that a module imports and in their imports, by text."""
        return frozenset().union(*(there.coroutine_functions for there in self._near_outlines(outline)))

    def only_coroutine_words(self, outline: Outline) -> frozenset[str]:
        """Those of the coroutine words that no module near, nor the module itself, defines as a plain function."""
        near = self._near_outlines(outline)
        plain = outline.plain_functions.union(*(there.plain_functions for there in near))
        return frozenset().union(*(there.coroutine_functions for there in near)) - plain

    def _near_outlines(self, outline: Outline) -> list[Outline]:
        near, beyond = self._near(outline)
        return [there for module in [*near, *beyond] if (there := STORE.outline(module.path)) is not None]

    def hides_errors(self, outline: Outline) -> bool:
        """Whether a module, or one near it, may define a context manager that hides exceptions, by text alone."""
        return outline.hides_errors or any(there.hides_errors for there in self._near_outlines(outline))

    def abstract_words(self, outline: Outline) -> frozenset[str]:
        """The names of abstract methods in the modules that a module imports and in their imports, by text."""
        return frozenset().union(*(there.abstract for there in self._near_outlines(outline)))

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
