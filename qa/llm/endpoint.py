"""Where a chat model is: address, key, and how both may be shown."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from qa.errors import ChatAuthError, ConfigError

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
