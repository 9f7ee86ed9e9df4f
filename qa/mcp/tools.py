"""The tools: what an assistant can ask of the corpus, and their arguments as it sees them."""

import json
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, BeforeValidator, Field

from qa.answering.reading import Limits
from qa.answering.table import MOST_COLUMNS
from qa.config import error_text
from qa.corpus.filters import Filters
from qa.corpus.readers.corpus import Corpus
from qa.errors import QAError, StoreError, UsageError
from qa.index.store import CorpusStore
from qa.library.library import Library
from qa.library.session import Session
from qa.library.tables import afill_table
from qa.library.waiting import in_thread, run_to_end
from qa.mcp.progress import ProgressReporter, reporting
from qa.mcp.schemas import (
    AskResult,
    PapersResult,
    SearchResult,
    StatusResult,
    answer_result,
    ask_text,
    evidence_result,
    paper_record,
    papers_text,
    search_result,
    search_text,
    status_text,
)
from qa.mcp.table import TableResult, table_result, table_text
from qa.retrieval.query import LONGEST, checked_question, encodable

R = TypeVar("R", AskResult, SearchResult)

MOST_PAPERS = 100  # that one result lists
MOST_VALUES = 50  # of one filter
LONGEST_VALUE = 300  # characters of one filter's value: results repeat them
MOST_SOURCES = 20  # names of source files in a status

COMPLETE = "The store is complete and up to date."
CHANGED = "The corpus has changed since the store was built. Bring it up to date with: "
NOT_BUILT = "There is no store yet: the first question builds it, once, and reports progress."
OPENING = "The store is being opened or built right now."

# For each kind of filter, the filter that every paper passes that has such a field at all.
_ANY_VALUE = Filters(years=((0, 9999),), authors=("",), venues=("",)).kinds()


def _as_list(value: object) -> object:
    """Return a single value as a list of one, and numbers as text: assistants send either."""
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
    BeforeValidator(_as_list),
    Field(description="Only papers of these years: 2023, 2023-, -2020 or 2019-2021."),
]
Authors = Annotated[
    Values | None,
    BeforeValidator(_as_list),
    Field(description="Only papers by any of these authors; a part of the name is enough."),
]
Venues = Annotated[
    Values | None,
    BeforeValidator(_as_list),
    Field(description="Only papers of any of these journals or conferences; a part is enough."),
]
Sources = Annotated[
    Values | None,
    BeforeValidator(_as_list),
    Field(description="Only papers from any of these corpus files; a part of the path is enough."),
]
Among = Annotated[
    list[Value] | None,
    BeforeValidator(_as_list),
    Field(description="Only the papers under these whole ids: to ask within an earlier result."),
]
MaxPapers = Annotated[
    int,
    Field(ge=1, le=MOST_PAPERS, description="List at most this many papers; cited ones always."),
]
Limit = Annotated[int, Field(ge=1, le=MOST_PAPERS, description="How many papers to return.")]
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
Recall = Annotated[
    Annotated[float, Field(gt=0, le=1)] | None,
    Field(
        description="With a chat model: read until this share of the answers is probably found, "
        "such as 0.95. Slow where many papers answer."
    ),
]
EvidenceOnly = Annotated[
    bool,
    Field(description="Do not ask the server's chat model, if it has one: return evidence."),
]
Ids = Annotated[
    list[Value],
    BeforeValidator(_as_list),
    Field(
        min_length=1,
        max_length=20,
        description="Ids of papers, as ask and search_papers give them; the start is enough.",
    ),
]

RowIds = Annotated[
    list[Value] | None,
    BeforeValidator(_as_list),
    Field(
        max_length=MOST_PAPERS,
        description="Ids of the papers that make the rows, instead of a question.",
    ),
]
Columns = Annotated[
    list[Value],
    BeforeValidator(_as_list),
    Field(
        min_length=1,
        max_length=MOST_COLUMNS,
        description="A name each, or a name and what its cells are to say: 'Data set', "
        "'Size: parameters, with unit', 'Code: is the code released?'.",
    ),
]


