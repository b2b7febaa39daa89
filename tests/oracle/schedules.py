"""The event loop as judge: one program under a fixed set of schedules, and the hazards that they show.

The loop is the real one with its real tasks. What is instrumented: every task of the program is known by a weak
reference, cancellations asked for are written down, time passes as fast as the steps, and the program stands on a
source whose every answer the schedule decides. Three hazards are looked for:

- a task disappears unfinished while everything that the program could still use is held (TLC001);
- a task that something holds is still there when all that can stop it has been called, and nobody ever asked it to
  end (TLC002);
- a coroutine is cancelled at one of its awaits and does not end as cancelled (TLC003).
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import gc
import heapq
import inspect
import itertools
import sys
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any, Self, TypeVar

AWAITS = 4
"""At how many awaits a schedule cancels, or lets the source fail."""

STOPPED_WAITING = "stopped while waiting"
STOPPERS = frozenset({"stop", "join", "wait_closed"})
T = TypeVar("T")
_GRAMMAR_ERRORS = (NameError, AttributeError, TypeError, ImportError, SyntaxError)


class Source:
    """What the programs read from. After so many answers it is silent: readers then wait for what nobody holds."""

    strict = False

    def __init__(self, loop: Loop, answers: int, error_at: int = -1) -> None:
        self._loop = loop
        self._answers = answers
        self._error_at = error_at
        self._reads = 0
        self.stopping: list[Callable[[], object]] = []

    async def read(self) -> bytes:
        """The next answer, one step later."""
        number = self._reads
        self._reads += 1
        if number >= self._answers:
            await self._loop.create_future()
        await asyncio.sleep(0)
        if number == self._error_at:
            raise OSError("lost")
        return b"data"

    async def some(self) -> AsyncIterator[bytes]:
        """The next answer, as a stream."""
        yield await self.read()

    def mute(self) -> None:
        """No answers from now on."""
        self._answers = 0

    async def serve(self) -> None:
        """Reads without end."""
        while True:
            await self.read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await self.read()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def keep(self, _task: object) -> None:
        """Keeps nothing, whatever it is called."""

    def each(self, spawn: Callable[[], object]) -> None:
        """Calls, and keeps nothing."""
        spawn()

    def note(self, _task: object) -> None:
        """A done callback."""

    def on_stop(self, call: Callable[[], object]) -> None:
        """Keeps what is to be called at the end."""
        self.stopping.append(call)


class Loop(asyncio.SelectorEventLoop):
    """Time passes by half a second a step."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0

    def time(self) -> float:
        """The time that the steps took."""
        return self._passed

    def steps(self, count: int) -> None:
        """Lets the loop go round that often."""
        for _ in range(count):
            self._passed += 0.5
            self.call_soon(self.stop)
            self.run_forever()

    def collect(self) -> None:
        """Collects garbage while the loop runs, as if no timer held on to what waits for it."""
        self.call_soon(self._collect)
        self.steps(1)

    def _collect(self) -> None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        timers = [weakref.ref(timer) for timer in scheduled]
        scheduled.clear()
        gc.collect()
        scheduled.extend(timer for timer in (reference() for reference in timers) if timer is not None)
        heapq.heapify(scheduled)


@dataclass(slots=True)
class Record:
    """What is known of one task of the program. ``asked``: a cancellation was asked for."""

    reference: weakref.ref[Spawned]
    done: bool = False
    asked: bool = False

    @property
    def task(self) -> Spawned | None:
        """The task, while it is there and not done."""
        task = self.reference()
        return None if task is None or task.done() else task

    def finish(self, _task: object) -> None:
        """The done callback."""
        self.done = True


