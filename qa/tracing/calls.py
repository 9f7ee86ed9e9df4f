"""Calls of the chat model and of the embedding model, each of them a span."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from qa.config import content_is_traced
from qa.index.embedding.embedder import Embedder, FloatArray, Passage
from qa.llm.client import OpenAIChat
from qa.llm.faults import Fault
from qa.llm.messages import Chat, Message, Reply, ReplyStream, Usage
from qa.tracing.attributes import Value, call, replied, said, tokens
from qa.tracing.spans import fail, recorded, tracer

RESENT = "http.request.resend_count"


class TracedChat:
    """A chat model each of whose calls is a span; see Chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._host: str | None = None
        self.model = chat.model
        if isinstance(chat, OpenAIChat):
            self._host = chat.host
            chat.listen(_resent)

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply; see Chat."""
        attributes = self._attributes(messages, json_wanted=schema is not None, streamed=False)
        name = f"chat {self.model}"
        with recorded(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
            reply = await self._chat.complete(messages, schema=schema)
            span.set_attributes(tokens(reply.usage))
            span.set_attribute("gen_ai.response.finish_reasons", [reply.finish])
            if content_is_traced():
                span.set_attributes(replied(reply.text))
            return reply

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written; see Chat."""
        attributes = self._attributes(messages, json_wanted=False, streamed=True)
        return TracedStream(self._chat.stream(messages), f"chat {self.model}", attributes)

    async def close(self) -> None:
        """Close the connections."""
        await self._chat.close()

    def _attributes(
        self, messages: Sequence[Message], *, json_wanted: bool, streamed: bool
    ) -> dict[str, Value]:
        told = call(self.model, self._host, json_wanted=json_wanted, streamed=streamed)
        return told | (said(messages) if content_is_traced() else {})


class TracedStream:
    """A reply piece by piece, from the first wish for it to its end a span; see ReplyStream."""

    def __init__(self, stream: ReplyStream, name: str, attributes: Mapping[str, Value]) -> None:
        self._stream = stream
        self._name = name
        self._attributes = attributes
        self._pieces = self._read()

    @property
    def usage(self) -> Usage:
        """What the call cost; complete once the iteration has ended, also by an error."""
        return self._stream.usage

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def aclose(self) -> None:
        """Stop reading and let go of the connection."""
        await self._pieces.aclose()
        await self._stream.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        began = time.perf_counter()
        span = tracer().start_span(
            self._name, kind=SpanKind.CLIENT, attributes=dict(self._attributes)
        )
        text, pieces = "", aiter(self._stream)
        try:
            while (piece := await _next(pieces, span)) is not None:
                if not text:
                    waited = time.perf_counter() - began
                    span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
                text += piece
                yield piece
        except Exception as exc:
            fail(span, exc)
            raise
        finally:
            span.set_attributes(tokens(self._stream.usage))
            if content_is_traced():
                span.set_attributes(replied(text))
            span.end()


async def _next(pieces: AsyncIterator[str], span: Span) -> str | None:
    """The next piece, None after the last; while it is waited for, the span is the current one."""
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        return await anext(pieces, None)


def _resent(fault: Fault) -> None:
    """Note on the current call's span that a try failed and another one follows."""
    span = trace.get_current_span()
    known = getattr(span, "attributes", None) or {}
    span.set_attribute(RESENT, int(known.get(RESENT, 0)) + 1)
    span.add_event("resend", {"error.type": str(fault.status or fault.kind)})


class TracedEmbedder:
    """An embedding model that makes a span of each question's vector; see Embedder."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = embedder.name

    @property
    def dimension(self) -> int:
        """How many numbers a vector has; a server may have to be asked."""
        return self._embedder.dimension

    @property
    def fingerprint(self) -> str:
        """A line that changes whenever the vectors of the same text would."""
        return self._embedder.fingerprint

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row per text; see Embedder."""
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.request.model": self.name,
            "qa.texts": len(texts),
        }
        with recorded(f"embeddings {self.name}", attributes=attributes) as span:
            vectors = self._embedder.embed(texts)
            span.set_attribute("gen_ai.embeddings.dimension.count", vectors.shape[1])
            return vectors

    def embed_passages(self, passages: Sequence[Passage]) -> list[FloatArray]:
        """Return the vectors of whole papers, for which there are no spans; see Embedder."""
        return self._embedder.embed_passages(passages)
