"""Questions and their steps as spans, by what LlamaIndex's instrumentation tells of a workflow."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import BoundArguments
from typing import Any

from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.span.base import BaseSpan
from llama_index_instrumentation.span_handlers.base import BaseSpanHandler
from opentelemetry import context, trace
from opentelemetry.trace import Span

from qa.config import content_is_traced
from qa.tracing import is_on
from qa.tracing.spans import asked, fail, of_step, tracer

WORKFLOW = "Pipeline"  # the class of `qa.pipeline`


class OpenSpan(BaseSpan):
    """A span of LlamaIndex's, with OpenTelemetry's beside it."""

    step: str
    span: Span
    token: Any  # what makes it the current one no more; a token's type is no type to pydantic


class QuestionSpans(BaseSpanHandler[OpenSpan]):
    """Hears of every span in the program, and makes those of our workflow OpenTelemetry's.

    A run or a step is entered and left in the same task, so that what it calls finds its span as
    the current one, and questions side by side do not see each other's.
    """

    def new_span(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any | None = None,  # noqa: ANN401 - as the base class has it
        parent_span_id: str | None = None,
        tags: dict[str, Any] | None = None,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> OpenSpan | None:
        """Begin the span of a question or one of its steps; None for what is not ours."""
        workflow, step = id_.partition("-")[0].split(".")[-2:]
        is_question = step == "run" and type(instance).__module__ == "qa.answering.pipeline"
        is_step = parent_span_id in self.open_spans and workflow == WORKFLOW
        if not (is_on() and (is_question or is_step)):
            return None
        span = tracer().start_span("ask" if is_question else step)
        if is_question:
            start = bound_args.arguments["start_event"]
            span.set_attributes(asked(start, content=content_is_traced()))
        token = context.attach(trace.set_span_in_context(span))
        return OpenSpan(id_=id_, parent_id=parent_span_id, step=step, span=span, token=token)

    def prepare_to_exit_span(
        self,
        id_: str,
        bound_args: BoundArguments,  # noqa: ARG002
        instance: Any | None = None,  # noqa: ANN401, ARG002
        result: Any | None = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> OpenSpan | None:
        """End the span with what its work has come to; there is no result where it was stopped."""
        opened = self.open_spans.get(id_)
        if opened is not None:
            with _ending(opened):
                told = of_step(opened.step, result, content=content_is_traced())
                opened.span.set_attributes(told if result is not None else {"qa.cancelled": True})
        return opened

    def prepare_to_drop_span(
        self,
        id_: str,
        bound_args: BoundArguments,  # noqa: ARG002
        instance: Any | None = None,  # noqa: ANN401, ARG002
        err: BaseException | None = None,
        **_: Any,  # noqa: ANN401
    ) -> OpenSpan | None:
        """End the span with the error that ended its work."""
        opened = self.open_spans.get(id_)
        if opened is not None:
            with _ending(opened):
                if err is not None:
                    fail(opened.span, err)
        return opened


@contextmanager
def _ending(opened: OpenSpan) -> Iterator[None]:
    """The last that is said of a span: whatever comes of that, it ends and is current no more."""
    try:
        yield
    finally:
        opened.span.end()
        context.detach(opened.token)


def attach() -> None:
    """Listen from now on, once however often it is called."""
    handlers = root_dispatcher.span_handlers
    if not any(isinstance(handler, QuestionSpans) for handler in handlers):
        root_dispatcher.add_span_handler(QuestionSpans())
