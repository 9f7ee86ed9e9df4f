"""A LlamaIndex query engine that answers from a corpus of papers, completely and checked."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from contextvars import copy_context
from dataclasses import asdict
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle

from qa.answering.assemble import listed_papers
from qa.answering.events import Piece
from qa.answering.reading import Limits
from qa.answering.results import Answer, ListedPaper
from qa.answering.safe_text import clean
from qa.answering.wording import coverage_line, qualifier
from qa.answering.writer import NumberedPaper
from qa.corpus.filters import EVERYTHING, Filters
from qa.library import NO_LIMITS, Library, open_corpus
from qa.llama_index.nodes import paper_nodes
from qa.llama_index.retriever import question_of


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
            [_line(paper, quoted=quoted) for paper in answer.papers],
            [f"{_nearest(answer)}: {paper.title}" for paper in answer.nearest],
            [f"Warning: {warning.detail}" for warning in answer.warnings],
            [coverage_line(answer)],
        ]
        if not self._references:
            groups = groups[:1] if quoted else []
        return "".join("\n\n" + "\n".join(lines) for lines in groups if lines)

    def sources(self, papers: Iterable[NumberedPaper]) -> list[NodeWithScore]:
        """The source nodes of an answer that is being written."""
        entries = tuple(papers)
        return paper_nodes(listed_papers(entries, set()), [entry.paper for entry in entries])


def _written(answer: Answer) -> str:
    """The text that a chat model wrote, or that says that nothing answers."""
    return "" if answer.model is None and answer.papers else answer.answer


def _line(paper: ListedPaper, *, quoted: bool) -> str:
    doubt = qualifier(paper)
    line = f"[{paper.n}] {paper.title}"
    line += f" ({doubt})" if doubt else ""
    quotes = " ".join(f"“{evidence.text}”" for evidence in paper.evidence)
    return f"{line}: {quotes}" if quoted else line


def _nearest(answer: Answer) -> str:
    """What the papers that came closest are called: without a model nobody has read them."""
    return "Nearest" if answer.model is None else "Nearest, but no answer"


OnEvent = Callable[[object], None]
Item = Piece | Answer | BaseException  # an answer or an error is the last one


class _NobodyListensError(Exception):
    """Ends an answer whose reader has left."""


def streamed(ask: Callable[..., Answer], responses: Responses) -> StreamingResponse:
    """The response of `ask(on_event=...)`, begun as soon as something is written.

    The question is answered in a thread of its own, which ends early when the reader leaves.
    """
    items: SimpleQueue[Item] = SimpleQueue()
    left = threading.Event()

    def hear(event: object) -> None:
        if left.is_set():
            raise _NobodyListensError
        if isinstance(event, Piece):
            items.put(event)

    def work() -> None:
        try:
            items.put(ask(on_event=hear))
        except BaseException as error:  # noqa: BLE001 - raised where the response is read
            items.put(error)

    threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
    try:
        first = items.get()
    except KeyboardInterrupt:
        left.set()
        raise
    nodes, metadata = _begun(first, responses)

    def pieces() -> Generator[str, None, None]:
        item = first
        try:
            while isinstance(item, Piece):
                yield clean(item.text)
                item = items.get()
            yield _ending(item, responses, metadata, begun=item is not first)
        finally:
            left.set()

    return StreamingResponse(pieces(), nodes, metadata)


async def astreamed(
    ask: Callable[..., Awaitable[Answer]], responses: Responses
) -> AsyncStreamingResponse:
    """As `streamed`, in the running event loop."""
    items: asyncio.Queue[Item] = asyncio.Queue()

    def hear(event: object) -> None:
        if isinstance(event, Piece):
            items.put_nowait(event)

    async def work() -> None:
        try:
            items.put_nowait(await ask(on_event=hear))
        except Exception as error:  # noqa: BLE001 - raised where the response is read
            items.put_nowait(error)

    working = asyncio.create_task(work())
    try:
        first = await items.get()
    except asyncio.CancelledError:
        working.cancel()
        raise
    nodes, metadata = _begun(first, responses)

    async def pieces() -> AsyncGenerator[str, None]:
        item = first
        try:
            while isinstance(item, Piece):
                yield clean(item.text)
                item = await items.get()
            yield _ending(item, responses, metadata, begun=item is not first)
        finally:
            working.cancel()

    return AsyncStreamingResponse(pieces(), nodes, metadata)


def _begun(first: Item, responses: Responses) -> tuple[list[NodeWithScore], dict[str, Any]]:
    """Source nodes and metadata as they are known when the first piece is there."""
    if isinstance(first, BaseException):
        raise first
    if isinstance(first, Piece):
        return responses.sources(first.papers), {}
    return responses.whole(first).source_nodes, asdict(first)


def _ending(
    item: Answer | BaseException, responses: Responses, metadata: dict[str, Any], *, begun: bool
) -> str:
    """The last piece; the metadata are completed with it."""
    if isinstance(item, BaseException):
        raise item
    metadata.update(asdict(item))
    return responses.rest(item) if begun else responses.text(item)
