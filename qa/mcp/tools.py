"""The tools: ask, search_papers, get_paper and corpus_status."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

from qa.answering.reading import Limits
from qa.corpus.filters import Filters
from qa.errors import UsageError
from qa.library import Library
from qa.mcp import arguments as given
from qa.mcp.apart import in_thread, to_its_end
from qa.mcp.findings import answered, evidence, found, record
from qa.mcp.results import AskResult, PapersResult, SearchResult, StatusResult
from qa.mcp.shelf import Shelf
from qa.mcp.sound import sound, sound_text
from qa.mcp.standing import standing
from qa.mcp.telling import Teller, telling
from qa.mcp.texts import ask_text, papers_text, search_text, status_text


class Tools:
    """What an assistant can do with the corpus on the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        """Take where the library is to be had."""
        self._shelf = shelf

    async def ask(  # noqa: PLR0913, PLR0917 - the arguments of the tool
        self,
        question: given.Question,
        ctx: Context[Any, Any],
        year: given.Years = None,
        author: given.Authors = None,
        venue: given.Venues = None,
        source: given.Sources = None,
        among: given.Among = None,
        max_papers: given.MaxPapers = 20,
        read_at_most: given.ReadAtMost = None,
        quick: given.Quick = False,  # noqa: FBT002 - an argument of the tool
        exhaustive: given.Exhaustive = False,  # noqa: FBT002
        evidence_only: given.EvidenceOnly = False,  # noqa: FBT002
    ) -> Annotated[CallToolResult, AskResult]:
        """Find every paper that answers a question, with the sentences that prove it.

        With a chat model on the server it reads abstracts until reading on turns up nothing more
        and returns a written, checked answer; this can take minutes and reports progress. Without
        one it returns at once the papers that match by score, with their most telling sentences,
        for you to judge and to write the answer from.
        """
        asked = given.one_line(question)
        filters = given.filters_of(
            year=year, author=author, venue=venue, source=source, among=among
        )
        if quick and exhaustive:
            raise UsageError("quick and exhaustive exclude each other.")
        limits = Limits(read_at_most, quick=quick, exhaustive=exhaustive)
        async with telling(ctx.report_progress, limits) as teller:
            work = self._asked(asked, filters, limits, max_papers, evidence_only, teller)
            result = await to_its_end(work)
        return told(result, ask_text(result))

    async def _asked(  # noqa: PLR0913, PLR0917 - each is an argument of the tool
        self,
        question: str,
        filters: Filters,
        limits: Limits,
        most: int,
        evidence_only: bool,  # noqa: FBT001
        teller: Teller,
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
        query: given.Query,
        ctx: Context[Any, Any],
        year: given.Years = None,
        author: given.Authors = None,
        venue: given.Venues = None,
        source: given.Sources = None,
        among: given.Among = None,
        limit: given.Limit = 10,
    ) -> Annotated[CallToolResult, SearchResult]:
        """Rank the papers for some words, best first, each with its most telling sentence.

        Fast, and never asks a chat model. Every query ranks something: that a paper is listed does
        not mean that it is about the query.
        """
        asked = given.one_line(query)
        filters = given.filters_of(
            year=year, author=author, venue=venue, source=source, among=among
        )
        async with telling(ctx.report_progress, Limits()) as teller:
            result = await to_its_end(self._searched(asked, filters, limit, teller))
        return told(result, search_text(result))

    async def _searched(
        self, query: str, filters: Filters, limit: int, teller: Teller
    ) -> SearchResult:
        async with self._shelf.library(teller) as library:
            ranked = await in_thread(lambda: library.search(query, limit=limit, filters=filters))
            result = found(library, query, ranked)
            notes = teller.notes + _why(library, filters, result.candidates)
        return result.model_copy(update={"notes": notes})

    async def get_paper(
        self, ids: given.Ids, ctx: Context[Any, Any]
    ) -> Annotated[CallToolResult, PapersResult]:
        """Whole abstracts with all that is known of the papers, several at once."""
        async with (
            telling(ctx.report_progress, Limits()) as teller,
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
        async with telling(ctx.report_progress, Limits()) as teller:
            result = await to_its_end(standing(self._shelf, teller))
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
        content=[TextContent(type="text", text=sound_text(text))],
        structured_content=sound(result.model_dump(mode="python", exclude_none=True)),
    )
