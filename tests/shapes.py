"""Files of any size whose cost must grow with the size alone: spawns in every form, classes, nesting, branches."""

from __future__ import annotations

from collections.abc import Callable

SPAWN = "asyncio.create_task(work())"
HEAD = "import asyncio\n\n\nasync def work():\n    await asyncio.sleep(1)\n\n\n"

Shape = Callable[[int], str]


def repeated(count: int, line: Callable[[int], str]) -> str:
    """A line for each number."""
    return "".join(line(one) for one in range(count))


def functions(body: str) -> Shape:
    """Functions that have this body each."""
    return lambda count: repeated(count, lambda one: f"async def main{one}():\n{body}")


def one_function(line: Callable[[int], str], after: str = "") -> Shape:
    """One function with so many lines."""
    return lambda count: "async def main(a):\n    all = []\n" + repeated(count, line) + after


def one_class(line: Callable[[int], str], after: str = "") -> Shape:
    """One class that starts so many tasks in one method."""
    return lambda count: f"class Owner:\n    def start(self):\n{repeated(count, line)}{after}"


def classes(count: int) -> str:
    """Classes that each start and stop a task."""
    return repeated(
        count,
        lambda one: (
            f"class Owner{one}:\n    async def start(self):\n        self.task = {SPAWN}\n"
            "    async def stop(self):\n        self.task.cancel()\n        await self.task\n"
        ),
    )


def nested_functions(count: int) -> str:
    """Functions in functions, each with a spawn."""
    return repeated(count, lambda one: f"{' ' * one}async def f{one}():\n{' ' * one} t{one} = {SPAWN}\n")


def nested_handlers(count: int) -> str:
    """Handlers in handlers."""
    return (
        "async def main(a):\n"
        + repeated(
            count,
            lambda one: (
                f"{' ' * (one + 1)}try:\n{' ' * (one + 2)}await a()\n{' ' * (one + 1)}except asyncio.CancelledError:\n"
            ),
        )
        + f"{' ' * (count + 1)}pass\n"
    )


def mesh(count: int) -> str:
    """Functions that all call each other, and return a task of their own."""
    calls = repeated(count, lambda other: f"    f{other}(a)\n")
    return repeated(count, lambda one: f"def f{one}(a):\n{calls}    return {SPAWN}\n") + "def main():\n    f0(1)\n"


def wrappers(count: int) -> str:
    """A chain of functions of which each returns what the next gives."""
    chain = repeated(count, lambda one: f"def f{one + 1}():\n    return f{one}()\n")
    return f"def f0():\n    return {SPAWN}\n{chain}def main():\n    f{count}()\n"


SIZES = (100, 1_000, 10_000)
SHAPES: dict[str, tuple[Shape, tuple[int, ...]]] = {
    "dropped, in one function": (one_function(lambda _: f"    {SPAWN}\n"), SIZES),
    "dropped, each in a function": (functions(f"    {SPAWN}\n"), SIZES),
    "held by attributes of one class": (one_class(lambda one: f"        self.t{one} = {SPAWN}\n"), SIZES),
    "held by one attribute of one class": (one_class(lambda _: f"        self.t = {SPAWN}\n"), SIZES),
    "held by locals of one function": (one_function(lambda one: f"    t{one} = {SPAWN}\n"), SIZES),
    "held by a local, each in a function": (functions(f"    t = {SPAWN}\n    await t\n"), SIZES),
    "held by one collection": (
        lambda count: (
            "class Owner:\n    def __init__(self):\n        self.tasks = set()\n"
            + repeated(count, lambda one: f"    def go{one}(self):\n        self.tasks.add({SPAWN})\n")
        ),
        SIZES,
    ),
    "held by a collection, each in a function": (
        functions(f"    all = []\n    all.append({SPAWN})\n    await asyncio.gather(*all)\n"),
        SIZES,
    ),
    "held by one local collection": (
        one_function(lambda _: f"    all.append({SPAWN})\n", "    await asyncio.gather(*all)\n"),
        (100, 1_000),
    ),
    "started, then awaited": (
        lambda count: (
            "async def main():\n"
            + repeated(count, lambda one: f"    t{one} = {SPAWN}\n")
            + repeated(count, lambda one: f"    await t{one}\n")
        ),
        (100, 1_000),
    ),
    "classes that start and stop a task": (classes, (100, 1_000)),
    "functions in functions": (nested_functions, (24, 48, 95)),
    "handlers in handlers": (nested_handlers, (4, 8, 15)),
    "branches in a row": (
        one_function(lambda one: f"    if a[{one}]:\n        x = 1\n    else:\n        y = 2\n", f"    {SPAWN}\n"),
        (500, 1_000, 2_000),
    ),
    "functions that all call each other": (mesh, (8, 16, 32)),
    "a chain of wrappers": (wrappers, (75, 150, 300)),
}


def text_of(name: str, count: int) -> str:
    """The file of a shape and a size."""
    shape, _ = SHAPES[name]
    return HEAD + shape(count)
