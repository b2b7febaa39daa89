"""A weather station whose loops end at the first error, and nobody notices."""

import asyncio
from collections.abc import Awaitable, Callable


class Sensor:
    """Reads a value over the network."""

    async def read(self) -> float:
        reader, writer = await asyncio.open_connection("sensor.example", 502)
        try:
            return float(await reader.readline())
        finally:
            writer.close()


class Station:
    """Polls a sensor and passes its values on, for as long as the program runs."""

    def __init__(self, sensor: Sensor, publish: Callable[[float], Awaitable[None]]) -> None:
        self.sensor = sensor
        self.publish = publish
        self.values: asyncio.Queue[float] = asyncio.Queue()
        self._poller = asyncio.create_task(self.poll())
        self._publisher = asyncio.create_task(self.forward())
        self._publisher.add_done_callback(self.on_end)

    def on_end(self, _task: asyncio.Task[None]) -> None:
        self.values = asyncio.Queue()

    async def poll(self) -> None:
        while True:
            await self.values.put(await self.sensor.read())
            await asyncio.sleep(10)

    async def forward(self) -> None:
        while True:
            await self.publish(await self.values.get())

    async def stop(self) -> None:
        for task in (self._poller, self._publisher):
            task.cancel()
        await asyncio.gather(self._poller, self._publisher, return_exceptions=True)
