"""One file of an audit: read, parsed and examined, with its findings and sites as the report has them."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from flake8_task_lifecycle import engine, prefilter
from flake8_task_lifecycle.audit.config import LISTING_CODE, Configuration, Text
from flake8_task_lifecycle.audit.files import File, name_of, reason
from flake8_task_lifecycle.audit.inquiry import Inquiry
from flake8_task_lifecycle.audit.problems import problem_of
from flake8_task_lifecycle.audit.report import Loss, Problem, Site
from flake8_task_lifecycle.audit.sites import sites_of
from flake8_task_lifecycle.model import Finding

_KEPT_TEXTS = 64
_TEST_LIBRARIES = ("pytest", "unittest")
_TEST_NAME = re.compile(r"(?:test_|Test)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    sites: tuple[Site, ...] = ()
    problems: tuple[Problem, ...] = ()
    unreadable: tuple[Loss, ...] = ()
    lost: tuple[Loss, ...] = ()


class Examiner:
    """Examines files one after another; what it learns of the project stays with it for a whole audit."""

    def __init__(self, configuration: Configuration, root: Path, *, tests: bool) -> None:
        """Take the configuration in force, the folder that the names in the report are relative to, and what to leave.

        ``tests`` false leaves out test functions and classes in files that are not test code by their path.
        """
        self._tests = tests
        self._in_force = configuration.in_force
        self._options = configuration.options
        # Scoped sites are wanted whether or not the user asks for the code that lists them.
        self._wider = replace(self._options, codes=self._options.codes | {LISTING_CODE})
        self._text = lru_cache(_KEPT_TEXTS)(configuration.read)
        self._shown = lambda path: name_of(path, root)
        self._inquiry = Inquiry(self._wider, shown=self._shown, hidden=self._hidden, codes=configuration.in_force)

    def examine(self, file: File) -> Outcome:
        """The sites and findings of one file, or why there are none."""
        try:
            text = self._text(file.path)
            source = "".join(text.lines)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source)
        except SyntaxError as error:
            return Outcome(unreadable=(Loss(file.shown, f"line {error.lineno or 1}: {error.msg}"),))
        except RecursionError:
            return Outcome(unreadable=(Loss(file.shown, "nested too deeply"),))
        except (OSError, ValueError, MemoryError) as error:
            return Outcome(unreadable=(Loss(file.shown, reason(error)),))
        codes = prefilter.codes_for(tree, source, file.path, self._options)
        if codes or prefilter.codes_for(tree, source, file.path, self._wider):
            return self._examined(tree, text, source, file, codes & self._in_force)
        return Outcome()

    def _examined(self, tree: ast.Module, text: Text, source: str, file: File, codes: AbstractSet[str]) -> Outcome:
        examination = engine.examine(tree, text.lines, file.path, self._wider)
        told = [finding for finding in examination.findings if finding.code in codes]
        examination = examination._replace(findings=tuple(told))
        problems = [
            problem_of(finding, file.shown, text.lines, text.hidden_by(finding.code, finding.span.line), self._shown)
            for finding in told
        ]
        lost = [Loss(file.shown, f"{code or 'the whole file'}: {why}") for code, why in examination.lost]
        sites: list[Site] = []
        try:
            sites = sites_of(examination, file.shown, self._inquiry)
        except Exception as error:
            if not engine.GUARD:
                raise
            lost.append(Loss(file.shown, f"the task sites: {type(error).__name__}: {reason(error)}"))
        has_tests = any(library in source for library in _TEST_LIBRARIES)
        sites = [replace(site, is_test=file.is_test or (has_tests and _names_test(site.qualname))) for site in sites]
        if has_tests and not self._tests:
            sites = [site for site in sites if not site.is_test]
            problems = [problem for problem in problems if not _names_test(problem.qualname)]
        return Outcome(tuple(sites), tuple(problems), lost=tuple(lost))

    def _hidden(self, path: str, finding: Finding) -> str:
        """What hides a finding of the file at a path."""
        try:
            return self._text(path).hidden_by(finding.code, finding.span.line)
        except (OSError, ValueError):
            return ""


def _names_test(qualname: str) -> bool:
    """Whether pytest would take a function, or one of the scopes around it, for a test."""
    return any(_TEST_NAME.match(part) for part in qualname.split("."))