class Spawned(asyncio.Task[Any]):
    """A task that writes down when it is cancelled."""

    record: Record | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancels, as any task does."""
        if self.record is not None:
            self.record.asked = True
        return super().cancel(msg)


class World:
    """One run of a program: an instance of its root class, started, and all that a caller would keep."""

    def __init__(self, code: CodeType, root: str, answers: int, error_at: int = -1) -> None:
        self.loop = Loop()
        self.loop.set_task_factory(self._spawned)
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.records: list[Record] = []
        self.source = Source(self.loop, answers, error_at)
        self.names: dict[str, Any] = {"__name__": "program", "print": lambda *_: None, "__builtins__": builtins}
        exec(code, self.names)
        self.owner = self.names[root](self.source)
        self.start: asyncio.Task[Any] | None = self.call(self.owner.start)  # noqa: TLC900

    def _spawned(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> Any:
        task = Spawned(coroutine, loop=loop, **more)
        task.record = Record(weakref.ref(task))
        task.add_done_callback(task.record.finish)
        self.records.append(task.record)
        return task

    def call(self, function: Callable[[], Any]) -> asyncio.Task[Any]:
        """Calls a function of the program from outside, in a task of the caller's own."""
        return asyncio.Task(_called(function), loop=self.loop)  # noqa: TLC900

    def interface(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """All that the outer world may call once the program has started."""
        for name, _ in inspect.getmembers(type(self.owner), inspect.isfunction):
            if not name.startswith("_") and name != "start":
                yield name, getattr(self.owner, name)
        if hasattr(self.owner, "__aexit__"):
            yield "__aexit__", functools.partial(self.owner.__aexit__, None, None, None)
        for name, value in self.names.items():
            if inspect.isfunction(value) and not name.startswith("_") and not inspect.signature(value).parameters:
                yield name, value

    def vanished(self) -> bool:
        """Whether a task of the program is gone that had not ended, nor been asked to."""
        return any(record.reference() is None and not (record.done or record.asked) for record in self.records)

    def close(self) -> None:
        """Ends what can be ended, and drops the rest while the loop still runs."""
        self.source.mute()
        self.loop.call_soon(_cancel_all, self.loop)
        self.loop.steps(3)
        del self.owner, self.start, self.names
        self.loop.collect()
        self.loop.close()


def _cancel_all(loop: Loop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


async def _called(function: Callable[[], Any]) -> Any:
    result = function()
    if inspect.isawaitable(result) and not isinstance(result, asyncio.Future):
        result = await result
    return result


@functools.lru_cache(maxsize=1024)
def observe(text: str, root: str) -> Mapping[str, frozenset[str]]:
    """What the schedules show for a program: a hazard, and the schedules that show it.

    The hazards are ``TLC001`` and ``TLC002``, and for TLC003 ``stop`` (a call that stops the owner is not to be
    cancelled) and ``handler`` (anything else is not).

    Raises whatever says that the program itself is wrong (a name that is not there).
    """
    seen: dict[str, set[str]] = {}
    code = compile(text, "program", "exec")
    with _undisturbed():
        for answers in (0, 1, 3):
            if _run(code, root, _vanishes, answers):
                seen.setdefault("TLC001", set()).add(f"collected after {answers} answers")
        for step in range(AWAITS):
            if _run(code, root, _vanishes, AWAITS, step):
                seen.setdefault("TLC001", set()).add(f"an error at read {step}")
        for answers in (0, sys.maxsize):
            if _run(code, root, _outlives, answers):
                seen.setdefault("TLC002", set()).add("stopped while busy" if answers else STOPPED_WAITING)
        for answers in (0, sys.maxsize):
            for step in range(1, AWAITS):
                for target in _ignoring(code, root, answers, step):
                    where = "stop" if target in STOPPERS else "handler"
                    seen.setdefault(where, set()).add(f"{target} cancelled at step {step}")
    return {hazard: frozenset(schedules) for hazard, schedules in seen.items()}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Garbage is collected when a schedule says so, and then only that of the program; its complaints are dropped."""
    hook, enabled = sys.unraisablehook, gc.isenabled()
    gc.disable()
    gc.freeze()
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
            _collect_the_rest()
    finally:
        sys.unraisablehook = hook
        gc.unfreeze()
        if enabled:
            gc.enable()


def _collect_the_rest() -> None:
    """Collects what is left while a loop runs: a coroutine that will not be closed goes on until it waits again."""
    loop = Loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    for _ in range(2):
        loop.collect()
    loop.close()


def _run(code: CodeType, root: str, measure: Callable[[World], T], answers: int, error_at: int = -1) -> T:
    """What is measured in a fresh world, which is closed once the frame that measured is gone."""
    world = World(code, root, answers, error_at)
    try:
        return measure(world)
    finally:
        world.close()


def _vanishes(world: World) -> bool:
    """Whether a task is collected while its owner, the module and the caller of ``start`` are there."""
    for _ in range(10):
        world.loop.steps(1)
        world.loop.collect()
        if _failed(world.start):
            world.start = None
    return world.vanished()


def _outlives(world: World) -> bool:
    """Whether a held task is left that nobody asked to end, after all that the owner offers was called."""
    world.loop.steps(8)
    _stop(world)
    world.loop.steps(8)
    world.source.mute()
    world.start = None
    for _ in range(3):
        world.loop.collect()
    return any(record.task is not None and not record.asked for record in world.records)


def _stop(world: World) -> None:
    """Calls all that the owner offers; what is still waited for then is cancelled, as by a caller who ends."""
    calls = [world.start]
    for _, function in world.interface():
        calls.append(world.call(function))  # noqa: TLC900
        world.loop.steps(4)
    for function in world.source.stopping:
        world.loop.call_soon(function)
    for call in calls:
        if call is not None and not call.cancel() and not _failed(call):
            world.loop.call_soon(functools.partial(_let_go, call.result()))


def _let_go(result: object) -> None:
    """A caller that is given tasks, or something to call, ends them."""
    for one in result if isinstance(result, list | tuple) else [result]:
        if isinstance(one, asyncio.Task):
            one.cancel()
        elif callable(one):
            one()


def _ignoring(code: CodeType, root: str, answers: int, step: int) -> Iterator[str]:
    """The calls and tasks that do not end as cancelled when they are cancelled at one of their awaits."""
    for number in itertools.count():
        name, ignores = _run(code, root, functools.partial(_ignores, step=step, number=number), answers)
        if not name:
            return
        if ignores:
            yield name


def _ignores(world: World, step: int, number: int) -> tuple[str, bool]:
    """The name of a target, "" behind the last, and whether it does not end as cancelled."""
    targets = _targets(world, step)
    if number >= len(targets):
        return "", False
    name, prepare = targets[number]
    task = prepare()
    if task is None or not task.cancel():
        return name, False
    world.loop.steps(12)
    _failed(task)
    return name, not task.cancelled()


Target = tuple[str, Callable[[], "asyncio.Task[Any] | None"]]


def _targets(world: World, step: int) -> list[Target]:
    """What can be cancelled in a fresh world, each with what brings it to its await."""

    def called(function: Callable[[], Any]) -> asyncio.Task[Any]:
        world.loop.steps(4)
        call = world.call(function)  # noqa: TLC900
        world.loop.steps(step)
        return call

    world.loop.steps(step)
    found: list[Target] = [("start", lambda: world.start)]
    for number, record in enumerate(world.records):
        found.append((f"task {number}", functools.partial(getattr, record, "task")))
    return found + [(name, functools.partial(called, function)) for name, function in world.interface()]


def _failed(task: asyncio.Task[Any] | None) -> bool:
    """Whether a task ended by an exception; one that only a wrong program raises is raised."""
    if task is None or not task.done() or task.cancelled():
        return task is not None and task.done()
    error = task.exception()
    if isinstance(error, _GRAMMAR_ERRORS):
        raise error
    return error is not None
