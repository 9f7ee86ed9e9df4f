"""What a person sees while a question is answered: progress on stderr, the answer as it comes."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.status import Status

from qa.answering.wording import reading_line
from qa.cli.display.answer import console
from qa.progress import Progress

if TYPE_CHECKING:
    from qa.answering.results import Answer
    from qa.cli.display.annotate import AnnotatedStream
    from qa.cli.display.verbose import VerboseLog


class Display:
    """Shows events as they happen; without a terminal it stays silent.

    Use it as a context manager: leaving it, by an error or Ctrl-C too, clears the progress line.
    """

    def __init__(self, *, stream: bool, verbose: bool) -> None:
        self.out: Console = console()
        self.err: Console = console(stderr=True)
        self._stream = stream
        self._narration = _narration(self.err) if verbose else None
        self._status: Status | None = None
        self._so_far = ""
        self.marked: AnnotatedStream | None = None

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
        total = f" of {progress.total:,}" if progress.total else ""
        known = progress.done or total  # else it says nothing
        count = f": {progress.done:,}{total} {progress.unit}" if known else ""
        self.show(f"{progress.stage[:1].upper()}{progress.stage[1:]}{count}")

    def event(self, event: object) -> None:
        """Show one event of the pipeline."""
        from qa.answering.events import Judging, Piece, Ranked, RoundRead

        if self._narration and not isinstance(event, Piece | Judging):
            self.clear()
            self._narration.tell(event)
        match event:
            case Ranked():
                self._so_far = f"Ranked {event.papers:,} papers"
                self.show(self._so_far)
            case Judging():
                self.show(f"{self._so_far}; {event.done} of the next {event.of} judged")
            case RoundRead():
                self._so_far = reading_line(event.coverage)
                self.show(self._so_far)
            case Piece() if self._stream:
                self.clear()
                if self.marked is None:
                    from qa.cli.display.annotate import AnnotatedStream

                    self.marked = AnnotatedStream(self.out)
                self.marked.feed(event)
            case Piece():
                self.show("Writing the answer")

    def sum_up(self, answer: "Answer") -> None:
        """Say, to those who want to see all, where time and tokens went."""
        if self._narration:
            self._narration.sum_up(answer)


def _narration(err: Console) -> "VerboseLog":
    from qa.cli.display.verbose import VerboseLog  # which few want, and which loads the ranking

    return VerboseLog(err)
