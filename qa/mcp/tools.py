"""The arguments of the tools, as assistants see them described."""

from dataclasses import replace
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, BeforeValidator, Field

from qa.answering.reading import Limits
from qa.config import error_text
from qa.corpus.filters import Filters
from qa.corpus.readers.corpus import Corpus
from qa.errors import QAError, StoreError, UsageError
from qa.library import Library, corpus_of
from qa.mcp.progress import ProgressReporter, encodable, encodable_text, reporting
from qa.mcp.schemas import (
    AskResult,
    PapersResult,
    SearchResult,
    StatusResult,
    answered,
    ask_text,
    evidence,
    found,
    papers_text,
    record,
    search_text,
    status_text,
)
from qa.mcp.session import Session, in_thread, run_to_end

LONGEST = 2000  # characters of a question
MOST = 100  # papers that one result lists
MOST_VALUES, LONGEST_VALUE = 50, 300  # of one filter, in characters: results repeat them


def _several(value: object) -> object:
    """A single value as a list of one, numbers as text: assistants send either."""
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    return [str(one) if isinstance(one, int) else one for one in values]


Question = Annotated[
    str,
    Field(
        max_length=LONGEST,
        description="The whole question in plain words, such as 'which papers train without "
        "backprop?'. One question a call; no search operators.",
    ),
]
Query = Annotated[
    str,
    Field(max_length=LONGEST, description="What the papers should be about: a question or words."),
]
Value = Annotated[str, Field(max_length=LONGEST_VALUE)]
Values = Annotated[list[Value], Field(max_length=MOST_VALUES)]
Years = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers of these years: 2023, 2023-, -2020 or 2019-2021."),
]
Authors = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers by any of these authors; a part of the name is enough."),
]
Venues = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers of any of these journals or conferences; a part is enough."),
]
Sources = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers from any of these corpus files; a part of the path is enough."),
]
Among = Annotated[
    list[Value] | None,
    BeforeValidator(_several),
    Field(description="Only the papers under these whole ids: to ask within an earlier result."),
]
MaxPapers = Annotated[
    int, Field(ge=1, le=MOST, description="List at most this many papers; cited ones always.")
]
Limit = Annotated[int, Field(ge=1, le=MOST, description="How many papers to return.")]
ReadAtMost = Annotated[
    int | None,
    Field(ge=1, description="With a chat model: read at most this many papers, to save time."),
]
Quick = Annotated[
    bool, Field(description="With a chat model: read one round of papers and no further.")
]
Exhaustive = Annotated[
    bool, Field(description="With a chat model: read every paper. Slow and costly.")
]
EvidenceOnly = Annotated[
    bool,
    Field(description="Do not ask the server's chat model, if it has one: return evidence."),
]
Ids = Annotated[
    list[Value],
    BeforeValidator(_several),
    Field(
        min_length=1,
        max_length=20,
        description="Ids of papers, as ask and search_papers give them; the start is enough.",
    ),
]


def one_line(question: str) -> str:
    """The question without needless space; raises UsageError if nothing is left."""
    text = " ".join(question.split())
    if not text:
        raise UsageError("The question is empty.")
    return text


def filters_of(
    *,
    year: list[str] | None,
    author: list[str] | None,
    venue: list[str] | None,
    source: list[str] | None,
    among: list[str] | None,
) -> Filters:
    """The filters that the arguments ask for; raises UsageError."""
    try:
        filters = Filters.parse(
            years=year or (), authors=author or (), venues=venue or (), sources=source or ()
        )
    except UsageError as exc:
        raise UsageError(str(exc).removeprefix("--")) from exc  # here it is no option
    return replace(filters, ids=tuple(among or ()), ids_are="the papers given by id")


NAMED = 20  # source files named
SOUND = "The store is complete and up to date."
CHANGED = "The corpus has changed since the store was built. Bring it up to date with: "
NONE_YET = "There is no store yet: the first question builds it, once, and reports progress."
OPENING = "The store is being opened or built right now."

_ANYTHING = Filters(years=((0, 9999),), authors=("",), venues=("",)).kinds()


async def corpus_status(shelf: Session, teller: ProgressReporter) -> StatusResult:
    """The state of the corpus; builds nothing."""
    corpus = await in_thread(lambda: corpus_of(shelf.config))
    model, notes = await _model(shelf)
    result = StatusResult(
        corpus=str(shelf.config.corpus),
        ready=False,
        verdict=OPENING if shelf.is_opening else NONE_YET,
        files=len(corpus.files),
        sources=[file.name for file in corpus.files[:NAMED]],
        embedding=shelf.config.embed_model,
        model=model,
        notes=notes,
    )
    if shelf.is_opening or not shelf.is_built:
        return result
    try:
        async with shelf.library(teller) as library:
            found = await in_thread(lambda: _counted(library, corpus))
    except StoreError as exc:
        found = {"verdict": error_text(exc, shelf.config)}
    return result.model_copy(update=found)


async def _model(shelf: Session) -> tuple[str | None, list[str]]:
    try:
        return await shelf.model(), []
    except QAError as exc:
        return None, [str(exc)]


def _counted(library: Library, corpus: Corpus) -> dict[str, object]:
    store = library.generation
    counts = {kind: len(store.select(anything)) for kind, anything in _ANYTHING.items()}
    return {
        "ready": True,
        "verdict": CHANGED + library.config.rebuild_command
        if store.corpus_changed(corpus)
        else SOUND,
        "papers": store.paper_count,
        "with_year": counts["year"],
        "with_authors": counts["author"],
        "with_venue": counts["venue"],
        "built": store.manifest.built_at,
    }


