"""A sealed world: nothing of the project runs, nothing outside it is read, and nothing else changes a verdict."""

import ast
import builtins
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.project import Project, project_of
from flake8_task_lifecycle.source import new_run
from flake8_task_lifecycle.store import STORE

BOOBY_TRAP = "import pathlib\npathlib.Path(__file__ + '.ran').write_text('ran')\n"
HELPERS = "import asyncio\n\n\ndef spawn(coro):\n    return asyncio.create_task(coro)\n"
CALLER = (
    "import asyncio\nfrom package.helpers import spawn\n\n\nasync def work():\n    await asyncio.sleep(1)\n\n\n"
    "async def start():\n    spawn(work())\n"
)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def check(path: Path, name: str | None = None) -> list[Finding]:
    new_run()
    text = path.read_text()
    return engine.check(ast.parse(text), text.splitlines(keepends=True), name or str(path), Options())


def places(findings: list[Finding]) -> list[tuple[str, int]]:
    return [(finding.code, finding.span.line) for finding in findings]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "package/__init__.py": BOOBY_TRAP,
            "package/helpers.py": BOOBY_TRAP + HELPERS,
            "package/caller.py": CALLER,
            "asyncio.py": BOOBY_TRAP,
            "conftest.py": BOOBY_TRAP,
            "setup.py": BOOBY_TRAP,
        },
    )
    return tmp_path


def flake8(arguments: list[str], cwd: Path, text: str | None = None) -> list[str]:
    command = [
        sys.executable,
        "-P",
        "-m",
        "flake8",
        "--isolated",
        "--select=TLC",
        "--format=%(row)d %(code)s",
        *arguments,
    ]
    done = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_nothing_of_the_project_runs(package: Path) -> None:
    assert flake8(["package"], package) == ["10 TLC001"]
    assert list(package.rglob("*.ran")) == []


def test_same_verdict_from_anywhere(package: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    caller = package / "package" / "caller.py"
    expected = ["10 TLC001"]
    assert flake8(["package/caller.py"], package) == expected
    assert flake8(["caller.py"], package / "package") == expected
    assert flake8([str(caller)], elsewhere) == expected
    assert flake8(["-j1", "package"], package) == expected
    assert flake8(["-j4", "package"], package) == expected
    assert flake8(["-", "--stdin-display-name", "package/caller.py"], package, CALLER) == expected
    assert flake8(["-", "--stdin-display-name", "package/nowhere.py"], package, CALLER) == []


def test_what_is_installed_plays_no_part(package: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    installed = tmp_path_factory.mktemp("installed")
    write(installed, {"thirdparty/__init__.py": HELPERS})
    caller = package / "package" / "third.py"
    caller.write_text(CALLER.replace("package.helpers", "thirdparty"))
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "flake8", "--isolated", "--select=TLC", str(caller)]
    with_it = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=installed)
    without = subprocess.run(command, capture_output=True, text=True, check=False, cwd=installed)
    assert (with_it.stdout, with_it.stderr) == (without.stdout, without.stderr) == ("", "")


