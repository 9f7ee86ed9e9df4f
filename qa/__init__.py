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
    from qa.answering.events import Judging, Learned, Piece, Ranked, ReadingOver, RoundRead, Scored
    from qa.answering.reading import Limits
    from qa.answering.results import Answer, Coverage, Evidence, ListedPaper
    from qa.answering.table import Cell, Column, Row, Table
    from qa.config import Config
    from qa.corpus.filters import Filters
    from qa.corpus.papers import Paper
    from qa.errors import QAError
    from qa.index.build import BuildReport
    from qa.library.functions import aask, arebuild, asearch, ask, open_corpus, rebuild, search
    from qa.library.library import Found, Library
    from qa.library.tables import afill_table, fill_table
    from qa.llama_index.build import build
    from qa.progress import Progress

__all__ = [
    "Answer",
    "BuildReport",
    "Cell",
    "Column",
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
    "Row",
    "Scored",
    "Table",
    "aask",
    "afill_table",
    "arebuild",
    "asearch",
    "ask",
    "build",
    "fill_table",
    "open_corpus",
    "rebuild",
    "search",
]

_MODULES = {
    **dict.fromkeys(
        ("aask", "arebuild", "asearch", "ask", "open_corpus", "rebuild", "search"),
        "qa.library.functions",
    ),
    **dict.fromkeys(("Found", "Library"), "qa.library.library"),
    **dict.fromkeys(
        ("Judging", "Learned", "Piece", "Ranked", "ReadingOver", "RoundRead", "Scored"),
        "qa.answering.events",
    ),
    "Limits": "qa.answering.reading",
    **dict.fromkeys(("Answer", "Coverage", "Evidence", "ListedPaper"), "qa.answering.results"),
    **dict.fromkeys(("Cell", "Column", "Row", "Table"), "qa.answering.table"),
    "Config": "qa.config",
    "Filters": "qa.corpus.filters",
    "Paper": "qa.corpus.papers",
    "QAError": "qa.errors",
    "BuildReport": "qa.index.build",
    "build": "qa.llama_index",
    "Progress": "qa.progress",
    **dict.fromkeys(("afill_table", "fill_table"), "qa.library.tables"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - classes and functions
    """Return a public name, imported from where it is defined."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
