"""OpenTelemetry spans of questions, where somebody has set up where spans go; else nothing at all.

Our commands set it up as OpenTelemetry's own variables say (`qa.tracing.export`). A program that
uses the Python API has it set up once it has a tracer provider; its spans and ours are one trace.

    ask                          the question, with the counts of its answer
    ├── rank                     once a round, with the papers to be read next
    │   └── embeddings MODEL     the question becomes a vector
    ├── judge                    once a round, with the verdicts' counts
    │   └── chat MODEL           a call of the chat model, with tokens and resends
    ├── write
    │   └── chat MODEL
    └── check                    with the kinds of warnings
    search                       a ranking without any answer
    rebuild                      of the vector store, with what was new and changed

Questions and texts are left out unless OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for
them. Where nothing is set up nothing of OpenTelemetry is loaded, and these functions do nothing.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever calls has loaded these, or does not need them
    from opentelemetry.trace import Span

    from qa.config import Traces
    from qa.index.embedding.base import Embedder
    from qa.llm.messages import Chat


def is_on() -> bool:
    """Whether there is a tracer provider that spans can be given to."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return False
    nowhere = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return not isinstance(trace.get_tracer_provider(), nowhere)


def exporting(traces: "Traces", notice: Callable[[str], None]) -> AbstractContextManager[None]:
    """Sends the spans that are made within where the environment says; tells what keeps it."""
    try:
        from qa.tracing.export import exporting
    except Exception as exc:  # noqa: BLE001 - some of its variables it reads when it is loaded
        notice(f"No traces are sent: OpenTelemetry cannot be loaded: {exc}")
        return nullcontext()
    return exporting(traces, notice)


def trace_questions() -> None:
    """Have each question from now on, and its steps, become spans."""
    if is_on():
        from qa.tracing.questions import attach

        attach()


def traced_chat(chat: "Chat") -> "Chat":
    """The chat model, each call of which is a span."""
    if not is_on():
        return chat
    from qa.tracing.spans import TracedChat

    return TracedChat(chat)


def traced_embedder(embedder: "Embedder") -> "Embedder":
    """The embedding model, each question's vector being a span."""
    if not is_on():
        return embedder
    from qa.tracing.spans import TracedEmbedder

    return TracedEmbedder(embedder)


def span(name: str) -> AbstractContextManager[Callable[[Mapping[str, str | int]], None]]:
    """A span around a piece of work, errors included; gives what takes attributes for it."""
    if not is_on():
        return nullcontext(untold)
    from qa.tracing.spans import recorded

    return _told(recorded(name))


@contextmanager
def _told(recorded: "AbstractContextManager[Span]") -> Iterator[Callable[..., None]]:
    with recorded as span:
        yield span.set_attributes


def untold(_: Mapping[str, str | int]) -> None:
    """What takes attributes where nobody wants them."""
