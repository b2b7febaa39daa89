"""The words of the oracle's grammar: where a task goes, what it runs, what its handler does, who releases it.

A word is source text and nothing more: what it is worth, the event loop tells. Only an exemption of the contract is
written down, as a tag: the code that stays silent, and why. ``{spawn}`` stands for the spawning expression,
``{coroutine}`` for the coroutine it is given, ``{task}`` for the slot that holds the task, ``{each}`` for the iterable
of a collection of tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Tags = Mapping[str, str]
"""Code to the exemption that keeps it silent."""


@dataclass(frozen=True, slots=True)
class Spawner:
    """An expression that spawns, and what it needs at the head of the module."""

    text: str
    prelude: str = ""
    keeps: bool = False
    awaits: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """The statements of ``start`` that spawn. ``task`` or ``each`` is where the owner finds what they stored."""

    start: str
    init: str = ""
    prelude: str = ""
    task: str = ""
    each: str = ""
    plain: bool = False
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worker:
    """The coroutine that is spawned. ``{step}`` is where it waits; ``endless``: its loop sets itself no bound.

    ``sheltered``: what it waits for belongs to its owner, and holds the task while it waits.
    """

    methods: str = ""
    init: str = ""
    coroutine: str = "self._run()"
    request: str = ""
    endless: bool = True
    tags: Tags = field(default_factory=dict)
    awaited: bool = False
    sheltered: str = ""
    loops: bool = True
    inside: bool = True


@dataclass(frozen=True, slots=True)
class Release:
    """What ends the task. ``needs`` is the kind of slot it can reach; ``after`` follows the placement in ``start``.

    ``excused``: why the schedule that stops the task while it waits does not count.
    """

    methods: str = ""
    needs: Literal["", "task", "each", "bag", "request", "self"] = ""
    prelude: str = ""
    base: str = ""
    tail: str = ""
    after: str = ""
    init: str = ""
    root: str = "Owner"
    tags: Tags = field(default_factory=dict)
    excused: str = ""
    sibling: bool = False


@dataclass(frozen=True, slots=True)
class Caught:
    """The exception that a handler names."""

    text: str
    prelude: str = ""
    earlier: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """What a handler does. ``leaves``: ends its coroutine by itself; ``loop``: makes sense in a loop only."""

    text: str
    before: str = ""
    after: str = ""
    prelude: str = ""
    named: bool = False
    leaves: bool = False
    loop: bool = False
    tags: Tags = field(default_factory=dict)


KEEP = """\
_kept = set()


def keep(coroutine):
    task = asyncio.create_task(coroutine)
    _kept.add(task)
    task.add_done_callback(_kept.discard)
    return task
