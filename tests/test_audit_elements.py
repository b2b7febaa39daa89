"""A release that is called through a collection of objects: a supervisor that stops its services."""

from __future__ import annotations

from pathlib import Path

import pytest
from audited import chain, only
from test_audit_instances import POLLER

HEAD = """
from somewhere import whatever
from poller import Poller


class Supervisor:
"""
HELD = {
    "promised": "    def __init__(self):\n        self.all: dict[str, Poller] = {}\n",
    "promised in the class": "    all: dict[str, Poller]\n",
    "put in": "    def __init__(self):\n        self.all = {}\n        self.all[1] = x = Poller()\n",
    "shown": "    def __init__(self):\n        self.all = {1: Poller()}\n",
    "made in a comprehension": "    def __init__(self):\n        self.all = {one: Poller() for one in (1, 2)}\n",
}
TAKEN = {
    "a loop": "        for one in self.all.values():\n            await one.stop()\n",
    "a loop over a copy": "        for one in list(self.all.values()):\n            await one.stop()\n",
    "a loop over pairs": "        for _, one in self.all.items():\n            await one.stop()\n",
    "an item": "        await self.all[1].stop()\n",
    "an item with a name": "        one = self.all.pop(1)\n        await one.stop()\n",
    "an item with a test": "        if one := self.all.get(1):\n            await one.stop()\n",
    "a comprehension": "        await gather(*[one.stop() for one in self.all.values()])\n",
}


def supervised(held: str, taken: str, directory: Path) -> tuple[list[str], list[str]]:
    """The chain of the poller's stop, without files and lines, and what stayed unknown."""
    text = f"{HEAD.lstrip()}{held}\n    async def __aexit__(self, *exc):\n{taken}"
    site = only(directory, {"poller.py": POLLER, "supervisor.py": text})
    return [step.partition(" ")[2] for step in chain(site)], [one.partition(":")[0] for one in site.unknown]


REACHED: tuple[list[str], list[str]] = (["Poller.stop is called by Supervisor.__aexit__, which async with calls"], [])


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_the_elements_of_a_collection(held: str, tmp_path: Path) -> None:
    assert supervised(held, TAKEN["a loop"], tmp_path) == REACHED


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
def test_what_is_taken_from_a_collection(taken: str, tmp_path: Path) -> None:
    assert supervised(HELD["promised"], taken, tmp_path) == REACHED


@pytest.mark.parametrize(
    "held",
    [
        "    def __init__(self, all):\n        self.all = all\n",
        "    def __init__(self):\n        self.all: dict[str, whatever] = {}\n",
        "    def __init__(self):\n        self.all = {1: whatever()}\n",
        "    def __init__(self):\n        self.all = {Poller(): 1}\n",
    ],
)
def test_a_collection_that_does_not_tell(held: str, tmp_path: Path) -> None:
    assert supervised(held, TAKEN["a loop"], tmp_path) == ([], ["callers"])


LISTS = {
    "promised": "    def __init__(self):\n        self.all: list[Poller] = []\n",
    "appended": "    def __init__(self):\n        self.all = []\n        self.all.append(Poller())\n",
    "shown": "    def __init__(self):\n        self.all = [Poller(), Poller()]\n",
    "made in a comprehension": "    def __init__(self):\n        self.all = [Poller() for _ in (1, 2)]\n",
}


@pytest.mark.parametrize("held", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("loop", ["one in self.all", "_, one in enumerate(self.all)"])
def test_the_elements_of_a_list(held: str, loop: str, tmp_path: Path) -> None:
    assert supervised(held, f"        for {loop}:\n            await one.stop()\n", tmp_path) == REACHED


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
@pytest.mark.parametrize("loop", ["one, _ in self.all.items()", "one in self.all", "one in list(self.all)"])
def test_the_keys_of_a_mapping_are_none_of_its_elements(held: str, loop: str, tmp_path: Path) -> None:
    taken = f"        for {loop}:\n            await one.stop()\n"
    assert supervised(held, taken, tmp_path) == ([], ["callers"])


@pytest.mark.parametrize(
    ("annotation", "chained"),
    [("list[Poller]", True), ("tuple[Poller, ...]", True), ("'list[Poller]'", False), ("list", False)],
)
def test_the_elements_of_a_parameter(annotation: str, chained: bool, tmp_path: Path) -> None:
    text = f"from poller import Poller\n\nasync def lifespan(app, all: {annotation}):\n    yield\n"
    text += "    for one in all:\n        await one.stop()\n"
    site = only(tmp_path, {"poller.py": POLLER, "main.py": text})
    assert chain(site) == ["main.py:6 Poller.stop is called by lifespan, a lifespan"] * chained
