"""The openai package's clients, made only when a model is asked: importing it takes 0.6 s."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from qa.config import TELLTALES
from qa.errors import ConfigError
from qa.llm.endpoint import Endpoint

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

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
            default_headers=dict.fromkeys(TELLTALES, openai.Omit()),
        )
    except (ImportError, OSError, ValueError) as exc:
        reason = endpoint.quote(str(exc))
        raise ConfigError(
            "no connection can be made with the environment's proxy and certificate settings"
            f" ({reason}): see HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from exc
