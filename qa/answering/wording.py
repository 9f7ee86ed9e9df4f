"""Results in words: lines that the commands, MCP clients and LlamaIndex programs all show."""

from collections import Counter
from pathlib import PurePath
from typing import Protocol

from qa.answering.results import Answer, Coverage, ListedPaper, ModelUsage, Stopped
from qa.answering.safe_text import clean_line
from qa.answering.table import CellState, Table
from qa.corpus.papers import Paper
from qa.retrieval.relevance import Likelihood, Relevance
from qa.retrieval.search import Scope

UNREAD = "No chat model has read them."
WHY_STOPPED = {  # why the reading ended, for people
    Stopped.DRY: "reading on turned up nothing more",
    Stopped.RECALL: "the share asked for is probably found",
    Stopped.EXHAUSTED: "every paper was read",
    Stopped.LIMIT: "stopped at the limit; there may be more",
    Stopped.FAILED: "the model failed; there may be more",
}


def source_name(corpus: str, source: str) -> str:
    """Return a source file with the name of the corpus folder before it."""
    return str(PurePath(corpus) / source) if source != corpus else source


def coverage_line(answer: Answer) -> str:
    """Return a line that says how many papers were read, by which model, and what that cost."""
    coverage = answer.coverage
    if not coverage.candidates:
        return f"None of {counted(coverage.corpus, 'paper', 'papers')} passes{_filter(coverage)}."
    if answer.model is None and coverage.by_reader:
        rest = sum(paper.relevance is None for paper in answer.papers)
        nearest = f" {rest} more {'is' if rest == 1 else 'are'} nearest by score." if rest else ""
        return f"{reading_line(coverage)}.{nearest}"
    if answer.model is None:
        if not answer.papers:
            return f"Ranked {candidates_text(coverage)} by score. {UNREAD}"
        kinds = Counter(paper.likelihood for paper in answer.papers)
        parts = [f"{kinds[kind]} {kind}" for kind in Likelihood if kinds[kind]]
        among = f"{coverage.candidates:,}{_filter(coverage)}"
        papers = counted(len(answer.papers), "paper is", "papers are")
        return f"{papers} nearest by score, of {among}: {', '.join(parts)}. {UNREAD}"
    return f"{reading_line(coverage)}{_missing(coverage)}{_why_stopped(coverage)}. {_spent(answer)}"


def _missing(coverage: Coverage) -> str:
    """Return what is estimated to be missing, behind a semicolon; empty without an estimate."""
    unread = coverage.candidates - coverage.read
    left = missing_text(coverage.estimate, found=coverage.relevant, unread=unread)
    return left and f"; {left}"


def _why_stopped(coverage: Coverage) -> str:
    return f" ({WHY_STOPPED[coverage.stopped]})" if coverage.stopped else ""


def reading_line(coverage: Coverage) -> str:
    """Return how many papers were read and answer, short enough for a progress line."""
    who = "You judged" if coverage.by_reader == coverage.read > 0 else "Read"
    parts = [f"{who} {coverage.read:,} of {candidates_text(coverage)}"]
    parts.append(counted(coverage.relevant, "answers", "answer"))
    if coverage.partly:
        parts.append(f"{coverage.partly} in part")
    if coverage.unjudged:
        parts.append(f"{coverage.unjudged} unjudged")
    return f"{parts[0]}: {', '.join(parts[1:])}"


class Bounds(Protocol):
    """The bounds of an estimate, of whatever type it is."""

    @property
    def low(self) -> int: ...  # noqa: D102
    @property
    def high(self) -> int: ...  # noqa: D102


def missing_text(estimate: Bounds | None, *, found: int, unread: int) -> str:
    """Return how many more papers probably answer: `probably 0 to 5 more among the 491 unread`.

    Empty where every paper was read or nothing was judged.
    """
    if estimate is None or not unread:
        return ""
    low, high = (max(0, bound - found) for bound in (estimate.low, estimate.high))
    more = f"{low:,} to {high:,}" if low < high else f"{high:,}" if high else "no"
    return f"probably {more} more among the {unread:,} unread"


def worth_reading_on(coverage: Coverage) -> bool:
    """Return whether reading stopped early where the estimate expects another answer."""
    estimate = coverage.estimate
    early = coverage.stopped in {Stopped.DRY, Stopped.LIMIT}
    return early and estimate is not None and estimate.relevant - coverage.relevant >= 1


def long_reading_line(papers: int, at_most: int, tokens: int, seconds: float) -> str:
    """Return what a long reading will take: papers still to read, tokens and minutes."""
    most = f" (at most {at_most:,})" if at_most > papers else ""
    minutes = counted(max(1, round(seconds / 60)), "minute", "minutes")
    return f"About {papers:,} more papers to read{most}: {tokens:,} tokens, {minutes} at this pace."


def candidates_text(coverage: Coverage | Scope) -> str:
    """Return how many papers pass the filters, and which filters: `84 papers (year 2023-)`."""
    papers = counted(coverage.candidates, "paper", "papers")
    return f"{papers}{_filter(coverage)}"


def _filter(coverage: Coverage | Scope) -> str:
    return f" ({clean_line(coverage.filter)})" if coverage.filter else ""


def _spent(answer: Answer | Table) -> str:
    usage: ModelUsage = answer.usage
    about = "about " if usage.estimated else ""
    calls = counted(usage.calls, "call", "calls")
    text = f"{answer.model}: {calls}, {about}{usage.total_tokens:,} tokens"
    return text + (f", ${usage.cost_usd:.4f}." if usage.cost_usd is not None else ".")


def counted(number: int, one: str, many: str) -> str:
    """Return the number with the word for one or for many: `1 paper`, `1,200 papers`."""
    return f"{number:,} {one if number == 1 else many}"


def title_of(paper: ListedPaper | Paper) -> str:
    """Return the paper's title on one line, marked if the corpus has nothing else of the paper."""
    return clean_line(paper.title) + (" (title only)" if paper.title_only else "")


def coverage_text(table: Table) -> str:
    """Return how many papers were read to choose those of a table; empty where they were given."""
    coverage = table.coverage
    if coverage is None:
        return ""
    if not coverage.read:
        rows = counted(len(table.rows), "paper is", "papers are")
        return f"{rows} nearest by score, of {candidates_text(coverage)}. {UNREAD}"
    return f"{reading_line(coverage)}{_missing(coverage)}{_why_stopped(coverage)}."


def filling_line(done: int, of: int) -> str:
    """Return how far the filling of a table has come."""
    return f"Filled the rows of {done:,} of {of:,} papers"


def cells_line(table: Table) -> str:
    """Return how many cells a table has, and what became of them."""
    cells = len(table.rows) * len(table.columns)
    if table.model is None:
        return f"No chat model filled it: {counted(cells, 'cell has', 'cells have')} no value."
    kinds = {
        "stated": CellState.STATED,
        "not stated": CellState.NOT_STATED,
        "in doubt": CellState.DOUBTED,
        "could not be read": CellState.UNREADABLE,
    }
    parts = [f"{table.count(state):,} {words}" for words, state in kinds.items()]
    kept = [part for part in parts if not part.startswith("0 ")]
    of_all = f"{counted(cells, 'cell', 'cells')}: {', '.join(kept)}. " if kept else ""
    return f"{of_all}{_spent(table)}"


def qualifier(paper: ListedPaper) -> str:
    """Return what restricts a listed paper, if something does: `in part` or `possible`."""
    if paper.relevance == Relevance.PARTLY:
        return "in part"
    return "possible" if paper.likelihood == Likelihood.POSSIBLE else ""
