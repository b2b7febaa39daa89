"""Code that tempts an analysis to follow every path or every chain: the right answer, and in time."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

import pytest
from corpus import within
from flake8_runs import SPAWN, lines_of
from shapes import SHAPES as SHAPES_OF_ANY_SIZE
from shapes import Shape, repeated, text_of

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.facts import facts_of
from flake8_task_lifecycle.facts.computed import may_name
from flake8_task_lifecycle.options import ALL_CODES, Options
from flake8_task_lifecycle.source import Source

SECONDS = 20
"""Each shape takes well under a second: what follows every path never ends."""

ONLY_TLC001 = Options(codes=frozenset({"TLC001"}))
WRAPPER = f"    return {SPAWN}\n"
METHOD = f"    async def m(self):\n        self.go()\n        {SPAWN}\n"


def nested(count: int, opening: Callable[[int], str], body: str, closing: str = "") -> str:
    """A function whose body stands that deep in blocks; the lines of the closing follow each block."""
    text = repeated(count, lambda one: f"{' ' * (one + 1)}{opening(one)}\n")
    text += "".join(f"{' ' * (count + 1)}{line}\n" for line in body.splitlines())
    for depth in reversed(range(count)):
        text += "".join(f"{' ' * (depth + 1)}{line}\n" for line in closing.splitlines())
    return f"async def main(a):\n{text}"


def main_of(body: str) -> str:
    """An async function with this body, its lines not yet indented."""
    return "async def main(a):\n" + "".join(f"    {line}\n" for line in body.splitlines())


SHAPES: dict[str, tuple[int, Shape, int]] = {
    "a chain of names, dropped": (
        200,
        lambda count: main_of(f"t0 = {SPAWN}\n" + repeated(count, lambda one: f"t{one + 1} = t{one}\n")),
        1,
    ),
    "a chain of names, awaited": (
        200,
        lambda count: main_of(
            f"t0 = {SPAWN}\n" + repeated(count, lambda one: f"t{one + 1} = t{one}\n") + f"await t{count}\n"
        ),
        0,
    ),
    "a chain of wrappers": (
        80,
        lambda count: (
            f"def f0():\n{WRAPPER}"
            + repeated(count, lambda one: f"def f{one + 1}():\n    return f{one}()\n")
            + main_of(f"f{count}()\n")
        ),
        1,
    ),
    "a chain of wrappers, innermost last": (
        80,
        lambda count: (
            main_of("f0()\n")
            + repeated(count, lambda one: f"def f{one}():\n    return f{one + 1}()\n")
            + f"def f{count}():\n{WRAPPER}"
        ),
        1,
    ),
    "wrappers in a ring": (
        80,
        lambda count: (
            repeated(count, lambda one: f"def f{one}(a):\n    if a:\n    {WRAPPER}    return f{(one + 1) % count}(a)\n")
            + main_of("f0(1)\n")
        ),
        1,
    ),
    "functions that return one another, and no task": (
        80,
        lambda count: (
            repeated(count, lambda one: f"def f{one}():\n    return f{(one + 1) % count}()\n") + main_of("f0()\n")
        ),
        0,
    ),
    "classes in a line": (
        80,
        lambda count: (
            f"class C0:\n    def go(self):\n    {WRAPPER}"
            + repeated(count, lambda one: f"class C{one + 1}(C{one}):\n    pass\n")
            + f"class D(C{count}):\n    async def main(self):\n        self.go()\n"
        ),
        1,
    ),
    "classes in diamonds": (
        60,
        lambda count: (
            f"class A0:\n    def go(self):\n    {WRAPPER}class B0: pass\n"
            + repeated(count, lambda n: f"class A{n + 1}(A{n}, B{n}): pass\nclass B{n + 1}(A{n}, B{n}): pass\n")
            + f"class D(A{count}):\n    async def main(self):\n        self.go()\n"
        ),
        1,
    ),
    "classes in a ring": (
        60,
        lambda count: repeated(
            count,
            lambda one: f"class C{one}(C{(one + 1) % count}):\n{METHOD}",
        ),
        60,
    ),
    "a class that is its own base": (1, lambda _: f"class C(C):\n{METHOD}", 1),
    "tests one after another": (
        100,
        lambda count: main_of(
            f"t = {SPAWN}\n" + repeated(count, lambda one: f"if a[{one}]:\n    x = 1\nelse:\n    y = 2\n") + "await t\n"
        ),
        0,
    ),
    "a spawn under each test": (
        60,
        lambda count: main_of(
            repeated(count, lambda one: f"t{one} = None\nif a[{one}]:\n    t{one} = {SPAWN}\n")
            + repeated(count, lambda one: f"if t{one}:\n    await t{one}\n")
        ),
        0,
    ),
    "try statements one after another": (
        100,
        lambda count: main_of(
            f"t = {SPAWN}\n"
            + "try:\n    a.b()\nexcept ValueError:\n    a.c()\nelse:\n    a.d()\nfinally:\n    a.e()\n" * count
            + "await t\n"
        ),
        0,
    ),
    "cases of a match": (
        100,
        lambda count: main_of(
            f"t = {SPAWN}\nmatch a:\n"
            + repeated(count, lambda one: f"    case {one}:\n        await t\n")
            + "    case _:\n        await t\n"
        ),
        0,
    ),
    "loops in loops": (90, lambda count: nested(count, lambda one: f"for i{one} in a:", f"t = {SPAWN}\nawait t\n"), 0),
    "loops in loops, left early": (
        90,
        lambda count: nested(count, lambda one: f"while a[{one}]:", SPAWN, "if a: break\nif not a: continue\n"),
        1,
    ),
    "try statements in try statements": (
        90,
        lambda count: nested(count, lambda _: "try:", SPAWN, "except ValueError:\n pass\nfinally:\n pass\n"),
        1,
    ),
    "contexts in contexts": (90, lambda count: nested(count, lambda one: f"async with a as b{one}:", SPAWN), 1),
    "one name, dropped again and again": (100, lambda count: main_of(f"t = {SPAWN}\n" * count), 100),
    "one name, awaited again and again": (100, lambda count: main_of(f"t = {SPAWN}\nawait t\n" * count), 0),
    "one function, defined again and again": (
        60,
        lambda count: f"def go():\n{WRAPPER}" * count + main_of("go()\n"),
        1,
    ),
    "one list": (
        100,
        lambda count: main_of("l = []\n" + f"l.append({SPAWN})\n" * count + "await asyncio.wait(l)\n"),
        0,
    ),
    "one list, dropped": (60, lambda count: main_of("l = []\n" + f"l.append({SPAWN})\n" * count), 60),
    "closures over one name": (
        60,
        lambda count: (
            f"def main():\n    t = {SPAWN}\n"
            + repeated(count, lambda one: f"    def f{one}():\n        nonlocal t\n        t = {SPAWN}\n")
            + "    return lambda: t\n"
        ),
        0,
    ),
    "a long test": (
        200,
        lambda count: main_of(
            f"t = {SPAWN}\nif "
            + " and ".join(f"(a[{one}] or b{one})" for one in range(count))
            + ":\n    a.b()\nawait t\n"
        ),
        0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("count", "shape", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_the_right_answer_in_time(count: int, shape: Shape, expected: int) -> None:
    text = f"import asyncio\n{shape(count)}"
    with within(SECONDS):
        found = engine.check(ast.parse(text), lines_of(text), "case.py", ONLY_TLC001)
    assert [one.code for one in found] == ["TLC001"] * expected, [one.span.line for one in found]


@pytest.mark.parametrize(
    "name", ["a chain of names, dropped", "a chain of wrappers", "wrappers in a ring", "classes in a line"]
)
def test_a_chain_of_hundreds_is_given_up_or_answered(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(engine, "GUARD", True)
    _, shape, expected = SHAPES[name]
    text = f"import asyncio\n{shape(700)}"
    with within(SECONDS):
        found = engine.check(ast.parse(text), lines_of(text), "case.py", ONLY_TLC001)
    assert len(found) in (0, expected)


STEPS_A_LINE = 1.5
"""How much the steps that the engine takes for a line may grow from one size to the next."""


def steps(text: str) -> int:
    """The calls that a check of a text makes, once what it needs is imported."""
    made = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    tree, lines = ast.parse(text), lines_of(text)
    sys.setprofile(count)
    try:
        engine.check(tree, lines, "case.py", Options(codes=ALL_CODES))
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("name", SHAPES_OF_ANY_SIZE)
def test_the_steps_for_a_line_do_not_grow_with_the_file(name: str) -> None:
    _, sizes = SHAPES_OF_ANY_SIZE[name]
    steps(text_of(name, sizes[0]))
    counted = [steps(text) / text.count("\n") for text in (text_of(name, size) for size in (sizes[0], 2 * sizes[0]))]
    assert counted[1] <= STEPS_A_LINE * counted[0], counted


@pytest.mark.parametrize(("name", "size"), [("a chain of wrappers", 300), ("functions in functions", 95)])
def test_no_rule_is_lost_on_a_long_chain(name: str, size: int) -> None:
    text = text_of(name, size)
    with within(SECONDS):
        assert engine.check(ast.parse(text), lines_of(text), "case.py", Options(codes=ALL_CODES))


@pytest.mark.parametrize(("times", "may_be_any"), [(3, False), (400, True)])
def test_a_name_that_is_put_together_too_often_may_be_any(times: int, may_be_any: bool) -> None:
    text = "def look(self):\n    name = 'y'\n" + repeated(times, lambda one: f"    name = name + 'x{one}'\n")
    text += "    return getattr(self, name)\n"
    facts = facts_of(ast.parse(text), Source(lines_of(text), "case.py"), Options())
    (call,) = facts.tree.calls.get("getattr")
    assert may_name(facts, call.args[1], "task") is may_be_any
