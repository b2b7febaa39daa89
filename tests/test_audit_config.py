"""One truth: what flake8's configuration and comments say counts for the audit as it does for flake8."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from audit_runs import DROPPED, SOUND, Project, Ran, project_in
from casebook import CASES, read
from flake8_runs import restored_imports, run

from flake8_task_lifecycle.audit import config
from flake8_task_lifecycle.audit.config import Settings
from flake8_task_lifecycle.audit.errors import AuditError

ROOT = Path(__file__).parent.parent

Found = list[tuple[str, int, int, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    return project_in(tmp_path, monkeypatch, capsys)


def by_flake8(*arguments: str) -> Found:
    """File, line, column and code of what flake8 itself reports."""
    done = run([*arguments, "--format=%(path)s\t%(row)d\t%(col)d\t%(code)s"])
    rows = [line.split("\t") for line in done.out.splitlines()]
    return sorted(
        (os.path.normpath(path), int(row), int(column), code)
        for path, row, column, code in rows
        if code.startswith("TLC") and code != "TLC900"
    )


def by_audit(project: Project, *arguments: str, jobs: int = 1) -> Found:
    """File, line, column and code of what counts in the audit."""
    return counted(project.json(*arguments, jobs=jobs))


def counted(ran: Ran) -> Found:
    return sorted(
        (one["file"], one["line"], one["column"], one["code"])
        for one in ran.report["findings"]
        if not one["suppressed"]
    )


# One truth with flake8


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["select = TLC"],
        ["select = E,F"],
        ["select = TLC1"],
        ["select = TLC00"],
        ["extend-select = TLC1"],
        ["extend-select = TLC9"],
        ["extend_select = TLC101"],
        ["enable-extensions = TLC103"],
        ["ignore = TLC001"],
        ["ignore = E501"],
        ["extend-ignore = TLC0"],
        ["extend-ignore = TLC", "extend-select = TLC002"],
        ["exclude = jobs"],
        ["extend-exclude = jobs/held.py, other*"],
        ["filename = other.py, ./jobs/*.py"],
        ["per-file-ignores = jobs/*:TLC0"],
        ["per-file-ignores =", "  other.py: TLC001", "  jobs/held.py: TLC002,TLC007"],
        ["per-file-ignores = other.py:TLC001,jobs/*.py:TLC0", "select = TLC,TLC1"],
        ["disable-noqa = true"],
        ["tlc-spawners = jobs.held.begin"],
        ["tlc_spawners = *.begin"],
        ["max-line-length = 200", "unknown-option = 1", "jobs = 2"],
    ],
    ids=" ".join,
)
def test_the_audit_counts_what_flake8_reports(project: Project, lines: list[str]) -> None:
    examples = ROOT / "docs" / "examples"
    project.write(
        jobs__held=(examples / "held_faulty.py").read_text(encoding="utf-8"),
        jobs__swallowed=(examples / "swallowed_faulty.py").read_text(encoding="utf-8"),
        other=DROPPED,
        quiet=DROPPED.replace("work())", "work())  # noqa: TLC001"),
        ignored=f"# flake8: noqa: TLC002\n{DROPPED}",
        uses="from jobs.held import begin\n\n\nasync def main(thing):\n    begin()\n    thing.begin()\n",
    )
    project.configure(*lines)
    assert by_audit(project) == by_flake8(".")


@pytest.mark.parametrize("arguments", [["--select=TLC"], ["--select=TLC1"], ["--ignore=TLC001"], ["--isolated"]])
def test_arguments_mean_what_they_mean_to_flake8(project: Project, arguments: list[str]) -> None:
    project.write(other=DROPPED, held=(ROOT / "docs" / "examples" / "held_faulty.py").read_text(encoding="utf-8"))
    project.configure("extend-ignore = TLC005", "extend-select = TLC103")
    assert by_audit(project, *arguments) == by_flake8(*arguments, ".")


def test_flake8_and_the_audit_agree_on_the_casebook(project: Project) -> None:
    written = 0
    for number, case in enumerate(one for path in sorted(CASES.rglob("*.md")) for one in read(path)):
        if case.options.spawners | case.options.cancellers | case.options.keeping_spawners:
            continue
        for block in case.modules:
            project.file(f"case{number}/{block.name}", block.text)
            written += 1
    assert written > 100
    ran = project.json("--select=TLC,TLC1", jobs=2)
    assert (ran.err, ran.report["lost"]) == ("", [])
    found = counted(ran)
    assert len(found) > 400
    assert found == by_flake8("--select=TLC,TLC1", ".")


def test_flake8_and_the_audit_agree_on_the_examples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    found = by_audit(Project(ROOT, capsys), "docs/examples")
    assert found == by_flake8("docs/examples")
    assert len(found) == len((ROOT / "docs" / "examples" / "EXPECTED").read_text(encoding="utf-8").splitlines())


# What is hidden is shown and does not count


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("asyncio.create_task(work())", ""),
        ("asyncio.create_task(work())  # noqa", "noqa"),
        ("asyncio.create_task(work())  # NOQA:TLC001", "noqa"),
        ("asyncio.create_task(work())  # noqa: E501,TLC001", "noqa"),
        ("asyncio.create_task(work())  # noqa: E501 TLC0", "noqa"),
        ("asyncio.create_task(work())  # noqa: E501", ""),
        ("asyncio.create_task(work())  # noqa: TLC", "noqa"),
        ("asyncio.create_task(  # noqa: TLC001\n        work())", "noqa"),
        ('asyncio.create_task(work("""\n    """))  # noqa: TLC001', "noqa"),
    ],
)
def test_noqa(project: Project, line: str, hidden: str) -> None:
    project.write(jobs=DROPPED.replace("asyncio.create_task(work())", line).replace("def work()", "def work(*_)"))
    ran = project.json()
    assert ran.found == [("jobs.py", 9, "TLC001", hidden)]
    assert ran.status == (0 if hidden else 1)
    assert len(by_flake8(".")) == ran.status
    (site,) = ran.report["sites"]
    assert [one["suppressed"] for one in site["findings"]] == [hidden]
    assert site["codes"] == ([] if hidden else ["TLC001"])


def test_noqa_for_a_whole_file(project: Project) -> None:
    project.write(jobs=f"{DROPPED}# flake8: noqa: TLC003\n")
    assert project.json().found == [("jobs.py", 9, "TLC001", "noqa")]
    assert by_flake8(".") == []


def test_disabled_noqa_hides_nothing(project: Project) -> None:
    project.configure("disable-noqa = yes")
    project.write(jobs=DROPPED.replace("work())\n", "work())  # noqa\n"), more=f"# flake8: noqa\n{DROPPED}")
    ran = project.json()
    assert (ran.status, [one[3] for one in ran.found]) == (1, ["", ""])


def test_per_file_ignores(project: Project) -> None:
    project.configure("per-file-ignores = tests/*:TLC001")
    project.write(tests__test_jobs=DROPPED, jobs=SOUND)
    ran = project.json()
    assert ran.found == [("tests/test_jobs.py", 9, "TLC001", "per-file-ignores")]
    assert ran.status == 0
    assert ran.report["summary"]["suppressed"] == 1
    broken = {one["name"]: one["holds"] for one in ran.report["compliance"]}
    assert broken["owned"] == "unknown"
    assert "Look again at what is suppressed: 1 by per-file-ignores." in ran.report["recommendations"]


def test_an_ignored_code_is_not_there(project: Project) -> None:
    project.write(jobs=DROPPED)
    ran = project.json("--ignore=TLC001")
    assert (ran.status, ran.found) == (0, [])
    owned = next(one for one in ran.report["compliance"] if one["name"] == "owned")
    assert (owned["holds"], owned["unchecked"]) == ("unknown", ["TLC001"])


FEED = """\
import asyncio
import logging


