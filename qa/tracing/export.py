"""Where our commands' spans go, as OpenTelemetry's variables say, without delaying a command."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Thread

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

from qa.config import APP, Traces
from qa.errors import ConfigError
from qa.tracing import is_on

SHUTDOWN_SECONDS = 1.0  # that the end of a command may wait for a collector
CONSOLE_DELAY = 24 * 3600 * 1000  # milliseconds: spans on a terminal come after the answer
EXPORTERS = ("otlp", "console", "none")
PROTOCOLS = {"grpc": "grpc", "http/protobuf": "http"}  # and the packages that speak them


@contextmanager
def exporting(traces: Traces, on_notice: Callable[[str], None]) -> Iterator[None]:
    """Send the spans that are made within; what cannot be sent is a line for `on_notice`, no error.

    Where a provider has been set up before (`opentelemetry-instrument`), they go there.
    """
    if is_on():
        yield
        return
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    logging.getLogger("opentelemetry").propagate = False  # it would print warnings and tracebacks
    try:
        provider, exporters = _provider(traces)
    except ConfigError as exc:
        on_notice(f"No traces are sent: {exc}")
        yield
        return
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        _shut_down(provider, exporters, on_notice)


class CheckedExporter(SpanExporter):
    """An exporter that remembers whether its last export failed."""

    def __init__(self, exporter: SpanExporter, destination: str) -> None:
        self.destination = destination
        self.failed = False
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans."""
        self.failed = True  # as long as it does not return
        result = self._exporter.export(spans)
        self.failed = result != SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()


def _provider(traces: Traces) -> tuple[TracerProvider, list[CheckedExporter]]:
    """Return a provider, and the exporters that its spans go to; raise ConfigError."""
    try:
        exporters = [CheckedExporter(*_exporter(name, traces)) for name in traces.exporters]
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        for exporter in exporters:
            delay = CONSOLE_DELAY if exporter.destination == "console" else None
            provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=delay))
    except ConfigError:
        raise
    except Exception as exc:  # from the many variables that OpenTelemetry itself reads
        raise ConfigError(f"OpenTelemetry cannot be set up as its variables say: {exc}") from exc
    return provider, exporters


def _exporter(name: str, traces: Traces) -> tuple[SpanExporter, str]:
    """Return the exporter of this name and where it sends spans to; raise ConfigError."""
    if name == "console":
        return ConsoleSpanExporter(out=sys.stderr), "console"
    if name != "otlp":
        raise ConfigError(
            f"OTEL_TRACES_EXPORTER is {name!r}; it must be one of {', '.join(EXPORTERS)}."
        )
    if traces.protocol not in PROTOCOLS:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {traces.protocol!r}; it must be one of "
            f"{', '.join(PROTOCOLS)}."
        )
    package = PROTOCOLS[traces.protocol]
    try:
        module = import_module(f"opentelemetry.exporter.otlp.proto.{package}.trace_exporter")
    except ImportError as exc:
        raise ConfigError(
            f"OpenTelemetry over {traces.protocol} needs another package. Install it with: "
            f"pip install '{APP}[otel]'"
        ) from exc
    return module.OTLPSpanExporter(), traces.endpoint or "localhost"


def _resource() -> Resource:
    """Return what the spans are said to come from: the name in the environment, or else ours."""
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: APP}))
    return resource


def _shut_down(
    provider: TracerProvider,
    exporters: Sequence[CheckedExporter],
    on_notice: Callable[[str], None],
) -> None:
    """Send what is left, but wait no longer than SHUTDOWN_SECONDS."""
    ending = Thread(target=provider.shutdown, daemon=True)
    ending.start()
    ending.join(SHUTDOWN_SECONDS)
    for exporter in exporters:
        if exporter.failed:
            on_notice(
                f"Traces could not be sent to {exporter.destination}: is a collector running there?"
            )
        if ending.is_alive():
            exporter.shutdown()  # ends its waiting for another try
