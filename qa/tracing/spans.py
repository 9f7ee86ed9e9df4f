"""Single spans: begun under the current one, ended with what went wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from qa.config import content_is_traced
from qa.errors import QAError

Value = str | bool | int | float | Sequence[str]

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
