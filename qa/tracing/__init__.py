"""OpenTelemetry spans of questions, where the program has set up where spans go.

Our commands set it up as OpenTelemetry's own variables say (`qa.tracing.export`). A program that
uses the Python API does so by its tracer provider; its spans and ours are then one trace.

    ask                          the question, with the counts of its answer
    ├── rank                     once a round, with the number of papers to be read next
    │   └── embeddings MODEL     the question becomes a vector
    ├── judge                    once a round, with the counts of its verdicts
    │   └── chat MODEL           a call of the chat model, with tokens and failed tries
    ├── write
    │   └── chat MODEL
    └── assemble                 with the kinds of warnings
    search                       a ranking without an answer
    rebuild                      of the vector store, with the counts of new and changed papers

Questions and texts are left out unless OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for
them. Where nothing is set up, nothing of OpenTelemetry is loaded.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # nothing of the program is loaded for a trace that nobody wants
    from qa.config import Traces


def is_on() -> bool:
    """Return whether there is a tracer provider that spans can be given to."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return False
    nowhere = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return not isinstance(trace.get_tracer_provider(), nowhere)


def spans_of(work: object) -> AbstractContextManager[None]:
    """Return a span to stand around the work: a hook for `qa.progress.hooks`."""
    if not is_on():
        return nullcontext()
    from qa.tracing.spans import recorded

    return recorded(work)


def exporting(traces: "Traces", on_notice: Callable[[str], None]) -> AbstractContextManager[None]:
    """Return a context whose spans are sent where the environment says.

    `on_notice` gets a line about what keeps spans from being sent; that is no error.
    """
    try:
        from qa.tracing.export import exporting
    except Exception as exc:  # noqa: BLE001 - OpenTelemetry reads some variables when it is loaded
        on_notice(f"No traces are sent: OpenTelemetry cannot be loaded: {exc}")
        return nullcontext()
    return exporting(traces, on_notice)
