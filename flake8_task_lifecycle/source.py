"""The text of one file: is it worth a look, and where do its characters stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Protocol

from flake8_task_lifecycle.model import Span
from flake8_task_lifecycle.options import Options

SPAWN_WORDS = ("create_task", "ensure_future", "run_coroutine_threadsafe")
KEEPING_WORD = "create_background_task"  # of the functions of frameworks whose name holds no spawn word
SCOPED_WORDS = ("start_soon", "create_task_group", "open_nursery", "aiojobs")
_RARE_WORDS = ("gather", "shield", "Task(")
_RARE_SPAWN = re.compile(
    r"(?<!await )\basyncio\.(?:gather|shield|Task)\b"
    r"|^[ \t]*from +asyncio\b[^#\n]*import\b",
    re.MULTILINE,
)

_CANCELLATION_WORDS = ("Cancelled", "BaseException", "get_cancelled_exc_class")
_CATCHES = re.compile(r"^[ \t]*except(?:[ \t]*:|\*?[^:\n]*\b[A-Z][A-Z0-9_]{2,}\b)", re.MULTILINE)
_LEAVES_FINALLY = re.compile(
    r"^([ \t]*)finally[ \t]*:(?:[^\n]*\b(?:return|break|continue)\b"
    r"|[^\n]*\n(?>(?:\1[ \t][^\n]*|[ \t]*)\n)*?\1[ \t]+(?:[^\n]*[ \t;:])?(?:return|break|continue)\b)",
    re.MULTILINE,
)

_CODES_OF_HANDLERS = frozenset({"TLC003", "TLC010", "TLC011", "TLC102", "TLC104", "TLC108"})

# What a rule can judge though the spawn stands in another module, or is none of the spawn words.
_OTHER_EVIDENCE = (
    ("TLC004", (".cancel(", "self.")),
    ("TLC006", ("yield", "asynccontextmanager", "start")),
    ("TLC006", ("yield", "lifespan", "start")),
    ("TLC006", ("yield", "fixture", "start")),
    ("TLC006", ("yield", "cleanup_ctx", "start")),
    ("TLC006", ("yield", "while_serving", "start")),
    ("TLC009", ("as_completed",)),
    ("TLC105", ("gather", "asyncio")),
    ("TLC107", ("shield", "asyncio")),
)
_WORDS = re.compile(r"[\w.]+")
_TEST_FOLDERS = frozenset({"tests", "test"})
_TEST_FILE = re.compile(r"(?:test_.*|.*_test|conftest)\.py\Z")
_CALLBACK = re.compile(
    r"\b(?:call_soon|call_soon_threadsafe|call_later|call_at|add_done_callback|add_signal_handler|add_reader|add_writer"
    r"|signal\.signal|atexit\.register|Thread|Timer)\(([^\n]*(?:\n[^\n]*){0,3})"
)
_CALLBACK_WORDS = (
    *("call_soon", "call_later", "call_at", "add_done_callback", "add_signal_handler", "add_reader", "add_writer"),
    *("signal.signal", "atexit.register", "Thread(", "Timer("),
)


def is_test(path: str) -> bool:
    """Whether a path inside a project names test code: ``tests/``, ``test_*.py``, ``*_test.py``, ``conftest.py``."""
    *folders, name = PurePath(path).parts or ("",)
    return not _TEST_FOLDERS.isdisjoint(folders) or _TEST_FILE.match(name) is not None


def given_to_callbacks(text: str) -> set[str]:
    """The dotted names, as written, in the arguments of what only calls plain callbacks, and of threads."""
    if not any(word in text for word in _CALLBACK_WORDS):
        return set()
    return {name.strip(".") for match in _CALLBACK.finditer(text) for name in _WORDS.findall(match[1])}


def may_swallow(text: str) -> bool:
    """Whether a text may take a cancellation and not pass it on, by its words alone."""
    if any(word in text for word in _CANCELLATION_WORDS) or _CATCHES.search(text) is not None:
        return True
    if ("__aexit__" in text or "__exit__" in text) and "return True" in text:
        return True
    return "finally" in text and _LEAVES_FINALLY.search(text) is not None


def codes_by_words(text: str, options: Options) -> frozenset[str]:
    """The codes that a text may call for, by its words alone: all of them where it may spawn.

    A file for which no code speaks is not analysed: no tree is built for it.
    """
    if may_spawn(text, options):
        return options.codes
    found: set[str] = set()
    if "async def" in text and may_swallow(text):
        found |= _CODES_OF_HANDLERS
    if "async" in text:
        found |= {code for code, words in _OTHER_EVIDENCE if all(word in text for word in words)}
    if any(word in text for word in SCOPED_WORDS):
        found.add("TLC900")
    return options.codes & found


def may_spawn(text: str, options: Options) -> bool:
    """Whether a text has a word of a spawn, one that a user's option names among them."""
    if any(word in text for word in SPAWN_WORDS) or KEEPING_WORD in text:
        return True
    if any(word in text for word in _RARE_WORDS) and "asyncio" in text and _RARE_SPAWN.search(text) is not None:
        return True
    names = options.spawners | options.keeping_spawners
    return any(name.rpartition(".")[2] in text for name in names)


_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_run = 0


def new_run() -> None:
    """Says that files may have changed since the last run: each is looked at once a run."""
    global _run  # noqa: PLW0603
    _run += 1


def run_number() -> int:
    """The number of the current run in this process."""
    return _run


class Positioned(Protocol):
    """What has a place in the text: lines from 1, columns in UTF-8 bytes."""

    lineno: int | None
    col_offset: int | None
    end_lineno: int | None
    end_col_offset: int | None


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends, as flake8 reads them: only a line feed ends one."""
    return _LINE.findall(text)


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