class Tools:
    """What an assistant can do with the corpus of a session; each method is a tool."""

    def __init__(self, session: Session) -> None:
        self._session = session

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
        recall: Recall = None,
        evidence_only: EvidenceOnly = False,  # noqa: FBT002
    ) -> Annotated[CallToolResult, AskResult]:
        """Find every paper that answers a question, with the sentences that prove it.

        With a chat model on the server it reads abstracts until reading on turns up nothing more
        and returns a written, checked answer; this can take minutes and reports progress. Without
        one it returns at once the papers that match by score, with their most telling sentences,
        for you to judge and to write the answer from.
        """
        question = checked_question(question)
        filters = _filters(year, author, venue, source, among)
        if quick and exhaustive:
            raise UsageError("quick and exhaustive exclude each other.")
        if recall and (quick or exhaustive):
            raise UsageError("recall excludes quick and exhaustive.")
        limits = Limits(read_at_most, quick=quick, exhaustive=exhaustive, recall=recall)

        async def work(reporter: ProgressReporter) -> AskResult:
            async with self._session.library(reporter, chat=not evidence_only) as library:
                answer = None
                if library.model is not None or library.chat_failure is not None:
                    answer = await library.aask(
                        question, limits=limits, filters=filters, on_event=reporter.on_event
                    )
                if answer is not None and answer.model is not None:
                    result = answer_result(library, answer, max_papers)
                else:
                    asked = library.understood(question, filters)
                    result = await in_thread(
                        lambda: evidence_result(library, asked, max_papers, answer)
                    )
                return _with_notes(result, reporter, library, filters, result.coverage.candidates)

        async with reporting(ctx.report_progress, limits) as reporter:
            result = await run_to_end(work(reporter))
        return _call_result(result, ask_text(result))

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
        query = checked_question(query)
        filters = _filters(year, author, venue, source, among)

        async def work(reporter: ProgressReporter) -> SearchResult:
            async with self._session.library(reporter) as library:
                found = await in_thread(lambda: library.search(query, limit=limit, filters=filters))
                result = search_result(library, query, found)
                return _with_notes(result, reporter, library, filters, result.candidates)

        async with reporting(ctx.report_progress) as reporter:
            result = await run_to_end(work(reporter))
        return _call_result(result, search_text(result))

    async def fill_table(  # noqa: PLR0913, PLR0917 - the arguments of the tool
        self,
        columns: Columns,
        ctx: Context[Any, Any],
        question: Question | None = None,
        ids: RowIds = None,
        year: Years = None,
        author: Authors = None,
        venue: Venues = None,
        source: Sources = None,
        read_at_most: ReadAtMost = None,
    ) -> Annotated[CallToolResult, TableResult]:
        """Fill a table about papers: one row a paper, each cell words of its abstract, or empty.

        The papers are those that answer the question, or those of the ids. With a chat model on the
        server this can take minutes and reports progress. Without one each cell has the nearest
        sentence, for you to take the value from.
        """
        if (question is None) == (ids is None):
            raise UsageError("Give a question that chooses the papers, or their ids.")
        filters = _filters(year, author, venue, source, None)
        limits = Limits(read_at_most)

        async def work(reporter: ProgressReporter) -> tuple[TableResult, str]:
            async with self._session.library(reporter, chat=True) as library:
                table = await afill_table(
                    library,
                    checked_question(question) if question else None,
                    columns,
                    papers=ids or (),
                    limits=limits,
                    filters=filters,
                    on_event=reporter.on_event,
                )
                papers = library.generation.papers([row.id for row in table.rows])
            result = table_result(table, papers).model_copy(update={"notes": reporter.notices})
            return result, table_text(table, papers, result)

        async with reporting(ctx.report_progress, limits) as reporter:
            result, text = await run_to_end(work(reporter))
        return _call_result(result, text)

    async def get_paper(
        self, ids: Ids, ctx: Context[Any, Any]
    ) -> Annotated[CallToolResult, PapersResult]:
        """Whole abstracts with all that is known of the papers, several at once."""
        async with (
            reporting(ctx.report_progress) as reporter,
            self._session.library(reporter) as library,
        ):
            papers, missing = [], []
            for start in dict.fromkeys(one.strip() for one in ids):
                matches = library.papers_with(start) if start else []
                if len(matches) == 1:
                    papers.append(paper_record(matches[0], library.config.corpus.name))
                else:
                    missing.append(_why_missing(start, [paper.id for paper in matches]))
        if not papers:
            raise UsageError(" ".join(missing))
        result = PapersResult(papers=papers, missing=missing)
        return _call_result(result, papers_text(result))

    async def corpus_status(
        self, ctx: Context[Any, Any]
    ) -> Annotated[CallToolResult, StatusResult]:
        """What the corpus holds, which filters make sense on it, and whether it is up to date."""
        async with reporting(ctx.report_progress) as reporter:
            result = await run_to_end(_status(self._session, reporter))
        return _call_result(result, status_text(result))


