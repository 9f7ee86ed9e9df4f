"""Which models a server has, and which of them to use when the user names none."""

import re

from qa.errors import ChatAuthError, ChatError, ChatModelNotFound, ChatTimeout, ChatUnreachable
from qa.llm.connection import Endpoint, open_blocking
from qa.llm.errors import Failure, error_for, failure_of
from qa.llm.replies import parse

# Released 2026-09-22 as OpenAI's small model for many short tasks; see qa/llm/prices.toml.
DEFAULT_MODEL = "gpt-6-luna"
NO_MODEL = "none"
# Servers list their embedding and speech models along with those that chat.
NOT_FOR_CHAT = re.compile(r"embed|rerank|whisper|tts|moderation|bge-|minilm", re.IGNORECASE)
LISTING_SECONDS = 15.0


def choose_model(
    model: str | None,
    api_key: str | None,
    base_url: str | None,
    *,
    seconds: float = LISTING_SECONDS,
) -> str | None:
    """Return the chat model's name that the settings mean, or None for the extractive answer.

    Asks the server for its models if there is an address but no name; waits `seconds` for it.
    Raises ChatError or ConfigError.
    """
    name = (model or "").strip()
    if name.lower() == NO_MODEL or not (name or api_key or base_url):
        return None
    endpoint = Endpoint.of(api_key, base_url)
    if not (endpoint.key or base_url):
        raise ChatAuthError(
            f"the chat model {name} needs a server: set OPENAI_API_KEY for OpenAI, or"
            " OPENAI_BASE_URL for another; QA_MODEL=none answers without a model"
        )
    if name:
        return name
    return DEFAULT_MODEL if endpoint.is_openai else _first_listed(endpoint, seconds)


def model_names(document: str) -> list[str] | None:
    """Return the names in a reply of /v1/models, or None if it is none."""
    data = (parse(document) or {}).get("data")
    if not isinstance(data, list):
        return None
    names = (entry.get("id") for entry in data if isinstance(entry, dict))
    return [name for name in names if isinstance(name, str) and name and name.isprintable()]


def model_advice(
    fault: Failure, error: ChatError, endpoint: Endpoint, listed: list[str] | None
) -> ChatError:
    """Return the error for an unknown model with what to set instead."""
    if listed:
        some = ", ".join(endpoint.quote(name, longest=60) for name in listed[:5])
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        return ChatModelNotFound(f"{error}; it has {some}{more}: set QA_MODEL to one of them")
    if fault.is_unknown_model:
        return ChatModelNotFound(f"{error}: set QA_MODEL to a model that it has")
    return ChatUnreachable(
        f"{endpoint.host} has no chat API at this address (404): {_missing_path(endpoint)}"
    )


def _first_listed(endpoint: Endpoint, seconds: float) -> str:
    names = model_names(_listing(endpoint, seconds))
    if names is None:
        raise ChatModelNotFound(
            f"{endpoint.host} does not list its models: set QA_MODEL to the one to use, or"
            f" {_missing_path(endpoint)}"
        )
    if not names:
        raise ChatModelNotFound(f"{endpoint.host} has no model loaded: load one, or set QA_MODEL")
    return next((name for name in names if not NOT_FOR_CHAT.search(name)), names[0])


def _listing(endpoint: Endpoint, seconds: float) -> str:
    """Return what the server says about its models."""
    with open_blocking(endpoint, seconds=seconds) as client:
        try:
            return client.models.with_raw_response.list().http_response.text
        except Exception as exc:
            raise _listing_error(exc, endpoint, seconds) from exc


def _listing_error(exc: Exception, endpoint: Endpoint, seconds: float) -> ChatError:
    fault = failure_of(exc)
    if fault.kind == "answer" and fault.status not in {401, 403} and not fault.passing:
        return ChatModelNotFound(
            f"{endpoint.host} does not list its models ({fault.status}): set QA_MODEL to the one to"
            f" use, or {_missing_path(endpoint)}"
        )
    if fault.words == "no connection in time":
        return ChatTimeout(
            f"{endpoint.host} did not list its models within {seconds:g} s: is it busy?"
            " Set QA_MODEL to the one to use"
        )
    return error_for(fault, endpoint, "its models")


def _missing_path(endpoint: Endpoint) -> str:
    if endpoint.has_path:
        return "check OPENAI_BASE_URL"
    return f"set OPENAI_BASE_URL={endpoint.base_url}/v1 if its API is there"
