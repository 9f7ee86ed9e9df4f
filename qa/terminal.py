"""What a person sees while a question is answered: progress on stderr, the answer as it comes."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.status import Status

from qa.events import Piece, Ranked, RoundRead
from qa.progress import Progress
from qa.render import console, reading_line

if TYPE_CHECKING:
    from qa.marking import MarkedAnswer


class Display:
    """Shows events as they happen; without a terminal it stays silent.

    Use it as a context manager: leaving it, by an error or Ctrl-C too, clears the progress line.
    """

    def __init__(self, *, stream: bool, verbose: bool) -> None:
        self.out: Console = console()
        self.err: Console = console(stderr=True)
        self._stream = stream
        self._verbose = verbose
        self._status: Status | None = None
        self.marked: MarkedAnswer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
        if kind is not None and self.marked is not None:
            self.out.print()  # an answer that was cut off ends its line

    def clear(self) -> None:
        """Take the progress line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def show(self, text: str) -> None:
        """Put the text into the progress line."""
        if not self.err.is_terminal:
            return
        if self._status is None:
            self._status = self.err.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def note(self, text: str) -> None:
        """Say something on stderr, in a line that stays."""
        self.clear()
        self.err.print(text)

    def work(self, progress: Progress) -> None:
        """Show how far a long piece of work has come."""
        done = f"{progress.done:,}"
        total = f" of {progress.total:,}" if progress.total else ""
        self.show(f"{progress.stage.capitalize()}: {done}{total} {progress.unit}")

    def event(self, event: object) -> None:
        """Show one event of the pipeline."""
        match event:
            case Ranked():
                self.show(f"Ranked {event.papers:,} papers")
            case RoundRead():
                self.show(reading_line(event.coverage))
                if self._verbose:
                    self._round(event)
            case Piece() if self._stream:
                self.clear()
                if self.marked is None:
                    from qa.marking import MarkedAnswer  # which loads the check

                    self.marked = MarkedAnswer(self.out, event)
                self.marked.feed(event.text)
            case Piece():
                self.show("Writing the answer")

    def _round(self, event: RoundRead) -> None:
        self.note(f"Round {event.coverage.rounds}: {event.search.describe()}")
        for paper, verdict in zip(event.papers, event.judged.verdicts, strict=True):
            told = verdict.relevance.value if verdict.relevance else "unjudged"
            proof = " ".join(f"({n})" for n in verdict.sentences)
            self.err.print(f"  {told:8} {paper.title} {proof}".rstrip())
