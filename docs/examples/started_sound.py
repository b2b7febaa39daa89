"""The same lighthouse, awaiting what it can and starting tasks that it keeps where it cannot."""

import asyncio
import signal


class Lamp:
    """Takes its time to light up and to go out."""

    async def light(self) -> None:
        await asyncio.sleep(2)

    async def put_out(self) -> None:
        await asyncio.sleep(1)


class Lighthouse:
    """Lights its lamp at dusk and puts it out when the program is told to end."""

    def __init__(self, lamp: Lamp) -> None:
        self.lamp = lamp
        self._switching: set[asyncio.Task[None]] = set()

    async def dusk(self) -> None:
        await self.lamp.light()

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.put_out)
        loop.call_later(3600, self.light)

    def light(self) -> None:
        self._keep(asyncio.create_task(self.dusk()))

    def put_out(self) -> None:
        self._keep(asyncio.create_task(self.lamp.put_out()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._switching.add(task)
        task.add_done_callback(self._switching.discard)
