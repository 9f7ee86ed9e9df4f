"""Progress of long work, and hooks that stand around pieces of work, such as tracing's."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at the work; the stage's name changes when another kind of work begins."""

    stage: str  # what is being done, in words: "embedding", "fetching weights"
    done: int
    total: int | None  # None: not known
    unit: str  # what is counted: "papers", "bytes"

    @property
    def text(self) -> str:
        """Return it in words: `Embedding: 128 of 558 papers`."""
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.stage.capitalize()}: {self.done:,}{of} {self.unit}"


ProgressListener = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """Do nothing with the progress."""


@dataclass(slots=True)
class Work:
    """A piece of work as hooks see it; whoever does it sets `result` before its end."""

    name: str  # "ask", "search", "rebuild", "embed", or the name of a step of the pipeline
    given: object = None  # what it begins with, where a hook may want to know
    result: object = None  # None as long as it is not done


# Each is called with a description of the work (Work, or ChatCall of qa.llm), and what it returns
# is entered before the work begins and left when it ends, with its error if there is one.
hooks: list[Callable[[object], AbstractContextManager[None]]] = []


@contextmanager
def observed(work: T) -> Iterator[T]:
    """Have the hooks stand around the work within, which adds to `work` what came of it."""
    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(hook(work))
        yield work