def test_no_file_outside_the_project_is_opened(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    really_open = io.open

    def spy(file: object, *args: object, **kwargs: object) -> object:
        opened.append(Path(str(file)))
        return really_open(file, *args, **kwargs)  # type: ignore[call-overload]

    check(package / "package" / "caller.py")
    (package / "package" / "helpers.py").write_text(HELPERS + "\n")
    monkeypatch.setattr(builtins, "open", spy)
    monkeypatch.setattr(io, "open", spy)
    assert places(check(package / "package" / "caller.py")) == [("TLC001", 10)]
    assert opened
    assert [path for path in opened if not path.is_relative_to(package)] == []


def test_modules_beside_the_package_are_not_site_packages(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site-packages"
    write(site, {"package/__init__.py": "", "package/helpers.py": HELPERS, "other/__init__.py": HELPERS})
    (site / "package" / "caller.py").write_text(CALLER)
    (site / "package" / "second.py").write_text(CALLER.replace("package.helpers", "other"))
    assert places(check(site / "package" / "caller.py")) == [("TLC001", 10)]
    assert check(site / "package" / "second.py") == []


def test_marker_and_src(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "", "src/package/__init__.py": "", "src/package/helpers.py": HELPERS})
    write(tmp_path, {"tests/test_it.py": CALLER})
    assert places(check(tmp_path / "tests" / "test_it.py")) == [("TLC001", 10)]
    assert Project(tmp_path / "src" / "package" / "helpers.py").module.name == "package.helpers"
    assert Project(tmp_path / "tests" / "test_it.py").module.name == "tests.test_it"


def test_the_nearest_marker_is_the_last(tmp_path: Path) -> None:
    write(tmp_path, {"package/__init__.py": "", "package/helpers.py": HELPERS, "inner/.git/HEAD": ""})
    write(tmp_path, {"inner/case.py": CALLER})
    assert check(tmp_path / "inner" / "case.py") == []


def test_edits_are_seen_by_the_next_run(package: Path) -> None:
    caller = package / "package" / "caller.py"
    assert places(check(caller)) == [("TLC001", 10)]
    (package / "package" / "helpers.py").write_text("def spawn(coro):\n    coro.close()\n")
    assert check(caller) == []
    (package / "package" / "helpers.py").write_text(HELPERS)
    assert places(check(caller)) == [("TLC001", 10)]


def test_a_symlink_loop_ends(package: Path) -> None:
    (package / "package" / "again").symlink_to(package / "package", target_is_directory=True)
    (package / "package" / "itself.py").symlink_to(package / "package" / "itself.py")
    assert places(check(package / "package" / "caller.py")) == [("TLC001", 10)]
    files = Project(package / "package" / "caller.py").files()
    assert files is not None
    assert len(files) < 20


def test_unreadable_modules_are_left_alone(package: Path) -> None:
    caller = package / "package" / "caller.py"
    helpers = package / "package" / "helpers.py"
    for text in (b"def spawn(:", b"\xff\xfe\x00", b"# coding: nonsense\n", b"x = (" * 5000, b"\x00"):
        helpers.write_bytes(text + b"\n# create_task return def spawn(coro)")
        assert check(caller) == []
    helpers.unlink()
    helpers.mkdir()
    assert check(caller) == []


@pytest.mark.parametrize(
    "name", ["", "-", "stdin", "nowhere.py", "a\0b.py", "x" * 5000, "/", ".", "<unknown>", "cell.ipynb"]
)
def test_a_display_name_that_leads_nowhere(name: str) -> None:
    assert project_of(name) is None
    findings = engine.check(ast.parse(CALLER), CALLER.splitlines(keepends=True), name, Options())
    assert findings == []


def test_two_thousand_modules_are_bounded(tmp_path: Path) -> None:
    """A chain of imports through 2,000 modules: the budget ends the search, and the answer is silence."""
    write(tmp_path, {f"package/m{number}.py": f"from package.m{number + 1} import spawn\n" for number in range(2000)})
    write(tmp_path, {"package/__init__.py": "", "package/m2000.py": HELPERS})
    caller = tmp_path / "package" / "caller.py"
    caller.write_text(CALLER.replace("package.helpers", "package.m0"))
    reads, builds = STORE.reads, STORE.builds
    assert check(caller) == []
    assert STORE.builds - builds <= 200
    assert STORE.reads - reads <= 2100


def test_one_read_and_one_build_a_module(package: Path) -> None:
    for number in range(10):
        (package / "package" / f"caller{number}.py").write_text(CALLER)
    new_run()
    reads, builds = STORE.reads, STORE.builds
    for number in range(10):
        path = package / "package" / f"caller{number}.py"
        text = path.read_text()
        findings = engine.check(ast.parse(text), text.splitlines(keepends=True), str(path), Options())
        assert places(findings) == [("TLC001", 10)]
    assert STORE.reads - reads <= 2
    assert STORE.builds - builds == 1


KEEPER = (
    "import asyncio\n\n\nclass Poller:\n    def start(self):\n        self._task = asyncio.create_task(self._run())\n\n"
    "    async def stop(self):\n        self._task.cancel()\n        await asyncio.wait([self._task])\n\n"
    "    async def _run(self):\n        await asyncio.sleep(1)\n"
)
USER = "from app.keeper import Poller\n\n\nasync def main():\n    poller = Poller()\n    poller.start()\n"


@pytest.mark.parametrize(
    ("folder", "is_stopped", "expected"),
    [
        ("work", True, []),
        ("work", False, [("TLC109", 6)]),
        (".work", True, []),
        (".work", False, []),
        (".work/deeper", True, []),
    ],
)
def test_a_file_that_no_search_comes_to_proves_nothing_by_absence(
    tmp_path: Path, folder: str, is_stopped: bool, expected: list[tuple[str, int]]
) -> None:
    files = {
        f"{folder}/app/__init__.py": "",
        f"{folder}/app/keeper.py": KEEPER,
        f"{folder}/app/user.py": USER + ("    await poller.stop()\n" if is_stopped else ""),
    }
    write(tmp_path, {"pyproject.toml": "", **files})
    path = tmp_path / folder / "app" / "keeper.py"
    new_run()
    found = engine.check(ast.parse(KEEPER), KEEPER.splitlines(True), str(path), Options(codes=frozenset({"TLC109"})))
    assert places(found) == expected


def test_a_marker_below_the_hidden_folder_makes_a_project_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "", ".work/setup.cfg": "", ".work/app/__init__.py": "", ".work/app/a.py": ""})
    project = project_of(str(tmp_path / ".work/app/a.py"))
    assert project is not None
    assert project.files() == [tmp_path / ".work/app/__init__.py", tmp_path / ".work/app/a.py"]


FEED = (
    "import asyncio\n\n\nclass Feed:\n    def __init__(self):\n        self._task = None\n\n"
    "    async def begin_reading(self):\n        self._task = asyncio.create_task(self._run())\n\n"
    "    async def _run(self):\n        while True:\n            await asyncio.sleep(1)\n\n"
    "    async def stop(self):\n        self._task.cancel()\n        await asyncio.wait([self._task])\n"
)
APP = (
    "from feed import Feed\n\n\nasync def run():\n    feed = Feed()\n    await feed.begin_reading()\n"
    "    await feed.stop()\n"
)


@pytest.mark.parametrize(
    ("root", "app", "found"),
    [
        ("work/project", "app.py", []),
        ("tests/project", "app.py", []),
        ("work/project", "tests/app.py", [("TLC005", 9)]),
        ("work/project", "app_test.py", [("TLC005", 9)]),
    ],
)
def test_what_is_a_test_is_told_inside_the_project(
    tmp_path: Path, root: str, app: str, found: list[tuple[str, int]]
) -> None:
    """The only call of a start says that it runs once, unless it is that of a test."""
    project = tmp_path / root
    write(project, {"pyproject.toml": "", "feed.py": FEED, app: APP})
    assert places(check(project / "feed.py")) == found