def _filters(
    year: list[str] | None,
    author: list[str] | None,
    venue: list[str] | None,
    source: list[str] | None,
    among: list[str] | None,
) -> Filters:
    """Return the filters that the arguments ask for; raise UsageError."""
    filters = Filters.parse(
        years=year or (), authors=author or (), venues=venue or (), sources=source or ()
    )
    return replace(filters, ids=tuple(among or ()), ids_are="the papers given by id")


def _with_notes(
    result: R, reporter: ProgressReporter, library: Library, filters: Filters, candidates: int
) -> R:
    """Return the result with what its user should know, such as why no paper passes the filters."""
    why_none = "" if candidates else library.why_none(filters)
    notes = [*reporter.notices, *result.notes]
    notes += [why_none] if why_none else []
    return result.model_copy(update={"notes": notes})


def _why_missing(start: str, ids: list[str]) -> str:
    if not ids:
        return f"No paper has an id that begins with {start!r}: ids come from search_papers."
    return f"{len(ids)} ids begin with {start!r}, such as {', '.join(ids[:3])}: give more of it."


async def _status(session: Session, reporter: ProgressReporter) -> StatusResult:
    """Return the state of the corpus; builds nothing."""
    corpus = await in_thread(lambda: CorpusStore(session.config).corpus)
    model, notes = None, []
    try:
        model = await session.model()
    except QAError as exc:
        notes = [str(exc)]
    result = StatusResult(
        corpus=str(session.config.corpus),
        ready=False,
        verdict=OPENING if session.is_opening else NOT_BUILT,
        files=len(corpus.files),
        sources=[file.name for file in corpus.files[:MOST_SOURCES]],
        embedding=session.config.embed_model,
        model=model,
        notes=notes,
    )
    if session.is_opening or not session.is_built:
        return result
    try:
        async with session.library(reporter) as library:
            of_store = await in_thread(lambda: _store_status(library, corpus))
    except StoreError as exc:
        of_store = {"verdict": error_text(exc, session.config)}
    return result.model_copy(update=of_store)


def _store_status(library: Library, corpus: Corpus) -> dict[str, object]:
    store = library.generation
    counts = {kind: len(store.select(any_value)) for kind, any_value in _ANY_VALUE.items()}
    changed = store.corpus_changed(corpus)
    return {
        "ready": True,
        "verdict": CHANGED + library.config.rebuild_command if changed else COMPLETE,
        "papers": store.paper_count,
        "with_year": counts["year"],
        "with_authors": counts["author"],
        "with_venue": counts["venue"],
        "built": store.manifest.built_at,
    }


def _call_result(result: BaseModel, text: str) -> CallToolResult:
    """Return the result as data for programs, without nulls, and as text for readers."""
    document = json.dumps(result.model_dump(exclude_none=True), ensure_ascii=False)
    return CallToolResult(
        content=[TextContent(type="text", text=encodable(text))],
        structured_content=json.loads(encodable(document)),
    )
