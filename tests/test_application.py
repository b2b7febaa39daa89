"""One change at a time to a sound application: a fault brings its code and no other, a twin of it brings none.

The application is the case ``application/autoupdate.md``. A fault that can be run breaks a property that a run block
of the case shows; the property is named by the first line of the block, and by the words of its assertion.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from casebook import CASES, Block, problems, read

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import DEFAULT_CODES, Options
from flake8_task_lifecycle.source import new_run

(CASE,) = read(CASES / "application" / "autoupdate.md")
CATALOGUE, SCHEDULER = "updater/catalogue.py", "updater/scheduler.py"
MAIN, CONSOLE, TEST = "updater/main.py", "updater/console.py", "test_scheduler.py"

SPAWN = 'self._task = asyncio.create_task(self._run(), name="autoupdate")'
GUARD = "if self._task is not None:\n            return"
WAIT = "with suppress(asyncio.CancelledError):\n                await self._task"
HANDLED = (
    "try:\n                await self._update()\n            except Exception:\n"
    '                logger.exception("the update failed, the next one may not")'
)
BEAT = "await asyncio.sleep(self._interval)"
LATER = "call_later(delay, self.start)"
DISCARD = "task.add_done_callback(self._installing.discard)"
ADD = "self._installing.add(task)"
DRAIN = "await asyncio.gather(*self._installing, return_exceptions=True)"
JOIN = "await asyncio.gather(*pending, return_exceptions=True)"
PENDING = f"for request in pending:\n            request.cancel()\n        {JOIN}"
GUARANTEED = "try:\n        yield\n    finally:\n        await scheduler.stop()"
WORKER = 'assert await asyncio.wait_for(worker, timeout=0.2) == "left-pad"'


@dataclass(frozen=True)
class Change:
    """``old`` becomes ``new`` in one file: the code that this brings, the line it is reported at, what it breaks.

    ``at`` is the reported line without its indentation; without it, it is ``new`` itself. ``breaks`` are the words of
    the assertion that fails on the event loop; nothing where the loop does not show the fault in a short run.
    """

    says: str
    file: str
    old: str
    new: str
    code: str = ""
    at: str = ""
    breaks: str = ""


FAULTS = [
    Change(
        "the reference is dropped",
        SCHEDULER,
        SPAWN,
        SPAWN.removeprefix("self._task = "),
        "TLC001",
        breaks="nothing runs after stop",
    ),
    Change(
        "the reference is bound to a local",
        SCHEDULER,
        SPAWN,
        SPAWN.replace("self._task", "task"),
        "TLC001",
        breaks="nothing runs after stop",
    ),
    Change(
        "a callback that spawns",
        SCHEDULER,
        LATER,
        "call_later(delay, lambda: asyncio.create_task(self._run()))",
        "TLC001",
        "self._timer = asyncio.get_running_loop().call_later(delay, lambda: asyncio.create_task(self._run()))",
        "started late, and stopped",
    ),
    Change(
        "the installation is not kept",
        SCHEDULER,
        ADD,
        "pass",
        "TLC001",
        "task = asyncio.create_task(self._install(package))",
        "the installation was waited for",
    ),
    Change(
        "the worker of the test is not waited for",
        TEST,
        WORKER,
        "assert shelf.packages",
        "TLC001",
        "worker = asyncio.create_task(shelf.installed.get())",
        "the worker is gone",
    ),
    Change(
        "stop forgets the loop",
        SCHEDULER,
        f"self._task.cancel()\n            {WAIT}\n",
        "",
        "TLC002",
        SPAWN,
        "nothing runs after stop",
    ),
    Change(
        "BaseException in the loop",
        SCHEDULER,
        "except Exception:",
        "except BaseException:",
        "TLC003",
        breaks="stop comes back",
    ),
    Change("a bare except in the loop", SCHEDULER, "except Exception:", "except:", "TLC003", breaks="stop comes back"),
    Change(
        "cancellation among what the loop handles",
        SCHEDULER,
        "except Exception:",
        "except (Exception, asyncio.CancelledError):",
        "TLC003",
        breaks="stop comes back",
    ),
    Change(
        "cancellation taken in the sleep",
        SCHEDULER,
        BEAT,
        f"try:\n                {BEAT}\n            except asyncio.CancelledError:\n                pass",
        "TLC003",
        "except asyncio.CancelledError:",
        "stop comes back",
    ),
    Change(
        "stop does not wait",
        SCHEDULER,
        WAIT,
        "pass",
        "TLC004",
        "self._task.cancel()",
        "the update was left in order",
    ),
    Change(
        "the losers of the race are not waited for",
        CATALOGUE,
        JOIN,
        "assert done",
        "TLC004",
        "request.cancel()",
        "the loser has tidied up",
    ),
    Change("start without a guard", SCHEDULER, GUARD, "pass", "TLC005", SPAWN, "one loop"),
    Change(
        "no finally in the lifespan",
        MAIN,
        GUARANTEED,
        "yield\n    await scheduler.stop()",
        "TLC006",
        "scheduler.start()",
        "the scheduler is stopped",
    ),
    Change(
        "a loop without a handler",
        SCHEDULER,
        HANDLED,
        "await self._update()",
        "TLC007",
        SPAWN,
        "the loop outlives an error",
    ),
    Change(
        "a handler that is too narrow",
        SCHEDULER,
        "except Exception:",
        "except OSError:",
        "TLC007",
        SPAWN,
        "the loop outlives an error",
    ),
    Change(
        "a set without a discard",
        SCHEDULER,
        DISCARD,
        "logger.info('installing %s', package)",
        "TLC008",
        "task = asyncio.create_task(self._install(package))",
        "nothing piles up",
    ),
    Change(
        "the losers of the race are dropped",
        CATALOGUE,
        PENDING,
        "assert done",
        "TLC009",
        "done, pending = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)",
        "nobody works for nothing",
    ),
    Change(
        "stop does not cancel",
        SCHEDULER,
        "self._task.cancel()",
        "pass",
        "TLC010",
        "with suppress(asyncio.CancelledError):",
        "stop comes back",
    ),
    Change(
        "cancellation suppressed in the loop",
        SCHEDULER,
        BEAT,
        f"with suppress(asyncio.CancelledError):\n                {BEAT}",
        "TLC010",
        "with suppress(asyncio.CancelledError):",
        "stop comes back",
    ),
    Change(
        "a return in finally",
        SCHEDULER,
        "finally:\n            self.busy = False",
        "finally:\n            self.busy = False\n            return",
        "TLC011",
        "return",
        "stop comes back",
    ),
    Change(
        "a continue in finally",
        SCHEDULER,
        BEAT,
        f"try:\n                {BEAT}\n            finally:\n                continue",
        "TLC011",
        "continue",
    ),
    Change(
        "the lifespan does not await stop",
        MAIN,
        "await scheduler.stop()\n\n\napp",
        "scheduler.stop()\n\n\napp",
        "TLC012",
        "scheduler.stop()",
        "the scheduler is stopped",
    ),
    Change(
        "the console does not await stop",
        CONSOLE,
        "await scheduler.stop()",
        "scheduler.stop()",
        "TLC012",
    ),
    Change(
        "a coroutine function as a timer's callback",
        SCHEDULER,
        LATER,
        "call_later(delay, self._run)",
        "TLC012",
        "self._timer = asyncio.get_running_loop().call_later(delay, self._run)",
        "started late, and stopped",
    ),
]

OPT_IN_FAULTS = [
    Change(
        "stop forgets what is being installed",
        SCHEDULER,
        DRAIN,
        "self.busy = False",
        "TLC103",
        "task = asyncio.create_task(self._install(package))",
        "the installation was waited for",
    ),
]

TWINS = [
    Change("another guard", SCHEDULER, GUARD, "if self._task:\n            return"),
    Change("a guard that asserts", SCHEDULER, GUARD, "assert self._task is None or self._task.done()"),
    Change("a guard that restarts", SCHEDULER, GUARD, "if self._task is not None:\n            self._task.cancel()"),
    Change("the task is returned as well", SCHEDULER, SPAWN, f"{SPAWN}\n        return self._task"),
    Change("stop waits with gather", SCHEDULER, WAIT, "await asyncio.gather(self._task, return_exceptions=True)"),
    Change("stop waits with wait", SCHEDULER, WAIT, "await asyncio.wait([self._task])"),
    Change(
        "stop waits in a try",
        SCHEDULER,
        WAIT,
        "try:\n                await self._task\n            except asyncio.CancelledError:\n                pass",
    ),
    Change(
        "BaseException that goes on",
        SCHEDULER,
        HANDLED,
        f"{HANDLED}\n            except BaseException:\n                raise",
    ),
    Change(
        "cancellation that goes on",
        SCHEDULER,
        "except Exception:",
        "except asyncio.CancelledError:\n                raise\n            except Exception:",
    ),
    Change(
        "Exception suppressed", SCHEDULER, HANDLED, "with suppress(Exception):\n                await self._update()"
    ),
    Change(
        "the sleep inside the try",
        SCHEDULER,
        "await self._update()\n            except",
        f"await self._update()\n                {BEAT}\n            except",
    ),
    Change("a callback in a lambda", SCHEDULER, LATER, "call_later(delay, lambda: self.start())"),
    Change(
        "a discard in a lambda",
        SCHEDULER,
        DISCARD,
        "task.add_done_callback(lambda done: self._installing.discard(done))",
    ),
    Change(
        "what is installed is cancelled",
        SCHEDULER,
        DRAIN,
        "for task in self._installing:\n            task.cancel()\n        " + DRAIN,
    ),
    Change(
        "the finally ends otherwise",
        SCHEDULER,
        "finally:\n            self.busy = False",
        "finally:\n            self.busy = False\n        return",
    ),
    Change(
        "an exit stack in the lifespan",
        MAIN,
        GUARANTEED,
        "async with AsyncExitStack() as stack:\n        stack.push_async_callback(scheduler.stop)\n        yield",
    ),
    Change("the test awaits its worker bare", TEST, "await asyncio.wait_for(worker, timeout=0.2)", "await worker"),
    Change("the test cancels its worker", TEST, WORKER, "worker.cancel()"),
]


def changed(change: Change) -> tuple[Block, ...]:
    """The modules of the application after the change, which must fit in exactly one place."""
    (target,) = (block for block in CASE.modules if block.name == change.file)
    assert target.text.count(change.old) == 1, change.old
    text = target.text.replace(change.old, change.new)
    ast.parse(text)
    return tuple(replace(block, text=text) if block is target else block for block in CASE.modules)


def findings(modules: Sequence[Block], directory: Path, opt_in: str = "") -> list[tuple[str, str, str]]:
    """File, code and reported line of every finding, once the modules are written; the default codes are on."""
    for block in modules:
        target = directory / block.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
    new_run()
    options = Options(codes=DEFAULT_CODES | {opt_in} - {""})
    found = []
    for block in modules:
        lines = io.StringIO(block.text).readlines()
        told = engine.check(ast.parse(block.text), lines, str(directory / block.name), options)
        found += [(block.name, finding.code, lines[finding.span.line - 1].strip()) for finding in told]
    return found


def says(change: Change) -> str:
    return change.says


@pytest.mark.parametrize("fault", FAULTS, ids=says)
def test_a_fault_brings_its_code_and_no_other(fault: Change, tmp_path: Path) -> None:
    assert findings(changed(fault), tmp_path) == [(fault.file, fault.code, fault.at or fault.new)]


@pytest.mark.parametrize("fault", OPT_IN_FAULTS, ids=says)
def test_a_fault_of_an_opt_in_code(fault: Change, tmp_path: Path) -> None:
    assert findings(CASE.modules, tmp_path, fault.code) == []
    assert findings(changed(fault), tmp_path) == []
    assert findings(changed(fault), tmp_path, fault.code) == [(fault.file, fault.code, fault.at or fault.new)]


@pytest.mark.parametrize("twin", TWINS, ids=says)
def test_a_change_that_is_no_fault_brings_none(twin: Change, tmp_path: Path) -> None:
    assert findings(changed(twin), tmp_path) == []


@pytest.mark.parametrize("fault", [fault for fault in FAULTS + OPT_IN_FAULTS if fault.breaks], ids=says)
def test_a_fault_breaks_what_held(fault: Change, tmp_path: Path) -> None:
    (block,) = (block for block in CASE.runs if f'"{fault.breaks}"' in block.text)
    (report,) = problems(replace(CASE, modules=changed(fault), runs=(block,)), tmp_path, check=lambda *_: [])
    assert f"AssertionError: {fault.breaks}" in report


def test_every_default_code_has_a_fault() -> None:
    assert {fault.code for fault in FAULTS} == DEFAULT_CODES


def test_every_property_is_broken_by_a_fault() -> None:
    broken = {fault.breaks for fault in FAULTS + OPT_IN_FAULTS}
    assert [block.text for block in CASE.runs if not any(f'"{words}"' in block.text for words in broken - {""})] == []
