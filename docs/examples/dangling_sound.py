"""The relay of dangling_faulty.py, mended: every task has an owner, and close() ends what still runs."""

import asyncio
import logging
from asyncio import create_task as go
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any

log = logging.getLogger(__name__)

Send = Callable[[str, bytes], Awaitable[None]]


class Relay:
    """Forwards every payload to each subscriber."""

    def __init__(self, send: Send, subscribers: list[str]) -> None:
        self.send = send
        self.subscribers = subscribers
        self.ready = asyncio.Event()
        self.delivered = 0
        self.background: set[asyncio.Task[None]] = set()

    async def deliver(self, url: str, payload: bytes) -> None:
        await self.send(url, payload)
        self.delivered += 1

    async def forward(self, payload: bytes) -> None:
        await self.ready.wait()
        async with asyncio.TaskGroup() as group:
            for url in self.subscribers:
                group.create_task(self.deliver(url, payload))

    async def forward_all(self, payloads: list[bytes]) -> None:
        await asyncio.gather(*[asyncio.ensure_future(self.forward(payload)) for payload in payloads])

    async def audit(self) -> None:
        report = go(self.report())
        await report

    async def report(self) -> None:
        log.info("delivered %d", self.delivered)

    def spawn_report(self) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self.report())

    def keep(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        return task

    def on_message(self, payload: bytes) -> None:
        self.keep(self.forward(payload))

    def on_reload(self) -> asyncio.Task[None]:
        return self.spawn_report()

    def schedule_report(self, delay: float) -> None:
        asyncio.get_running_loop().call_later(delay, lambda: self.keep(self.report()))

    def from_thread(self, loop: asyncio.AbstractEventLoop, payload: bytes) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self.forward(payload), loop)

    async def close(self) -> None:
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
