"""Flake8 driven from tests: in this process (with or without our plugin), as a child process, or one plugin alone."""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import io
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flake8 import utils
from flake8.main.application import Application
from flake8.plugins.finder import Checkers, LoadedPlugin
from flake8.processor import FileProcessor

PACKAGE = "flake8-task-lifecycle"
BARE = frozenset({"pyflakes", "pycodestyle", "mccabe", "local"})
PROCESS_SECONDS = 120
TLC = ["--isolated", "--select=TLC"]

HEAD = "import asyncio\n\n\nasync def main():\n"
SPAWN = "asyncio.create_task(work())"
DANGLING = f"{HEAD}    {SPAWN}\n"
FOUND = [(5, 5, "TLC001")]

Row = tuple[int, int, str]

_ROW = re.compile(r"(?P<path>.*?):(?P<row>\d+):(?P<column>\d+): (?P<code>[A-Z]+\d+) (?P<text>.*)\Z")


@dataclass(frozen=True, slots=True)
class Output:
    """What one run of flake8 did: its exit code, its two streams, and the warnings it raised (in process only)."""

    code: int
    out: str
    err: str
    warned: tuple[str, ...] = ()

    def rows(self, prefix: str = "") -> list[Row]:
        """The findings in flake8's default format whose code starts with the prefix, as (row, column, code)."""
        found = []
        for line in self.out.splitlines():
            match = _ROW.match(line)
            assert match, f"not a finding: {line!r}"
            if match["code"].startswith(prefix):
                found.append((int(match["row"]), int(match["column"]), match["code"]))
        return found


def is_ours(plugin: LoadedPlugin) -> bool:
    """True for a plugin that this project registers."""
    return plugin.plugin.package == PACKAGE


def installed_plugin(argv: Sequence[str]) -> tuple[LoadedPlugin, Application]:
    """Our checker as flake8 loads it under these arguments, and the application that did so."""
    app = Application()
    app.initialize(argv)
    assert app.plugins is not None
    [plugin] = [one for one in app.plugins.checkers.tree if is_ours(one) and one.entry_name == "TLC"]
    return plugin, app


def plugin_run(
    argv: Sequence[str], name: str, lines: list[str], tree: ast.Module
) -> list[tuple[int, int, str, type[object]]]:
    """Everything our checker yields for one file, called with the parameters flake8 would call it with."""
    plugin, app = installed_plugin(argv)
    assert app.options is not None
    processor = FileProcessor(name, app.options, lines)
    parameters = processor.keyword_arguments_for(plugin.parameters, {"tree": tree})
    return list(plugin.obj(tree=tree, **parameters).run())


def run(argv: Sequence[str], stdin: bytes = b"", *, bare: bool = False, tree_only: bool = False) -> Output:
    """One run of flake8 in this process, in the current directory.

    Only flake8's own checks, local plugins and ours take part, whatever else is installed. ``bare`` leaves ours out;
    ``tree_only`` leaves out the checks of lines and tokens.
    """

    def application() -> int:
        app = Application()
        app.initialize(argv)
        assert app.plugins is not None and app.file_checker_manager is not None
        wanted = BARE if bare else BARE | {PACKAGE}
        tree, logical, physical = (
            [one for one in group if one.plugin.package in wanted] for group in app.plugins.checkers
        )
        assert bare or any(is_ours(one) for one in tree), "the plugin is not installed"
        app.file_checker_manager.plugins = Checkers(tree, [] if tree_only else logical, [] if tree_only else physical)
        app.run_checks()
        app.report()
        return app.exit_code()

    return captured(application, stdin)


def forget_stdin() -> None:
    """Make flake8 read standard input again: it reads it once a process."""
    cache = cast("functools._lru_cache_wrapper[str]", utils.stdin_get_value)
    cache.cache_clear()


def captured(call: Callable[[], int], stdin: bytes = b"") -> Output:
    """What a call that runs flake8 in this process wrote, warned and returned (or gave to ``sys.exit``)."""
    out, err = _stream(), _stream()
    held = sys.stdin
    forget_stdin()
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            restored_imports(),
        ):
            warnings.simplefilter("always")
            try:
                code = call()
            except SystemExit as leaving:
                code = int(leaving.code or 0)
    finally:
        sys.stdin = held
        forget_stdin()
    return Output(code, _text(out), _text(err), tuple(str(one.message) for one in caught))


def run_process(argv: Sequence[str], cwd: Path, stdin: bytes = b"", *, python: Sequence[str] = ()) -> Output:
    """One run of ``python -m flake8`` in a fresh process, with further arguments for Python itself."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *python, "-m", "flake8", *argv],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=PROCESS_SECONDS,
        check=False,
        env={**environment, "PYTHONUTF8": "1"},
    )
    return Output(done.returncode, done.stdout.decode(), done.stderr.decode())


def lines_of(text: str) -> list[str]:
    """A text cut into lines as flake8 cuts it."""
    return list(io.StringIO(text))


@contextlib.contextmanager
def restored_imports() -> Iterator[None]:
    """Take back what a local plugin's ``paths`` add to the search path, and the modules that come from it."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        added = set(sys.path) - set(path)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and str(Path(file).parent) in added:
                del sys.modules[name]


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")


def check_file(content: str | bytes, name: str = "case.py") -> list[Row]:
    """Our findings in a file with this content; fails on anything else that our plugin adds to a run."""
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    ours = run([*TLC, name])
    assert_undisturbed(ours, run([*TLC, name], bare=True))
    return ours.rows("TLC")


def assert_undisturbed(ours: Output, bare: Output) -> None:
    """Fails when a run with our plugin says anything but what bare flake8 says, and our findings."""
    others = [line for line in ours.out.splitlines() if ": TLC" not in line]
    assert others == bare.out.splitlines()
    assert ours.err == ""
    assert ours.warned == bare.warned
    assert gc.isenabled()


def in_function(statement: str) -> str:
    """A module whose only async function has this statement as its line 5, indented by four blanks."""
    return f"{HEAD}    {statement}\n"


def at(column: int, line: int = 5) -> list[Row]:
    """TLC001 at this column (from 1) of this line, and nothing else."""
    return [(line, column, "TLC001")]
