"""How far a long piece of work has come; whoever does the work calls a listener with it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at the work; the stage's name changes when another kind of work begins."""

    stage: str  # what is being done, in words: "embedding", "fetching weights"
    done: int
    total: int | None  # None: not known
    unit: str  # what is counted: "papers", "bytes"


ProgressListener = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """A listener for those who do not care."""
