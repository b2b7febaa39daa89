"""In a notebook a module global is a cell's variable: the rules about held tasks leave it alone."""

import ast

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import Options

GLOBALS = """
import asyncio

_task = None
_tasks = []


async def poll():
    while True:
        await asyncio.sleep(1)


async def once(message):
    await asyncio.sleep(1)


def start():
    global _task
    _task = asyncio.create_task(poll())


def publish(message):
    _tasks.append(asyncio.create_task(once(message)))
"""

ATTRIBUTE = """
import asyncio


class Poller:
    def start(self):
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            await asyncio.sleep(1)
"""


def codes(text: str, name: str) -> list[str]:
    options = Options(codes=frozenset({"TLC002", "TLC005", "TLC008"}))
    return [finding.code for finding in engine.check(ast.parse(text), text.splitlines(keepends=True), name, options)]


def test_globals_of_a_module() -> None:
    assert codes(GLOBALS, "case.py") == ["TLC002", "TLC005", "TLC008"]


def test_globals_of_a_notebook() -> None:
    assert codes(GLOBALS, "case.ipynb") == []


def test_attributes_in_a_notebook() -> None:
    assert codes(ATTRIBUTE, "case.ipynb") == ["TLC002", "TLC005"]
