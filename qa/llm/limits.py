"""How long and how often a chat model is tried."""

import asyncio
import random
from dataclasses import dataclass

from qa.llm.faults import Fault

TIMEOUT_VARIABLE = "QA_TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Patience with a server: seconds, and a number of tries."""

    connect: float = 10.0  # to open a connection
    total: float = 300.0  # for a whole reply, retries included; of a stream, until its text begins
    idle: float = 60.0  # between two pieces of a stream whose text has begun
    stream: float = 900.0  # for a whole stream, so that a dripping server ends too
    tries: int = 4
    pause: float = 0.5  # before the second try; doubles from there
    longest_pause: float = 30.0  # a server asking for more is not waited for

    @classmethod
    def within(cls, seconds: float) -> "Limits":
        """Return the limits for a user who wants to wait `seconds` for a reply."""
        default = cls()
        return cls(
            connect=min(default.connect, seconds),
            total=seconds,
            idle=min(default.idle, seconds) if seconds < default.total else seconds / 5,
            stream=3 * seconds,
        )


class Patience:
    """What one call may still spend of its limits."""

    def __init__(self, limits: Limits) -> None:
        now = asyncio.get_running_loop().time()
        self.tries = 1
        self.deadline = now + limits.total  # on the event loop's clock
        self._stream_deadline = now + limits.stream
        self._limits = limits

    async def next_try(self, fault: Fault) -> bool:
        """Wait until `fault` may have passed; False if there is no point or no time."""
        if not fault.passing or self.tries >= self._limits.tries:
            return False
        pause = self._pause(fault)
        now = asyncio.get_running_loop().time()
        if pause > self._limits.longest_pause or now + pause >= self.deadline:
            return False
        await asyncio.sleep(pause)
        self.tries += 1
        return True

    def piece_deadline(self, *, begun: bool) -> float:
        """Return until when the next piece of a stream may take."""
        if not begun:
            return min(self.deadline, self._stream_deadline)
        idle = asyncio.get_running_loop().time() + self._limits.idle
        return min(idle, self._stream_deadline)

    def _pause(self, fault: Fault) -> float:
        if fault.retry_after is not None:
            return fault.retry_after
        # Jitter keeps the calls of one batch from coming back all at once.
        return self._limits.pause * 2.0 ** (self.tries - 1) * random.uniform(0.5, 1)  # noqa: S311
