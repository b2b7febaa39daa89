"""What flake8 does with us, asked of flake8's own main."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from flake8.main import cli

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import ALL_CODES, DEFAULT_CODES, OPT_IN_CODES
from flake8_task_lifecycle.plugin import Plugin
from flake8_task_lifecycle.rules import tlc001_dangling_task

DANGLING = """\
import asyncio


async def work():
    await asyncio.sleep(1)


async def main():
    asyncio.create_task(work())
"""

UNDRAINED = (
    DANGLING
    + """

background = set()


def send():
    task = asyncio.create_task(work())
    background.add(task)
    task.add_done_callback(background.discard)
"""
)

UNGROUPED = (
    DANGLING
    + """

async def both():
    first = asyncio.create_task(work())
    second = asyncio.create_task(work())
    await first
    await second
"""
)

UNREACHED = (
    DANGLING
    + """

class Job:
    def start(self):
        self.task = asyncio.create_task(work())

    def give_up(self):
        self.task.cancel()
"""
)

LEAKING = (
    DANGLING
    + """

async def serve(accept):
    task = asyncio.create_task(work())
    await accept()
    await task
"""
)

ENDING = (
    DANGLING
    + """

async def poll(read):
    try:
        await read()
    except asyncio.CancelledError:
        pass


def start(read):
    return asyncio.create_task(poll(read))
"""
)

TRANSLATING = (
    DANGLING
    + """

async def fetch(read):
    try:
        await read()
    except asyncio.CancelledError:
        raise ValueError from None
"""
)

GATHERING = (
    DANGLING
    + """

async def both(read):
    await asyncio.gather(read(1), read(2))
"""
)

SHIELDING = (
    DANGLING
    + """

async def save():
    await asyncio.shield(work())
"""
)

STOPPING = (
    DANGLING
    + """

async def stop(task):
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
"""
)

# For each opt-in code a module in which both it and TLC001 have something to say.
SAMPLES = {
    "TLC101": LEAKING,
    "TLC102": ENDING,
    "TLC103": UNDRAINED,
    "TLC104": TRANSLATING,
    "TLC105": GATHERING,
    "TLC106": UNGROUPED,
    "TLC107": SHIELDING,
    "TLC108": STOPPING,
    "TLC109": UNREACHED,
    "TLC900": DANGLING,
}

ON, OFF = True, False

# flake8's options, whether TLC001 is reported, whether the opt-in code is: {code} is that code, {group} the code
# without its last two digits.
TABLE: list[tuple[dict[str, str], bool, bool]] = [
    ({}, ON, OFF),
    ({"select": "TLC"}, ON, OFF),
    ({"select": "T"}, ON, OFF),
    ({"select": "TLC0"}, ON, OFF),
    ({"select": "TLC001"}, ON, OFF),
    ({"select": "E,F,W"}, OFF, OFF),
    ({"select": "{group}"}, OFF, ON),
    ({"select": "{code}"}, OFF, ON),
    ({"select": "E,F,TLC,{group}"}, ON, ON),
    ({"select": "TLC,{code}"}, ON, ON),
    ({"select": "TLC", "extend-select": "{group}"}, ON, ON),
    ({"select": "TLC", "extend-select": "{code}"}, ON, ON),
    ({"select": "E", "extend-select": "{code}"}, OFF, ON),
    ({"extend-select": "TLC"}, ON, OFF),
    ({"extend-select": "{group}"}, ON, ON),
    ({"extend-select": "{code}"}, ON, ON),
    ({"enable-extensions": "{code}"}, ON, ON),
    ({"enable-extensions": "TLC"}, ON, OFF),
    ({"select": "TLC", "enable-extensions": "{code}"}, ON, OFF),
    ({"select": "E,F", "enable-extensions": "{code}"}, OFF, OFF),
    ({"extend-select": "TLC", "enable-extensions": "{code}"}, ON, ON),
    ({"ignore": "E501"}, ON, OFF),
    ({"ignore": "E501", "select": "TLC"}, ON, OFF),
    ({"ignore": "E501", "extend-select": "{code}"}, ON, ON),
    ({"ignore": "E501", "enable-extensions": "{code}"}, ON, ON),
    ({"ignore": "TLC001", "extend-select": "{code}"}, OFF, ON),
    ({"ignore": "TLC", "extend-select": "{code}"}, OFF, ON),
    ({"ignore": "TLC"}, OFF, OFF),
    ({"extend-ignore": "E501"}, ON, OFF),
    ({"extend-ignore": "E501", "select": "TLC"}, ON, OFF),
    ({"extend-ignore": "TLC001"}, OFF, OFF),
    ({"extend-ignore": "{code}", "extend-select": "{code}"}, ON, OFF),
    ({"extend-ignore": "{code}", "enable-extensions": "{code}"}, ON, OFF),
    ({"per-file-ignores": "sample.py:E501"}, ON, OFF),
    ({"per-file-ignores": "sample.py:TLC001"}, OFF, OFF),
    ({"per-file-ignores": "sample.py:TLC"}, OFF, OFF),
    ({"per-file-ignores": "other.py:TLC001", "extend-select": "{code}"}, ON, ON),
    ({"per-file-ignores": "sample.py:{code}", "extend-select": "{code}"}, ON, OFF),
    ({"per-file-ignores": "sample.py:TLC001", "enable-extensions": "{code}"}, OFF, ON),
    ({"per-file-ignores": "sample.py:{code}", "enable-extensions": "{code}"}, ON, OFF),
]

Run = Callable[..., list[str]]


@pytest.fixture
def flake8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """flake8's main in a folder of its own: gives the lines it printed, none of them on stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')

    def run(*argv: str) -> list[str]:
        cli.main(argv)
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out.splitlines()

    return run


