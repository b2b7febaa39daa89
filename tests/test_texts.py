"""What a file and the modules around it tell before anything is built: words, outlines and calls."""

from __future__ import annotations

import ast

import pytest

from flake8_task_lifecycle.homes import CallName
from flake8_task_lifecycle.leads import called_in
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.outline import Outline, stands_in
from flake8_task_lifecycle.source import codes_by_words

CALLS = """
class Base(Outer):
    def go(self, given):
        self.run(given)
        later = super().make(given).then(
            partial(run)(given), items[0](given))
        return given.run . again(later)
"""


def test_calls_are_named_from_the_tree_of_flake8() -> None:
    assert called_in(ast.parse(CALLS)) == {
        "run": {CallName("self", "run", "Base"): True},
        "make": {CallName("super()", "make", "Base"): False},
        "then": {CallName("super().make", "then"): False},
        "again": {CallName("given.run", "again"): False},
        "super": {CallName("", "super"): False},
        "partial": {CallName("", "partial"): False},
        "": {},
    }


def test_calls_are_found_beside_values_that_are_no_nodes() -> None:
    text = "match ask():\n    case True | None | A(x=1.5):\n        go(1j, b'', ..., f'{made()!r:>{width()}}')\n"
    assert set(called_in(ast.parse(text))) == {"ask", "go", "made", "width"}


def test_an_outline_tells_how_a_function_is_called() -> None:
    text = "def run(x):\n    await run(x)\n    y = x.run (1)\n    return self.made().run(x) or super().run()\n"
    assert Outline(text).calls_of("run") == {"run", "x.run", "self.made.run", "super().run"}
    assert Outline("make(1).run()\nx.run\nrunning()\nrerun()\n").calls_of("run") == frozenset()


def test_an_outline_tells_what_may_never_return() -> None:
    shapes = {
        "def f(x):\n    log(x)\n    raise Stop(\n        x\n    )\n": True,
        "def f(x) -> NoReturn:\n    log(x)\n": True,
        "def f(x):\n    if x:\n        raise Stop\n    else:\n        raise Other\n": True,
        "def f(x): raise Stop\n": True,
        "def f(self):\n    return self.g()\n\ndef g(self):\n    self.f()\n\n    sys.exit(1)\n": True,
        "def f(x):\n    if not x:\n        raise Stop\n    log(x)\n": False,
        "def f(x):\n    return log(\n        x\n    )\n": False,
        "def f(x):\n    if x:\n        raise Stop\n    else:\n        log(x)\n": False,
        "def f(x):\n    try:\n        raise Stop\n    finally:\n        log(x)\n": True,
        "def f(x):\n    while True:\n        log(x)\n": True,
        "def f(x):\n    with x:\n        raise Stop(\n            x\n        )  # it\n    # is over\n": True,
        "def f(x): return log(x)\ndef g():\n    raise Stop\n": False,
        "def f(x: int, y: A[int] = ()) -> dict[str, int]:\n    while x:\n        x -= 1\n    return {x: y}\n": False,
        "def f(\n    x: int,  # one\n) -> None:  # two\n    x()\n    while True:\n        log(x)\n": True,
    }
    assert {text: Outline(text).may_not_return("f") for text in shapes} == shapes


def test_an_outline_tells_which_results_are_left_to_subclasses() -> None:
    text = "class A:\n    @abstractmethod\n    def f(self){}: ...\n"
    assert Outline(text.format("")).leaves_result_open("f")
    assert Outline(text.format(" -> asyncio.Task")).leaves_result_open("f")
    assert not Outline(text.format(" -> None")).leaves_result_open("f")
    assert not Outline(text.format(" -> bool").replace("self", "self, x: int = 1")).leaves_result_open("f")
    assert not Outline(text.format("").replace("    @abstractmethod\n", "")).leaves_result_open("f")


def test_an_outline_tells_which_bases_its_classes_have() -> None:
    outline = Outline(
        "from base import Base as Root\nclass A(Root): pass\nclass B(other.Holder[int], metaclass=M): pass\n"
    )
    assert outline.derives("Base")
    assert outline.derives("Holder")
    assert not outline.derives("M")
    assert not outline.derives("A")


@pytest.mark.parametrize(
    ("text", "is_used", "is_used_apart"),
    [
        ("await self.box.receive()", True, False),
        ("got = await receive()", True, False),
        ("run(await box.receive(), 1)", True, False),
        ("create_task(box.receive())", True, True),
        ("handlers = [box.receive, 1]", True, True),
        ("# we receive data here", False, False),
        ("def receive(self):", False, False),
        ("box.receive.count", False, False),
    ],
)
def test_a_use_of_a_function_stands_in_a_text(text: str, is_used: bool, is_used_apart: bool) -> None:
    assert stands_in(text, "receive", used=True) == is_used
    assert stands_in(text, "receive", used=True, apart_from="await") == is_used_apart


def test_a_file_calls_for_the_rules_that_its_words_speak_for() -> None:
    handled = "async def run(x):\n    try:\n        await x\n    except BaseException:\n        pass\n"
    served = "@app.while_serving\nasync def serve():\n    await box.start()\n    yield\n    await box.stop()\n"
    assert codes_by_words(handled, Options()) == {"TLC003", "TLC010", "TLC011"}
    assert codes_by_words(served, Options()) == {"TLC006"}
    assert codes_by_words(f"{handled}create_task(run(1))\n", Options()) == Options().codes
    assert codes_by_words("async def run(x):\n    await x\n", Options()) == frozenset()


@pytest.mark.parametrize("name", ["", "x", "missing"])
def test_an_outline_knows_no_class_of_what_is_no_name_of_one(name: str) -> None:
    assert Outline("x.y = Thing()\nx(Thing)\nxx: Thing\n").classes_of(name) == ()