"""

SPAWNERS: dict[str, Spawner] = {
    "create_task": Spawner("asyncio.create_task({coroutine})"),
    "ensure_future": Spawner("asyncio.ensure_future({coroutine})"),
    "loop": Spawner("asyncio.get_running_loop().create_task({coroutine})"),
    "alias": Spawner("go({coroutine})", "from asyncio import create_task as go\n"),
    "wrapper": Spawner(
        "launch({coroutine})", "def launch(coroutine):\n    task = asyncio.create_task(coroutine)\n    return task\n"
    ),
    "second wrapper": Spawner(
        "relaunch({coroutine})",
        "def launch(coroutine):\n    return asyncio.create_task(coroutine)\n\n\n"
        "def relaunch(coroutine):\n    return launch(coroutine)\n",
    ),
    "async wrapper": Spawner(
        "await launch({coroutine})",
        "async def launch(coroutine):\n    await asyncio.sleep(0)\n    return asyncio.create_task(coroutine)\n",
        awaits=True,
    ),
    "keeping wrapper": Spawner("keep({coroutine})", KEEP, keeps=True),
}

_BY_ERROR = {"TLC001": "lost by an error only (TLC101)"}

PLACEMENTS: dict[str, Placement] = {
    "attribute": Placement("self._task = {spawn}", task="self._task"),
    "attribute by a local": Placement("task = {spawn}\nself._task = task", task="self._task"),
    "attribute with a callback": Placement(
        "self._task = {spawn}\nself._task.add_done_callback(self.source.note)", task="self._task"
    ),
    "class attribute": Placement("Owner._slot = {spawn}", task="Owner._slot"),
    "global": Placement("global _task\n_task = {spawn}", prelude="_task = None\n", task="_task"),
    "list": Placement("self._tasks.append({spawn})", "self._tasks = []", each="self._tasks"),
    "set with discard": Placement(
        "task = {spawn}\nself._tasks.add(task)\ntask.add_done_callback(self._tasks.discard)",
        "self._tasks = set()",
        each="self._tasks",
    ),
    "dictionary": Placement("self._tasks['main'] = {spawn}", "self._tasks = {{}}", each="self._tasks.values()"),
    "global set": Placement("_tasks.add({spawn})", prelude="_tasks = set()\n", each="_tasks"),
    "returned": Placement("return {spawn}"),
    "returned by a local": Placement("task = {spawn}\ntask.set_name('worker')\nreturn task"),
    "closure": Placement("task = {spawn}\n\ndef stop():\n    task.cancel()\n\nreturn stop"),
    "awaited": Placement("await ({spawn})"),
    "awaited local": Placement("task = {spawn}\nawait task"),
    "polled": Placement("task = {spawn}\nwhile not task.done():\n    await asyncio.sleep(0.1)"),
    "group": Placement("async with asyncio.TaskGroup() as group:\n    group.create_task({coroutine})", plain=True),
    "gathered": Placement("await asyncio.gather({coroutine})", plain=True),
    "gathered local": Placement("tasks = [{spawn}]\nawait asyncio.gather(*tasks)"),
    "waited for": Placement("task = {spawn}\nawait asyncio.wait([task])"),
    "waited for one by one": Placement(
        "tasks = [{spawn} for _ in range(2)]\nfor task in tasks:\n    await task", tags=_BY_ERROR
    ),
    "shielded": Placement("task = {spawn}\nawait asyncio.shield(task)"),
    "limited": Placement("task = {spawn}\nasync with asyncio.timeout(60):\n    await task"),
    "cancelled in finally": Placement(
        "task = {spawn}\ntry:\n    await self.source.read()\nfinally:\n    task.cancel()"
    ),
    "tuple": Placement("self._task, self.count = {spawn}, 1", task="self._task"),
    "named expression": Placement("if (task := {spawn}) is not None:\n    self._task = task", task="self._task"),
    "annotated": Placement("self._task: asyncio.Task = {spawn}", task="self._task"),
    "default of a dictionary": Placement(
        "self._tasks.setdefault('main', []).append({spawn})", "self._tasks = {{}}", each="self._tasks['main']"
    ),
    "statement": Placement("{spawn}"),
    "underscore": Placement("_ = {spawn}"),
    "unread local": Placement("task = {spawn}\nself.count += 1"),
    "deleted local": Placement("task = {spawn}\ndel task"),
    "asked local": Placement("task = {spawn}\nif not task.done():\n    print(task.get_name())"),
    "local with a callback": Placement("task = {spawn}\ntask.add_done_callback(self.source.note)"),
    "chained callback": Placement("({spawn}).add_done_callback(self.source.note)"),
    "display": Placement("[{spawn}]"),
    "conditional": Placement("{spawn} if self.source else None"),
    "local collection": Placement("tasks = []\ntasks.append({spawn})"),
    "one branch": Placement("task = {spawn}\nif self.source.strict:\n    await task"),
    "bound again": Placement("for _ in range(2):\n    task = {spawn}\nawait task"),
    "bound to nothing": Placement("task = {spawn}\ntask = None\nprint(task)"),
    "early return": Placement("task = {spawn}\nif not self.source.strict:\n    return\nawait task"),
    "return from a handler": Placement(
        "task = {spawn}\ntry:\n    await self.source.read()\nexcept OSError:\n    return\nawait task",
        tags=_BY_ERROR,
    ),
    "several": Placement("first, second = {spawn}, self.count\nself.count = second"),
    "comprehension": Placement("self.count = len([{spawn} for _ in range(2)])"),
    "weak set": Placement("self._weak.add({spawn})", "self._weak = weakref.WeakSet()", "import weakref\n"),
    "callee that drops": Placement("note({spawn})", prelude="def note(task):\n    print(task.get_name())\n"),
    "callback": Placement("asyncio.get_running_loop().call_soon(lambda: {spawn})", plain=True),
    "partial": Placement(
        "asyncio.get_running_loop().call_soon(partial(asyncio.create_task, {coroutine}))",
        prelude="from functools import partial\n",
        plain=True,
    ),
    "gather dropped": Placement("asyncio.gather({coroutine})", plain=True),
    "thread-safe dropped": Placement(
        "asyncio.run_coroutine_threadsafe({coroutine}, asyncio.get_running_loop())", plain=True
    ),
    "unknown callee": Placement("self.source.keep({spawn})", tags={"TLC001": "handed to an unknown callee"}),
    "unknown caller": Placement(
        "self.source.each(lambda: {spawn})", plain=True, tags={"TLC001": "a lambda for an unknown caller"}
    ),
    "waited for, a while": Placement(
        "task = {spawn}\nawait asyncio.wait([task], timeout=1)", tags={"TLC001": "abandoned by wait (TLC009)"}
    ),
    "awaited late": Placement("task = {spawn}\nawait self.source.read()\nawait task", tags=_BY_ERROR),
}

_ONE_SHOT = {"TLC002": "a one-shot (TLC103)"}
_ENDS = {"TLC002": "a loop that ends by itself"}

WORKERS: dict[str, Worker] = {
    "forever": Worker("async def _run(self):\n    while True:\n        {step}"),
    "flag": Worker(
        "async def _run(self):\n    while self._running:\n        {step}", "self._running = True", request="flag"
    ),
    "event": Worker(
        "async def _run(self):\n    while not self._stopped.is_set():\n        {step}",
        "self._stopped = asyncio.Event()",
        request="event",
    ),
    "stream": Worker("async def _run(self):\n    async for _ in self.source:\n        self.count += 1", inside=False),
    "awaited loop": Worker(
        "async def _run(self):\n    await self._poll()\n\nasync def _poll(self):\n    while True:\n        {step}",
        awaited=True,
    ),
    "woken": Worker(
        "async def _run(self):\n    while True:\n        await self._wake.wait()\n        self._wake.clear()",
        "self._wake = asyncio.Event()",
        inside=False,
        sheltered="a lost task that waits for an event of its owner",
    ),
    "sentinel": Worker(
        "async def _run(self):\n    while True:\n        item = await self._queue.get()\n        if item is None:\n"
        "            break\n        {step}",
        "self._queue = asyncio.Queue()\nself._queue.put_nowait(b'')\nself._queue.put_nowait(b'')",
        request="sentinel",
    ),
    "once": Worker("async def _run(self):\n    {step}", endless=False, loops=False, tags=_ONE_SHOT),
    "three times": Worker(
        "async def _run(self):\n    for _ in range(3):\n        {step}", endless=False, loops=False, tags=_ONE_SHOT
    ),
    "until empty": Worker(
        "async def _run(self):\n    while True:\n        data = await self.source.read()\n        if not data:\n"
        "            break\n        self.count += 1",
        endless=False,
        inside=False,
        tags=_ENDS,
    ),
    "debounce": Worker(
        "async def _run(self):\n    while True:\n        try:\n            async with asyncio.timeout(60):\n"
        "                await self.source.read()\n        except TimeoutError:\n            break",
        endless=False,
        inside=False,
        tags=_ENDS,
    ),
    "retry": Worker(
        "async def _run(self):\n    while True:\n        try:\n"
        "            await self.source.read()\n            return\n"
        "        except OSError:\n            await asyncio.sleep(1)",
        endless=False,
        inside=False,
        tags=_ENDS,
    ),
    "deadline": Worker(
        "async def _run(self):\n    loop = asyncio.get_running_loop()\n    deadline = loop.time() + 600\n"
        "    while loop.time() < deadline:\n        await asyncio.sleep(1)",
        endless=False,
        inside=False,
        tags=_ENDS,
    ),
    "bare wait": Worker(
        coroutine="asyncio.Event().wait()", endless=False, inside=False, tags={"TLC002": "a bare wait of the library"}
    ),
    "unresolved": Worker(
        coroutine="self.source.serve()", endless=False, inside=False, tags={"TLC002": "an unresolved coroutine"}
    ),
}

_STOP_ALL = "def stop_all(*tasks):\n    for task in tasks:\n        task.cancel()\n"
_REQUEST = "a request reaches a loop that goes round only"
_HERE = {"stop": "what is awaited was cancelled here (TLC108)"}

RELEASES: dict[str, Release] = {
    "nothing": Release(),
    "unrelated stop": Release("def stop(self):\n    self.count = 0"),
    "cancel": Release("def stop(self):\n    {task}.cancel()", "task"),
    "cancel all": Release("def stop(self):\n    for task in {each}:\n        task.cancel()", "each"),
    "cancel a copy": Release("def stop(self):\n    for task in list({each}):\n        task.cancel()", "each"),
    "cancel and await": Release(
        "async def stop(self):\n    {task}.cancel()\n    try:\n        await {task}\n"
        "    except asyncio.CancelledError:  # stop\n        pass",
        "task",
        tags=_HERE,
    ),
    "cancel and gather": Release(
        "async def stop(self):\n    for task in {each}:\n        task.cancel()\n"
        "    await asyncio.gather(*{each}, return_exceptions=True)",
        "each",
    ),
    "cancel and wait": Release("async def stop(self):\n    {task}.cancel()\n    await asyncio.wait([{task}])", "task"),
    "cancel and wait, swallowing": Release(
        "async def stop(self):\n    {task}.cancel()\n    try:\n        await asyncio.wait([{task}])\n"
        "    except asyncio.CancelledError:  # stop\n        pass",
        "task",
    ),
    "cancel by an alias": Release("def stop(self):\n    task = {task}\n    task.cancel()", "task"),
    "swap": Release("def stop(self):\n    task, self._task = self._task, None\n    task.cancel()", "self"),
    "helper": Release("def stop(self):\n    stop_all({task})", "task", _STOP_ALL),
    "star": Release("def stop(self):\n    stop_all(*{each})", "each", _STOP_ALL),
    "bound cancel": Release(needs="task", after="self.source.on_stop({task}.cancel)"),
    "join": Release("async def join(self):\n    await {task}", "task"),
    "join, swallowing": Release(
        "async def join(self):\n    try:\n        await {task}\n"
        "    except asyncio.CancelledError:  # stop\n        pass",
        "task",
    ),
    "close and wait_closed": Release(
        "def close(self):\n    {task}.cancel()\n\nasync def wait_closed(self):\n    try:\n        await {task}\n"
        "    except asyncio.CancelledError:  # stop\n        pass",
        "task",
        tags={"stop": "the stopping method cancelled it (TLC108)"},
    ),
    "getter": Release("def task(self):\n    return {task}", "task"),
    "getter of all": Release("def tasks(self):\n    return list({each})", "each"),
    "base class": Release(
        needs="self", base="class Base:\n    _task = None\n\n    def stop(self):\n        self._task.cancel()\n"
    ),
    "subclass": Release(
        needs="self",
        tail="class Stoppable(Owner):\n    def stop(self):\n        self._task.cancel()\n",
        root="Stoppable",
    ),
    "other class": Release(
        needs="self",
        tail="class Client:\n    def __init__(self, source):\n        self._owner = Owner(source)\n\n"
        "    async def start(self):\n        return await self._owner.start()\n\n"
        "    def stop(self):\n        self._owner._task.cancel()\n",
        root="Client",
    ),
    "flag": Release("def stop(self):\n    self._running = False", "request", excused=_REQUEST),
    "event": Release("def stop(self):\n    self._stopped.set()", "request", excused=_REQUEST),
    "sentinel": Release("def stop(self):\n    self._queue.put_nowait(None)", "request", excused=_REQUEST),
    "timed join": Release("async def aclose(self):\n    async with asyncio.timeout(1):\n        await {task}", "task"),
    "on exit": Release(
        "async def __aenter__(self):\n    return self\n\nasync def __aexit__(self, *_):\n    {task}.cancel()", "task"
    ),
    "pop": Release("def stop(self):\n    while {each}:\n        {each}.pop().cancel()", "bag"),
    "comprehension": Release("def stop(self):\n    self.seen = [task.cancel() for task in {each}]", "each"),
    "sweep": Release(
        tail="async def shut_down():\n    for task in asyncio.all_tasks() - {asyncio.current_task()}:\n"
        "        task.cancel()\n"
    ),
    "sibling only": Release(
        "async def _rest(self):\n    await self.source.read()\n\ndef stop(self):\n    self._other.cancel()",
        "self",
        after="self._other = asyncio.create_task(self._rest())",
        sibling=True,
    ),
    "handed on": Release(needs="task", after="self.source.keep({task})", tags={"TLC002": "handed on by the owner"}),
    "unreached": Release(
        "def _stop(self):\n    {task}.cancel()", "task", tags={"TLC002": "an unreached release (TLC109)"}
    ),
    "on one path": Release(
        "def stop(self):\n    if self.source.strict:\n        {task}.cancel()",
        "task",
        tags={"TLC002": "released on one path"},
    ),
}

CAUGHT: dict[str, Caught] = {
    "CancelledError": Caught("asyncio.CancelledError"),
    "BaseException": Caught("BaseException"),
    "everything": Caught(""),
    "tuple": Caught("(OSError, asyncio.CancelledError)"),
    "constant": Caught("STOPPED", "STOPPED = (asyncio.CancelledError, OSError)\n"),
    "alias": Caught("Gone", "from asyncio import CancelledError as Gone\n"),
    "futures": Caught("concurrent.futures.CancelledError", "import concurrent.futures\n"),
    "subclass": Caught("Own", "class Own(asyncio.CancelledError):\n    pass\n"),
    "Exception": Caught("Exception"),
    "after a handler": Caught("BaseException", earlier="except asyncio.CancelledError:\n    raise\n"),
    "after another's": Caught("BaseException", earlier="except KeyboardInterrupt:\n    raise\n"),
    "star": Caught("* asyncio.CancelledError"),
}

BODIES: dict[str, Body] = {
    "go on": Body("self.count += 1"),
    "raise": Body("self.count += 1\nraise"),
    "raise the same": Body("raise error", named=True),
    "isinstance": Body("if isinstance(error, asyncio.CancelledError):\n    raise\nself.count += 1", named=True),
    "isinstance of another": Body("if isinstance(error, KeyboardInterrupt):\n    raise\nself.count += 1", named=True),
    "on one path": Body("if self.source.strict:\n    raise"),
    "return": Body("return", leaves=True),
    "break": Body("break", leaves=True, loop=True),
    "continue": Body("continue", loop=True),
    "always raises": Body("give_up(error)", prelude="def give_up(error):\n    raise error\n", named=True),
    "reports": Body("report(error)", prelude="def report(error):\n    print(error)\n", named=True),
    "raise in finally": Body("try:\n    self.count += 1\nfinally:\n    raise"),
    "kept": Body("failure = error", "failure = None", "if failure is not None:\n    raise failure", named=True),
    "kept and forgotten": Body("failure = error", "failure = None", "print(failure)", named=True),
    "marked": Body("gone = True", "gone = False", "if gone:\n    raise asyncio.CancelledError"),
    "marked and forgotten": Body("gone = True", "gone = False", "print(gone)"),
    "translated": Body("raise RuntimeError('stopped') from error", named=True, tags={"handler": "translated (TLC104)"}),
    "asks": Body("if asyncio.current_task().cancelling():\n    raise"),
    "takes back": Body("asyncio.current_task().uncancel()", tags={"handler": "asks who was cancelled"}),
    "never leaves": Body("while True:\n    await asyncio.sleep(1)", tags={"handler": "never leaves the handler"}),
    "cleans up": Body("await asyncio.sleep(0)\nself.count = 0"),
}

STEPS: dict[str, str] = {
    "read": "await self.source.read()",
    "async with": "async with self.source:\n    await self.source.read()",
    "async for": "async for _ in self.source:\n    break",
    "comprehension": "self.seen = [item async for item in self.source.some()]",
    "plain": "self.count += 1",
}

AFTER: dict[str, str] = {
    "": "",
    "endless wait": "again = asyncio.Event()\nawait again.wait()",
    "bounded wait": "await asyncio.sleep(1)",
}
