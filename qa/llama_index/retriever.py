"""A LlamaIndex retriever over a corpus of papers: the best by score, or all that are relevant."""

import asyncio
from pathlib import Path
from typing import Any, Literal, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from qa.answering.assemble import listed_papers, papers_by_score
from qa.answering.reading import Limits
from qa.answering.results import ListedPaper
from qa.corpus.filters import EVERYTHING, Filters
from qa.errors import ConfigError, UsageError
from qa.library.chat_model import HOW_TO_WRITE
from qa.library.functions import log, open_corpus
from qa.library.library import NO_LIMITS, AskOptions, Library
from qa.library.waiting import run
from qa.llama_index.nodes import paper_nodes, sentence_nodes
from qa.progress import Work, observed
from qa.retrieval.query import checked_question

Granularity = Literal["paper", "sentence"]

TOP_K = 10  # papers; LlamaIndex's default of 2 is for chunks of long texts


class PaperRetriever(BaseRetriever):
    """Finds papers for a question: `retriever.retrieve("which papers ...?")`.

    It gives the best `similarity_top_k` papers by score, ranked with pseudo relevance feedback
    (`qa.search` ranks without it). With `read` the chat model reads until reading on turns up
    nothing more, and every paper that it judges relevant is given, `yes` before `partly`.
    A node is a paper, its text the abstract; with granularity "sentence" it is a sentence of
    evidence. Scores are 0 to 1, where 1 is the best paper of the ranking. Raises QAError. A warning
    is logged where reading ends early.
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
        """Retrieve from an open library, which has to stay open as long as the retriever is used.

        `limits` say how far the chat model may read. Raises ConfigError for `read` without a model.
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
        """Return a retriever for a folder or file, whose store is built first if there is none.

        `model` is as for `qa.open_corpus`. Close it by `retriever.library.close()`.
        """
        library = open_corpus(corpus, model=model)
        try:
            return cls(library, **settings)
        except BaseException:
            library.close()
            raise

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if self.read:
            return self._nodes(run(self._relevant(query_bundle.query_str)))
        return self._nodes(self._best(query_bundle.query_str))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if self.read:
            papers = await self._relevant(query_bundle.query_str)
        else:
            papers = await asyncio.to_thread(self._best, query_bundle.query_str)
        return await asyncio.to_thread(self._nodes, papers)

    def _best(self, question: str) -> tuple[ListedPaper, ...]:
        """Return the best papers by score, ranked with pseudo relevance feedback."""
        with observed(Work("search")):
            retriever = self.library.retriever(self.filters)
            search = retriever.rank_unjudged(checked_question(question))
            ids = search.ranking.ids[: self.similarity_top_k]
            return listed_papers(papers_by_score(search, retriever, ids, sentences=1))

    async def _relevant(self, question: str) -> tuple[ListedPaper, ...]:
        """Return the papers that the chat model judges relevant; no answer is written."""
        options = AskOptions(self.limits, self.filters, write=False)
        finished = await self.library.answer(question, options)
        for warning in finished.answer.warnings:
            log.warning(warning.detail)
        return finished.answer.papers

    def _nodes(self, listed: tuple[ListedPaper, ...]) -> list[NodeWithScore]:
        make = paper_nodes if self.granularity == "paper" else sentence_nodes
        return make(listed, self.library.papers_of(listed))
