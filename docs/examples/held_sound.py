"""The same chat room: what it starts, it ends; what is done, it forgets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class Room:
    """Reads lines from its members and sends every line to all."""

    def __init__(self, receive: Callable[[], Awaitable[str]], send: Callable[[str], Awaitable[None]]) -> None:
        self.receive = receive
        self.send = send
        self.lines = 0
        self._sending: set[asyncio.Task[None]] = set()
        self._clock = asyncio.create_task(self.tick())
        self._reader: asyncio.Task[None] | None = None

    def open(self) -> None:
        if self._reader is None:
            self._reader = asyncio.create_task(self.read())

    async def close(self) -> None:
        tasks = {self._clock, *self._sending}
        if self._reader is not None:
            tasks.add(self._reader)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def read(self) -> None:
        while True:
            try:
                self.on_line(await self.receive())
            except Exception:
                log.exception("a line is lost")

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(60)
            log.info("%d lines", self.lines)

    async def pass_on(self, line: str) -> None:
        await self.send(line)
        self.lines += 1

    def on_line(self, line: str) -> None:
        task = asyncio.create_task(self.pass_on(line))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
