"""Questions that are being answered: their progress for any number of tabs, stop, and read on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from qa.answering.events import Judging, Learned, Piece, Ranked, ReadingOver, RoundRead
from qa.answering.reading import Limits
from qa.answering.results import Coverage
from qa.answering.verify import Finding
from qa.answering.wording import counted, missing_text, reading_line
from qa.answering.writer import NumberedPaper
from qa.errors import QAError
from qa.library.library import AskOptions, Library
from qa.library.session import Session
from qa.progress import Progress
from qa.web.history import Entry

MOST_RUNNING = 16  # questions answered at once
GONE = 20.0  # seconds without any tab that looks on, after which a question is stopped
REPORTED_AT_MOST_EVERY = 0.1  # seconds between two states that one tab is sent


@dataclass(slots=True)
class Run:
    """One question while it is answered: what a tab shows of it."""

    entry: Entry
    line: str = "Opening the corpus"
    curve: list[tuple[int, int]] = field(default_factory=list)  # papers read, papers found
    coverage: Coverage | None = None
    left: str = ""  # what is probably missing, in words
    text: str = ""  # of the answer, as far as it is written
    papers: tuple[NumberedPaper, ...] = ()  # what [n] means in it
    findings: list[Finding] = field(default_factory=list)
    error: str = ""  # why there is no answer
    stopping: bool = False
    done: bool = False
    version: int = 0  # grows with every change
    watchers: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, event: object) -> None:
        """Take an event of the pipeline."""
        match event:
            case Ranked():
                self.line = f"Ranked {counted(event.papers, 'paper', 'papers')}"
            case Judging():
                self.line = f"{self.line.partition(';')[0]}; {event.done} of {event.of} judged"
            case RoundRead():
                coverage = event.coverage
                self.coverage, self.line = coverage, reading_line(coverage)
                self.curve.append((coverage.read, coverage.relevant + coverage.partly))
            case Learned():
                if read := self.coverage:
                    found, unread = read.relevant, read.candidates - read.read
                    self.left = missing_text(event.search.estimate, found=found, unread=unread)
            case ReadingOver():
                self.coverage = event.coverage
                self.line = f"{reading_line(event.coverage)}; writing the answer"
            case Piece():
                self.text += event.text
                self.papers = event.papers
                self.findings += event.findings
            case _:
                return
        self.change()

    def on_progress(self, progress: Progress) -> None:
        """Take how far the building of the store has come."""
        self.line = progress.text
        self.change()

    def on_notice(self, text: str) -> None:
        """Take a line that the user should know."""
        self.line = text
        self.change()

    def change(self) -> None:
        """Let all tabs know that something has changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def states(self) -> AsyncIterator["Run"]:
        """Yield the run whenever it has changed, until it is done; a slow tab skips states."""
        self.watchers += 1
        try:
            seen = -1
            while not (self.done and seen == self.version):
                changed = self._changed
                if seen == self.version:
                    await changed.wait()
                seen = self.version
                yield self
                if not self.done:
                    await asyncio.sleep(REPORTED_AT_MOST_EVERY)
        finally:
            self.watchers -= 1


class Runs:
    """All questions that are being answered, by id."""

    def __init__(self, session: Session, keep: Callable[[Entry], Awaitable[None]]) -> None:
        """`keep` is called with each question that has its answer."""
        self._session = session
        self._keep = keep
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def get(self, id_: str) -> Run | None:
        """Return the run of a question; None if it is not being answered."""
        return self._runs.get(id_)

    @property
    def full(self) -> bool:
        """Whether no further question can be answered now."""
        return len(self._tasks) >= MOST_RUNNING

    def start(self, entry: Entry, limits: Limits) -> Run:
        """Begin to answer the question; what was read for it before costs nothing."""
        run = Run(entry)
        self._runs[entry.id] = run
        task = asyncio.create_task(self._answer(run, limits))
        self._tasks[entry.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(entry.id, None))
        return run

    async def wait(self, id_: str, seconds: float) -> None:
        """Wait until the question has its answer, but no longer than this."""
        if task := self._tasks.get(id_):
            await asyncio.wait([task], timeout=seconds)

    async def stop(self, id_: str) -> None:
        """Stop reading and writing; the answer is then the papers found so far."""
        run, task = self._runs.get(id_), self._tasks.get(id_)
        if run is not None and task is not None and not run.stopping:
            run.stopping = True
            run.line = "Stopping"
            run.change()
            task.cancel()

    async def discard(self, id_: str) -> None:
        """End a question of which nothing is to be kept."""
        task = self._tasks.get(id_)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """End everything that runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, run: Run, limits: Limits) -> None:
        watch = asyncio.create_task(self._stop_when_nobody_looks(run))
        try:
            try:
                await self._asked(run, AskOptions(limits, run.entry.filters, on_event=run.on_event))
            except asyncio.CancelledError:
                if not run.stopping:
                    raise
                await self._cut_short(run)
        except QAError as exc:
            run.error = str(exc)
        finally:
            watch.cancel()
            run.done = True
            run.change()
            self._runs.pop(run.entry.id, None)

    async def _asked(self, run: Run, options: AskOptions) -> None:
        async with self._session.library(run, chat=True) as library:
            await self._finish(run, library, options)

    async def _finish(self, run: Run, library: Library, options: AskOptions) -> None:
        finished = await library.answer(run.entry.question, options)
        run.entry = replace(
            run.entry,
            answer=finished.answer,
            rounds=finished.reading.rounds,
            findings=tuple(run.findings),
        )
        await self._keep(run.entry)

    async def _cut_short(self, run: Run) -> None:
        """Answer from what was read until the reader stopped it: it is known, and costs nothing."""
        read = run.coverage.read if run.coverage else 0
        run.text, run.findings = "", []
        async with self._session.library(run, chat=read > 0) as library:
            options = AskOptions(Limits(read or None), run.entry.filters, write=False)
            await self._finish(run, library, options)

    async def _stop_when_nobody_looks(self, run: Run) -> None:
        """Stop the run once no tab has looked on for a while: its model calls cost money."""
        alone = 0.0
        with suppress(asyncio.CancelledError):
            while alone < GONE:
                await asyncio.sleep(1)
                alone = 0.0 if run.watchers else alone + 1
            await self.stop(run.entry.id)
