"""Answers in pieces, while they are written, as LlamaIndex's streaming responses."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextvars import copy_context
from dataclasses import asdict
from queue import SimpleQueue
from typing import Any

from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.schema import NodeWithScore

from qa.answering.events import Piece
from qa.answering.results import Answer
from qa.answering.terminal_text import clean
from qa.llama_index.responses import Responses

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
