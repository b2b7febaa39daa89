"""What the sites of one file need to know of the others: kept by a process for a whole audit, filled when asked."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from flake8_task_lifecycle import engine, prefilter
from flake8_task_lifecycle.facts.callers import Callers
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import lines_of
from flake8_task_lifecycle.store import STORE


def _nothing_hides(_path: str, _finding: Finding) -> str:
    return ""


class Inquiry:
    """The index of callers and the findings of other files, each made once.

    ``shown`` turns the path of a file, as the facts know it, into the one that the report shows. ``hidden`` says what
    hides a finding of the file at a path (``noqa``, ``per-file-ignores``), "" when nothing does. ``codes`` are those in
    force, None for all of the options.
    """

    def __init__(
        self,
        options: Options,
        *,
        shown: Callable[[str], str] = str,
        hidden: Callable[[str, Finding], str] = _nothing_hides,
        codes: AbstractSet[str] | None = None,
    ) -> None:
        self.options = options
        self.callers = Callers(options)
        self.shown = shown
        self.hidden = hidden
        self.codes = options.codes if codes is None else codes
        self._findings: dict[Path, tuple[Finding, ...]] = {}

    def remember(self, path: str, findings: Sequence[Finding]) -> None:
        """Keeps the findings of a file that has been examined."""
        self._findings[Path(path).absolute()] = tuple(findings)

    def findings(self, path: str) -> tuple[Finding, ...]:
        """The findings of the file at a path; none when it cannot be read or parsed."""
        place = Path(path).absolute()
        if place not in self._findings:
            self._findings[place] = self._examined(place)
        return self._findings[place]

    def lines(self, path: str) -> list[str]:
        """The lines of the file at a path; none when it cannot be read."""
        return lines_of(STORE.text(Path(path).absolute()) or "")

    def _examined(self, path: Path) -> tuple[Finding, ...]:
        text = STORE.text(path)
        if text is None:
            return ()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ()
        codes = prefilter.codes_for(tree, text, str(path), self.options)
        if not codes:
            return ()
        found = engine.examine(tree, lines_of(text), str(path), replace(self.options, codes=codes)).findings
        return tuple(finding for finding in found if finding.code in self.codes)
