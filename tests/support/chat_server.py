"""A chat server on loopback that does what a test tells it, speaking real HTTP.

    with ChatServer() as server:
        server.queue(Reply("first"), Status(429, headers={"Retry-After": "0"}), Reply("second"))
        chat = OpenAIChat("m", api_key="k", base_url=server.url)

Each request to /v1/chat/completions takes the next queued behaviour. With an empty queue the
scripted model answers: a callable that gets the request's parsed body and returns the text of the
reply, or a behaviour:

    with ChatServer(model=lambda body: "[1] says so.") as server: ...

What was asked is in `server.requests`.
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A normal reply; in pieces of `size` characters when the request asks for a stream."""

    text: str | None
    finish: str | None = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    message: Mapping[str, Any] = field(default_factory=dict)  # further fields: refusal, tool_calls
    logprobs: Mapping[str, Any] | None = None
    size: int = 5
    ignore_stream: bool = False

    def send(self, exchange: "Exchange") -> None:
        if exchange.request.body.get("stream") and not self.ignore_stream:
            exchange.events(self.events(exchange.request.body))
        else:
            exchange.json(200, self.completion())

    def completion(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.text, **self.message}
        choice = {"index": 0, "finish_reason": self.finish, "message": message}
        choice |= {"logprobs": self.logprobs} if self.logprobs else {}
        document = {"id": "c-1", "object": "chat.completion", "choices": [choice]}
        return document | ({"usage": self.usage} if self.usage else {})

    def events(self, body: Mapping[str, Any]) -> list[str]:
        text = self.text or ""
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"content": text[i : i + self.size]} for i in range(0, len(text), self.size)]
        deltas += [dict(self.message)] if self.message else []
        out = [chunk(delta) for delta in deltas] + [chunk({}, finish=self.finish)]
        if self.usage and (body.get("stream_options") or {}).get("include_usage"):
            out.append(json.dumps({"choices": [], "usage": self.usage}))
        return [*out, "[DONE]"]


@dataclass(frozen=True)
class Status:
    """An HTTP error in OpenAI's form."""

    status: int
    message: str = "scripted"
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)  # further fields: code, param, type

    def send(self, exchange: "Exchange") -> None:
        document = {"error": {"message": self.message, **self.error}}
        exchange.json(self.status, document, self.headers)


@dataclass(frozen=True)
class Raw:
    """Any bytes; with `promised` more than they are, a body that is cut off."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    promised: int | None = None

    def send(self, exchange: "Exchange") -> None:
        exchange.head(self.status, self.content_type, {"Content-Length": self.length})
        exchange.write(self.body)
        if self.promised:
            exchange.hang_up()

    @property
    def length(self) -> str:
        return str(self.promised or len(self.body))


@dataclass(frozen=True)
class Events:
    """A stream of these events (text for its pieces, bytes as they are), then how it ends."""

    pieces: Sequence[str | bytes]
    end: str = "done"  # "done", "eof": an orderly end without [DONE], "cut", "stall"
    finish: str | None = None

    def send(self, exchange: "Exchange") -> None:
        exchange.head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for piece in self.pieces:
            exchange.chunk(piece if isinstance(piece, bytes) else event(chunk({"content": piece})))
        if self.finish:
            exchange.chunk(event(chunk({}, finish=self.finish)))
        if self.end == "stall":
            exchange.wait_for_the_end()
        elif self.end == "cut":
            exchange.hang_up()
        else:
            exchange.chunk(event("[DONE]") if self.end == "done" else b"")
            exchange.chunk(b"", last=True)


@dataclass(frozen=True)
class Hang:
    """No answer at all, until the server stops."""

    def send(self, exchange: "Exchange") -> None:
        exchange.wait_for_the_end()


@dataclass(frozen=True)
class Reset:
    """The connection is reset without a word."""

    def send(self, exchange: "Exchange") -> None:
        exchange.hang_up()


Behaviour = Reply | Status | Raw | Events | Hang | Reset
Model = Callable[[dict[str, Any]], str | Behaviour]


def chunk(delta: Mapping[str, Any], *, finish: str | None = None) -> str:
    """Return one piece of a streamed completion as JSON, with all characters as they are."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "c-1", "object": "chat.completion.chunk", "choices": [choice]}
    return json.dumps(document, ensure_ascii=False)


def event(data: str) -> bytes:
    """Return a server-sent event."""
    return f"data: {data}\n\n".encode()


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, request: Request, over: threading.Event):
        self.request = request
        self._handler = handler
        self._over = over

    def head(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self._handler.send_response(status)
        for name, value in {"Content-Type": content_type, **headers}.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def chunk(self, data: bytes, *, last: bool = False) -> None:
        if data or last:
            self.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def json(self, status: int, document: object, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.head(status, "application/json", {"Content-Length": str(len(body)), **(headers or {})})
        self.write(body)

    def events(self, data: Iterable[str]) -> None:
        self.head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for item in data:
            self.chunk(event(item))
        self.chunk(b"", last=True)

    def hang_up(self) -> None:
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.close_connection = True
        connection.close()

    def wait_for_the_end(self) -> None:
        self._over.wait(30)
        self._handler.close_connection = True


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing when a client leaves early: tests do so on purpose."""


class ChatServer:
    """The server; a context manager that listens on a free port."""

    def __init__(self, *, model: Model | None = None, models: Sequence[str] = ("scripted",)):
        self.requests: list[Request] = []
        self.models: Behaviour | Sequence[str] = models  # what /v1/models says
        self.model = model
        self._queue: deque[Behaviour] = deque()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), self._handler_class())
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests, in the order in which they came."""
        return [r.body for r in self.requests if r.path.endswith("/chat/completions")]

    def queue(self, *behaviours: Behaviour) -> None:
        self._queue.extend(behaviours)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path == "/v1/models":
            self._list(exchange)
        elif path == "/v1/chat/completions":
            self._behaviour(exchange.request.body).send(exchange)
        else:
            Raw(b"404 page not found", "text/plain", 404).send(exchange)

    def _list(self, exchange: Exchange) -> None:
        if isinstance(self.models, Behaviour):
            self.models.send(exchange)
        else:
            data = [{"id": name, "object": "model"} for name in self.models]
            exchange.json(200, {"object": "list", "data": data})

    def _behaviour(self, body: dict[str, Any]) -> Behaviour:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
        if self.model is None:
            return Status(500, "the test queued no reply for this request")
        said = self.model(body)
        return Reply(said) if isinstance(said, str) else said

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                self._answer({})

            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                self._answer(json.loads(self.rfile.read(length) or b"{}"))

            def _answer(self, body):
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                server.requests.append(request)
                server.answer(Exchange(self, request, server._over))

            def log_message(self, *args):
                """Stay quiet."""

        return Handler
