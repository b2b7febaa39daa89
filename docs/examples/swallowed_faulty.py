"""A telescope controller whose coroutines take cancellation and keep it: TLC003, TLC010, TLC011."""

import asyncio
import contextlib
import logging
from typing import Protocol

logger = logging.getLogger(__name__)


class Motor(Protocol):
    """What moves the telescope and its shutter."""

    async def turn_to(self, place: str) -> None: ...

    async def read_out(self) -> bytes: ...

    def close_shutter(self) -> None: ...


class Sky(Protocol):
    """What knows where the stars are."""

    async def position(self, star: str) -> str: ...


class Telescope:
    """Follows a star until it is told to stop, which it does not notice."""

    def __init__(self, motor: Motor, sky: Sky) -> None:
        self.motor = motor
        self.sky = sky
        self.tracking: asyncio.Task[None] | None = None

    def start(self, star: str) -> None:
        if self.tracking is None:
            self.tracking = asyncio.create_task(self.track(star))

    async def track(self, star: str) -> None:
        """The task cannot be cancelled: its loop goes on."""
        while True:
            try:
                await self.motor.turn_to(await self.sky.position(star))
            except BaseException:
                logger.exception("cannot follow %s", star)

    async def expose(self, seconds: float) -> bytes:
        """A caller's time limit is not seen."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(seconds)
        return await self.motor.read_out()

    async def park(self) -> bool:
        """However it ends, it says that all went well."""
        try:
            await self.motor.turn_to("home")
        finally:
            return True

    async def stop(self) -> None:
        """Right: what is awaited here was cancelled here."""
        if self.tracking is None:
            return
        self.tracking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.tracking
