"""A chat room that keeps its tasks, and never lets go of them."""

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
        self._sending: list[asyncio.Task[None]] = []
        self._clock = asyncio.create_task(self.tick())

    def open(self) -> None:
        self._reader = asyncio.create_task(self.read())

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def read(self) -> None:
        while True:
            try:
                self.on_line(await self.receive())
            except OSError:
                log.exception("a line is lost")

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(60)
            log.info("%d lines", self.lines)

    async def pass_on(self, line: str) -> None:
        await self.send(line)
        self.lines += 1

    def on_line(self, line: str) -> None:
        self._sending.append(asyncio.create_task(self.pass_on(line)))
