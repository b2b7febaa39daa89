"""Other plugins read flake8's tree after us: it is left as it was."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from flake8_runs import SPAWN, assert_undisturbed, lines_of, run

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import ALL_CODES, Options

EVERYTHING = Options(codes=ALL_CODES)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


NEIGHBOUR = '''\
import ast
import hashlib


class Neighbour:
    """Reports every definition without a docstring, and a fingerprint of the whole tree."""

    name = "neighbour"
    version = "1"

    def __init__(self, tree):
        self.tree = tree

    def run(self):
        dump = ast.dump(self.tree, include_attributes=True)
        extra = sorted({key for node in ast.walk(self.tree) for key in vars(node)} - {
            key for node in ast.walk(self.tree) for key in (*node._fields, *node._attributes)})
        fingerprint = hashlib.sha256(dump.encode("utf-8", "surrogatepass")).hexdigest()
        yield 1, 0, f"DOC900 {fingerprint} {extra}", type(self)
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node)
                said = "no docstring" if text is None else f"docstring of {len(text)} characters"
                yield getattr(node, "lineno", 1), getattr(node, "col_offset", 0), f"DOC100 {said}", type(self)
'''
NEIGHBOUR_CONFIG = (
    "[flake8]\nselect = TLC,DOC\n[flake8:local-plugins]\nextension = DOC = neighbour:Neighbour\npaths = .\n"
)


DOCUMENTED = f'''\
"""A module."""
import asyncio


class Owner:
    """A class."""

    class Inner:
        """An inner class."""

    def plain(self):
        """A method."""

    async def start(self):
        """A coroutine."""
        def inner():
            r"""A raw docstring \\d."""
            return 1
        {SPAWN}
        return inner


async def only_a_docstring():
    """Nothing
    else."""


async def without():
    {SPAWN}


async def bytes_and_ellipsis():
    b"no docstring"
    ...


class Late:
    a = 1
    """Of the attribute."""

    def one_line(self): """The docstring."""; {SPAWN}
'''


def settle_the_neighbour() -> None:
    """Configure a local plugin that flake8 runs after ours on the same tree."""
    Path("neighbour.py").write_text(NEIGHBOUR)
    Path("setup.cfg").write_text(NEIGHBOUR_CONFIG)


def test_a_neighbour_that_runs_after_us_sees_the_tree_as_it_was() -> None:
    settle_the_neighbour()
    Path("case.py").write_text(DOCUMENTED)
    ours, bare = run(["case.py"]), run(["case.py"], bare=True)
    assert_undisturbed(ours, bare)
    assert bare.out.count("DOC100 docstring of") == 8
    assert bare.out.count("DOC100 no docstring") == 3
    assert bare.out.count("DOC900") == 1
    assert [row for row, _, _ in ours.rows("TLC")] == [19, 29, 41]


def test_a_neighbour_keeps_its_findings_where_we_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_the_neighbour()
    monkeypatch.setattr(engine, "GUARD", True)
    # No fingerprint of a tree that deep: ast.dump recurses.
    Path("neighbour.py").write_text(NEIGHBOUR.replace("ast.dump(self.tree, include_attributes=True)", "''"))
    Path("case.py").write_text(f"{DOCUMENTED}x = {'lambda: ' * 900}a\n")
    argv = ["--select=TLC,DOC100", "case.py"]
    ours, bare = run(argv), run(argv, bare=True)
    assert_undisturbed(ours, bare)
    assert bare.out.count("DOC100") == 11


def modules() -> Iterator[Path]:
    """Real modules that are full of docstrings, strings and spawns."""
    for folder in (Path(asyncio.__file__).parent, Path(engine.__file__).parent, Path(__file__).parent):
        yield from sorted(folder.glob("*.py"))


def check_leaves_unchanged(text: str) -> None:
    """Fails when the engine changes anything of the tree it is given: a node, a list, an attribute."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    fields = [dict(vars(node)) for node in nodes]
    lists = [[list(value) for value in vars(node).values() if isinstance(value, list)] for node in nodes]
    dump = ast.dump(tree, include_attributes=True)
    engine.check(tree, lines_of(text), "case.py", EVERYTHING)
    assert ast.dump(tree, include_attributes=True) == dump
    assert [dict(vars(node)) for node in nodes] == fields
    assert [[list(value) for value in vars(node).values() if isinstance(value, list)] for node in nodes] == lists


@pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in modules()])
def test_the_tree_of_a_real_module_is_left_as_it_was(path: Path) -> None:
    check_leaves_unchanged(path.read_text(encoding="utf-8"))


def test_the_tree_of_a_documented_module_is_left_as_it_was() -> None:
    check_leaves_unchanged(DOCUMENTED)


def test_the_same_tree_twice_gives_the_same_findings() -> None:
    tree, lines = ast.parse(DOCUMENTED), lines_of(DOCUMENTED)
    first = engine.check(tree, lines, "case.py", EVERYTHING)
    assert first
    assert engine.check(tree, lines, "case.py", EVERYTHING) == first
