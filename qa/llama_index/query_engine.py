"""A LlamaIndex query engine that gives the checked answers of `qa.ask`, whole or streamed."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
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
from qa.answering.wording import coverage_line, qualifier
from qa.corpus.filters import EVERYTHING, Filters
from qa.library.functions import open_corpus
from qa.library.library import NO_LIMITS, Library
from qa.llama_index.nodes import paper_nodes

Item = Piece | Answer | BaseException  # of a stream; an answer or an error is its last one


class PaperQueryEngine(BaseQueryEngine):
    """Answers questions as `qa.ask` does: `engine.query("which papers ...?")`.

    The response's text is the answer with its citations [n]. With `references` it is followed by
    the papers cited, the warnings of the checks and how much was read. `source_nodes[n - 1]` is
    paper [n], and `metadata` the whole `Answer` as a dict. With `streaming` the text comes while it
    is written, and the metadata are complete at its end. LlamaIndex's own `Settings.llm` is not
    used. Raises QAError.
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
        """Answer from an open library, which has to stay open as long as the engine is used."""
        super().__init__(callback_manager=callback_manager)
        self.library = library
        self._streaming = streaming
        self._builder = ResponseBuilder(library, references=references)
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
        """Return a query engine for a folder or file, whose store is built first if there is none.

        `model` is as for `qa.open_corpus`. Close it by `engine.library.close()`.
        """
        return cls(open_corpus(corpus, model=model), **settings)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = query_bundle.query_str
        payload = {EventPayload.QUERY_STR.value: question}
        with self.callback_manager.event(CBEventType.QUERY, payload=payload) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = stream_response(partial(self._ask, question), self._builder)
            else:
                response = self._builder.response(self._ask(question))
            event.on_end(payload={EventPayload.RESPONSE.value: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = query_bundle.query_str
        payload = {EventPayload.QUERY_STR.value: question}
        with self.callback_manager.event(CBEventType.QUERY, payload=payload) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = await astream_response(partial(self._aask, question), self._builder)
            else:
                response = self._builder.response(await self._aask(question))
            event.on_end(payload={EventPayload.RESPONSE.value: response})
        return response


class ResponseBuilder:
    """Makes LlamaIndex's responses of answers, with or without references below the text."""

    def __init__(self, library: Library, *, references: bool) -> None:
        self._library = library
        self._references = references

    def response(self, answer: Answer) -> Response:
        """Return the response of a finished answer."""
        nodes = paper_nodes(answer.papers, self._library.papers_of(answer.papers))
        return Response(self.text(answer), nodes, asdict(answer))

    def text(self, answer: Answer) -> str:
        """Return the whole text; without a chat model it is the papers with their evidence."""
        return (_written_text(answer) + self.text_below(answer)).strip()

    def text_below(self, answer: Answer) -> str:
        """Return what follows the text that the chat model wrote."""
        quoted = bool(answer.papers) and not _written_text(answer)
        nearest = "Nearest, but no answer" if answer.model else "Nearest"  # nobody has read them
        groups = [
            [_paper_line(paper, quoted=quoted) for paper in answer.papers],
            [f"{nearest}: {paper.title}" for paper in answer.nearest],
            [f"Warning: {warning.detail}" for warning in answer.warnings],
            [coverage_line(answer)],
        ]
        if not self._references:
            groups = groups[:1] if quoted else []
        return "".join("\n\n" + "\n".join(lines) for lines in groups if lines)


def _written_text(answer: Answer) -> str:
    """Return the text that a chat model wrote, or that says that nothing answers."""
    return "" if answer.model is None and answer.papers else answer.answer


def _paper_line(paper: ListedPaper, *, quoted: bool) -> str:
    doubt = qualifier(paper)
    line = f"[{paper.n}] {paper.title}"
    line += f" ({doubt})" if doubt else ""
    quotes = " ".join(f"“{evidence.text}”" for evidence in paper.evidence)
    return f"{line}: {quotes}" if quoted else line


class _ReaderLeftError(Exception):
    """Ends the making of an answer whose reader has left."""


def stream_response(ask: Callable[..., Answer], builder: ResponseBuilder) -> StreamingResponse:
    """Return the response of `ask(on_event=...)` as soon as its first piece is written.

    The question is answered in a thread of its own, which ends early when the reader leaves.
    """
    items: SimpleQueue[Item] = SimpleQueue()
    reader_left = threading.Event()

    def on_event(event: object) -> None:
        if reader_left.is_set():
            raise _ReaderLeftError
        if isinstance(event, Piece):
            items.put(event)

    def work() -> None:
        try:
            items.put(ask(on_event=on_event))
        except BaseException as error:  # noqa: BLE001 - raised where the response is read
            items.put(error)

    threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
    try:
        first = items.get()
    except KeyboardInterrupt:
        reader_left.set()
        raise
    nodes, metadata = _begin(first, builder)

    def pieces() -> Generator[str, None, None]:
        item = first
        try:
            while isinstance(item, Piece):
                yield item.text
                item = items.get()
            yield _end(item, builder, metadata, begun=item is not first)
        finally:
            reader_left.set()

    return StreamingResponse(pieces(), nodes, metadata)


async def astream_response(
    ask: Callable[..., Awaitable[Answer]], builder: ResponseBuilder
) -> AsyncStreamingResponse:
    """As `stream_response`, in the running event loop."""
    items: asyncio.Queue[Item] = asyncio.Queue()

    def on_event(event: object) -> None:
        if isinstance(event, Piece):
            items.put_nowait(event)

    async def work() -> None:
        try:
            items.put_nowait(await ask(on_event=on_event))
        except Exception as error:  # noqa: BLE001 - raised where the response is read
            items.put_nowait(error)

    working = asyncio.create_task(work())
    try:
        first = await items.get()
    except asyncio.CancelledError:
        working.cancel()
        raise
    nodes, metadata = _begin(first, builder)

    async def pieces() -> AsyncGenerator[str, None]:
        item = first
        try:
            while isinstance(item, Piece):
                yield item.text
                item = await items.get()
            yield _end(item, builder, metadata, begun=item is not first)
        finally:
            working.cancel()

    return AsyncStreamingResponse(pieces(), nodes, metadata)


def _begin(first: Item, builder: ResponseBuilder) -> tuple[list[NodeWithScore], dict[str, Any]]:
    """Return the source nodes and metadata that are known when the first item is there."""
    if isinstance(first, BaseException):
        raise first
    if isinstance(first, Piece):
        listed = listed_papers(first.papers)
        return paper_nodes(listed, [entry.paper for entry in first.papers]), {}
    return builder.response(first).source_nodes, asdict(first)


def _end(
    item: Answer | BaseException, builder: ResponseBuilder, metadata: dict[str, Any], *, begun: bool
) -> str:
    """Return the last piece of the text, and complete the metadata."""
    if isinstance(item, BaseException):
        raise item
    metadata.update(asdict(item))
    return builder.text_below(item) if begun else builder.text(item)
