"""Deep nesting, through flake8's own main: whatever flake8 survives alone it survives with us."""

from __future__ import annotations

import ast
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flake8_runs import DANGLING, FOUND, SPAWN, TLC, Row, at, check_file, in_function, lines_of, plugin_run, run

from flake8_task_lifecycle import engine


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def nested_functions(depth: int, kind: str = "async def f{}():\n") -> str:
    """Functions in functions, the innermost with a dangling task."""
    return (
        "import asyncio\n"
        + "".join(" " * level + kind.format(level) for level in range(depth))
        + " " * depth
        + SPAWN
        + "\n"
    )


@pytest.mark.parametrize(
    "kind",
    [
        "async def f{}():\n",
        "def f{}():\n",
        "class C{}:\n",
        "if a{}:\n",
        "while a{}:\n",
        "with a{}:\n",
        "for i in a{}:\n",
    ],
)
def test_blocks_nested_95_deep(kind: str) -> None:
    assert check_file(nested_functions(95, kind)) == at(96, 97)


def test_try_statements_nested_95_deep() -> None:
    opening = "".join(" " * level + "try:\n" for level in range(95))
    closing = "".join(" " * level + f"finally:\n{' ' * level} pass\n" for level in reversed(range(95)))
    assert check_file(f"import asyncio\n{opening}{' ' * 95}{SPAWN}\n{closing}") == at(96, 97)


COMPREHENSIONS: dict[str, tuple[str, list[Row]]] = {
    "a list thrown away": (f"[{SPAWN} for _ in range(3)]", at(6)),
    "lists in a list": (f"[[{SPAWN} for _ in range(3)] for _ in range(3)]", at(7)),
    "a list under a test": (f"[{SPAWN} for i in a if i if i > 1]", at(6)),
    "a list that is kept": (f"tasks = [[{SPAWN} for _ in range(3)] for _ in range(3)]\n    return tasks", []),
    "in the iterable": (f"kept = [i for i in [{SPAWN}]]\n    return kept", []),
    "a lambda in a lambda": (f"return lambda: lambda: {SPAWN}", []),
    "60 lists in a list, kept": (f"return {'[' * 60}{SPAWN}{']' * 60}", []),
    "60 comprehensions, kept": (f"return {'[' * 60}{SPAWN}{' for _ in a]' * 60}", []),
    "60 lambdas": (f"return {'lambda: ' * 60}{SPAWN}", []),
    "60 conditionals, kept": (f"return {'0 if a else ' * 60}{SPAWN}", []),
}


@pytest.mark.parametrize(("statement", "expected"), COMPREHENSIONS.values(), ids=COMPREHENSIONS.keys())
def test_spawns_inside_comprehensions_and_lambdas(statement: str, expected: list[Row]) -> None:
    assert check_file(in_function(statement)) == expected


@pytest.mark.parametrize(
    "statement",
    [
        f"{'[' * 60}{SPAWN}{']' * 60}",
        f"{'[' * 60}{SPAWN}{' for _ in a]' * 60}",
        f"{'0 if a else ' * 60}{SPAWN}",
        f"{'(' * 150}{SPAWN}{')' * 150}",
    ],
)
def test_a_spawn_deep_in_an_expression_thrown_away(statement: str) -> None:
    column = statement.index(SPAWN) + 5
    assert check_file(in_function(statement)) == at(column)


DEEP: dict[str, Callable[[int], str]] = {
    "chained calls": lambda depth: f"x = a{'.b()' * depth}\n",
    "attributes": lambda depth: f"x = a{'.b' * depth}\n",
    "subscripts": lambda depth: f"x = a{'[0]' * depth}\n",
    "elif": lambda depth: "if a:\n    pass\n" + "elif a:\n    pass\n" * depth,
    "additions": lambda depth: f"x = a{' + a' * depth}\n",
    "conditionals": lambda depth: f"x = {'1 if a else ' * depth}1\n",
    "negations": lambda depth: f"x = {'not ' * depth}a\n",
    "parentheses": lambda depth: f"x = {'(' * depth}a{')' * depth}\n",
    "lists": lambda depth: f"x = {'[' * depth}{']' * depth}\n",
    "calls in calls": lambda depth: f"x = {'a(' * depth}{')' * depth}\n",
    "spawns in spawns": lambda depth: f"x = {'asyncio.create_task(' * depth}a{')' * depth}\n",
    "a chain on a spawn": lambda depth: f"x = asyncio.create_task(a){'.b()' * depth}\n",
    "lambdas": lambda depth: f"x = {'lambda: ' * depth}a\n",
}
SEARCHED_TO = 1024


def deepest(shape: Callable[[int], str], survives: Callable[[str], bool]) -> int:
    """The greatest depth of the shape, up to a bound, that survives."""
    low, high = 0, SEARCHED_TO
    if survives(shape(high)):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if survives(shape(middle)):
            low = middle
        else:
            high = middle
    return low


def survives_bare_flake8(text: str) -> bool:
    """True when flake8 without us checks the text to its end."""
    Path("deep.py").write_text(text)
    try:
        return run(["--isolated", "--select=F9,E9", "deep.py"], bare=True, tree_only=True).out == ""
    except RecursionError:
        return False


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user: what is too deep for us is given up."""
    monkeypatch.setattr(engine, "GUARD", True)


def on_a_fresh_stack(call: Callable[[], object]) -> None:
    """Call in a thread, so that the depth flake8 survives does not depend on how deep the tests stand."""
    raised: list[BaseException] = []

    def body() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed on below
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("shape", DEEP.values(), ids=DEEP.keys())
def test_the_deepest_input_that_flake8_survives_alone(shape: Callable[[int], str]) -> None:
    def check() -> None:
        limit = deepest(shape, survives_bare_flake8)
        assert limit >= 90
        for depth in (limit, limit - 1, limit - limit // 8):
            assert set(check_file(DANGLING + shape(depth))) <= set(FOUND), depth
        assert check_file(DANGLING + shape(min(limit, 400) // 2)) == FOUND

    on_a_fresh_stack(check)


def parses(text: str) -> bool:
    """True when Python's own parser survives the text."""
    try:
        ast.parse(text)
    except (RecursionError, MemoryError, SyntaxError):
        return False
    return True


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("shape", DEEP.values(), ids=DEEP.keys())
def test_the_deepest_input_that_python_parses(shape: Callable[[int], str]) -> None:
    def check() -> None:
        before = sys.getrecursionlimit()
        depth = deepest(shape, parses)
        text = DANGLING + shape(depth)
        tree = ast.parse(text)
        found = plugin_run(TLC, "case.py", lines_of(text), tree)
        assert {(line, column + 1, message[:6]) for line, column, message, _ in found} <= set(FOUND)
        assert gc.isenabled()
        assert sys.getrecursionlimit() == before

    on_a_fresh_stack(check)


@pytest.mark.usefixtures("guarded")
def test_a_file_too_deep_for_us_does_not_spoil_the_next() -> None:
    on_a_fresh_stack(lambda: check_file(DANGLING + DEEP["lambdas"](SEARCHED_TO), "deep.py"))
    assert check_file(DANGLING) == FOUND