def codes(lines: list[str]) -> list[str]:
    """The codes of flake8's output lines."""
    found = [re.match(r"[^:]+:\d+:\d+: ([A-Z]+\d+) ", line) for line in lines]
    assert all(found), lines
    return [match[1] for match in found if match]


def configure(where: str, options: Mapping[str, str]) -> list[str]:
    """Write options where flake8 looks for them; gives the arguments to call it with."""
    if where == "command line":
        return ["--isolated", *(f"--{option}={value}" for option, value in options.items())]
    Path(where).write_text("\n".join(["[flake8]", *(f"{option} = {value}" for option, value in options.items())]))
    return []


def describe(row: tuple[dict[str, str], bool, bool]) -> str:
    """A row of the table as a test's name."""
    return " ".join(f"{option}={value}" for option, value in row[0].items()) or "plain"


def test_every_opt_in_code_has_a_sample() -> None:
    assert SAMPLES.keys() == OPT_IN_CODES


@pytest.mark.parametrize("where", ["command line", "setup.cfg", "tox.ini", ".flake8"])
@pytest.mark.parametrize("row", TABLE, ids=describe)
@pytest.mark.parametrize("code", sorted(OPT_IN_CODES))
def test_opt_in(code: str, row: tuple[dict[str, str], bool, bool], where: str, flake8: Run) -> None:
    options, default_reported, opt_in_reported = row
    Path("sample.py").write_text(SAMPLES[code])
    filled = {option: value.format(code=code, group=code[:-2]) for option, value in options.items()}
    found = codes(flake8(*configure(where, filled), "sample.py"))
    assert ("TLC001" in found, code in found) == (default_reported, opt_in_reported)


@pytest.mark.parametrize("code", sorted(OPT_IN_CODES))
def test_command_line_and_configuration_together(code: str, flake8: Run) -> None:
    """As an editor calls flake8: an ignore of its own over a project's configuration."""
    Path("sample.py").write_text(SAMPLES[code])
    configure("setup.cfg", {"ignore": "E501"})
    assert code not in codes(flake8("--ignore=W", "sample.py"))
    assert code in codes(flake8("--ignore=W", f"--extend-select={code}", "sample.py"))


