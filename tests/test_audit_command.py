"""``task-lifecycle audit`` as a new user meets it: exit statuses, forms, odd input, jobs, and interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from audit_runs import DROPPED, DROPPED_AT, SOUND, Project, project_in

import flake8_task_lifecycle
from flake8_task_lifecycle import engine
from flake8_task_lifecycle.audit import AuditError, audit, cli
from flake8_task_lifecycle.audit.writers import MissingExtra
from flake8_task_lifecycle.rules import tlc002_missing_cancel

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "flake8_task_lifecycle", "audit"]
FORMS = ["text", "markdown", "json", "sarif", "github", "html"]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "audit.schema.json").read_text(encoding="utf-8"))
ANSI = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    return project_in(tmp_path, monkeypatch, capsys)


# Exit statuses


def test_a_clean_project(project: Project) -> None:
    project.write(jobs=SOUND)
    ran = project.audit()
    assert (ran.status, ran.err) == (0, "")
    assert "1. safe: asyncio.create_task(work())" in ran.out


def test_a_project_without_python(project: Project) -> None:
    assert project.json().report["files"] == 0
    assert project.audit().status == 0


def test_a_finding(project: Project) -> None:
    project.write(jobs=DROPPED)
    ran = project.json()
    assert (ran.status, ran.err) == (1, "")
    (site,) = ran.report["sites"]
    assert (site["line"], site["column"]) == DROPPED_AT
    assert (site["verdict"], site["codes"], site["owner"]["kind"]) == ("at-risk", ["TLC001"], "nobody")
    (finding,) = ran.report["findings"]
    assert site["findings"] == [finding]
    assert (finding["line"], finding["column"], finding["severity"]) == (*DROPPED_AT, "high")
    holds = {one["name"]: one["holds"] for one in ran.report["compliance"]}
    assert (holds["owned"], holds["no-uncontrolled-tasks"], holds["no-zombie"]) == ("no", "no", "yes")
    (advice,) = ran.report["recommendations"]
    assert advice == (
        "1 task that nobody holds (TLC001 dangling-task): store it, await it, or put it into a TaskGroup."
        " See work in jobs.py:9."
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"def (\n", "line 1: invalid syntax"),
        (b"x = 1\0\n", "null bytes"),
        (b"print 1\n", "line 1: Missing parentheses in call to 'print'. Did you mean print(...)?"),
        (b"if x:\ny\n", "line 2: expected an indented block after 'if' statement on line 1"),
        (b"x = " + b"-" * 100_000 + b"1\n", ""),
        (b"x = a" + b".b" * 100_000 + b"\n", "nested too deeply"),
        (b"async def f():\n\tawait x\n        await y\n", "line 3: inconsistent use of tabs and spaces in indentation"),
    ],
)
def test_a_file_that_cannot_be_parsed(project: Project, content: bytes, why: str) -> None:
    project.write(jobs=DROPPED)
    project.file("odd.py", content)
    ran = project.json()
    assert ran.status == 2
    assert ran.err.startswith("task-lifecycle: odd.py: not read: ")
    assert why in ran.err
    assert ran.err.count("\n") == 1
    assert [one["file"] for one in ran.report["unreadable"]] == ["odd.py"]
    assert len(ran.found) == 1
    assert {one["holds"] for one in ran.report["compliance"]} == {"no", "unknown"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_not_there(project: Project, jobs: int) -> None:
    project.write(jobs=SOUND, **{f"more{number}": SOUND for number in range(20)})
    (project.folder / "broken.py").symlink_to("nowhere.py")
    (project.folder / "circle.py").symlink_to("circle.py")
    ran = project.json("missing.py", ".", jobs=jobs)
    assert ran.status == 2
    assert ran.err.splitlines() == [
        "task-lifecycle: broken.py: not read: no such file or directory",
        "task-lifecycle: circle.py: not read: too many levels of symbolic links",
        "task-lifecycle: missing.py: not read: no such file or directory",
    ]
    assert ran.report["summary"]["sites"] == 21


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(project: Project) -> None:
    project.write(secret=DROPPED, folder__jobs=DROPPED)
    (project.folder / "secret.py").chmod(0)
    (project.folder / "folder").chmod(0)
    try:
        ran = project.json()
    finally:
        (project.folder / "folder").chmod(0o700)
    assert (ran.status, ran.found) == (2, [])
    assert ran.err.splitlines() == [
        "task-lifecycle: folder: not read: permission denied",
        "task-lifecycle: secret.py: not read: permission denied",
    ]


def test_a_folder_that_cannot_be_listed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(jobs=SOUND, locked__jobs=DROPPED)
    listed = os.scandir

    def scandir(path: str) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    ran = project.json()
    assert (ran.status, ran.err) == (2, "task-lifecycle: locked: not read: permission denied\n")


def test_a_lost_rule(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Any:
        raise ZeroDivisionError("at\nnight")

    monkeypatch.setattr(engine, "GUARD", True)
    monkeypatch.setattr(tlc002_missing_cancel, "check", broken)
    project.write(jobs=DROPPED)
    ran = project.json()
    assert ran.status == 2
    assert ran.err == "task-lifecycle: jobs.py: a rule failed: TLC002: ZeroDivisionError: at night\n"
    assert ran.report["lost"] == [{"file": "jobs.py", "why": "TLC002: ZeroDivisionError: at night"}]
    assert len(ran.found) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format=xml"], "argument --format: invalid choice: 'xml'"),
        (["--jobs=0"], "argument --jobs: '0' is neither auto nor a number from 1"),
        (["--jobs=many"], "argument --jobs: 'many' is neither auto nor a number from 1"),
        (["--format=json", "--format=text"], "only one form can go to standard output"),
        (["--format=json", "--output=-", "--format=text"], "only one form can go to standard output"),
        (["--output=a", "--output=b"], "--output b: the --format before it has a file already, a"),
        (["--update-baseline"], "--update-baseline needs --baseline FILE"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--sel=TLC"], "unrecognized arguments: --sel=TLC"),
    ],
)
def test_wrong_use(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert (shown.out, said in shown.err) == ("", True)
    assert shown.err.startswith("usage: task-lifecycle audit")


# Forms and files


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_there(project: Project, form: str) -> None:
    project.write(jobs=DROPPED)
    ran = project.audit(f"--format={form}")
    assert (ran.status, ran.err) == (1, "")
    assert "TLC001" in ran.out
    assert ran.out.endswith("\n")


def test_several_forms_in_one_run(project: Project) -> None:
    project.write(jobs=DROPPED)
    arguments = [word for form in FORMS[1:] for word in ("--format", form, "--output", f"audit.{form}")]
    ran = project.audit("--format", "text", *arguments)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out == project.audit().out
    for form in FORMS[1:]:
        assert (project.folder / f"audit.{form}").read_text(encoding="utf-8") == project.audit(f"--format={form}").out


def test_an_output_without_a_format_is_text(project: Project) -> None:
    project.write(jobs=DROPPED)
    ran = project.audit("--output=audit.txt")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "task-lifecycle: 1 finding, 1 task site: audit.txt\n"
    assert (project.folder / "audit.txt").read_text(encoding="utf-8") == project.audit("--output=-").out


def test_a_file_that_cannot_be_written(project: Project) -> None:
    project.write(jobs=DROPPED)
    ran = project.audit("--format=json", "--output=no/folder/audit.json")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "task-lifecycle: no/folder/audit.json: no such file or directory\n"


def test_a_form_without_its_package(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(jobs=DROPPED)
    for name in [name for name in sys.modules if name.partition(".")[0] == "jinja2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "flake8_task_lifecycle.audit.writers.html", raising=False)
    ran = project.audit("--format=html", "--baseline=known.json", "--update-baseline")
    assert (ran.status, ran.out) == (2, "")
    assert not (project.folder / "known.json").exists(), "it is told before the work begins"
    assert ran.err == ("task-lifecycle: the form 'html' needs jinja2: pip install 'flake8-task-lifecycle[audit]'\n")
    assert isinstance(MissingExtra("html", "jinja2"), Exception)


def test_hostile_file_names(project: Project) -> None:
    names = ["<script>.py", "a\x1b[31m.py", "new\nline.py", "%0a::error::.py", "](javascript:x).py", "bad\udcff.py"]
    for name in names:
        project.file(name, DROPPED)
    project.file("no\nsyntax.py", "def (")
    for form in FORMS:
        ran = project.audit(f"--format={form}")
        assert ran.status == 2
        assert ran.err == "task-lifecycle: no\\nsyntax.py: not read: line 1: invalid syntax\n"
        assert re.findall(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]", ran.out) == []
    assert len(project.json().found) == len(names)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_output_of_any_encoding(project: Project, encoding: str) -> None:
    project.write(jobs=DROPPED.replace("work", "wörk漢"))
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*COMMAND], capture_output=True, env=environment, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
    assert "wörk漢".encode(encoding, "backslashreplace") in done.stdout


# Tests apart


def test_test_code_is_told_apart(project: Project) -> None:
    in_a_test = DROPPED.replace("async def begin", "async def test_begin").replace(
        "import asyncio", "import pytest, asyncio"
    )
    project.write(
        jobs=SOUND, tests__helper=DROPPED, pkg__test_it=SOUND, pkg__it_test=SOUND, conftest=SOUND, inline=in_a_test
    )
    project.write(service=DROPPED.replace("async def begin", "async def test_begin"))
    report = project.json().report
    assert {site["file"]: site["is_test"] for site in report["sites"]} == {
        "conftest.py": True,
        "inline.py": True,
        "jobs.py": False,
        "pkg/it_test.py": True,
        "pkg/test_it.py": True,
        "service.py": False,
        "tests/helper.py": True,
    }
    assert (report["summary"]["production"], report["summary"]["tests"]) == (2, 5)
    ran = project.json("--no-tests")
    assert [site["file"] for site in ran.report["sites"]] == ["jobs.py", "service.py"]
    assert [one[0] for one in ran.found] == ["service.py"]


# Jobs, the terminal, and the end


def test_two_processes_report_what_one_does(project: Project) -> None:
    examples = sorted((ROOT / "docs" / "examples").glob("*.py"))
    for number in range(3):
        for path in examples:
            project.file(f"part{number}/{path.name}", path.read_bytes())
    project.write(broken="def (")
    one, two = project.json(jobs=1), project.json(jobs=2)
    assert one == two
    assert len(one.found) > 30


def test_processes_that_are_spawned(project: Project) -> None:
    project.write(**{f"jobs{number}": DROPPED for number in range(20)})
    script = (
        "import multiprocessing, sys\nfrom flake8_task_lifecycle.__main__ import main\n"
        "if __name__ == '__main__':\n    multiprocessing.set_start_method('spawn')\n    sys.exit(main(sys.argv[1:]))\n"
    )
    outside = project.folder.parent / "spawning.py"
    outside.write_text(script, encoding="utf-8")
    command = [sys.executable, str(outside), "audit", "--format=json", "--jobs=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    assert done.stdout == project.json().out


def test_a_process_that_dies_is_a_loss(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(*_: object) -> Any:
        os._exit(3)

    monkeypatch.setattr("flake8_task_lifecycle.audit.jobs.Examiner", dying)
    project.write(**{f"jobs{number}": DROPPED for number in range(20)})
    ran = project.json(jobs=2)
    assert ran.status == 2
    assert len(ran.report["unreadable"]) == 20
    assert "jobs0.py: not read: a process of the audit ended before its time" in ran.err


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_it_at_once_with_one_line(project: Project, jobs: int) -> None:
    project.write(**{f"jobs{number}": DROPPED for number in range(40)})
    slow = (
        "import signal, sys, time\nfrom flake8_task_lifecycle import engine, __main__\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def examine(*_):\n    time.sleep(60)\n"
        "engine.examine = examine\nprint('begun', flush=True)\nsys.exit(__main__.main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "audit", f"--jobs={jobs}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(1.5)
        asked = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
        took = time.monotonic() - asked
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "task-lifecycle: interrupted\n")
    assert took < 5
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_reader_that_leaves_is_no_traceback(project: Project) -> None:
    project.write(jobs=DROPPED)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, "--jobs=1"], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("loads", "unwanted"),
    [
        ("from flake8_task_lifecycle.__main__ import main; main(['rules'])", "flake8_task_lifecycle.audit"),
        ("import flake8_task_lifecycle.audit.cli", "flake8"),
        ("import flake8_task_lifecycle.audit.cli", "astroid"),
        ("import flake8_task_lifecycle.audit.cli", "rich"),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(loads: str, unwanted: str) -> None:
    script = f"import sys\n{loads}\nprint({unwanted!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False"


def test_on_a_terminal_there_are_colours_and_a_bar(project: Project) -> None:
    project.write(**{f"jobs{number}": DROPPED for number in range(20)})
    out, err = on_a_terminal({"TERM": "xterm", "COLUMNS": "100"})
    assert "\x1b[1;31m1. at-risk: " in out
    assert "auditing" in err
    out, err = on_a_terminal({"TERM": "xterm", "NO_COLOR": "1"})
    assert "1. at-risk: " in out
    assert "\x1b" not in out


def on_a_terminal(environment: dict[str, str]) -> tuple[str, str]:
    """What the command writes to standard output and standard error when each is a terminal of its own."""
    out, err = os.openpty(), os.openpty()
    given = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS", "TERM"}}
    read: dict[int, bytes] = {out[0]: b"", err[0]: b""}

    def drain(stream: int) -> None:
        while True:
            try:
                piece = os.read(stream, 65536)
            except OSError:
                return
            if not piece:
                return
            read[stream] += piece

    readers = [threading.Thread(target=drain, args=(stream,)) for stream in read]
    process = subprocess.Popen([*COMMAND, "--jobs=2"], stdout=out[1], stderr=err[1], env=given | environment)
    for one in readers:
        one.start()
    os.close(out[1])
    os.close(err[1])
    assert process.wait(timeout=60) == 1
    for one in readers:
        one.join()
    os.close(out[0])
    os.close(err[0])
    return read[out[0]].decode(), read[err[0]].decode()


def test_scoped_spawns_are_sites_too(project: Project) -> None:
    project.write(
        jobs="import anyio\n\n\nasync def main():\n    async with anyio.create_task_group() as group:\n"
        "        group.start_soon(anyio.sleep, 1)\n"
    )
    ran = project.json()
    assert (ran.status, [site["verdict"] for site in ran.report["sites"]]) == (0, ["scoped"])


# The call


def test_the_call(project: Project) -> None:
    project.write(jobs=DROPPED, pkg__more=SOUND)
    seen: list[tuple[int, int]] = []
    report = audit(progress=lambda done, of: seen.append((done, of)))
    assert seen == [(0, 2), (1, 2), (2, 2)]
    assert (report.version, report.files) == (flake8_task_lifecycle.__version__, 2)
    assert report.root == str(project.folder)
    assert audit(["jobs.py", Path("pkg")], scope=["**"]).sites == report.sites
    assert [site.file for site in audit("pkg").sites] == ["pkg/more.py"]
    assert [site.file for site in audit(Path("jobs.py")).sites] == ["jobs.py"]
    assert audit([], isolated=True).totals.sites == 2
    assert [site.file for site in audit(scope="pkg/**", select="TLC001").sites] == ["pkg/more.py"]
    assert [site.file for site in audit(exclude="pkg", ignore="TLC").sites] == ["jobs.py"]


@pytest.mark.parametrize(
    "given",
    [
        {"select": ["TLC2"]},
        {"jobs": -1},
        {"update_baseline": True},
        {"baseline": "missing.json"},
        {"config": "missing.cfg"},
        {"scope": ["nowhere"]},
    ],
)
def test_the_call_refuses_in_one_line(project: Project, given: dict[str, Any]) -> None:
    project.write(jobs=SOUND)
    with pytest.raises(AuditError) as refused:
        audit(".", **given)
    assert "\n" not in str(refused.value)


# What the README says


def test_the_readme_shows_real_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ((argument, shown),) = re.findall(r"^\$ task-lifecycle audit (\S+)\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert shown in Project(ROOT, capsys).audit(argument).out
    assert shown.startswith("1. ")


def test_the_readme_knows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The audit")[2].partition("\n## ")[0]
    assert options == set(re.findall(r"--[a-z][a-z-]+", readme))


def test_the_hook_for_the_whole_project() -> None:
    (_, hook) = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8").split("- id: ")[1:]
    lines = hook.splitlines()
    assert lines[0] == "task-lifecycle-audit"
    assert "  entry: task-lifecycle audit" in lines
    assert "  pass_filenames: false" in lines
