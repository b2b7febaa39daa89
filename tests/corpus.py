"""Every rule over real code, with the guard off: ``python -m tests.corpus [--stdlib] [FOLDER ...]``.

Reports each exception, each line printed, each warning raised, each tree that was changed, each file that takes too
long and each finding that breaks the form all findings have; ends with 1 when there is any. What does not parse is
left out, as flake8 leaves it out.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import signal
import sys
import sysconfig
import time
import tokenize
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import ALL_CODES, Options

EVERYTHING = Options(codes=ALL_CODES)
FOREIGN = ("site-packages", "dist-packages")


@dataclass(slots=True)
class Report:
    """What a run over a corpus saw."""

    files: int = 0
    lines: int = 0
    left_out: int = 0
    seconds: float = 0.0
    findings: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def summary(self) -> str:
        """The counts in a few lines, problems first."""
        found = ", ".join(f"{code} {count}" for code, count in sorted(self.findings.items())) or "none"
        return "\n".join(
            [
                *self.problems,
                f"{self.files} files, {self.lines} lines, {self.left_out} left out, {self.seconds:.1f} s",
                f"slowest: {self.slowest[1]}, {self.slowest[0]:.2f} s",
                f"findings: {found}",
                f"{len(self.problems)} problems",
            ]
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Check the folders, print the report; 1 when there is a problem, or nothing was checked."""
    parser = argparse.ArgumentParser(prog="corpus", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--stdlib", action="store_true", help="the standard library of this Python as well")
    parser.add_argument("--seconds", type=int, default=60, help="a file that takes longer is a problem (default: 60)")
    parser.add_argument("--list", action="store_true", help="print the findings too")
    options = parser.parse_args(argv)
    folders = [*options.folders, *([standard_library()] if options.stdlib else [])]
    if not folders:
        parser.error("name a folder, or --stdlib")
    report = check(folders, options.seconds, print if options.list else None)
    print(report.summary())
    return 1 if report.problems or not report.files else 0


def standard_library() -> Path:
    """The folder of this Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def python_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, in a fixed order, without what is installed beside it."""
    for path in sorted(folder.rglob("*.py")):
        if not any(part in FOREIGN for part in path.relative_to(folder).parts) and path.is_file():
            yield path


def check(folders: Sequence[Path], seconds: int, show: Callable[[str], object] | None = None) -> Report:
    """Run the engine with every code over every file of the folders.

    ``show`` is called with a line for each finding.
    """
    report = Report()
    guard, engine.GUARD = engine.GUARD, False
    try:
        for folder in folders:
            for path in python_files(folder):
                found = check_file(path, seconds, report)
                if show is not None:
                    for one in found:
                        show(f"{path}:{one.span.line}:{one.span.column + 1}: {one.code} {one.message}")
    finally:
        engine.GUARD = guard
    return report


def check_file(path: Path, seconds: int, report: Report) -> list[Finding]:
    """The findings of one file; what went wrong goes into the report."""
    try:
        with tokenize.open(path) as file:
            lines = file.readlines()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("".join(lines))
        before = ast.dump(tree, include_attributes=True)
    except (SyntaxError, UnicodeError, ValueError, RecursionError):
        report.left_out += 1
        return []
    report.files += 1
    report.lines += len(lines)
    written = io.StringIO()
    begin = time.perf_counter()
    try:
        with (
            contextlib.redirect_stdout(written),
            contextlib.redirect_stderr(written),
            warnings.catch_warnings(),
            within(seconds),
        ):
            warnings.simplefilter("error")
            found = engine.check(tree, lines, str(path), EVERYTHING)
    except Exception:  # noqa: BLE001 - reported, that is what this is for
        report.problems.append(f"{path}: raised\n{traceback.format_exc(limit=-6)}")
        found = []
    took = time.perf_counter() - begin
    report.seconds += took
    report.slowest = max(report.slowest, (took, str(path)))
    report.findings.update(one.code for one in found)
    if written.getvalue():
        report.problems.append(f"{path}: printed {written.getvalue()!r}")
    if ast.dump(tree, include_attributes=True) != before:
        report.problems.append(f"{path}: the tree was changed")
    report.problems += [f"{path}: {problem}" for problem in malformed(found, lines)]
    return found


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when the body takes longer, where the system can interrupt it."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    held = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, held)


def malformed(found: Sequence[Finding], lines: Sequence[str]) -> Iterator[str]:
    """What is wrong with the form of the findings of one file."""
    keys = [(one.span, one.code, one.message) for one in found]
    if keys != sorted(keys):
        yield "findings out of order"
    if len(set(keys)) != len(keys):
        yield "a finding twice"
    for one in found:
        where = f"{one.code} at {one.span.line}:{one.span.column + 1}"
        if one.code not in ALL_CODES:
            yield f"{where}: an unknown code"
        if not one.message.isprintable() or one.message.strip() != one.message or one.message.endswith("."):
            yield f"{where}: the message is not one line without a full stop: {one.message!r}"
        if not 1 <= one.span.line <= one.span.end_line <= len(lines):
            yield f"{where}: outside the file"
        elif not lines[one.span.line - 1][one.span.column : one.span.column + 1].strip():
            yield f"{where}: not on a character"


if __name__ == "__main__":
    sys.exit(main())
