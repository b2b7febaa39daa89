"""``task-lifecycle audit``: the audit from the command line."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from flake8_task_lifecycle.audit.errors import AuditError
from flake8_task_lifecycle.audit.report import Report
from flake8_task_lifecycle.audit.writers import MissingExtra, text
from flake8_task_lifecycle.audit.writers.inert import visible

PROGRAM = "task-lifecycle"
CLEAN, FOUND, FAILED, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

FORMS = {
    "text": "text",
    "markdown": "markdown",
    "json": "json_form",
    "sarif": "sarif",
    "github": "github",
    "html": "html",
}
"""The forms of a report, each with the module that writes it."""

_NEEDED = {"html": "jinja2"}
_STDOUT = "-"
_DESCRIPTION = """\
Finds every task that the Python files below the paths spawn, and says of each who owns it, how long it may live, what
ends it, whether cancellation passes and whether its failure is seen; then what that makes of the whole project.

Excludes, select and ignore, per-file-ignores, noqa and the tlc-* options are those of flake8's configuration for the
current directory (setup.cfg, tox.ini, .flake8). What they hide is shown as suppressed and does not count."""
_EPILOG = """\
Every --output is the file of the --format before it; one form may go to standard output:
  task-lifecycle audit --format html --output audit.html --format sarif --output audit.sarif --format github

exit status: 0 nothing found; 1 findings, or stale entries in the baseline; 2 wrong use, a file that could not be
read, or a rule that failed; 130 interrupted"""


class _Writer(Protocol):
    def write(self, report: Report) -> str: ...


class _Form(argparse.Action):
    """Collects the forms asked for, each with its file ("" until an --output follows)."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        asked: list[tuple[str, str]] = list(namespace.forms or ())
        said = str(values)
        if option_string == "--format":
            asked.append((said, ""))
        elif not asked:
            asked.append(("text", said))
        elif asked[-1][1]:
            parser.error(f"--output {said}: the --format before it has a file already, {asked[-1][1]}")
        else:
            asked[-1] = (asked[-1][0], said)
        namespace.forms = asked


