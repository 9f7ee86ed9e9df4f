"""The ways in which a chat server fails, and the error that each becomes."""

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from socket import gaierror
from typing import Literal

from qa.errors import (
    ChatAuthError,
    ChatBadReply,
    ChatContextTooLong,
    ChatError,
    ChatModelNotFound,
    ChatRateLimited,
    ChatRefused,
    ChatTimeout,
    ChatUnreachable,
)
from qa.llm.connection import TIMEOUT_VARIABLE, Endpoint, Timeouts
from qa.llm.replies import Part

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window|limit)|maximum (prompt|input|context) length"
    r"|prompt is too long|input is too long|too many (input )?tokens|reduce the length"
    r"|request too large",
    re.IGNORECASE,
)
NO_MODEL = re.compile(
    r"model\b.{0,80}\b(not found|does not exist|not exist|unknown|no longer|not a valid)"
    r"|not a valid model|no such model|unknown model|invalid model",
    re.IGNORECASE,
)


class FailedAttempt(Exception):
    """One try failed; with `adapted`, the next one will ask differently."""

    def __init__(self, fault: "Failure", *, adapted: bool = False) -> None:
        super().__init__(fault.words)
        self.fault = fault
        self.adapted = adapted


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed try, in words that no library owns."""

    kind: Literal["answer", "no connection", "broken connection"]
    status: int = 0  # HTTP status of an answer; 0 for an error that came as a normal reply
    code: str = ""  # the server's own names for it: insufficient_quota
    parameter: str = ""  # the parameter that the server complains about
    words: str = ""  # the server's own words, not to be trusted
    retry_after: float | None = None  # seconds

    @property
    def passing(self) -> bool:
        """Whether another try may help."""
        if self.kind != "answer":
            return self.kind == "broken connection"
        return self.status in PASSING and not (self.is_quota or self.is_too_long)

    @property
    def is_quota(self) -> bool:
        """Whether the account has nothing left to spend."""
        return self.status == 402 or "quota" in self.code or "billing" in self.code

    @property
    def is_too_long(self) -> bool:
        """Whether the prompt does not fit into the model's context."""
        if self.status in {401, 403, 404}:
            return False
        if self.status == 413 or "context_length" in self.code or "context_size" in self.code:
            return True
        return bool(TOO_LONG.search(self.words))

    @property
    def is_unknown_model(self) -> bool:
        """Whether the server says that it does not have the model."""
        if self.status not in {0, 400, 404}:
            return False
        return "model_not_found" in self.code or bool(NO_MODEL.search(self.words))


def failure_of(exc: Exception) -> Failure:
    """Return the fault behind an exception of the openai package; others are raised again."""
    import openai

    if isinstance(exc, openai.APIStatusError):
        return _answer(exc.status_code, exc.body, _wait(exc.response.headers))
    if isinstance(exc, openai.APIConnectionError):
        return _connection(exc)
    # Reading a body fails with the HTTP library's own errors: httpx under openai 2, httpx2 under 3.
    if type(exc).__module__.partition(".")[0] in {"httpx", "httpx2", "httpcore", "httpcore2"}:
        return _connection(exc)
    raise exc


def failure_in(payload: Mapping[str, object]) -> Failure | None:
    """Return the fault that a 200 reply or a piece of a stream tells of, if any."""
    error = payload.get("error")
    if not error or payload.get("choices"):
        return None
    code = error.get("code") if isinstance(error, Mapping) else None
    return _answer(code if isinstance(code, int) else 0, error, None)


def error_for(fault: Failure, endpoint: Endpoint, model: str, *, tries: int = 1) -> ChatError:
    """Return the error to raise for `fault`: what happened, then what to do."""
    if fault.kind != "answer":
        return _unreachable(fault, endpoint, tries)
    if fault.is_too_long:
        return ChatContextTooLong(
            f"the prompt is too long for {model} on {endpoint.host}{_said(fault, endpoint)}: use a"
            " model with a longer context (QA_MODEL), or start the server with one"
        )
    if fault.is_quota or fault.status in {429, 503, 529}:
        return ChatRateLimited(_overload(fault, endpoint, model, tries))
    if fault.status in {401, 403}:
        return ChatAuthError(_no_access(fault, endpoint, model))
    if fault.is_unknown_model or fault.status == 404:
        return ChatModelNotFound(f"{endpoint.host} has no model {model!r}{_http(fault)}")
    return ChatError(_other(fault, endpoint, model, tries))


def _answer(status: int, body: object, retry_after: float | None) -> Failure:
    if not isinstance(body, Mapping):
        page = str(body or "").lstrip()
        said = "" if page.startswith("<") else page  # a web page says nothing in one line
        return Failure("answer", status, words=said, retry_after=retry_after)
    named = [body.get("code"), body.get("type")]
    words = body.get("message") or body.get("detail") or body.get("error")
    return Failure(
        "answer",
        status,
        code=" ".join(name for name in named if isinstance(name, str)),
        parameter=str(body.get("param") or ""),
        words=words if isinstance(words, str) else json.dumps(words or dict(body), default=str),
        retry_after=retry_after,
    )


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or as a date."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def _connection(exc: Exception) -> Failure:
    import openai

    if isinstance(exc, openai.APITimeoutError):
        return Failure("no connection", words="no connection in time")
    for cause in _causes(exc):
        if isinstance(cause, ConnectionRefusedError):
            return Failure("no connection", words="connection refused")
        if isinstance(cause, gaierror):
            return Failure("no connection", words="name not known")
        if isinstance(cause, ssl.SSLError):
            return Failure("no connection", words=f"TLS failed: {cause.reason or cause}")
    return Failure("broken connection", words="connection broken off")


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        if isinstance(exc, BaseExceptionGroup):
            for part in exc.exceptions:
                yield from _causes(part)
        exc = exc.__cause__ or exc.__context__


