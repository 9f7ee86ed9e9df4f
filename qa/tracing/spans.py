"""What spans say: the pipeline's events and the chat's calls as OpenTelemetry attributes.

Names are those of the GenAI semantic conventions where they have one, else `qa.` and ours.
"""

import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from qa.answering.events import Asked, Batch, Decided, Finished, ReadOn, State, Written
from qa.answering.reading import Limits
from qa.answering.results import Answer
from qa.config import content_is_traced
from qa.errors import QAError
from qa.index.embedding.base import Embedder, FloatArray, Passage
from qa.llm.client import OpenAIChat
from qa.llm.errors import Failure
from qa.llm.messages import Chat, Message, Reply, ReplyStream, Usage
from qa.retrieval.relevance import Relevance

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]

VERDICTS = {"yes": Relevance.YES, "partly": Relevance.PARTLY, "no": Relevance.NO, "unjudged": None}


def asked(event: Asked, *, content: bool) -> Attributes:
    """What is known when a question comes in."""
    told: Attributes = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "ask"}
    told |= _limits(event.limits)
    if content:
        told["gen_ai.input.messages"] = _messages([("user", event.question)])
    return told


def _limits(limits: Limits) -> Attributes:
    counts = {"qa.limit.papers": limits.papers, "qa.limit.tokens": limits.tokens}
    told: Attributes = {name: count for name, count in counts.items() if count is not None}
    if limits.quick:
        told["qa.limit.quick"] = True
    if limits.exhaustive:
        told["qa.limit.exhaustive"] = True
    return told


def of_step(step: str, result: object, *, content: bool) -> Attributes:
    """What a step of the pipeline, or the whole `run`, has come to."""
    told: Attributes = {}
    match result:
        case Finished() if step == "run":
            told = _answer(result.answer, content=content)
        case Finished():
            told = {"qa.warnings": [warning.kind for warning in result.answer.warnings]}
        case Batch():
            told = {"qa.round": _round(result.state) + 1, "qa.papers.next": len(result.papers)}
        case ReadOn() | Decided() if step == "judge":
            told = _verdicts(result.state)
        case Decided():
            told = {"qa.stopped": result.stopped.value}
        case Written():
            told = {"qa.papers.qualifying": len(result.papers)}
    return told


def _round(state: State) -> int:
    return len(state.reading.rounds)


def _verdicts(state: State) -> Attributes:
    """The round that has just been judged."""
    last = [verdict.relevance for verdict in state.reading.rounds[-1]]
    counts = {f"qa.papers.{name}": last.count(kind) for name, kind in VERDICTS.items()}
    return {"qa.round": _round(state), "qa.papers.read": len(last), **counts}


def _answer(answer: Answer, *, content: bool) -> Attributes:
    coverage = answer.coverage
    told: Attributes = {
        "qa.outcome": answer.outcome.value,
        "qa.stopped": coverage.stopped.value,
        "qa.rounds": coverage.rounds,
        "qa.papers.corpus": coverage.corpus,
        "qa.papers.candidates": coverage.candidates,
        "qa.papers.read": coverage.read,
        "qa.papers.yes": coverage.relevant,
        "qa.papers.partly": coverage.partly,
        "qa.papers.unjudged": coverage.unjudged,
        "qa.papers.listed": len(answer.papers),
        "qa.warnings": [warning.kind for warning in answer.warnings],
        "qa.chat.calls": answer.usage.calls,
    }
    if answer.model is not None:
        told["gen_ai.request.model"] = answer.model
        told["gen_ai.usage.input_tokens"] = answer.usage.prompt_tokens
        told["gen_ai.usage.output_tokens"] = answer.usage.completion_tokens
    if answer.usage.cost_usd is not None:
        told["qa.cost_usd"] = answer.usage.cost_usd
    if content:
        told["gen_ai.output.messages"] = _messages([("assistant", answer.answer)])
    return told


def tokens(usage: Usage) -> Attributes:
    """What calls of the chat model cost."""
    if not usage.calls:
        return {}
    told: Attributes = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
    }
    return told | ({"qa.usage.estimated": True} if usage.estimated else {})


def call(model: str, host: str | None, *, json_wanted: bool, streamed: bool) -> Attributes:
    """What is known of a call of the chat model before it is made; `host` is its name and port."""
    told: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",  # whose protocol the server speaks
        "gen_ai.request.model": model,
        "gen_ai.request.stream": streamed,
        "gen_ai.output.type": "json" if json_wanted else "text",
    }
    server = urlsplit(f"//{host or ''}")
    if server.hostname:
        told["server.address"] = server.hostname
    if server.port:
        told["server.port"] = server.port
    return told


def said(messages: Sequence[Message]) -> Attributes:
    """The texts that go to the chat model."""
    system = [message.content for message in messages if message.role == "system"]
    turns = [(message.role, message.content) for message in messages if message.role != "system"]
    return {
        "gen_ai.system_instructions": json.dumps([_text(text) for text in system]),
        "gen_ai.input.messages": _messages(turns),
    }


def replied(text: str) -> Attributes:
    """The text that came from the chat model."""
    return {"gen_ai.output.messages": _messages([("assistant", text)])}


def _messages(turns: Sequence[tuple[str, str]]) -> str:
    return json.dumps(
        [{"role": role, "parts": [_text(text)]} for role, text in turns], ensure_ascii=False
    )


def _text(text: str) -> Mapping[str, str]:
    return {"type": "text", "content": text}


LIBRARY = "ask-papers"  # the instrumentation scope
LOGIN = re.compile(r"(?<=//)[^/\s]*@")  # a name and password in an address


def tracer() -> Tracer:
    """Where the program's spans go now."""
    return trace.get_tracer(LIBRARY)


@contextmanager
def recorded(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Value] | None = None
) -> Iterator[Span]:
    """A span around the work within, under which further spans come to stand."""
    starting = tracer().start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )
    with starting as span:
        try:
            yield span
        except BaseException as exc:
            fail(span, exc)
            raise


def fail(span: Span, error: BaseException) -> None:
    """Note on the span what ended its work: its kind, and in words only where texts are traced.

    Not by `record_exception`, which has the causes' words too: servers repeat prompts and keys.
    """
    kind = type(error).__name__
    words = _words(error) if content_is_traced() else ""
    span.set_attribute("error.type", kind)
    span.add_event(
        "exception", {"exception.type": kind} | ({"exception.message": words} if words else {})
    )
    span.set_status(Status(StatusCode.ERROR, words or kind))


def _words(error: BaseException) -> str:
    """What the error says, if it is one of ours, which quote servers without the key."""
    return LOGIN.sub("***@", str(error)) if isinstance(error, QAError) else ""


RESENT = "http.request.resend_count"


class TracedChat:
    """A chat model each of whose calls is a span; see Chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._host: str | None = None
        self.model = chat.model
        if isinstance(chat, OpenAIChat):
            self._host = chat.endpoint.host
            chat.on_retry = _resent

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


def _resent(fault: Failure) -> None:
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