def test_options_do_not_outlive_a_run(flake8: Run) -> None:
    """Editors run flake8 in one process for hours."""
    Path("sample.py").write_text(DANGLING)
    assert "TLC900" in codes(flake8("--extend-select=TLC900", "--tlc-spawners=a.b", "sample.py"))
    assert Plugin.asked_for().spawners == {"a.b"}
    assert codes(flake8("sample.py")) == ["TLC001"]
    assert Plugin.asked_for().spawners == frozenset()
    assert Plugin.asked_for().codes == DEFAULT_CODES, "what is off is not computed"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("", ["TLC001"]),
        ("# noqa", []),
        ("# noqa: TLC001", []),
        ("# noqa:TLC001", []),
        ("# noqa: TLC0", []),
        ("# noqa: TLC001, E501", []),
        ("# noqa: E501", ["TLC001"]),
        ("# noqa: TLC002", ["TLC001"]),
        ("# type: ignore", ["TLC001"]),
    ],
)
def test_noqa_on_the_line(comment: str, expected: list[str], flake8: Run) -> None:
    Path("sample.py").write_text(DANGLING.rstrip("\n") + f"  {comment}".rstrip() + "\n")
    assert codes(flake8("sample.py")) == expected


def test_noqa_stands_where_the_spawn_begins(flake8: Run) -> None:
    call = "    asyncio.create_task({}\n        work(){}\n    ){}\n"
    head = DANGLING[: DANGLING.index("    asyncio.create_task")]
    Path("sample.py").write_text(head + call.format("  # noqa: TLC001", "", ""))
    assert codes(flake8("sample.py")) == []
    Path("sample.py").write_text(head + call.format("", "  # noqa: TLC001", "  # noqa: TLC001"))
    assert codes(flake8("sample.py")) == ["TLC001"]


def test_noqa_without_digits_silences_the_whole_line(flake8: Run) -> None:
    Path("sample.py").write_text("import os  # noqa: TLC\nimport sys\n")
    assert codes(flake8("sample.py")) == ["F401"]


def test_noqa_of_the_file_silences_every_code(flake8: Run) -> None:
    Path("sample.py").write_text("# flake8: noqa: TLC001\nimport os\n" + DANGLING)
    assert codes(flake8("sample.py")) == []
    assert "TLC001" in codes(flake8("--disable-noqa", "sample.py"))


def test_show_source_points_at_the_spawn(flake8: Run) -> None:
    line = "    print('Grüße, 世界'); asyncio.create_task(work())"
    Path("sample.py").write_text(DANGLING.rsplit("\n", 2)[0] + f"\n{line}\n", encoding="utf-8")
    _, source, marker = flake8("--select=TLC", "--show-source", "sample.py")
    assert source == line
    assert marker.index("^") == line.index("asyncio")


