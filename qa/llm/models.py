"""Which chat model to use: the one that the settings name, or else one that the server lists."""

import re

from qa.errors import ChatAuthError, ChatError, ChatModelNotFound, ChatTimeout
from qa.llm.endpoint import Endpoint, open_blocking
from qa.llm.errors import ChatErrors, failure_of
from qa.llm.replies import model_names

# Released 2026-09-22 as OpenAI's small model for many short tasks; see qa/llm/prices.toml.
DEFAULT_MODEL = "gpt-6-luna"
NO_MODEL = "none"  # the setting of a user who wants no model
# Servers list their embedding and speech models along with those that chat.
NOT_FOR_CHAT = re.compile(r"embed|rerank|whisper|tts|moderation|bge-|minilm", re.IGNORECASE)
LISTING_SECONDS = 15.0  # for the server to list its models


def choose_model(
    model: str | None,
    api_key: str | None,
    base_url: str | None,
    *,
    seconds: float = LISTING_SECONDS,
) -> str | None:
    """Return the chat model's name that the settings mean, or None for an answer without a model.

    Asks the server for its models if there is an address but no name; waits `seconds` for it.
    Raises ChatError or ConfigError.
    """
    name = (model or "").strip()
    if name.lower() == NO_MODEL or not (name or api_key or base_url):
        return None
    endpoint = Endpoint.of(api_key, base_url)
    if not (endpoint.key or base_url):
        raise ChatAuthError(
            f"The chat model {name} needs a server: set OPENAI_API_KEY for OpenAI, or"
            " OPENAI_BASE_URL for another; QA_MODEL=none answers without a model."
        )
    if name:
        return name
    return DEFAULT_MODEL if endpoint.is_openai else _first_listed(endpoint, seconds)


def _first_listed(endpoint: Endpoint, seconds: float) -> str:
    """Return the first model of the server that is not known to be for something else."""
    with open_blocking(endpoint, seconds=seconds) as client:
        try:
            document = client.models.with_raw_response.list().http_response.text
        except Exception as exc:
            raise _listing_error(exc, endpoint, seconds) from exc
    names = model_names(document)
    if names is None:
        raise _no_listing(endpoint)
    if not names:
        raise ChatModelNotFound(
            f"The server {endpoint.host} has no model loaded: load one, or set QA_MODEL."
        )
    return next((name for name in names if not NOT_FOR_CHAT.search(name)), names[0])


def _listing_error(exc: Exception, endpoint: Endpoint, seconds: float) -> ChatError:
    failure = failure_of(exc)
    if failure.kind == "answer" and not (failure.status in {401, 403} or failure.is_retryable):
        return _no_listing(endpoint, f" ({failure.status})")
    if failure.timed_out:
        return ChatTimeout(
            f"The server {endpoint.host} did not list its models within {seconds:g} s: is it busy?"
            " Set QA_MODEL to the one to use."
        )
    return ChatErrors("the list of its models", endpoint).failed(failure)


def _no_listing(endpoint: Endpoint, status: str = "") -> ChatModelNotFound:
    return ChatModelNotFound(
        f"The server {endpoint.host} does not list its models{status}: set QA_MODEL to the one to"
        f" use, or {endpoint.path_advice}."
    )
