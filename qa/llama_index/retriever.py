"""A LlamaIndex retriever over a corpus of papers: the best ones, or every one that qualifies."""

import asyncio
from pathlib import Path
from typing import Any, Literal, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from qa.answering.assemble import listed_papers, nearest_papers
from qa.answering.reading import Limits
from qa.answering.results import ListedPaper
from qa.corpus.filters import EVERYTHING, Filters
from qa.errors import ConfigError, UsageError
from qa.library import HOW_TO_WRITE, NO_LIMITS, Library, log, open_corpus, run
from qa.llama_index.nodes import paper_nodes, sentence_nodes
from qa.progress import Work, observed

TOP_K = 10  # papers; LlamaIndex's own 2 is for chunks of long texts

Granularity = Literal["paper", "sentence"]


class PaperRetriever(BaseRetriever):
    """Finds papers for a question: `retriever.retrieve("which papers ...?")`.

    It gives the best `similarity_top_k` papers by score. With `read` the chat model reads on until
    reading turns up nothing more, and every paper that qualifies is given, fully before partly.
    A node is a paper (its text the abstract), or with granularity "sentence" a sentence that speaks
    for one. Scores are 0 to 1, of which 1 is the question's best. Raises QAError; where reading
    ends early, that is logged.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        library: Library,
        *,
        similarity_top_k: int = TOP_K,
        read: bool = False,
        granularity: Granularity = "paper",
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Retrieve from an open library, which has to stay open as long as this is used.

        `limits` say how far the chat model may read. Raises ConfigError for `read` without one.
        """
        if similarity_top_k < 1:
            raise UsageError(f"similarity_top_k is {similarity_top_k}; it must be 1 or more.")
        if granularity not in ("paper", "sentence"):
            raise UsageError(f"granularity is {granularity!r}; it must be 'paper' or 'sentence'.")
        if read and library.model is None:
            raise ConfigError(f"To read, a chat model is needed. {HOW_TO_WRITE}")
        super().__init__(callback_manager=callback_manager)
        self.library = library
        self.similarity_top_k = similarity_top_k
        self.read = read
        self.granularity = granularity
        self.limits = limits
        self.filters = filters

    @classmethod
    def from_corpus(
        cls,
        corpus: Path | str | None = None,
        *,
        model: str | None = None,
        **settings: Any,  # noqa: ANN401 - those of the retriever
    ) -> Self:
        """A retriever from a folder or file, whose store is built first if there is none.

        `model` as for `qa.open_corpus`. Close it by `retriever.library.close()`.
        """
        library = open_corpus(corpus, model=model)
        try:
            return cls(library, **settings)
        except BaseException:
            library.close()
            raise

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if self.read:
            return self._nodes(run(self._qualifying(question_of(query_bundle))))
        return self._nodes(self._best(question_of(query_bundle)))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        question = question_of(query_bundle)
        if self.read:
            papers = await self._qualifying(question)
        else:
            papers = await asyncio.to_thread(self._best, question)
        return await asyncio.to_thread(self._nodes, papers)

    def _best(self, question: str) -> tuple[ListedPaper, ...]:
        """The best papers by score, the best few taken for true to find more like them."""
        with observed(Work("search")):
            retriever = self.library.retriever(self.filters)
            search = retriever.alone(question)
            return listed_papers(nearest_papers(search, retriever, self.similarity_top_k), set())

    async def _qualifying(self, question: str) -> tuple[ListedPaper, ...]:
        """The papers that qualify by the chat model's verdicts; no answer is written."""
        finished = await self.library.answered(
            question, limits=self.limits, filters=self.filters, write=False
        )
        for warning in finished.answer.warnings:
            log.warning(warning.detail)
        return finished.answer.papers

    def _nodes(self, entries: tuple[ListedPaper, ...]) -> list[NodeWithScore]:
        make = paper_nodes if self.granularity == "paper" else sentence_nodes
        return make(entries, self.library.papers_of(entries))


def question_of(query: QueryBundle) -> str:
    """The question; raises UsageError where there is none."""
    question = query.query_str.strip()
    if not question:
        raise UsageError("The question is empty.")
    return question
