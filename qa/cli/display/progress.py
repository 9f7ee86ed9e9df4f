"""Progress on stderr and the answer on stdout, shown while a question is answered."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.status import Status

from qa.answering.wording import long_reading_line, reading_line
from qa.cli.display.answer import console
from qa.progress import Progress

if TYPE_CHECKING:
    from qa.answering.results import Answer
    from qa.cli.display.annotate import AnnotatedStream
    from qa.cli.display.verbose import VerboseLog


class Display:
    """Shows the pipeline's events as they come; progress only if stderr is a terminal.

    Use it as a context manager: its exit clears the progress line, after an error or Ctrl-C too.
    """

    def __init__(self, *, stream: bool, verbose: bool) -> None:
        """With `stream` show the answer while it is written, with `verbose` each round's papers."""
        self.out: Console = console()
        self.err: Console = console(stderr=True)
        self.streamed: AnnotatedStream | None = None  # the answer so far, if it is streamed
        self._stream = stream
        self._verbose_log = _verbose_log(self.err) if verbose else None
        self._progress_line: Status | None = None
        self._last_stage = ""  # what the progress line says between two rounds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
        if kind is not None and self.streamed is not None:
            self.out.print()  # end the line of an answer that was cut off

    def clear(self) -> None:
        """Remove the progress line."""
        if self._progress_line is not None:
            self._progress_line.stop()
            self._progress_line = None

    def show(self, text: str) -> None:
        """Show the text as the progress line."""
        if not self.err.is_terminal:
            return
        if self._progress_line is None:
            self._progress_line = self.err.status(text)
            self._progress_line.start()
        else:
            self._progress_line.update(text)

    def note(self, text: str) -> None:
        """Print a line on stderr that stays."""
        self.clear()
        self.err.print(text)

    def work(self, progress: Progress) -> None:
        """Show how far a long piece of work has come."""
        total = f" of {progress.total:,}" if progress.total else ""
        count = f": {progress.done:,}{total} {progress.unit}" if progress.done or total else ""
        self.show(f"{progress.stage[:1].upper()}{progress.stage[1:]}{count}")

    def event(self, event: object) -> None:
        """Show one event of the pipeline."""
        from qa.answering.events import (
            Judging,
            LongReading,
            Piece,
            Ranked,
            RoundRead,
            TestingJudge,
        )

        if self._verbose_log and not isinstance(event, Piece | Judging | TestingJudge):
            self.clear()
            self._verbose_log.log(event)
        match event:
            case Ranked():
                self._last_stage = f"Ranked {event.papers:,} papers"
                self.show(self._last_stage)
            case TestingJudge():
                self.show(f"Testing the judge: {event.done} of {event.of} abstracts judged")
            case Judging():
                self.show(f"{self._last_stage}; {event.done} of the next {event.of} judged")
            case RoundRead():
                self._last_stage = reading_line(event.coverage)
                self.show(self._last_stage)
            case LongReading():
                self.note(
                    long_reading_line(event.papers, event.at_most, event.tokens, event.seconds)
                )
            case Piece() if self._stream:
                self.clear()
                if self.streamed is None:
                    from qa.cli.display.annotate import AnnotatedStream

                    self.streamed = AnnotatedStream(self.out)
                self.streamed.feed(event)
            case Piece():
                self.show("Writing the answer")

    def sum_up(self, answer: "Answer") -> None:
        """Print with `verbose` where time and tokens went."""
        if self._verbose_log:
            self._verbose_log.sum_up(answer)


def _verbose_log(err: Console) -> "VerboseLog":
    from qa.cli.display.verbose import VerboseLog  # loads the ranking

    return VerboseLog(err)