def main(arguments: Sequence[str]) -> int:
    """Runs the audit and gives its exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    forms: list[tuple[str, str]] = given.forms or [("text", "")]
    if sum(file in {"", _STDOUT} for _, file in forms) > 1:
        parser.error("only one form can go to standard output: give the others an --output")
    if given.update_baseline and given.baseline is None:
        parser.error("--update-baseline needs --baseline FILE")
    try:
        return _run(given, forms)
    except (AuditError, MissingExtra) as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more when it ends: let it write to where nothing breaks.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        f"{PROGRAM} audit",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders; default: the current directory")
    out = parser.add_argument_group("report")
    out.add_argument(
        "--format", action=_Form, dest="forms", choices=FORMS, help="default: text; may be given several times"
    )
    out.add_argument("--output", action=_Form, dest="forms", metavar="FILE", help="where the --format before it goes")
    which = parser.add_argument_group("files")
    which.add_argument(
        "--scope", action="append", default=[], metavar="GLOB", help="only files that match, such as 'backend/app/**'"
    )
    which.add_argument(
        "--exclude", type=_listed, action="extend", default=[], metavar="PATTERNS", help="besides those of flake8"
    )
    which.add_argument("--no-tests", action="store_true", help="leave out tests/, test_*.py, *_test.py, conftest.py")
    rules = parser.add_argument_group("findings")
    rules.add_argument("--select", type=_listed, metavar="CODES", help="as flake8's: TLC, or TLC,TLC1 for opt-in codes")
    rules.add_argument("--ignore", type=_listed, metavar="CODES", help="as flake8's")
    rules.add_argument(
        "--baseline", metavar="FILE", help="findings that are known, by code, path and name, do not count"
    )
    rules.add_argument("--update-baseline", action="store_true", help="write that file anew from what is found")
    rest = parser.add_argument_group("the run")
    rest.add_argument("--jobs", type=_jobs, default=0, metavar="N", help="processes; default: auto, one a processor")
    rest.add_argument("--config", metavar="FILE", help="the one configuration file of flake8 to read")
    rest.add_argument("--isolated", action="store_true", help="read no configuration")
    return parser


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.replace(",", " ").split()]


def _jobs(value: str) -> int:
    if value == "auto":
        return 0
    if value.isascii() and value.isdigit() and int(value) > 0:
        return int(value)
    raise argparse.ArgumentTypeError(f"{value!r} is neither auto nor a number from 1")


def _run(given: argparse.Namespace, forms: Sequence[tuple[str, str]]) -> int:
    from flake8_task_lifecycle.audit.run import audit

    writers = [(form, file, _writer(form)) for form, file in forms]
    with _Bar() as bar:
        report = audit(
            given.paths,
            select=given.select,
            ignore=given.ignore,
            scope=given.scope,
            exclude=given.exclude,
            tests=not given.no_tests,
            jobs=given.jobs,
            baseline=given.baseline,
            update_baseline=given.update_baseline,
            config=given.config,
            isolated=given.isolated,
            progress=bar.show,
        )
    for line in _remarks(report):
        _say(line)
    for form, file, writer in writers:
        if file in {"", _STDOUT}:
            _print(text.write(report, **_terminal()) if form == "text" else writer.write(report))
        else:
            _save(file, writer.write(report))
    if all(file not in {"", _STDOUT} for _, file in forms):
        _say(f"{_conclusion(report)}: {', '.join(file for _, file in forms)}")
    return _status(report)


def _writer(form: str) -> _Writer:
    """The module that writes a form. Raises MissingExtra when it needs a package that is not installed."""
    needed = _NEEDED.get(form)
    if needed is not None and importlib.util.find_spec(needed) is None:
        raise MissingExtra(form, needed)
    writer: _Writer = importlib.import_module(f"flake8_task_lifecycle.audit.writers.{FORMS[form]}")
    return writer


def _terminal() -> dict[str, Any]:
    """How the text form is to look on standard output."""
    if not sys.stdout.isatty():
        return {}
    return {"width": shutil.get_terminal_size().columns, "colour": not os.environ.get("NO_COLOR")}


def _remarks(report: Report) -> Iterator[str]:
    yield from report.warnings
    for loss in report.unreadable:
        yield f"{loss.file}: not read: {loss.why}"
    for loss in report.lost:
        yield f"{loss.file}: a rule failed: {loss.why}"


def _conclusion(report: Report) -> str:
    counted = sum(not problem.suppressed for problem in report.problems)
    findings = "1 finding" if counted == 1 else f"{counted} findings"
    sites = "1 task site" if report.totals.sites == 1 else f"{report.totals.sites} task sites"
    return f"{findings}, {sites}"


def _status(report: Report) -> int:
    if report.unreadable or report.lost:
        return FAILED
    return FOUND if report.stale or any(not problem.suppressed for problem in report.problems) else CLEAN


def _print(written: str) -> None:
    """Writes to standard output, whatever its encoding can say."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(written.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _save(file: str, written: str) -> None:
    try:
        Path(file).write_text(written, encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as error:
        from flake8_task_lifecycle.audit.files import reason

        raise AuditError(f"{file}: {reason(error)}") from None


def _say(line: str) -> None:
    sys.stderr.write(f"{PROGRAM}: {visible(line)}\n")


class _Bar:
    """A progress bar on standard error, when that is a terminal and rich is there; else nothing."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._update: Any = None
        self._is_wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def show(self, done: int, of: int) -> None:
        """Shows how far the work is; the first call draws the bar."""
        if self._is_wanted and self._update is None:
            self._is_wanted = False
            with contextlib.suppress(ModuleNotFoundError):
                from rich.console import Console
                from rich.progress import Progress

                bar = self._stack.enter_context(Progress(console=Console(stderr=True), transient=True))
                task = bar.add_task("auditing", total=of)
                self._update = lambda count: bar.update(task, completed=count)
        if self._update is not None:
            self._update(done)
