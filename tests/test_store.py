"""What is kept of the modules around a file, and when it is let go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from flake8_runs import SPAWN, lines_of

from flake8_task_lifecycle import engine, folders, store, tree
from flake8_task_lifecycle.facts.plain_names import PlainNames
from flake8_task_lifecycle.folders import files_below
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import Source, new_run
from flake8_task_lifecycle.store import STORE

MODULES = 5


@pytest.fixture(autouse=True)
def _empty_store() -> None:
    vars(STORE).update(vars(type(STORE)()))


def project_in(folder: Path) -> Path:
    """A project of a file that calls a wrapper of each of some modules."""
    folder.mkdir()
    (folder / "setup.cfg").touch()
    for number in range(MODULES):
        (folder / f"helper{number}.py").write_text(f"import asyncio\ndef go{number}():\n    return {SPAWN}\n")
    imports = "".join(f"from helper{number} import go{number}\n" for number in range(MODULES))
    calls = "".join(f"    go{number}()\n" for number in range(MODULES))
    (folder / "case.py").write_text(f"{imports}async def main():\n{calls}")
    return folder / "case.py"


def cost(path: Path) -> tuple[int, int]:
    """The files that a check reads and the modules that it builds besides its own."""
    reads, builds = STORE.reads, STORE.builds
    text = path.read_text()
    assert len(engine.check(ast.parse(text), lines_of(text), str(path), Options())) == MODULES
    return STORE.reads - reads, STORE.builds - builds


def test_what_one_file_has_read_and_built_serves_the_next(tmp_path: Path) -> None:
    path = project_in(tmp_path / "one")
    assert min(cost(path)) >= MODULES
    assert cost(path) == (0, 0)


def test_trees_are_let_go_by_what_they_weigh(tmp_path: Path) -> None:
    path = project_in(tmp_path / "one")
    STORE.kept_tree_bytes = 1
    cost(path)
    assert cost(path) == (0, MODULES - 1)


def test_a_project_that_is_left_behind_is_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, other = project_in(tmp_path / "one"), project_in(tmp_path / "other")
    cost(one)
    cost(other)
    assert cost(one) == (0, 0)
    monkeypatch.setattr(store, "_KEPT_OF_OTHERS", 0)
    cost(other)
    assert min(cost(one)) >= MODULES - 1


def test_a_project_is_walked_once_though_others_come_between(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = [project_in(tmp_path / name) for name in ("one", "other")]
    walked: list[Path] = []
    walk = folders._walked

    def counting(base: Path) -> list[Path] | None:
        walked.append(base)
        return walk(base)

    monkeypatch.setattr(folders, "_walked", counting)
    files = [files_below(path.parent) for path in (*paths, *paths)]
    assert walked == [path.parent for path in paths]
    assert files[:2] == files[2:] and all(len(found or ()) == MODULES + 1 for found in files)
    new_run()
    files_below(paths[0].parent)
    assert walked == [*(path.parent for path in paths), paths[0].parent]


def test_the_walk_leaves_environments_out(tmp_path: Path) -> None:
    project_in(tmp_path / "one")
    for name, is_environment in (("env", True), ("inner", False)):
        folder = tmp_path / "one" / name
        folder.mkdir()
        (folder / "made.py").touch()
        if is_environment:
            (folder / "pyvenv.cfg").touch()
    names = {path.name for path in files_below(tmp_path / "one") or ()}
    assert "made.py" in names and len(files_below(tmp_path / "one") or ()) == MODULES + 2


NAMES = """\
import stop as other

def first():
    return stop

class A:
    def stop(self):
        self.stop = 1

    def second(self, stop=lambda: stop):
        del stop
        stop = 1

@stop
def third():
    pass
"""


def test_plain_names_are_found_where_they_stand_and_nothing_else_is_built() -> None:
    module = tree.build_from_text("one", NAMES)
    names = PlainNames(module, Source(lines_of(NAMES), "one.py"))
    assert names.of("nothing") == ()
    assert [node.lineno for node in names.of("stop")] == [14, 12, 11, 10, 10, 4]
    assert {one.name for one in module.hidden} == {"third"}
    assert [node.lineno for node in names.of("self")] == [10, 8, 7]
