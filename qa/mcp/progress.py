"""Progress notifications: how far a client's request has come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from qa.answering.events import Filling, Piece, Ranked, RoundRead
from qa.answering.reading import Limits
from qa.answering.wording import filling_line, reading_line
from qa.progress import Progress

Report = Callable[[float, float | None, str | None], Awaitable[None]]  # done, total, message


class ProgressReporter:
    """Sends the latest progress of one request; the work never waits for a slow client.

    The numbers grow from stage to stage, as the protocol demands: reading goes on from where the
    building of the store ended. To be called in the event loop's thread.
    """

    def __init__(self, report: Report, limits: Limits) -> None:
        self.notices: list[str] = []  # lines that the user should know
        self._report = report
        self._limits = limits
        self._stage = ""
        self._base = self._last = 0
        self._latest: tuple[int, int | None, str] | None = None  # not sent yet
        self._changed = asyncio.Event()
        self._ended = False

    def on_progress(self, progress: Progress) -> None:
        """Take how far a long piece of work, such as building the store, has come."""
        self._set(progress.stage, progress.done, progress.total, progress.text)

    def on_notice(self, text: str) -> None:
        """Take a line that the user should know; it may be why there is no progress."""
        self.notices.append(text)
        self._set(text, 1, None, text)

    def on_event(self, event: object) -> None:
        """Take an event of the pipeline."""
        match event:
            case Ranked():
                self._set("ranking", 1, None, f"Ranked {event.papers:,} papers")
            case RoundRead(coverage=coverage):
                total = coverage.candidates if self._limits.exhaustive else self._limits.papers
                self._set("reading", coverage.read, total, reading_line(coverage))
            case Filling():
                self._set("filling", event.done, event.of, filling_line(event.done, event.of))
            case Piece():
                self._set("writing", 1, None, "Writing the answer")

    def _set(self, stage: str, done: int, total: int | None, text: str) -> None:
        if stage != self._stage:
            self._stage, self._base = stage, self._last
        if self._base + done > self._last:
            self._last = self._base + done
            self._latest = (self._last, None if total is None else self._base + total, text)
            self._changed.set()

    async def send(self) -> None:
        """Send the latest progress whenever there is some, until `end` is called."""
        while not self._ended or self._latest:
            await self._changed.wait()
            self._changed.clear()
            latest, self._latest = self._latest, None
            if latest is not None:
                await self._report(*latest)

    def end(self) -> None:
        """Let `send` return once the latest progress is sent."""
        self._ended = True
        self._changed.set()


@asynccontextmanager
async def reporting(
    report: Report, limits: Limits | None = None
) -> AsyncIterator[ProgressReporter]:
    """Provide a reporter for one request; the last progress is sent before the request's result."""
    reporter = ProgressReporter(report, limits or Limits())
    sending = asyncio.create_task(reporter.send())
    try:
        yield reporter
        reporter.end()
        await sending
    finally:
        sending.cancel()