def _unreachable(fault: Failure, endpoint: Endpoint, tries: int) -> ChatError:
    if fault.kind == "broken connection":
        times = f" {tries} times" if tries > 1 else ""
        return ChatUnreachable(
            f"the connection to {endpoint.host} failed{times} ({fault.words}): ask again, or see"
            " the server's log"
        )
    advice = "check the network" if endpoint.is_openai else "is it running? See OPENAI_BASE_URL"
    return ChatUnreachable(f"no answer from {endpoint.host} ({fault.words}): {advice}")


def _overload(fault: Failure, endpoint: Endpoint, model: str, tries: int) -> str:
    if fault.is_quota:
        return (
            f"{endpoint.host} says the quota is used up{_http(fault)}: check the account's plan and"
            " billing, or set another OPENAI_API_KEY"
        )
    wait = f", and asks to wait {fault.retry_after:.0f} s" if fault.retry_after else ""
    times = f" {tries} times" if tries > 1 else ""
    return (
        f"{endpoint.host} is too busy for {model}: refused{times}{_http(fault)}{wait}:"
        " ask again later, or set another QA_MODEL"
    )


def _no_access(fault: Failure, endpoint: Endpoint, model: str) -> str:
    if fault.status == 403:
        return (
            f"{endpoint.host} refuses access to {model} (403){_said(fault, endpoint)}: check what"
            " the key in OPENAI_API_KEY may use, or set QA_MODEL"
        )
    # What servers say about a wrong key repeats parts of it.
    if endpoint.key is None:
        return f"{endpoint.host} wants a key (401): set OPENAI_API_KEY"
    return f"{endpoint.host} does not accept the key (401): check OPENAI_API_KEY"


def _other(fault: Failure, endpoint: Endpoint, model: str, tries: int) -> str:
    said = _said(fault, endpoint)
    if fault.status >= 500:
        times = f" after {tries} tries" if tries > 1 else ""
        return f"{endpoint.host} failed on {model}{_http(fault)}{times}{said}: ask again later"
    return f"{endpoint.host} refused the request to {model}{_http(fault)}{said}: check QA_MODEL"


def _http(fault: Failure) -> str:
    return f" ({fault.status})" if fault.status else ""


def _said(fault: Failure, endpoint: Endpoint) -> str:
    words = endpoint.quote(fault.words)
    return f", saying “{words}”" if words else ""


@dataclass(frozen=True, slots=True)
class Complaints:
    """Errors about one model's replies."""

    model: str
    endpoint: Endpoint
    limits: Timeouts

    def no_answer(self, part: Part) -> ChatError:
        """Return the error for a reply that ended without text."""
        if part.called_tool:
            why = "called a tool, of which it was given none"
        elif part.finish == "length":
            why = "used up its output limit before the answer began"
        else:
            why = "sent an empty reply"
        return ChatBadReply(
            f"{self.model} on {self.endpoint.host} {why}: ask again, or set another QA_MODEL"
        )

    def refused(self, part: Part) -> ChatError:
        """Return the error for a model, or its guard, that would not answer."""
        why = self.endpoint.quote(part.refusal) or "a content filter stopped the reply"
        return ChatRefused(
            f"{self.model} declined to answer ({why}): ask differently, or set another QA_MODEL"
        )

    def cut_short(self) -> ChatError:
        """Return the error for a reply that reached the output limit."""
        return ChatBadReply(
            f"{self.model} reached its output limit. Ask for less, or set a QA_MODEL with longer"
            " replies"
        )

    def broken_off(self, fault: Failure) -> ChatError:
        """Return the error for a stream that ended in the middle."""
        words = self.endpoint.quote(fault.words)
        return ChatBadReply(
            f"the reply of {self.model} on {self.endpoint.host} broke off in the middle"
            f" ({words or 'no reason given'}): ask again"
        )

    def not_a_reply(self) -> ChatError:
        """Return the error for something that is not of this protocol."""
        return ChatBadReply(
            f"{self.endpoint.host} sent something that is no chat reply (a web page?):"
            " check OPENAI_BASE_URL, and any proxy on the way"
        )

    def too_slow(self) -> ChatError:
        """Return the error for a reply that did not come in time."""
        return ChatTimeout(
            f"no reply from {self.model} on {self.endpoint.host} within {self.limits.total:g} s:"
            f" set {TIMEOUT_VARIABLE} to more seconds, or use a faster model"
        )

    def stalled(self) -> ChatError:
        """Return the error for a stream that stopped coming."""
        return ChatTimeout(
            f"the reply of {self.model} on {self.endpoint.host} stopped in the middle (nothing for"
            f" {self.limits.idle:g} s, or no end for {self.limits.stream:g} s): set"
            f" {TIMEOUT_VARIABLE} to more seconds, or ask again"
        )
