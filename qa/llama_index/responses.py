"""Answers as LlamaIndex's responses: their text, their papers as source nodes, and all else."""

from collections.abc import Iterable
from dataclasses import asdict

from llama_index.core.base.response.schema import Response
from llama_index.core.schema import NodeWithScore

from qa.answering.answer import Qualifying
from qa.answering.listing import listed
from qa.answering.results import Answer, ListedPaper
from qa.cli.display.render import coverage_line
from qa.library import Library
from qa.llama_index.nodes import paper_nodes
from qa.retrieval.relevance import Relevance


class Responses:
    """Makes responses of the answers from one library, with or without references below them."""

    def __init__(self, library: Library, *, references: bool) -> None:
        self._library = library
        self._references = references

    def whole(self, answer: Answer) -> Response:
        """The response of an answer that is there."""
        nodes = paper_nodes(answer.papers, self._library.papers_of(answer.papers))
        return Response(self.text(answer), nodes, asdict(answer))

    def text(self, answer: Answer) -> str:
        """The answer, and what belongs below it; without a chat model the papers are the answer."""
        return (_written(answer) + self.rest(answer)).strip()

    def rest(self, answer: Answer) -> str:
        """What follows the written text."""
        quoted = bool(answer.papers) and not _written(answer)
        groups = [
            [_line(paper, answer, quoted=quoted) for paper in answer.papers],
            [f"{_nearest(answer)}: {paper.title}" for paper in answer.nearest],
            [f"Warning: {warning.detail}" for warning in answer.warnings],
            [coverage_line(answer)],
        ]
        if not self._references:
            groups = groups[:1] if quoted else []
        return "".join("\n\n" + "\n".join(lines) for lines in groups if lines)

    def sources(self, papers: Iterable[Qualifying]) -> list[NodeWithScore]:
        """The source nodes of an answer that is being written."""
        entries = tuple(papers)
        return paper_nodes(listed(entries, set()), [entry.paper for entry in entries])


def _written(answer: Answer) -> str:
    """The text that a chat model wrote, or that says that nothing answers."""
    return "" if answer.model is None and answer.papers else answer.answer


def _line(paper: ListedPaper, answer: Answer, *, quoted: bool) -> str:
    doubt = "in part" if answer.model else "less certain"
    line = f"[{paper.n}] {paper.title}"
    line += f" ({doubt})" if paper.relevance == Relevance.PARTLY else ""
    quotes = " ".join(f"“{evidence.text}”" for evidence in paper.evidence)
    return f"{line}: {quotes}" if quoted else line


def _nearest(answer: Answer) -> str:
    """What the papers that came closest are called: without a model nobody has read them."""
    return "Nearest" if answer.model is None else "Nearest, but no answer"
