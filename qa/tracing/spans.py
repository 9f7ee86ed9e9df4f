"""Single spans: begun under the current one, ended with what went wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

Value = str | bool | int | float | Sequence[str]

LIBRARY = "ask-papers"  # the instrumentation scope


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
    """Note on the span what ended its work."""
    span.set_attribute("error.type", type(error).__name__)
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, str(error) or type(error).__name__))
