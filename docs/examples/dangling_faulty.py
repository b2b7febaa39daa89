"""A relay that forwards webhooks, as it is often written: seven tasks that nobody holds.

The event loop keeps only weak references to tasks. A task that nothing else refers to may be collected before it is
done, and its exception with it.
"""

import asyncio
import logging
from asyncio import create_task as go
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Send = Callable[[str, bytes], Awaitable[None]]


class Relay:
    """Forwards every payload to each subscriber."""

    def __init__(self, send: Send, subscribers: list[str]) -> None:
        self.send = send
        self.subscribers = subscribers
        self.ready = asyncio.Event()
        self.delivered = 0

    async def deliver(self, url: str, payload: bytes) -> None:
        await self.send(url, payload)
        self.delivered += 1

    async def forward(self, payload: bytes) -> None:
        await self.ready.wait()
        for url in self.subscribers:
            asyncio.create_task(self.deliver(url, payload))

    async def forward_all(self, payloads: list[bytes]) -> None:
        [asyncio.ensure_future(self.forward(payload)) for payload in payloads]

    async def audit(self) -> None:
        _ = go(self.report())

    async def report(self) -> None:
        log.info("delivered %d", self.delivered)

    def spawn_report(self) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self.report())

    def on_message(self, payload: bytes) -> None:
        task = asyncio.create_task(self.forward(payload))
        task.add_done_callback(lambda _: log.debug("forwarded"))

    def on_reload(self) -> None:
        self.spawn_report()

    def schedule_report(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(delay, lambda: loop.create_task(self.report()))

    def from_thread(self, loop: asyncio.AbstractEventLoop, payload: bytes) -> None:
        asyncio.run_coroutine_threadsafe(self.forward(payload), loop)
