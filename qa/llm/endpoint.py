"""Which OpenAI-compatible server is asked, and the openai package's clients for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from qa.config import MACHINE_HEADERS
from qa.errors import ChatAuthError, ConfigError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key"  # local servers want no key, but the package wants something to send
LONGEST_QUOTE = 200  # characters of a server's words in a message

ClientT = TypeVar("ClientT")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an OpenAI-compatible server, and the key for it."""

    base_url: str
    key: str | None = field(repr=False)

    @classmethod
    def of(cls, api_key: str | None, base_url: str | None) -> "Endpoint":
        """Return the endpoint for the two settings; OpenAI where `base_url` is empty.

        Raises ConfigError for an address, and ChatAuthError for a key, that cannot be one.
        """
        return cls(_checked_address((base_url or "").strip() or OPENAI_URL), _checked_key(api_key))

    @property
    def host(self) -> str:
        """The server's name and port, without a name and password in the address."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself, whose models and prices are known."""
        return urlsplit(self.base_url).hostname == urlsplit(OPENAI_URL).hostname

    @property
    def path_advice(self) -> str:
        """What to set where the server has no API at this address."""
        if urlsplit(self.base_url).path.strip("/"):
            return "check OPENAI_BASE_URL"
        return f"set OPENAI_BASE_URL={self.base_url}/v1 if its API is there"

    def quote(self, text: str, *, longest: int = LONGEST_QUOTE) -> str:
        """Return a server's words fit to print: one line, no key, no terminal escapes."""
        if self.key:
            text = text.replace(self.key, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return line if len(line) <= longest else line[:longest].rstrip() + "…"


def open_async(endpoint: Endpoint, *, connect: float) -> "AsyncOpenAI":
    """Return a client that waits `connect` seconds for a connection, and without limit for a reply.

    Neither client retries. Raises ConfigError for proxy or certificate settings that do not work.
    """
    import openai

    return _open(openai.AsyncOpenAI, endpoint, openai.Timeout(None, connect=connect))


def open_blocking(endpoint: Endpoint, *, seconds: float) -> "OpenAI":
    """Return a client that waits `seconds` for each step of a request; see `open_async`."""
    import openai

    return _open(openai.OpenAI, endpoint, openai.Timeout(seconds))


def _open(client: Callable[..., ClientT], endpoint: Endpoint, timeout: object) -> ClientT:
    import openai

    try:
        return client(
            api_key=endpoint.key or NO_KEY,
            base_url=endpoint.base_url,
            timeout=timeout,
            max_retries=0,
            default_headers=dict.fromkeys(MACHINE_HEADERS, openai.Omit()),
        )
    except (ImportError, OSError, ValueError) as exc:
        reason = endpoint.quote(str(exc))
        raise ConfigError(
            "No connection can be made with the environment's proxy and certificate settings"
            f" ({reason}): see HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE."
        ) from exc


def _checked_address(base_url: str) -> str:
    problem = f"OPENAI_BASE_URL is no address of a server: {base_url!r}"
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError as exc:
        raise ConfigError(f"{problem}; write it like http://localhost:8080/v1.") from exc
    if parts.scheme in {"http", "https"} and parts.hostname:
        return base_url.rstrip("/")
    example = (
        "http://localhost:8080/v1"
        if "://" in base_url
        else f"http://{base_url.removesuffix('/v1')}/v1"
    )
    raise ConfigError(f"{problem}; write it like {example}.")


def _checked_key(api_key: str | None) -> str | None:
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ChatAuthError(
            "OPENAI_API_KEY has characters that no key has: copy it again, without quotes."
        )
    return key or None