def run_flake8(*argv: str, folder: Path, text: str | None = None, code: str = "-m flake8") -> list[str]:
    """flake8 in a process of its own: gives the lines it printed, none of them on stderr."""
    start = ["-m", "flake8"] if code == "-m flake8" else ["-c", code]
    done = subprocess.run(
        [sys.executable, *start, *argv],
        cwd=folder,
        input=text,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONWARNDEFAULTENCODING": "", "PYTHONWARNINGS": "always"},
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


SPAWNED_WORKERS = """\
import multiprocessing
import sys
from flake8.main.cli import main
multiprocessing.set_start_method("spawn")
main(sys.argv[1:])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a few modules, some of them with findings."""
    for number in range(6):
        (tmp_path / f"module{number}.py").write_text(DANGLING.replace("\n\n\n", "\n\n\nX = 1\n\n\n", number % 3))
    (tmp_path / "plain.py").write_text("x = 1\n")
    return tmp_path


def test_jobs_do_not_matter(project: Path) -> None:
    """One process, forked workers and spawned workers say the same, with the same options."""
    argv = ["--select=TLC,TLC900", "."]
    alone = run_flake8("-j1", *argv, folder=project)
    assert codes(alone).count("TLC001") == codes(alone).count("TLC900") == 6
    assert run_flake8("-j4", *argv, folder=project) == alone
    assert run_flake8("-j4", *argv, folder=project, code=SPAWNED_WORKERS) == alone


def test_text_comes_from_stdin_and_not_from_the_disk(project: Path) -> None:
    (project / "module0.py").write_text("import os\n")
    found = run_flake8("--select=TLC", "--stdin-display-name", "module0.py", "-", folder=project, text=DANGLING)
    assert [line.split(" ")[:2] for line in found] == [["module0.py:9:5:", "TLC001"]]
    missing = os.path.join("no", "such.py")  # noqa: PTH118
    found = run_flake8("--select=TLC", "--stdin-display-name", missing, "-", folder=project, text=DANGLING)
    assert [line.split(" ")[:2] for line in found] == [[f"{missing}:9:5:", "TLC001"]]


@pytest.mark.parametrize("option", ["tlc-spawners", "tlc-keeping-spawners", "tlc-cancellers"])
@pytest.mark.parametrize(("value", "culprit"), [("a..b", "a..b"), ("*", "*"), ("f()", "f()"), ("a.b,2c", "2c")])
@pytest.mark.parametrize("where", ["command line", "setup.cfg"])
def test_malformed_option_ends_flake8_with_one_line(
    option: str, value: str, culprit: str, where: str, flake8: Run
) -> None:
    Path("sample.py").write_text(DANGLING)
    lines = flake8(*configure(where, {option: value}), "sample.py")
    assert lines[0] == "There was a critical error during execution of Flake8:"
    assert lines[1:] == [f"{option}: {culprit!r} is neither a dotted name (package.function) nor *.method"]


@pytest.mark.parametrize("value", ["3", "2.7", "3.x", ">=3.9", "3.9.1", "3.9,3.10", "three"])
@pytest.mark.parametrize("where", ["command line", "setup.cfg"])
def test_malformed_version_ends_flake8_with_one_line(value: str, where: str, flake8: Run) -> None:
    Path("sample.py").write_text(DANGLING)
    lines = flake8(*configure(where, {"tlc-min-python": value}), "sample.py")
    assert lines[0] == "There was a critical error during execution of Flake8:"
    assert lines[1:] == [f"tlc-min-python: {value!r} is not a Python version such as 3.9"]


def test_options_stand_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    printed = capsys.readouterr().out
    ours = printed[printed.index("flake8-task-lifecycle:") :]
    assert "--tlc-spawners names" in ours
    assert "--tlc-keeping-spawners names" in ours
    assert "--tlc-cancellers names" in ours
    assert "--tlc-min-python version" in ours


@pytest.mark.parametrize("spelling", ["tlc-spawners", "tlc_spawners"])
def test_spawners_of_the_configuration(spelling: str, flake8: Run) -> None:
    Path("sample.py").write_text("from helpers import start\n\n\nasync def main():\n    start()\n")
    assert codes(flake8("sample.py")) == []
    configure(".flake8", {spelling: "helpers.start,\n    other.thing"})
    assert codes(flake8("sample.py")) == ["TLC001"]
    configure(".flake8", {spelling: "helpers.start", "tlc-keeping-spawners": "helpers.start"})
    assert codes(flake8("sample.py")) == []


LOADED = """\
import sys
from flake8.main.cli import main
main(sys.argv[1:])
print("astroid" in sys.modules, "flake8_task_lifecycle.engine" in sys.modules)
"""


def test_engine_and_astroid_are_loaded_for_a_file_that_may_concern_us(project: Path) -> None:
    assert run_flake8("plain.py", folder=project, code=LOADED) == ["False False"]
    assert run_flake8("--select=E", "module0.py", folder=project, code=LOADED) == ["True True"]


def fail(*arguments: object) -> Iterator[Finding]:
    """What stands in for a rule, or for the building of the facts, with a defect."""
    raise RecursionError("too deep")


@pytest.mark.parametrize(
    ("home", "part", "left"),
    [
        (tlc001_dangling_task, "check", ["F401", "TLC900"]),
        (engine, "facts_of", ["F401"]),
    ],
)
def test_a_failure_of_ours_costs_nobody_elses_results(
    home: ModuleType,
    part: str,
    left: list[str],
    flake8: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Path("sample.py").write_text("import os\n" + DANGLING)
    monkeypatch.setattr(home, part, fail)
    monkeypatch.setattr(engine, "GUARD", True)
    with caplog.at_level("DEBUG"):
        assert codes(flake8("--extend-select=TLC900", "sample.py")) == left
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.levelname == "DEBUG"
    assert record.getMessage().startswith("sample.py: ")
    monkeypatch.setattr(engine, "GUARD", False)
    with pytest.raises(RecursionError):
        flake8("sample.py")


def test_codes_are_ones_flake8_can_be_told() -> None:
    assert all(re.fullmatch("TLC[0-9]{3}", code) for code in ALL_CODES)
