"""The same controller, which stops when it is cancelled."""

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
    """Follows a star until it is told to stop."""

    def __init__(self, motor: Motor, sky: Sky) -> None:
        self.motor = motor
        self.sky = sky
        self.tracking: asyncio.Task[None] | None = None

    def start(self, star: str) -> None:
        if self.tracking is None:
            self.tracking = asyncio.create_task(self.track(star))

    async def track(self, star: str) -> None:
        """Ordinary errors are logged, cancellation passes."""
        while True:
            try:
                await self.motor.turn_to(await self.sky.position(star))
            except Exception:
                logger.exception("cannot follow %s", star)

    async def expose(self, seconds: float) -> bytes:
        """The shutter closes whatever happens."""
        try:
            await asyncio.sleep(seconds)
        finally:
            self.motor.close_shutter()
        return await self.motor.read_out()

    async def park(self) -> bool:
        """True only when it got there."""
        await self.motor.turn_to("home")
        return True

    async def stop(self) -> None:
        """Right: what is awaited here was cancelled here."""
        if self.tracking is None:
            return
        self.tracking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.tracking
