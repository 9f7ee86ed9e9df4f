"""Telling the client how far its request has come, by progress notifications."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from qa.answering.events import Piece, Ranked, RoundRead
from qa.answering.reading import Limits
from qa.answering.wording import reading_line
from qa.progress import Progress

Report = Callable[[float, float | None, str | None], Awaitable[None]]


class ProgressReporter:
    """Tells the latest news of one request; the work never waits for a slow client.

    The numbers grow from stage to stage, as the protocol demands: building the store comes first,
    reading goes on from there. To be called in the event loop's thread.
    """

    def __init__(self, report: Report, limits: Limits) -> None:
        self.notes: list[str] = []  # lines that the user should know
        self._report = report
        self._limits = limits
        self._stage = ""
        self._base = self._last = 0
        self._news: tuple[int, int | None, str] | None = None
        self._stir = asyncio.Event()
        self._over = False

    def work(self, progress: Progress) -> None:
        """A long piece of work, such as building the store, has come so far."""
        of = f" of {progress.total:,}" if progress.total else ""
        text = f"{progress.stage.capitalize()}: {progress.done:,}{of} {progress.unit}"
        self._say(progress.stage, progress.done, progress.total, text)

    def note(self, text: str) -> None:
        """Something that the user should know; it may be why there is no progress."""
        self.notes.append(text)
        self._say(text, 1, None, text)

    def event(self, event: object) -> None:
        """An event of the pipeline."""
        match event:
            case Ranked():
                self._say("ranking", 1, None, f"Ranked {event.papers:,} papers")
            case RoundRead(coverage=coverage):
                total = coverage.candidates if self._limits.exhaustive else self._limits.papers
                self._say("reading", coverage.read, total, reading_line(coverage))
            case Piece():
                self._say("writing", 1, None, "Writing the answer")

    def _say(self, stage: str, done: int, total: int | None, text: str) -> None:
        if stage != self._stage:
            self._stage, self._base = stage, self._last
        if self._base + done > self._last:
            self._last = self._base + done
            self._news = (self._last, None if total is None else self._base + total, text)
            self._stir.set()

    async def send(self) -> None:
        """Send the latest news until the request is over."""
        while not self._over or self._news:
            await self._stir.wait()
            self._stir.clear()
            news, self._news = self._news, None
            if news is not None:
                await self._report(*news)

    def end(self) -> None:
        """Let `send` return once the last news is out."""
        self._over = True
        self._stir.set()


@asynccontextmanager
async def reporting(report: Report, limits: Limits) -> AsyncIterator[ProgressReporter]:
    """A teller for the time of one request; the last news is out before the result."""
    teller = ProgressReporter(report, limits)
    sending = asyncio.create_task(teller.send())
    try:
        yield teller
        teller.end()
        await sending
    finally:
        sending.cancel()


def encodable_text(text: str) -> str:
    """The text with ? for what UTF-8 cannot encode, of the same length."""
    return text.encode("utf-8", "replace").decode()


def encodable(document: Any) -> Any:  # noqa: ANN401 - JSON of any form
    """The document with all its texts made so."""
    match document:
        case str():
            return encodable_text(document)
        case dict():
            return {key: encodable(value) for key, value in document.items()}
        case list():
            return [encodable(value) for value in document]
    return document
