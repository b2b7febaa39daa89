"""What a run block needs to let the event loop judge: who vanished, who survived, what was logged."""

from __future__ import annotations

import asyncio
import gc
import logging
from types import TracebackType
from typing import Any, Self


class Watch:
    """``async with Watch() as seen``: records what the running loop reports, and cancels what is left at the end.

    ``vanished``: names of the coroutines whose tasks were destroyed while pending. ``unretrieved``: exceptions
    that no one retrieved. ``log``: messages of the ``asyncio`` logger.
    """

    def __init__(self) -> None:
        self.vanished: list[str] = []
        self.unretrieved: list[BaseException] = []
        self.log: list[str] = []
        self._handler = _Keep(self.log)
        self._before: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        gc.collect()
        gc.disable()
        self._before = asyncio.all_tasks()
        asyncio.get_running_loop().set_exception_handler(self._report)
        logging.getLogger("asyncio").addHandler(self._handler)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.enable()
        asyncio.get_running_loop().set_exception_handler(None)
        logging.getLogger("asyncio").removeHandler(self._handler)
        left = asyncio.all_tasks() - self._before
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @property
    def alive(self) -> list[str]:
        """Names of the coroutines whose tasks the loop still knows, sorted."""
        return sorted(_name(task) for task in asyncio.all_tasks() - self._before)

    async def sweep(self) -> None:
        """Lets every task take its steps, then collects garbage."""
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "destroyed but it is pending" in context["message"]:
            self.vanished.append(_name(context["task"]))
        elif "never retrieved" in context["message"]:
            self.unretrieved.append(context["exception"])


class _Keep(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())


def _name(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__name__", "unknown"))
