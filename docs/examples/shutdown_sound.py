"""The same feed reader, stopped well: whoever cancels a task waits for it, whatever happened before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Read = Callable[[str], Awaitable[bytes]]


class Feed:
    """Reads one source until it is stopped, and says good-bye to it."""

    def __init__(self, read: Read, source: str) -> None:
        self.read = read
        self.source = source
        self.pages: asyncio.Queue[bytes] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._follow(1000))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _follow(self, pages: int) -> None:
        try:
            for page in range(pages):
                await self.pages.put(await self.read(f"{self.source}?page={page}"))
        finally:
            await self.read(f"{self.source}/good-bye")

    async def newest(self, mirrors: list[str]) -> bytes:
        tasks = [asyncio.ensure_future(self.read(mirror)) for mirror in mirrors]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return done.pop().result()


@asynccontextmanager
async def following(feed: Feed) -> AsyncIterator[Feed]:
    """The feed, started for the length of a block."""
    await feed.start()
    try:
        yield feed
    finally:
        await feed.stop()
