"""One file of a project of twenty thousand modules costs what it asks for, and not what lies around it."""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flake8_runs import lines_of

from flake8_task_lifecycle import engine, source
from flake8_task_lifecycle.options import ALL_CODES, Options

PACKAGES, MODULES = 100, 200
ASKING = """\
import asyncio

from pkg7.module9 import work


class Service:
    async def start(self):
        self.task = asyncio.create_task(work(1))

    async def stop(self):
        self.task.cancel()
        await self.task


async def main():
    asyncio.create_task(work(2))
"""

_seen: list[Counter[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for counts in _seen:
        if event in ("os.listdir", "os.scandir") or (event == "open" and str(arguments[0]).endswith(".py")):
            counts[event] += 1


sys.addaudithook(_hook)


@pytest.fixture(scope="module")
def monorepo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("monorepo")
    (folder / "pyproject.toml").touch()
    for package in range(PACKAGES):
        home = folder / f"pkg{package}"
        home.mkdir()
        (home / "__init__.py").touch()
        for module in range(MODULES):
            (home / f"module{module}.py").write_text("async def work(number):\n    return number\n")
    (folder / "pkg0" / "service.py").write_text(ASKING)
    return folder


def test_a_file_reads_what_it_asks_for(monorepo: Path) -> None:
    path = os.fspath(monorepo / "pkg0" / "service.py")
    source.new_run()
    counts: Counter[str] = Counter()
    _seen.append(counts)
    try:
        found = engine.check(ast.parse(ASKING), lines_of(ASKING), path, Options(codes=ALL_CODES - {"TLC900"}))
    finally:
        _seen.remove(counts)
    assert "TLC001" in {one.code for one in found}
    assert counts["open"] <= 10
    assert counts["os.listdir"] + counts["os.scandir"] <= 50
