"""Question answering over a corpus of paper abstracts.

    import qa

    answer = qa.ask("which papers train without backprop?", corpus="papers/")
    for paper in answer.papers:
        print(paper.title, paper.evidence[0].text)

Nothing is loaded before its first use, so importing this costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from qa.api import aask, arebuild, asearch, ask, open_corpus, rebuild, search
    from qa.config import Config
    from qa.errors import QAError
    from qa.events import Judging, Learned, Piece, Ranked, ReadingOver, RoundRead, Scored
    from qa.filters import Filters
    from qa.library import Found, Library
    from qa.llama_index import build
    from qa.papers import Paper
    from qa.progress import Progress
    from qa.reading import Limits
    from qa.results import Answer, Coverage, Evidence, ListedPaper
    from qa.store import BuildReport

__all__ = [
    "Answer",
    "BuildReport",
    "Config",
    "Coverage",
    "Evidence",
    "Filters",
    "Found",
    "Judging",
    "Learned",
    "Library",
    "Limits",
    "ListedPaper",
    "Paper",
    "Piece",
    "Progress",
    "QAError",
    "Ranked",
    "ReadingOver",
    "RoundRead",
    "Scored",
    "aask",
    "arebuild",
    "asearch",
    "ask",
    "build",
    "open_corpus",
    "rebuild",
    "search",
]

_PLACES = {
    **dict.fromkeys(
        ("aask", "arebuild", "asearch", "ask", "open_corpus", "rebuild", "search"), "qa.api"
    ),
    "Config": "qa.config",
    "QAError": "qa.errors",
    **dict.fromkeys(
        ("Judging", "Learned", "Piece", "Ranked", "ReadingOver", "RoundRead", "Scored"),
        "qa.events",
    ),
    "Filters": "qa.filters",
    **dict.fromkeys(("Found", "Library"), "qa.library"),
    "build": "qa.llama_index",
    "Paper": "qa.papers",
    "Progress": "qa.progress",
    "Limits": "qa.reading",
    **dict.fromkeys(("Answer", "Coverage", "Evidence", "ListedPaper"), "qa.results"),
    "BuildReport": "qa.store",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - classes and functions
    """The public name, loaded from where it is defined."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
