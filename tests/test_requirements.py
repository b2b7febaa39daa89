"""What a pyproject.toml says of the lowest Python version."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from flake8_task_lifecycle import engine, options
from flake8_task_lifecycle.requirements import min_python
from flake8_task_lifecycle.source import new_run

SAMPLE = """\
import asyncio


async def work():
    await asyncio.sleep(1)


async def both():
    first = asyncio.create_task(work())
    second = asyncio.create_task(work())
    await first
    await second
"""


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        (">=3.11", (3, 11)),
        (">= 3.9", (3, 9)),
        (">=3.9,<4", (3, 9)),
        (">=3.8, !=3.9.0, >=3.10", (3, 10)),
        ("~=3.12", (3, 12)),
        ("==3.11.*", (3, 11)),
        (">3.10.2", (3, 10)),
        (">=3", (3, 0)),
        ("<4", None),
        ("", None),
        ("3.11", None),
        ("^3.11", None),
    ],
)
def test_requires_python(required: str, expected: tuple[int, int] | None) -> None:
    assert min_python(f'[project]\nname = "x"\nrequires-python = "{required}"\n') == expected


@pytest.mark.parametrize("text", ["", "[project]", "[project]\nrequires-python = 3.11", "[project", "project = 3"])
def test_no_requirement(text: str) -> None:
    assert min_python(text) is None


def codes(path: Path, minimum: tuple[int, int] | None = None) -> list[str]:
    """The codes reported in a file, with TLC106 on."""
    new_run()
    chosen = options.Options(codes=frozenset({"TLC106"}), min_python=minimum)
    tree = ast.parse(SAMPLE)
    return [finding.code for finding in engine.check(tree, SAMPLE.splitlines(keepends=True), str(path), chosen)]


def test_the_nearest_pyproject_speaks_and_the_option_before_it(tmp_path: Path) -> None:
    package = tmp_path / "outer" / "package"
    package.mkdir(parents=True)
    path = package / "module.py"
    path.write_text(SAMPLE)
    (package / "__init__.py").write_text("")
    assert codes(path) == []
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')
    assert codes(path) == ["TLC106"]
    assert codes(path, (3, 10)) == []
    (tmp_path / "outer" / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.9"\n')
    assert codes(path) == []
    assert codes(path, (3, 12)) == ["TLC106"]
    (tmp_path / "outer" / "pyproject.toml").write_text("[tool.other]\n")
    assert codes(path) == [], "the nearest says nothing, and no other is asked"


def test_no_pyproject_above_the_repository_is_asked(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    path = repository / "module.py"
    path.write_text(SAMPLE)
    assert codes(path) == []
