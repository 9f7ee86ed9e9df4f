"""How the server is reached: over stdin and stdout, or by HTTP on loopback."""

import asyncio
import importlib.util
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from qa.config import Config
from qa.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from qa.library.session import Session

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ALL_ADDRESSES = ("0.0.0.0", "::", "")  # noqa: S104 - what is refused
PORT = 8765
PATH = "/mcp"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def checked(cls, host: str | None, port: int | None, *, expose: bool) -> "Address":
        """Return the address to listen on; None is the default. Raise UsageError for a wrong one.

        Port 0 takes any that is free.
        """
        host = LOOPBACK[0] if host is None else host
        if host in ALL_ADDRESSES:
            raise UsageError(
                f"--host {host!r} is every address of this machine; name the one to listen on."
            )
        if host not in LOOPBACK and not expose:
            raise UsageError(
                f"--host {host} lets everyone who reaches it ask, without any password. If that is "
                "meant, add --expose; to use it from here alone, leave --host out."
            )
        return cls(host, PORT if port is None else port)

    @property
    def url(self) -> str:
        """The address that clients are given."""
        return f"http://{self._bracketed}:{self.port}{PATH}"

    @property
    def names(self) -> list[str]:
        """The host names under which clients may call: web pages of others call by other names."""
        hosts = [*LOOPBACK[:2], "[::1]"] if self.host in LOOPBACK else [self._bracketed]
        return [name for host in hosts for name in (host, f"{host}:*")]

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def listen(self) -> socket.socket:
        """Return a listening socket; raise ConfigError where there can be none."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name != "nt":  # on Windows this lets two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen()  # clients that call before the server is up wait and are not refused
        except OSError as exc:
            listener.close()
            raise ConfigError(
                f"{self.host}:{self.port} cannot be listened on: {exc.strerror or exc}. Choose "
                "another with --port."
            ) from exc
        return listener


def serve(config: Config, address: Address | None, on_notice: Callable[[str], None]) -> None:
    """Serve the corpus until a signal comes: by HTTP at the address, else over stdin and stdout.

    `on_notice` gets lines for the user, who reads them on stderr. Raises QAError.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError("This needs the package mcp: pip install 'ask-papers[mcp]'")
    from qa.index.store import CorpusStore
    from qa.library.session import Session

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    session = Session(config, on_notice)
    if address is None:
        if sys.stdin.isatty():
            on_notice("An assistant should start this, and talk to it over stdin. Ctrl-C ends it.")
        asyncio.run(_stdio(session))
    else:
        CorpusStore(config)  # a wrong path is an error before the first question
        with address.listen() as listener:
            address = replace(address, port=listener.getsockname()[1])
            on_notice(f"Serving {config.corpus} at {address.url}. Ctrl-C ends it.")
            asyncio.run(_http(session, address, listener))


async def _stdio(session: "Session") -> NoReturn:
    """Serve one client until it closes stdin, or until a signal comes."""
    from qa.mcp.server import PaperServer

    _end_on_signals(session)
    try:
        await PaperServer(session).run_stdio_async()
    except* BrokenPipeError:
        pass  # the client has gone: there is nobody left to report it to
    _end(session, 0)


async def _http(session: "Session", address: Address, listener: socket.socket) -> NoReturn:
    """Serve all who call the address by one of its names, until a signal comes."""
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from qa.mcp.server import PaperServer

    security = TransportSecuritySettings(
        allowed_hosts=address.names, allowed_origins=[f"http://{name}" for name in address.names]
    )
    app = PaperServer(session).streamable_http_app(
        streamable_http_path=PATH, transport_security=security, host=address.host
    )
    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, ws="none"
    )
    server = uvicorn.Server(settings)
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    _end_on_signals(session)
    await server.serve(sockets=[listener])
    await asyncio.sleep(0)  # lets the handler of the signal, if there was one, set the exit code
    _end(session, 0)


def _end_on_signals(session: "Session") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda sent, _: loop.call_soon_threadsafe(_end, session, 128 + sent))


def _end(session: "Session", code: int) -> NoReturn:
    """End the program at once: a thread may be blocked on stdin, another building the store.

    Nothing is lost: answers are sent, and what was embedded and judged is on the disk.
    """
    session.close()
    if code and sys.stderr.isatty():
        sys.stderr.write("\n")  # after the ^C that the terminal shows
    sys.stderr.flush()
    os._exit(code)
