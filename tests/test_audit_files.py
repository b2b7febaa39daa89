"""Which files the audit looks at: paths, scopes, excludes, links, and what is test code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from audit_runs import DROPPED, SOUND, Project, project_in

from flake8_task_lifecycle.audit import config
from flake8_task_lifecycle.audit.config import Settings
from flake8_task_lifecycle.audit.files import File, find, matches
from flake8_task_lifecycle.source import is_test


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    return project_in(tmp_path, monkeypatch, capsys)


def found(*paths: str, scope: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    files, losses = find(paths, config.load(Settings(exclude=exclude)), scope, Path.cwd())
    assert losses == []
    return [file.shown for file in files]


def test_files_are_sorted_and_each_is_there_once(project: Project) -> None:
    project.write(b="", a="", pkg__z="", pkg__a__x="", pkg__b="")
    project.file("notes.txt", "")
    project.file(".git/hook.py", "")
    every = ["a.py", "b.py", "pkg/a/x.py", "pkg/b.py", "pkg/z.py"]
    assert found(".") == found("pkg", ".", "./a.py", "pkg/../b.py", str(project.folder)) == every
    assert found("notes.txt", "pkg/a") == ["notes.txt", "pkg/a/x.py"]
    assert found(".", scope=("pkg/**",)) == found(".", scope=("./pkg/",)) == every[2:]
    assert found(".", scope=("*.py", "pkg/a")) == ["a.py", "b.py", "pkg/a/x.py"]
    assert found(".", exclude=("pkg/a", "b.py")) == ["a.py", "pkg/z.py"]
    assert found("pkg/z.py", exclude=("pkg",)) == ["pkg/z.py"]


def test_links_do_not_lead_in_circles(project: Project) -> None:
    project.write(pkg__a="")
    (project.folder / "pkg" / "again").symlink_to(project.folder / "pkg", target_is_directory=True)
    (project.folder / "outside").symlink_to(project.folder / "pkg", target_is_directory=True)
    assert found(".") == ["pkg/a.py"]
    assert found("outside") == ["outside/a.py"]


def test_a_pipe_is_not_waited_for(project: Project) -> None:
    project.write(a="")
    os.mkfifo(project.folder / "pipe.py")
    assert found(".") == ["a.py"]
    ran = project.json("pipe.py")
    assert (ran.status, ran.err) == (2, "task-lifecycle: pipe.py: not read: neither a file nor a folder\n")


def test_a_file_outside_keeps_the_name_that_was_given(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "tests" / "other" / "jobs.py"
    outside.parent.mkdir(parents=True)
    outside.write_text(DROPPED, encoding="utf-8")
    files, _ = find([str(outside), "../tests/other"], config.load(Settings()), (), project.folder)
    assert files == [
        File("../tests/other/jobs.py", "../tests/other/jobs.py", is_test=False),
        File(str(outside), outside.as_posix(), is_test=False),
    ]


@pytest.mark.parametrize(
    ("name", "glob", "is_in"),
    [
        ("a/b.py", "a/**", True),
        ("a/c/b.py", "a/**", True),
        ("a/c/b.py", "a", True),
        ("a/c/b.py", "a/", True),
        ("ab/c.py", "a", False),
        ("a.py", "a/**", False),
        ("a/c/b.py", "**/b.py", True),
        ("b.py", "**/b.py", True),
        ("a/x/y.py", "a/*/y.py", True),
        ("a/x/z/y.py", "a/*/y.py", False),
        ("a/b/c.py", "**/b/**", True),
        ("x.py", "**", True),
        ("x.py", ".", True),
        ("a/x.py", "a/?.py", True),
        ("a/xy.py", "a/?.py", False),
        ("a+b/x.py", "a+b/**", True),
        ("aab/x.py", "a+b/**", False),
    ],
)
def test_scope(name: str, glob: str, *, is_in: bool) -> None:
    assert matches(name, glob) == is_in


def test_a_scope_that_holds_no_file_is_wrong_use(project: Project) -> None:
    project.write(jobs=SOUND)
    ran = project.audit("--scope=backend/**")
    assert (ran.status, ran.out, ran.err) == (2, "", "task-lifecycle: no file lies in the scope backend/**\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/a.py", True),
        ("pkg/test/a.py", True),
        ("pkg/tests/deep/a.py", True),
        ("test_a.py", True),
        ("pkg/a_test.py", True),
        ("conftest.py", True),
        ("pkg/testing/a.py", False),
        ("pkg/latest/a.py", False),
        ("contest.py", False),
        ("testament.py", False),
        ("tests.py", False),
        ("attest_a.py", False),
    ],
)
def test_test_code_is_told_by_its_path(path: str, *, expected: bool) -> None:
    assert is_test(path) == expected