class Feed:
    _task = None

    def start(self):
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def stop(self):
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _follow(self):
        while True:
            try:
                await read()
            except Exception:
                logging.exception("not read")
            await asyncio.sleep(1)


feed = Feed()
"""
LIFESPAN = """\
from contextlib import asynccontextmanager

from feed import feed


@asynccontextmanager
async def lifespan(app):
    feed.start()
    yield
    await feed.stop()
"""


@pytest.mark.parametrize(
    ("arguments", "lines", "verdict", "related"),
    [
        ([], [], "at-risk", [("main.py", "TLC006", "")]),
        (["--ignore=TLC006"], [], "safe", []),
        ([], ["per-file-ignores = main.py:TLC006"], "safe", [("main.py", "TLC006", "per-file-ignores")]),
    ],
)
def test_a_finding_in_another_file_is_hidden_there_too(
    project: Project, arguments: list[str], lines: list[str], verdict: str, related: list[tuple[str, str, str]]
) -> None:
    project.write(feed=FEED, main=LIFESPAN)
    project.configure(*lines)
    (site,) = project.json(*arguments).report["sites"]
    assert [(one["file"], one["code"], one["suppressed"]) for one in site["findings"]] == related
    assert site["verdict"] == verdict


def test_a_file_that_flake8_passes_over_has_sites_and_no_findings(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "flake8_task_lifecycle.prefilter.codes_for",
        lambda _tree, _text, _name, wanted: wanted.codes if "TLC900" in wanted.codes else frozenset(),
    )
    project.write(jobs=DROPPED)
    ran = project.json()
    assert (ran.found, by_flake8(".")) == ([], [])
    assert [site["codes"] for site in ran.report["sites"]] == [[]]


# Reading the configuration


def test_the_file_that_was_read_is_named(project: Project) -> None:
    project.write(jobs=SOUND)
    assert project.json().report["options"]["config"] == ""
    project.file(".flake8", "[flake8]\ntlc-cancellers = jobs.stop\n")
    options = project.json().report["options"]
    assert (options["config"], options["tlc-cancellers"]) == (".flake8", "jobs.stop")
    project.file("tox.ini", "[tox]\n")
    assert project.json().report["options"]["config"] == ".flake8"
    project.configure()
    assert project.json().report["options"]["config"] == "setup.cfg"
    assert project.json("--isolated").report["options"]["config"] == ""
    other = project.json("--config=.flake8").report["options"]
    assert (other["config"], other["tlc-cancellers"]) == (".flake8", "jobs.stop")


def test_a_configuration_above_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.configure("per-file-ignores = jobs.py:TLC001")
    project.write(src__jobs=DROPPED, src__more=DROPPED)
    monkeypatch.chdir(project.folder / "src")
    assert [one[3] for one in project.json().found] == ["per-file-ignores", ""]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tlc-spawner", "did you mean tlc-spawners?"),
        ("tlc_cancelers", "did you mean tlc-cancellers?"),
        ("TLC-Min-Pyhton", "did you mean tlc-min-python?"),
        ("tlc-colour", "there are tlc-cancellers, tlc-keeping-spawners, tlc-min-python, tlc-spawners"),
    ],
)
def test_a_misspelt_option_gets_one_line(project: Project, name: str, hint: str) -> None:
    project.configure(f"{name} = jobs.begin", "tlc_keeping_spawners = jobs.begin", "other-plugins-option = 1")
    project.write(jobs=SOUND)
    ran = project.json()
    said = f"setup.cfg: there is no option {name.lower()!r}: {hint}"
    assert ran.err == f"task-lifecycle: {said}\n"
    assert ran.status == 0
    assert ran.report["warnings"] == [said]


def test_a_selection_without_our_codes_is_told(project: Project) -> None:
    project.configure("select = E,F,W")
    project.write(jobs=DROPPED)
    ran = project.json()
    assert ran.status == 0
    assert ran.err.startswith("task-lifecycle: flake8's options select no code of this plugin")
    assert ran.err.count("\n") == 1
    assert len(ran.report["sites"]) == 1
    assert {one["holds"] for one in ran.report["compliance"]} == {"unknown"}
    assert project.json("--select=TLC").status == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[flake8]\nignore = banana\n", "Error code 'banana' supplied to 'ignore' option"),
        ("[flake8]\nper-file-ignores = x\n", "Expected `per-file-ignores` to be a mapping"),
        ("[flake8]\njobs = many\n", "argument -j/--jobs: 'many' must be 'auto' or an integer"),
        ("[flake8]\nmax-line-length = long\n", "invalid literal for int()"),
        ("[flake8]\ndisable-noqa = perhaps\n", "Not a boolean: perhaps"),
        ("[flake8]\ntlc-spawners = a-b\n", "tlc-spawners: 'a-b' is neither a dotted name"),
        ("[flake8]\ntlc-min-python = 2.7\n", "tlc-min-python: '2.7' is not a Python version such as 3.9"),
        ("[flake8]\nignore = E1\nignore = E2\n", "option 'ignore' in section 'flake8' already exists"),
    ],
)
def test_a_malformed_configuration_is_one_line(project: Project, content: str, said: str) -> None:
    project.write(jobs=SOUND)
    project.file("setup.cfg", content)
    ran = project.audit()
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("task-lifecycle: flake8's configuration")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"jobs\n", b"[flake8]\n\xff = 1\n", b"[flake8\n"])
def test_a_named_configuration_that_cannot_be_read(project: Project, content: bytes) -> None:
    project.write(jobs=SOUND)
    project.file("odd.cfg", content)
    ran = project.audit("--config=odd.cfg")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert project.audit("--config=missing.cfg").err == (
        "task-lifecycle: flake8's configuration: The specified config file does not exist: missing.cfg\n"
    )


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_a_code_of_ours_that_does_not_exist(project: Project, option: str) -> None:
    project.write(jobs=DROPPED)
    ran = project.audit(f"{option}=TLC,TLC02")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"task-lifecycle: {option[2:]}: there is no code 'TLC02': 'task-lifecycle rules' lists what there is\n"
    )
    assert project.audit(f"{option}=E5,TLC00").status in {0, 1}


def test_local_plugins_of_the_project_do_not_run(project: Project) -> None:
    project.file("setup.cfg", "[flake8:local-plugins]\nextension = X = evil:check\npaths = .\n[flake8]\n")
    project.write(evil="raise SystemExit('the plugin ran')\n", jobs=DROPPED)
    with restored_imports():
        assert project.json().status == 1


def test_without_the_entry_point_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flake8.plugins.finder.find_plugins", lambda *_: [])
    with pytest.raises(AuditError, match="flake8 does not know this plugin: install flake8-task-lifecycle"):
        config.load(Settings(isolated=True))


# Text


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{DROPPED}".encode(),
        f"# coding: latin-1\nname = 'é'\n{DROPPED}".encode("latin-1"),
        f"# é\n{DROPPED}".encode("latin-1"),
        f"# coding: nonsense\n{DROPPED}".encode(),
        DROPPED.replace("\n", "\r\n").encode(),
        DROPPED.replace("    asyncio.", "    é = 1; asyncio.").encode(),
        f"x = 1\x0c\n{DROPPED}".encode(),
    ],
    ids=["bom", "latin-1", "no utf-8", "no such encoding", "crlf", "é before it", "form feed"],
)
def test_a_file_is_decoded_as_flake8_decodes_it(project: Project, content: bytes) -> None:
    project.file("jobs.py", content)
    expected = by_flake8(".")
    assert by_audit(project) == expected
    assert len(expected) == 1


def test_lines_are_those_of_flake8(project: Project) -> None:
    project.file("jobs.py", "x = '''\x0b\x1c\u2028'''\r\ny = 1\r")
    text = config.load(Settings()).read("jobs.py")
    assert text.lines == list(io.StringIO("x = '''\x0b\x1c\u2028'''\ny = 1\n"))
