"""A LlamaIndex query engine that answers from a corpus of papers, completely and checked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from qa.answering.reading import Limits
from qa.api import open_corpus
from qa.corpus.filters import EVERYTHING, Filters
from qa.library import NO_LIMITS, Library
from qa.llama_index.questions import question_of
from qa.llama_index.responses import Responses
from qa.llama_index.streaming import astreamed, streamed


class PaperQueryEngine(BaseQueryEngine):
    """Answers questions as `qa.ask` does: `engine.query("which papers ...?")`.

    The response's text is the answer with its [n]; with `references` what they mean, what the
    checks found and how much was read follow it. `source_nodes[n - 1]` is paper [n], and `metadata`
    the whole `Answer` as a dict. With `streaming` the text comes while it is written, and the
    metadata are complete at its end. LlamaIndex's own `Settings.llm` is not used. Raises QAError.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        library: Library,
        *,
        references: bool = True,
        streaming: bool = False,
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        cached: bool = True,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Answer from an open library, which has to stay open as long as this is used."""
        super().__init__(callback_manager=callback_manager)
        self.library = library
        self._streaming = streaming
        self._responses = Responses(library, references=references)
        settings: dict[str, Any] = {"limits": limits, "filters": filters, "cached": cached}
        self._ask: Callable[..., Any] = partial(library.ask, **settings)
        self._aask: Callable[..., Any] = partial(library.aask, **settings)

    @classmethod
    def from_corpus(
        cls,
        corpus: Path | str | None = None,
        *,
        model: str | None = None,
        **settings: Any,  # noqa: ANN401 - those of the query engine
    ) -> Self:
        """A query engine from a folder or file, whose store is built first if there is none.

        `model` as for `qa.open_corpus`. Close it by `engine.library.close()`.
        """
        return cls(open_corpus(corpus, model=model), **settings)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = question_of(query_bundle)
        payload = {EventPayload.QUERY_STR.value: question}
        with self.callback_manager.event(CBEventType.QUERY, payload=payload) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = streamed(partial(self._ask, question), self._responses)
            else:
                response = self._responses.whole(self._ask(question))
            event.on_end(payload={EventPayload.RESPONSE.value: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = question_of(query_bundle)
        payload = {EventPayload.QUERY_STR.value: question}
        with self.callback_manager.event(CBEventType.QUERY, payload=payload) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = await astreamed(partial(self._aask, question), self._responses)
            else:
                response = self._responses.whole(await self._aask(question))
            event.on_end(payload={EventPayload.RESPONSE.value: response})
        return response
