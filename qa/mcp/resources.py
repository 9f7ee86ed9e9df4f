"""What a user can choose by hand: papers as resources, and prompts to begin with."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from pydantic import Field

from qa.answering.safe_text import clean, clean_line
from qa.answering.wording import source_name
from qa.corpus.papers import Paper
from qa.library.library import Library
from qa.library.session import Session
from qa.mcp.progress import reporting
from qa.retrieval.query import encodable

PAGE = 100  # papers on a page of the list; each as a resource of its own would be too many


class Resources:
    """Papers under paper://ID, and the list of all papers in pages."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def paper(self, id: str, ctx: Context[Any, Any]) -> str:  # noqa: A002 - as in the URI
        """Return one paper: title, metadata and abstract."""
        async with (
            reporting(ctx.report_progress) as reporter,
            self._session.library(reporter) as library,
        ):
            papers = library.papers_with(id)
            if len(papers) != 1:
                found = f"{len(papers)} papers have" if papers else "No paper has"
                raise ResourceNotFoundError(f"{found} an id that begins with {id!r}.")
            return encodable(_paper(papers[0], library.config.corpus.name))

    async def papers(self, page: str, ctx: Context[Any, Any]) -> str:
        """Return one page of the list of papers."""
        async with (
            reporting(ctx.report_progress) as reporter,
            self._session.library(reporter) as library,
        ):
            return encodable(_page(library, page))

    async def first_papers(self) -> str:
        """Return the first page: a resource without variables gets no context to report to."""
        async with self._session.library() as library:
            return encodable(_page(library, "1"))


def _paper(paper: Paper, corpus: str) -> str:
    about = {
        "Authors": ", ".join(paper.authors),
        "Year": str(paper.year or ""),
        "Venue": paper.venue or "",
        "DOI": paper.doi or "",
        "Link": paper.link or "",
        "Keywords": ", ".join(paper.keywords),
        "Id": paper.id,
        "Abstract": "none: only the title is known" if paper.title_only else "",
        "Source": ", ".join(source_name(corpus, source) for source in paper.sources),
    }
    lines = [f"- {name}: {clean_line(value)}" for name, value in about.items() if value]
    return "\n".join([f"# {clean_line(paper.title)}", "", *lines, "", clean(paper.abstract)])


def _page(library: Library, page: str) -> str:
    ids = library.retriever().ids()
    pages = max(1, -(-len(ids) // PAGE))
    if not page.isascii() or not page.isdigit() or len(page) > 9 or not 1 <= int(page) <= pages:
        raise ResourceNotFoundError(f"There is no page {page!r}; the pages are 1 to {pages}.")
    number = int(page)
    papers = library.generation.papers(ids[(number - 1) * PAGE : number * PAGE])
    lines = [f"{paper.id}  {paper.year or '':4}  {clean_line(paper.title)}" for paper in papers]
    return "\n".join([f"Page {number} of {pages}, {len(ids)} papers in all", *lines])


def answer_prompt(
    question: Annotated[str, Field(description="The question, in plain words.")],
) -> str:
    """Return what a user sends to have a question answered from the corpus."""
    return (
        f"Answer this question from the corpus of papers alone: {question}\n\n"
        "Call ask with it. If it returns evidence, judge each paper by its sentences, look at "
        "whole abstracts with get_paper where they leave it open, and search with other words "
        "for papers that it may have missed. Then answer: every statement with the titles of the "
        "papers it rests on, a sentence quoted where it matters, and a word on what was not found."
    )


def survey_prompt(
    topic: Annotated[str, Field(description="The topic, in a few words.")],
) -> str:
    """Return what a user sends to have the papers on a topic listed and compared."""
    return (
        f"Survey what the corpus of papers says about: {topic}\n\n"
        "Look with corpus_status at what the corpus holds. Search it with search_papers under "
        "three or more wordings and put three questions about the topic to ask. Group the papers "
        "by what they do; for each give title, year if known, and the sentence that shows it. "
        "Close with what they agree on, where they differ, and what no paper covers."
    )
