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
    from qa.mcp.session import Session

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY = ("0.0.0.0", "::", "")  # noqa: S104 - what is refused
PORT = 8765
PATH = "/mcp"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def checked(cls, host: str | None, port: int | None, *, expose: bool) -> "Address":
        """The address, if it is one to listen on, None standing for the usual; raises UsageError.

        Port 0 takes any that is free.
        """
        host = LOOPBACK[0] if host is None else host
        if host in ANY:
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
        """What clients are given."""
        return f"http://{self._bracketed}:{self.port}{PATH}"

    @property
    def names(self) -> list[str]:
        """By what name clients may call the server, which keeps web pages of others out."""
        hosts = [*LOOPBACK[:2], "[::1]"] if self.host in LOOPBACK else [self._bracketed]
        return [name for host in hosts for name in (host, f"{host}:*")]

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def listen(self) -> socket.socket:
        """The socket, listening; raises ConfigError in a line if that cannot be had."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name != "nt":  # there it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen()  # who calls before the server is up is kept waiting, not sent away
        except OSError as exc:
            listener.close()
            raise ConfigError(
                f"{self.host}:{self.port} cannot be listened on: {exc.strerror or exc}. Choose "
                "another with --port."
            ) from exc
        return listener


def serve(config: Config, address: Address | None, notice: Callable[[str], None]) -> None:
    """Serve the corpus until told to stop: by HTTP at the address, else over stdin and stdout.

    `notice` hears lines for the user, who reads them on stderr. Raises QAError.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError("This needs the package mcp: pip install 'ask-papers[mcp]'")
    from qa.index.store import CorpusStore
    from qa.mcp.session import Session

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    shelf = Session(config, notice)
    if address is None:
        if sys.stdin.isatty():
            notice("An assistant should start this, and talk to it over stdin. Ctrl-C ends it.")
        asyncio.run(_stdio(shelf))
    else:
        CorpusStore(config)  # a wrong path is told before anyone asks
        with address.listen() as listener:
            address = replace(address, port=listener.getsockname()[1])
            notice(f"Serving {config.corpus} at {address.url}. Ctrl-C ends it.")
            asyncio.run(_http(shelf, address, listener))


async def _stdio(shelf: "Session") -> NoReturn:
    """Serve the one client until it closes stdin, or until a signal comes."""
    from qa.mcp.server import PaperServer

    _end_on_signals(shelf)
    try:
        await PaperServer(shelf).run_stdio_async()
    except* BrokenPipeError:
        pass  # the client has gone: nobody is left to be told
    _end(shelf, 0)


async def _http(shelf: "Session", address: Address, listener: socket.socket) -> NoReturn:
    """Serve whoever calls the address by its own name, until a signal comes."""
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from qa.mcp.server import PaperServer

    security = TransportSecuritySettings(
        allowed_hosts=address.names, allowed_origins=[f"http://{name}" for name in address.names]
    )
    app = PaperServer(shelf).streamable_http_app(
        streamable_http_path=PATH, transport_security=security, host=address.host
    )
    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, ws="none"
    )
    server = uvicorn.Server(settings)
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    _end_on_signals(shelf)
    await server.serve(sockets=[listener])
    await asyncio.sleep(0)  # the signal that has ended it says with which code
    _end(shelf, 0)


def _end_on_signals(shelf: "Session") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: loop.call_soon_threadsafe(_end, shelf, 128 + got))


def _end(shelf: "Session", code: int) -> NoReturn:
    """End the program at once: a thread may be blocked on stdin, another building the store.

    Nothing is lost: answers are out, and what was embedded and judged is on the disk.
    """
    shelf.close()
    if code and sys.stderr.isatty():
        sys.stderr.write("\n")  # after the ^C that the terminal shows
    sys.stderr.flush()
    os._exit(code)
