"""A lighthouse whose lamp is never lit: its coroutines are made and dropped."""

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

    async def dusk(self) -> None:
        self.lamp.light()

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.lamp.put_out)
        loop.call_later(3600, self.dusk)
