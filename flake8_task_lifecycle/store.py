"""Texts, outlines and trees of the modules that a process looked at, kept within bounds of memory."""

from __future__ import annotations

import io
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from tokenize import detect_encoding
from typing import NamedTuple, TypeVar, cast

from flake8_task_lifecycle import source
from flake8_task_lifecycle.folders import version_of
from flake8_task_lifecycle.outline import Outline

_Tree = TypeVar("_Tree")
_ENCODING_BYTES = 1_000  # more than the two lines that may name an encoding have
_MAX_FILE_BYTES = 1_500_000
_KEPT_TEXT_BYTES = 24_000_000
_KEPT_OF_OTHERS = 12_000_000
_KEPT_OUTLINED = 6_000_000
_KEPT_TREE_BYTES = 16_000_000
# What a tree takes for each character of its text, and what it takes less while its functions are hidden: measured.
_TREE_BYTES = 14
_HIDDEN_BYTES = 8


class ModuleFile(NamedTuple):
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
        version = version_of(path)
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


def _read(path: Path) -> str | None:
    try:
        data = path.read_bytes()
        encoding, _ = detect_encoding(io.BytesIO(data[:_ENCODING_BYTES]).readline)
        text = data.decode(encoding)
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError, ValueError):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