class Tools:
    """What an assistant can do with the corpus on the shelf."""

    def __init__(self, shelf: Session) -> None:
        """Take where the library is to be had."""
        self._shelf = shelf

    async def ask(  # noqa: PLR0913, PLR0917 - the arguments of the tool
        self,
        question: Question,
        ctx: Context[Any, Any],
        year: Years = None,
        author: Authors = None,
        venue: Venues = None,
        source: Sources = None,
        among: Among = None,
        max_papers: MaxPapers = 20,
        read_at_most: ReadAtMost = None,
        quick: Quick = False,  # noqa: FBT002 - an argument of the tool
        exhaustive: Exhaustive = False,  # noqa: FBT002
        evidence_only: EvidenceOnly = False,  # noqa: FBT002
    ) -> Annotated[CallToolResult, AskResult]:
        """Find every paper that answers a question, with the sentences that prove it.

        With a chat model on the server it reads abstracts until reading on turns up nothing more
        and returns a written, checked answer; this can take minutes and reports progress. Without
        one it returns at once the papers that match by score, with their most telling sentences,
        for you to judge and to write the answer from.
        """
        asked = one_line(question)
        filters = filters_of(year=year, author=author, venue=venue, source=source, among=among)
        if quick and exhaustive:
            raise UsageError("quick and exhaustive exclude each other.")
        limits = Limits(read_at_most, quick=quick, exhaustive=exhaustive)
        async with reporting(ctx.report_progress, limits) as teller:
            work = self._asked(asked, filters, limits, max_papers, evidence_only, teller)
            result = await run_to_end(work)
        return told(result, ask_text(result))

    async def _asked(  # noqa: PLR0913, PLR0917 - each is an argument of the tool
        self,
        question: str,
        filters: Filters,
        limits: Limits,
        most: int,
        evidence_only: bool,  # noqa: FBT001
        teller: ProgressReporter,
    ) -> AskResult:
        async with self._shelf.library(teller, chat=not evidence_only) as library:
            if library.model is None:
                result = await in_thread(lambda: evidence(library, question, filters, most))
            else:
                answer = await library.aask(
                    question, limits=limits, filters=filters, on_event=teller.event
                )
                result = answered(library, answer, most)
            notes = teller.notes + _why(library, filters, result.coverage.candidates)
        return result.model_copy(update={"notes": notes})

    async def search_papers(  # noqa: PLR0913, PLR0917 - the arguments of the tool
        self,
        query: Query,
        ctx: Context[Any, Any],
        year: Years = None,
        author: Authors = None,
        venue: Venues = None,
        source: Sources = None,
        among: Among = None,
        limit: Limit = 10,
    ) -> Annotated[CallToolResult, SearchResult]:
        """Rank the papers for some words, best first, each with its most telling sentence.

        Fast, and never asks a chat model. Every query ranks something: that a paper is listed does
        not mean that it is about the query.
        """
        asked = one_line(query)
        filters = filters_of(year=year, author=author, venue=venue, source=source, among=among)
        async with reporting(ctx.report_progress, Limits()) as teller:
            result = await run_to_end(self._searched(asked, filters, limit, teller))
        return told(result, search_text(result))

    async def _searched(
        self, query: str, filters: Filters, limit: int, teller: ProgressReporter
    ) -> SearchResult:
        async with self._shelf.library(teller) as library:
            ranked = await in_thread(lambda: library.search(query, limit=limit, filters=filters))
            result = found(library, query, ranked)
            notes = teller.notes + _why(library, filters, result.candidates)
        return result.model_copy(update={"notes": notes})

    async def get_paper(
        self, ids: Ids, ctx: Context[Any, Any]
    ) -> Annotated[CallToolResult, PapersResult]:
        """Whole abstracts with all that is known of the papers, several at once."""
        async with (
            reporting(ctx.report_progress, Limits()) as teller,
            self._shelf.library(teller) as library,
        ):
            papers, missing = [], []
            for start in dict.fromkeys(one.strip() for one in ids):
                matches = library.papers_with(start) if start else []
                if len(matches) == 1:
                    papers.append(record(matches[0], library.config.corpus.name))
                else:
                    missing.append(_missing(start, [paper.id for paper in matches]))
        if not papers:
            raise UsageError(" ".join(missing))
        result = PapersResult(papers=papers, missing=missing)
        return told(result, papers_text(result))

    async def corpus_status(
        self, ctx: Context[Any, Any]
    ) -> Annotated[CallToolResult, StatusResult]:
        """What the corpus holds, which filters make sense on it, and whether it is up to date."""
        async with reporting(ctx.report_progress, Limits()) as teller:
            result = await run_to_end(corpus_status(self._shelf, teller))
        return told(result, status_text(result))


def _missing(start: str, ids: list[str]) -> str:
    if not ids:
        return f"No paper has an id that begins with {start!r}: ids come from search_papers."
    return f"{len(ids)} ids begin with {start!r}, such as {', '.join(ids[:3])}: give more of it."


def _why(library: Library, filters: Filters, candidates: int) -> list[str]:
    """Why no paper passes the filters, if none does and that can be told."""
    why = "" if candidates else library.why_none(filters)
    return [why] if why else []


def told(result: BaseModel, text: str) -> CallToolResult:
    """The result for programs and, as text, for readers."""
    return CallToolResult(
        content=[TextContent(type="text", text=encodable_text(text))],
        structured_content=encodable(result.model_dump(mode="python", exclude_none=True)),
    )
