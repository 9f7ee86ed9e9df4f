"""Serve the page on 127.0.0.1 until a signal comes, and open the browser."""

import asyncio
import importlib.util
import logging
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

from qa.config import Config, has_display
from qa.errors import ConfigError

HOST = "127.0.0.1"
PORT = 8760  # unless it is taken and no other was asked for
GRACE = 1  # seconds for requests in progress when the server ends


def serve(
    config: Config,
    port: int | None,
    *,
    open_browser: bool,
    on_address: Callable[[str], None],
    on_notice: Callable[[str], None],
) -> None:
    """Serve the corpus until a signal comes. Raises QAError.

    `on_address` gets the page's address once it can be called; `on_notice` lines for the user.
    Port None is PORT, or any other if that is taken; port 0 any that is free.
    """
    missing = [name for name in ("starlette", "uvicorn", "jinja2") if not _installed(name)]
    if missing:
        raise ConfigError(f"This needs {', '.join(missing)}: pip install 'ask-papers[web]'")
    from qa.index.store import CorpusStore

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    _ = CorpusStore(config).corpus  # a wrong path is an error before the first question
    with _listening(port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/"
        on_address(address)
        if open_browser and has_display():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        asyncio.run(_serve(config, listener, on_notice))


async def _serve(config: Config, listener: socket.socket, on_notice: Callable[[str], None]) -> None:
    import uvicorn

    from qa.web.app import WebApp

    app = WebApp(config, listener.getsockname()[1], on_notice)
    settings = uvicorn.Config(
        app.asgi,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
        ws="none",
        server_header=False,
        lifespan="off",
    )
    server = uvicorn.Server(settings)
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    try:
        await server.serve(sockets=[listener])
    finally:
        await app.close()


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _listening(port: int | None) -> socket.socket:
    """Return a socket that listens on the port; raises ConfigError where there can be none."""
    try:
        return _listener(PORT if port is None else port)
    except OSError as exc:
        if port is None:
            return _listener(0)
        raise ConfigError(
            f"{HOST}:{port} cannot be listened on: {exc.strerror or exc}. Choose another --port."
        ) from exc


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it lets two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
