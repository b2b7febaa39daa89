"""Small projects for the tests of the audit, and the command run on them in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flake8_task_lifecycle.__main__ import main

DROPPED = """\
import asyncio


async def work():
    await asyncio.sleep(1)


async def begin():
    asyncio.create_task(work())
"""
DROPPED_AT = (9, 5)
SOUND = """\
import asyncio


async def work():
    await asyncio.sleep(1)


async def begin():
    task = asyncio.create_task(work())
    await task
"""


class Ran(NamedTuple):
    """What a run of the command did."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The report that was asked for as JSON."""
        content: dict[str, Any] = json.loads(self.out)
        return content

    @property
    def found(self) -> list[tuple[str, int, str, str]]:
        """File, line, code and what suppresses it, of every finding of a JSON report."""
        return [(one["file"], one["line"], one["code"], one["suppressed"]) for one in self.report["findings"]]


class Project:
    """A folder with files, which is the current directory."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def write(self, **files: str | bytes) -> None:
        """Writes files: ``a__b`` is ``a/b.py``."""
        for name, content in files.items():
            self.file(f"{name.replace('__', '/')}.py", content)

    def file(self, name: str, content: str | bytes) -> Path:
        """Writes one file by its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def configure(self, *lines: str) -> None:
        """Writes flake8's configuration."""
        self.file("setup.cfg", "\n".join(["[flake8]", *lines, ""]))

    def audit(self, *arguments: str, jobs: int = 1) -> Ran:
        """Runs the command with these arguments."""
        self._capsys.readouterr()
        status = main(["audit", f"--jobs={jobs}", *arguments])
        shown = self._capsys.readouterr()
        return Ran(status, shown.out, shown.err)

    def json(self, *arguments: str, jobs: int = 1) -> Ran:
        """Runs the command for a JSON report."""
        return self.audit("--format=json", *arguments, jobs=jobs)


def project_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """An empty project in a folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Project(folder, capsys)
