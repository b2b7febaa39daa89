"""As editors call us: in one process for hours, over files that change, and in the shapes that they read back."""

from __future__ import annotations

import gc
import importlib.metadata
import logging
import os
import re
import runpy
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from astroid import nodes
from astroid.manager import AstroidManager
from flake8_runs import DANGLING, PACKAGE, Output, captured, run_process

from flake8_task_lifecycle.store import STORE

VSCODE_FORMAT = "--format=%(row)d,%(col)d,%(code).1s,%(code)s:%(text)s"
RUNS = 50
SETTLED = 10
KEPT_BYTES = 120_000
"""Less than the texts of the files between the first runs and the last."""


@pytest.fixture(autouse=True)
def _in_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no plugin but flake8's own and ours: others keep trees of their own."""
    monkeypatch.chdir(tmp_path)
    wanted = [one for one in importlib.metadata.distributions() if one.name in ("flake8", PACKAGE)]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: wanted)


def vscode(argv: Sequence[str], stdin: bytes = b"") -> Output:
    """One run as VS Code's extension makes it: the module ``flake8`` as a script, in this very process."""

    def as_a_script() -> int:
        held, path = sys.argv, list(sys.path)
        sys.argv = ["flake8", "--isolated", "--select=TLC", VSCODE_FORMAT, *argv]
        sys.path[:] = ["", *path]
        try:
            runpy.run_module("flake8", run_name="__main__")
        finally:
            sys.argv, sys.path[:] = held, path
        return 0

    # The module's `sys.exit` ends each run; `captured` makes an exit code of it.
    return captured(as_a_script, stdin)


def places(output: Output) -> list[tuple[int, int]]:
    """Line and column (from 1) of each finding in VS Code's format."""
    assert output.err == ""
    return [(int(row), int(column)) for row, column, _ in (line.split(",", 2) for line in output.out.splitlines())]


# What a user does to the same file, one edit after another: the body of an async function, and the columns of the
# findings by line of the body.
EDITS: list[tuple[str, dict[int, int]]] = [
    ("asyncio.create_task(work())\n", {1: 5}),
    ("await asyncio.create_task(work())\n", {}),
    ("task = asyncio.create_task(work())\n", {1: 12}),
    ("task = asyncio.create_task(work())\nawait task\n", {}),
    ("task = asyncio.create_task(work())\nprint(task)\n", {1: 12}),
    ("task = asyncio.create_task(work())\nreturn task\n", {}),
    ("task =\n", {}),
    ("a = 1\nb = 2\nasyncio.ensure_future(work())\n", {3: 5}),
    ("pass\n", {}),
    ("asyncio.create_task(work())\nasyncio.create_task(work())\n", {1: 5, 2: 5}),
]


def edited(number: int, filler: int = 0) -> tuple[str, list[tuple[int, int]]]:
    """The file after so many edits, and what must be found in it. Blank lines keep moving what stands below."""
    body, columns = EDITS[number % len(EDITS)]
    top = "\n" * (number % 7)
    classes = "".join(FILLER.replace("{}", str(one), 1) for one in range(filler))
    head = f"{top}import asyncio\n\n\n{classes}async def main():\n"
    first = head.count("\n")
    text = head + "".join(f"    {line}\n" for line in body.splitlines())
    return text, [(first + line, column) for line, column in columns.items()]


FILLER = '''\
class Poller{}:
    """Polls."""

    def start(self, arguments: dict[str, int]) -> None:
        self._task = asyncio.create_task(self._run(arguments["a"], b=[1, 2, 3], c=None))
        self._tasks.add(asyncio.ensure_future(self._run(4)))

    async def _run(self, first, *more, **named):
        while self._running:
            result = await asyncio.gather(*(asyncio.shield(one) for one in more), return_exceptions=True)
            print(f"{result!r} after {first}", named.get("a"), {key: value for key, value in named.items()})


'''


def test_each_edit_of_a_file_is_seen() -> None:
    for number in range(RUNS):
        text, expected = edited(number)
        Path("case.py").write_text(text)
        output = vscode([str(Path("case.py").resolve())])
        assert places(output) == expected, (number, text, output)


def test_each_edit_of_a_notebook_is_seen() -> None:
    for number in range(2 * len(EDITS)):
        text, expected = edited(number)
        output = vscode(["--stdin-display-name", str(Path("cells.ipynb").resolve()), "-"], text.encode())
        assert places(output) == expected, (number, text, output)


