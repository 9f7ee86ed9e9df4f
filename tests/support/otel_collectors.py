"""OpenTelemetry collectors on loopback, speaking real gRPC and HTTP, that keep the spans they get.

with GrpcCollector() as collector:
    ... OTEL_EXPORTER_OTLP_ENDPOINT=collector.url ...
[span] = collector.named("ask")
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service


@dataclass(frozen=True)
class Got:
    """A span as it arrived."""

    name: str
    trace: bytes
    id: bytes
    parent: bytes
    attributes: dict[str, object]
    events: tuple[str, ...]
    error: str | None  # the status' words if it is an error
    kind: int
    start: int
    end: int
    resource: dict[str, object] = field(repr=False)


class Collector:
    """What both kinds have in common: the spans, in the order of their starts."""

    def __init__(self):
        self._got = []
        self.headers = {}

    def take(
        self, request: messages.ExportTraceServiceRequest
    ) -> messages.ExportTraceServiceResponse:
        for group in request.resource_spans:
            resource = _values(group.resource.attributes)
            for scope in group.scope_spans:
                self._got += [_got(span, resource) for span in scope.spans]
        return messages.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Got]:
        return sorted(self._got, key=lambda span: span.start)

    def named(self, start: str) -> list[Got]:
        """The spans whose name begins like this."""
        return [span for span in self.spans if span.name.startswith(start)]

    def tree(self, root: Got) -> list[tuple[str, ...]]:
        """The root and all below it, in the order of their starts, each by its path of names."""
        return [path for path, _ in self._below(root, ())]

    def _below(self, span: Got, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Got]]:
        yield (*path, span.name), span
        for child in self.spans:
            if child.parent == span.id:
                yield from self._below(child, (*path, span.name))


def _got(span, resource):
    return Got(
        span.name,
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        _values(span.attributes),
        tuple(event.name for event in span.events),
        span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        resource,
    )


def _values(pairs):
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


class GrpcCollector(Collector, service.TraceServiceServicer):
    """A collector that speaks OTLP over gRPC."""

    def Export(self, request, context):  # noqa: N802 - the protocol's name
        self.headers = dict(context.invocation_metadata())
        return self.take(request)

    def __enter__(self):
        self._server = grpc.server(ThreadPoolExecutor(2))
        service.add_TraceServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.url = f"http://127.0.0.1:{port}"
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(None).wait()


class HttpCollector(Collector):
    """A collector that speaks OTLP over HTTP; `url` has a path, as hosted ones have."""

    def __enter__(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers = {name.lower(): v for name, v in self.headers.items()}
                assert self.path == "/otel/v1/traces"
                answer = collector.take(messages.ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer.SerializeToString())

            def log_message(self, *args):
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/otel"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
