"""Spans around pieces of work: how they begin, nest, and end well or with an error."""

import re
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from qa.config import APP, content_is_traced
from qa.errors import QAError
from qa.llm.messages import ChatCall
from qa.tracing.attributes import at_end, at_start

LOGIN = re.compile(r"(?<=//)[^/\s]*@")  # a name and password in an address


@contextmanager
def recorded(work: object) -> Iterator[None]:
    """Record the work within as a span, under which the spans of its parts stand.

    A streamed reply is not the current span: its reader works on between its pieces, and may leave
    it in another task.
    """
    content = content_is_traced()
    name, attributes = at_start(work, content=content)
    call = work if isinstance(work, ChatCall) else None
    kind = SpanKind.CLIENT if call else SpanKind.INTERNAL
    span = trace.get_tracer(APP).start_span(name, kind=kind, attributes=attributes)
    quiet = {"record_exception": False, "set_status_on_exception": False}
    try:
        with nullcontext() if call and call.streamed else trace.use_span(span, **quiet):
            yield
    except (CancelledError, GeneratorExit):
        span.set_attributes({"qa.cancelled": True})
        raise
    except BaseException as exc:
        _fail(span, exc, content=content)
        raise
    finally:
        span.set_attributes(at_end(work, content=content))
        for when, error in call.resent if call else ():
            span.add_event("resend", {"error.type": error}, when)
        span.end()


def _fail(span: Span, error: BaseException, *, content: bool) -> None:
    """Note on the span what ended its work: its kind, and in words only where texts are traced.

    Not by `record_exception`, which has the causes' words too: servers repeat prompts and keys.
    """
    kind = type(error).__name__
    words = _words(error) if content else ""
    message = {"exception.message": words} if words else {}
    span.set_attribute("error.type", kind)
    span.add_event("exception", {"exception.type": kind, **message})
    span.set_status(Status(StatusCode.ERROR, words or kind))


def _words(error: BaseException) -> str:
    """Return what the error says if it is ours: those quote servers without the key."""
    return LOGIN.sub("***@", str(error)) if isinstance(error, QAError) else ""
