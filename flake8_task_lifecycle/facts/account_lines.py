"""Lines of source as plain data: what an account of a task gives as its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from astroid import nodes

from flake8_task_lifecycle.model import Evidence, Span
from flake8_task_lifecycle.names import enclosing_function, qualified_name
from flake8_task_lifecycle.source import Source
from flake8_task_lifecycle.store import STORE

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


class Line(NamedTuple):
    """One line: ``what`` it shows in a word, where it is, and its text.

    ``path`` is the file as the facts know it; ``function`` the qualified name of what stands around it; ``note`` a
    clause that a sentence can end with.
    """

    what: str
    path: str
    line: int
    note: str = ""
    text: str = ""
    function: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """The file and the line."""
        return self.path, self.line


def path_of(facts: Facts) -> str:
    """The real path of a file as text; its display name when that leads to no file."""
    return str(facts.module.path) if facts.module is not None else facts.source.name


def line_at(facts: Facts, node: nodes.NodeNG, what: str, note: str = "") -> Line:
    """The line that a node of a module begins at; a definition begins at its ``def``."""
    line = node.fromlineno if isinstance(node, nodes.FunctionDef | nodes.ClassDef) else node.lineno
    inner = node if isinstance(node, nodes.FunctionDef) else enclosing_function(node)
    function = qualified_name(inner) if inner is not None else ""
    return Line(what, path_of(facts), line or 1, note, text_at(facts.source, line or 1), function)


def line_of(facts: Facts, evidence: Evidence, what: str) -> Line:
    """A line for a piece of evidence that a fact gave, in the module of ``facts`` or at the path that it names."""
    if evidence.path and evidence.path != facts.source.name:
        return Line(what, evidence.path, evidence.span.line, evidence.note, _text_in(evidence.path, evidence.span.line))
    return Line(what, path_of(facts), evidence.span.line, evidence.note, text_at(facts.source, evidence.span.line))


def text_at(source: Source, line: int) -> str:
    """The text of a line without its indent; "" for one that does not exist."""
    return source.lines[line - 1].strip() if 1 <= line <= len(source.lines) else ""


def _text_in(path: str, line: int) -> str:
    lines = (STORE.text(Path(path)) or "").split("\n")
    return lines[line - 1].strip() if 1 <= line <= len(lines) else ""


def expression_text(source: Source, span: Span) -> str:
    """What stands in a span, as one line."""
    if not 1 <= span.line <= span.end_line <= len(source.lines):
        return ""
    lines = list(source.lines[span.line - 1 : span.end_line])
    lines[-1] = lines[-1][: span.end_column]
    lines[0] = lines[0][span.column :]
    text = " ".join(part for line in lines if (part := line.partition(" #")[0].strip() if len(lines) > 1 else line))
    return " ".join(text.split()).replace("( ", "(").replace(", )", ")").replace(" )", ")")
