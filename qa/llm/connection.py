"""Where a chat model is, how long it may take, and the openai package's clients for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from qa.config import MACHINE_HEADERS
from qa.errors import ChatAuthError, ConfigError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

TIMEOUT_VARIABLE = "QA_TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Patience with a server: seconds, and a number of tries."""

    connect: float = 10.0  # to open a connection
    total: float = 300.0  # for a whole reply, retries included; of a stream, until its text begins
    idle: float = 60.0  # between two pieces of a stream whose text has begun
    stream: float = 900.0  # for a whole stream, so that a dripping server ends too
    tries: int = 4
    pause: float = 0.5  # before the second try; doubles from there
    longest_pause: float = 30.0  # a server asking for more is not waited for

    @classmethod
    def within(cls, seconds: float) -> "Timeouts":
        """Return the limits for a user who wants to wait `seconds` for a reply."""
        default = cls()
        return cls(
            connect=min(default.connect, seconds),
            total=seconds,
            idle=min(default.idle, seconds) if seconds < default.total else seconds / 5,
            stream=3 * seconds,
        )


OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server."""

    base_url: str
    key: str | None = field(repr=False)

    @classmethod
    def of(cls, api_key: str | None, base_url: str | None) -> "Endpoint":
        """Return the endpoint that the two settings mean; raises ConfigError, ChatAuthError."""
        return cls(_address((base_url or "").strip() or OPENAI), _clean_key(api_key))

    @property
    def host(self) -> str:
        """The server's name and port, without what may be secret in an address."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself, whose models and prices are known."""
        return urlsplit(self.base_url).hostname == urlsplit(OPENAI).hostname

    @property
    def has_path(self) -> bool:
        """Whether the address goes on after the host, mostly by /v1."""
        return urlsplit(self.base_url).path.strip("/") != ""

    def quote(self, text: str, *, longest: int = 200) -> str:
        """Return a server's words fit to print: one line, no key, no terminal escapes."""
        if self.key:
            text = text.replace(self.key, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return line if len(line) <= longest else line[:longest].rstrip() + "…"


def _address(base_url: str) -> str:
    problem = f"OPENAI_BASE_URL is no address of a server: {base_url!r}"
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError as exc:
        raise ConfigError(f"{problem}; write it like http://localhost:8080/v1") from exc
    if parts.scheme in {"http", "https"} and parts.hostname:
        return base_url.rstrip("/")
    guess = (
        "http://localhost:8080/v1"
        if "://" in base_url
        else f"http://{base_url.removesuffix('/v1')}/v1"
    )
    raise ConfigError(f"{problem}; write it like {guess}")


def _clean_key(api_key: str | None) -> str | None:
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ChatAuthError(
            "OPENAI_API_KEY has characters that no key has: copy it again, without quotes"
        )
    return key or None


NO_KEY = "no-key"  # local servers want none, but the package wants something to send

ClientT = TypeVar("ClientT")


def open_async(endpoint: Endpoint, *, connect: float) -> "AsyncOpenAI":
    """Return a client that waits `connect` seconds for a connection, and for a reply for ever."""
    import openai

    return _open(openai.AsyncOpenAI, endpoint, openai.Timeout(None, connect=connect))


def open_blocking(endpoint: Endpoint, *, seconds: float) -> "OpenAI":
    """Return a client that waits `seconds` for each step of a request."""
    import openai

    return _open(openai.OpenAI, endpoint, openai.Timeout(seconds))


def _open(kind: Callable[..., ClientT], endpoint: Endpoint, timeout: object) -> ClientT:
    import openai

    try:
        return kind(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            timeout=timeout,
            max_retries=0,
            default_headers=dict.fromkeys(MACHINE_HEADERS, openai.Omit()),
        )
    except (ImportError, OSError, ValueError) as exc:
        reason = endpoint.quote(str(exc))
        raise ConfigError(
            "no connection can be made with the environment's proxy and certificate settings"
            f" ({reason}): see HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from exc
