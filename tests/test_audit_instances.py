"""The module-level instance that holds the owner of a task, and the release that is called through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from audited import chain, only

from flake8_task_lifecycle.audit.report import Lifetime, Verdict

POLLER = """
import asyncio


class Poller:
    def __init__(self):
        self._task = asyncio.create_task(self._run())

    @classmethod
    def make(cls):
        return cls()

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self):
        while True:
            await asyncio.sleep(1)
"""
FACTORIES = """
from functools import lru_cache
from poller import Poller


class Other:
    async def stop(self):
        pass


def bare():
    return Poller()


def made_of_another():
    return bare()


@lru_cache
def annotated() -> Poller:
    return unknown()


def either(which):
    if which:
        return Poller()
    return Other()


def nobody_knows():
    one = unknown(Poller)
    return one
"""
MADE = {
    "plainly": ("one = Poller()", "caller:one"),
    "through its module": ("one: poller.Poller = poller.Poller()", "caller:one"),
    "under another name": ("from poller import Poller as P\none = P()", "caller:one"),
    "of a subclass": ("class Mine(Poller):\n    pass\n\none = Mine()", "caller:one"),
    "on another object": ("app.x = Poller()", "caller:app.x"),
    "in a function": ("def make():\n    one = Poller()\n    return one", ""),
    "by a function": ("one = bare()", "caller:one"),
    "by a function of a module": ("one = factories.bare()", "caller:one"),
    "by a function under another name": ("from factories import bare as build\none = build()", "caller:one"),
    "by a function that asks another": ("one = made_of_another()", "caller:one"),
    "by a function that promises it": ("one = annotated()", "caller:one"),
    "by a method of the class": ("one = Poller.make()", "caller:one"),
    "by a function for another object": ("app.x = bare()", "caller:app.x"),
    "by a function that makes either": ("one = either(1)", ""),
    "by a function that does not show it": ("one = nobody_knows()", ""),
    "by a function of elsewhere": ("one = somewhere.bare()", ""),
    "promised by its annotation": ("one: Poller = nobody_knows()", "caller:one"),
    "on a condition": ("if app:\n    one = Poller()\nelse:\n    one = None", "caller:one"),
    "on a condition in a line": ("one = Poller() if app else None", "caller:one"),
    "on a nested condition": (
        "if app:\n    pass\nelif 1:\n    try:\n        one = bare()\n    finally:\n        pass",
        "caller:one",
    ),
    "in a try": ("try:\n    one = Poller()\nexcept OSError:\n    one = None", "caller:one"),
    "in a handler": ("try:\n    import x\nexcept ImportError:\n    one = Poller()", "caller:one"),
    "in a with": ("with app:\n    one = Poller()", "caller:one"),
    "on either condition": ("if app:\n    one = Poller()\nelse:\n    one = Poller.make()", "caller:one"),
    "of two classes": ("if app:\n    one = Poller()\nelse:\n    one = Other()", ""),
    "of two classes in a line": ("one = Poller() if app else Other()", ""),
    "of two classes for another object": ("if app:\n    app.x = Poller()\nelse:\n    app.x = Other()", ""),
    "or something unknown": ("try:\n    from fast import one\nexcept ImportError:\n    one = Poller()", ""),
    "or imported": ("from somewhere import one\nif not one:\n    one = Poller()", ""),
    "of either subclass": (
        "class A(Poller):\n    pass\n\nclass B(Poller):\n    pass\n\nif app:\n    one = A()\nelse:\n    one = B()",
        "caller:one",
    ),
    "by a function in a condition": ("if app:\n    def make():\n        one = Poller()", ""),
    "later": ("one: Poller | None = None\ndef start():\n    global one\n    one = Poller()", "caller:one"),
    "later and without a promise": ("one = None\ndef start():\n    global one, x\n    one = bare()", "caller:one"),
    "later, twice": (
        "one = None\ndef start():\n    global one\n    one = Poller()\ndef stop():\n    global one\n    one = None",
        "caller:one",
    ),
    "later, of two classes": (
        "one = None\ndef start():\n    global one\n    one = Poller()\ndef other():\n    global one\n    one = Other()",
        "",
    ),
    "later, unknown": ("one = None\ndef start(it):\n    global one\n    one = Poller()\n    one = it", ""),
    "later as a local": ("one = None\ndef start():\n    one = Poller()", ""),
}
CALLER = """
import factories
import poller
import somewhere
from factories import Other, annotated, bare, either, made_of_another, nobody_knows
from poller import Poller
from somewhere import app


"""


def project(caller: str) -> dict[str, str]:
    return {"poller.py": POLLER, "factories.py": FACTORIES, "caller.py": f"{CALLER.lstrip()}{caller}\n"}


@pytest.mark.parametrize(("caller", "instance"), MADE.values(), ids=MADE)
def test_the_module_level_instance_of_the_owner(caller: str, instance: str, tmp_path: Path) -> None:
    site = only(tmp_path, project(caller))
    assert site.owner.instance == instance
    assert site.lifetime is (Lifetime.APPLICATION if instance else Lifetime.OWNER)


def test_an_object_of_another_class_of_that_name(tmp_path: Path) -> None:
    files = {"poller.py": POLLER, "caller.py": "class Poller:\n    pass\n\n\none = Poller()\n"}
    assert only(tmp_path, files).owner.instance == ""


LIFESPAN = """

async def lifespan(app):
    yield
    await one.stop()
"""
REACHED = [name for name, (caller, instance) in MADE.items() if instance and "app.x" not in caller]


@pytest.mark.parametrize("name", REACHED)
def test_the_release_is_called_through_the_instance(name: str, tmp_path: Path) -> None:
    caller = project(MADE[name][0] + LIFESPAN)
    site = only(tmp_path, caller)
    line = caller["caller.py"].rstrip().count("\n") + 1
    assert chain(site) == [f"caller.py:{line} Poller.stop is called by lifespan, a lifespan"]
    assert (site.verdict, site.unknown) == (Verdict.SAFE, ())


@pytest.mark.parametrize("name", ["by a function of elsewhere", "by a function that does not show it"])
def test_a_release_through_an_instance_that_is_not_known_is_not_taken(name: str, tmp_path: Path) -> None:
    site = only(tmp_path, project(MADE[name][0] + LIFESPAN))
    assert chain(site) == []
    assert [one.partition(":")[0] for one in site.unknown] == ["callers"]
