"""What every request must pass, and what every response carries.

The page is for the browsers of this machine alone. A page of another site can make a browser send
requests here: by its own name that was rebound to this address, which a GET does without an Origin,
or by a form. The first is refused by its Host, the second by Sec-Fetch-Site and Origin.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY = 64 * 1024  # bytes; the longest form has a question and some filters
READING = {"GET", "HEAD"}  # methods that change nothing
METHODS = READING | {"POST"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class LocalRequestsOnly:
    """Lets requests through that were meant for this server, and puts HEADERS on each response."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        names = ("127.0.0.1", "localhost")
        self._hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; WebSockets are not served."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope["method"], Headers(scope=scope))
        if refused is not None:
            await refused(scope, receive, send_with_headers)
            return
        await self._app(scope, _limited(receive), send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return PlainTextResponse("This page is served under its own address only.", 403)
        if method not in METHODS:
            return PlainTextResponse("Only GET and POST are understood.", 405)
        if method not in READING and not _same_origin(headers, hosts[0]):
            return PlainTextResponse("A page of another site cannot change anything here.", 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            return PlainTextResponse("The request is too long.", 413)
        return None


def _same_origin(headers: Headers, host: str) -> bool:
    """Tell whether a request came from our own page, or from a program that is no browser.

    Browsers send at least one of the two headers with each POST.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    return origin is None or origin == f"http://{host}"


def _limited(receive: Receive) -> Receive:
    """Return a `receive` that ends a body without a length once it is too long."""
    seen = 0

    async def receive_some() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LONGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return receive_some