def test_an_edit_that_keeps_size_and_time_is_seen() -> None:
    path = Path("case.py")
    head = "import asyncio\n\n\nasync def main():\n    task = asyncio.create_task(work())\n"
    dropped, kept = f"{head}    print(task)\n", f"{head}    await  task\n"
    assert len(dropped) == len(kept)
    path.write_text(dropped)
    time = path.stat()
    for text, expected in [(dropped, [(5, 12)]), (kept, []), (dropped, [(5, 12)]), (kept, [])]:
        path.write_text(text)
        os.utime(path, ns=(time.st_atime_ns, time.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (time.st_size, time.st_mtime_ns)
        assert places(vscode([str(path.resolve())])) == expected


def test_text_on_standard_input_wins_over_the_file() -> None:
    path = Path("case.py")
    for number in range(2 * len(EDITS)):
        path.write_text(edited(number + 1)[0])
        text, expected = edited(number)
        assert places(vscode(["--stdin-display-name", str(path.resolve()), "-"], text.encode())) == expected


def test_findings_of_one_file_do_not_reach_another() -> None:
    for number in range(len(EDITS)):
        Path("a.py").write_text(edited(number)[0])
        Path("b.py").write_text("import asyncio\n\n\nasync def main():\n    await asyncio.create_task(work())\n")
        vscode([str(Path("a.py").resolve())])
        assert places(vscode([str(Path("b.py").resolve())])) == []


HELPERS = [
    ("def go():\n    return asyncio.create_task(work())\n", [(5, 5)]),
    ("def go():\n    TASKS.add(task := asyncio.create_task(work()))\n    return task\n", []),
    ("def go():\n    return 1\n", []),
    ("async def go():\n    pass\n", [(5, 5)]),
    ("", []),
    ("def go(:\n", []),
]


def edit_helper(folder: Path, number: int) -> list[tuple[int, int]]:
    """Change the module that the file under test imports, and say what its importer now deserves."""
    body, expected = HELPERS[number % len(HELPERS)]
    (folder / "helper.py").write_text(f"import asyncio\nTASKS = set()\n# {number:06}\n{body}")
    return expected


def test_an_edit_of_an_imported_module_is_seen() -> None:
    package = Path("package")
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "case.py").write_text("from package.helper import go\n\n\nasync def main():\n    go()\n")
    for number in range(3 * len(HELPERS)):
        expected = edit_helper(package, number)
        assert places(vscode([str((package / "case.py").resolve())])) == expected, HELPERS[number % len(HELPERS)]


def one_of_each(number: int) -> None:
    """One run over a file of some 100 lines, fresh text each time, which imports a module that changes too."""
    text, expected = edited(number, filler=8)
    package = Path("package")
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    edit_helper(package, number)
    (package / "case.py").write_text(f"# {number:06}\nfrom package.helper import go\n{text}    go()\n")
    output = vscode([str((package / "case.py").resolve())])
    assert len(output.out.splitlines()) >= len(expected)


def grown(work: Callable[[int], object]) -> int:
    """Bytes of this process's objects that 50 runs have kept beyond those that the first 10 have."""
    tracemalloc.start()
    try:
        before = 0
        for number in range(RUNS):
            work(number)
            if number == SETTLED - 1:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("quiet_collector")
def test_memory_is_flat_over_50_runs() -> None:
    assert grown(one_of_each) < KEPT_BYTES


@pytest.mark.usefixtures("quiet_collector")
def test_the_measure_of_memory_sees_one_text_kept_a_run() -> None:
    kept: list[str] = []

    def leaky(number: int) -> None:
        kept.append(edited(number, filler=8)[0])

    assert grown(leaky) > KEPT_BYTES


@pytest.fixture
def quiet_collector(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What stands in memory before the test is left out of its collections, and pytest keeps no log of the runs.

    What other tests have read is forgotten: a table that many files have nearly filled would be made anew in ours.
    """
    caplog.set_level(logging.CRITICAL, "flake8")
    vars(STORE).update(vars(type(STORE)()))
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_no_tree_outlives_its_run_for_good() -> None:
    def trees() -> int:
        gc.collect()
        return sum(isinstance(one, nodes.Module) for one in gc.get_objects())

    counts = []
    for number in range(RUNS):
        one_of_each(number)
        if number % 10 == 9:
            counts.append(trees())
    assert counts[-1] <= counts[0] + 1, counts


def test_astroid_caches_nothing_for_us() -> None:
    one_of_each(0)
    before = set(AstroidManager().astroid_cache)
    for number in range(1, SETTLED):
        one_of_each(number)
    assert set(AstroidManager().astroid_cache) == before


SAMPLE = """\
import asyncio


class Owner:
    async def start(self):
        "é"; asyncio.create_task(self.run())
        task = asyncio.ensure_future(self.run(), loop=None)
        [asyncio.create_task(self.run()) for _ in "ab"]
        asyncio.get_running_loop().create_task(self.run())
        asyncio.get_running_loop().call_soon(lambda: asyncio.create_task(self.run()))
"""


def starts_a_name(row: int, column: int) -> bool:
    """True when the place (from 1) is the first character of a name in the sample, as a squiggle wants it."""
    line = SAMPLE.splitlines()[row - 1]
    return bool(re.match(r"[^\W\d]", line[column - 1 :])) and not re.match(r"\w", line[column - 2 : column - 1])


def write_sample() -> str:
    """The sample on disk; its path."""
    Path("case.py").write_text(SAMPLE)
    return str(Path("case.py").resolve())


def test_vscode_reads_every_line() -> None:
    pattern = re.compile(r"(?P<line>\d+),(?P<column>-?\d+),(?P<type>\w+),(?P<code>\w+\d+):(?P<message>[^\r\n]*)")
    output = vscode([write_sample()])
    found = [pattern.fullmatch(line) for line in output.out.splitlines()]
    assert len(found) >= 5
    for match in found:
        assert match is not None
        assert (match["type"], match["code"]) == ("T", "TLC001")
        assert match["message"].strip() == match["message"] != ""
        assert starts_a_name(int(match["line"]), int(match["column"])), match


@pytest.mark.parametrize("further", [[], ["--ignore=E501,W503"], ["--extend-ignore=E203"], ["--max-line-length=120"]])
def test_python_lsp_server_reads_every_line(tmp_path: Path, further: list[str]) -> None:
    pattern = re.compile(r"(.*):(\d*):(\d*): (\w*) (.*)")
    Path("package").mkdir()
    Path("package/case.py").write_text("unsaved = 'is not what stands here'\n")
    argv = ["-", "--stdin-display-name", "package/case.py", *further]
    output = run_process(argv, tmp_path, SAMPLE.encode())
    assert output.err == ""
    found = [pattern.fullmatch(line) for line in output.out.splitlines()]
    assert all(found)
    ours = [match.groups() for match in found if match is not None and match[4].startswith("TLC")]
    assert {code for _, _, _, code, _ in ours} == {"TLC001"}
    assert {path for path, *_ in ours} == {"package/case.py"}
    assert all(starts_a_name(int(row), int(column)) for _, row, column, _, _ in ours)


def test_ale_reads_every_line(tmp_path: Path) -> None:
    pattern = re.compile(r"^[a-zA-Z]?:?[^:]+:(\d+):?(\d+)?: ([A-Za-z0-9]+):? (.*)$")
    argv = ["--format=default", "--select=TLC", "--stdin-display-name", str(tmp_path / "case.py"), "-"]
    output = run_process(argv, tmp_path, SAMPLE.encode())
    assert output.err == ""
    found = [pattern.match(line) for line in output.out.splitlines()]
    assert len(found) >= 5
    assert all(match is not None and match[3] == "TLC001" for match in found)
    assert "Traceback" not in output.out


def test_nvim_lint_reads_every_line(tmp_path: Path) -> None:
    pattern = re.compile(r"[^:]+:(\d+):(\d+):(\w+):(.+)")
    argv = ["--format=%(path)s:%(row)d:%(col)d:%(code)s:%(text)s", "--no-show-source", "--select=TLC", write_sample()]
    output = run_process(argv, tmp_path)
    assert output.err == ""
    found = [pattern.fullmatch(line) for line in output.out.splitlines()]
    assert len(found) >= 5
    assert all(match is not None and match[3] == "TLC001" for match in found)


def test_source_lines_can_be_shown(tmp_path: Path) -> None:
    Path("case.py").write_text(DANGLING)
    output = run_process(["--isolated", "--select=TLC", "--show-source", "case.py"], tmp_path)
    _, source, caret = output.out.splitlines()
    assert source.index("asyncio") == caret.index("^") == 4
