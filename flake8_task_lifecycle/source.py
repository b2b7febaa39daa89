"""The text of one file: is it worth a look, and where do its characters stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from flake8_task_lifecycle.model import Span
from flake8_task_lifecycle.options import Options

_SPAWN_WORDS = ("create_task", "ensure_future", "run_coroutine_threadsafe")
_SCOPED_WORDS = ("start_soon", "create_task_group", "open_nursery", "aiojobs")
_RARE_WORDS = ("gather", "shield", "Task(")
_RARE_SPAWN = re.compile(
    r"(?<!await )\basyncio\.(?:gather|shield|Task)\b"
    r"|^[ \t]*from +asyncio\b[^#\n]*import\b",
    re.MULTILINE,
)


def may_concern(text: str, options: Options) -> bool:
    """Whether the text can hold a spawn at all, by its words alone.

    A file that answers False is not analysed: no tree is built for it.
    """
    if any(word in text for word in _SPAWN_WORDS):
        return True
    if any(word in text for word in _RARE_WORDS) and "asyncio" in text and _RARE_SPAWN.search(text) is not None:
        return True
    names = options.spawners | options.keeping_spawners
    if any(name.rpartition(".")[2] in text for name in names):
        return True
    return "TLC900" in options.codes and any(word in text for word in _SCOPED_WORDS)


class Positioned(Protocol):
    """What has a place in the text: lines from 1, columns in UTF-8 bytes."""

    lineno: int | None
    col_offset: int | None
    end_lineno: int | None
    end_col_offset: int | None


class Source:
    """The lines of one file and its display name, which need not exist on disk."""

    __slots__ = ("lines", "name")

    def __init__(self, lines: Sequence[str], name: str) -> None:
        self.lines = lines
        self.name = name

    def column(self, line: int, byte_column: int) -> int:
        """The column in characters of a column in UTF-8 bytes, as ``ast`` and astroid count them.

        The line counts from 1; a line that does not exist gives the column back unchanged.
        """
        if not 1 <= line <= len(self.lines):
            return byte_column
        text = self.lines[line - 1]
        if text.isascii():
            return byte_column
        return len(text.encode("utf-8", "surrogatepass")[:byte_column].decode("utf-8", "ignore"))

    def span_of(self, node: Positioned) -> Span:
        """The span of a syntax node, of ``ast`` or of astroid."""
        line, column = node.lineno or 1, node.col_offset or 0
        end_line, end_column = node.end_lineno or line, node.end_col_offset or column
        return self.span(line, column, end_line, end_column)

    def span(self, line: int, column: int, end_line: int, end_column: int) -> Span:
        """A span whose byte columns are turned into columns of characters."""
        return Span(line, self.column(line, column), end_line, self.column(end_line, end_column))
