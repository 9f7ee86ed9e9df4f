"""How a chat server fails, whether another attempt may help, and the ChatError it ends in.

    what came                                      retried   error
    ─────────────────────────────────────────────  ───────   ───────────────────────────
    connection refused, unknown name, TLS          no        ChatUnreachable
    connection or reply cut off                    yes       ChatUnreachable
    401, 403                                       no        ChatAuthError
    404, unknown model                             no        ChatModelNotFound
    404 of an address without a chat API           no        ChatUnreachable
    429, 503, 529                                  yes       ChatRateLimited
    402, or any status with a used-up quota        no        ChatRateLimited
    413, or any status with a prompt too long      no        ChatContextTooLong
    408, 409, 425, 500, 502, 504, 520, 522, 524    yes       ChatError
    any other status                               no        ChatError

The table is `Failure.is_retryable` and `ChatErrors.failed`; the retries are in `qa/llm/client.py`.
"""

import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
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
from qa.llm.endpoint import Endpoint
from qa.llm.replies import Part

BUSY = frozenset({429, 503, 529})  # HTTP statuses of a server with too much to do
RETRYABLE = BUSY | {408, 409, 425, 500, 502, 504, 520, 522, 524}
# How servers word what has no status or code of its own.
TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window|limit)|maximum (prompt|input|context) length"
    r"|prompt is too long|input is too long|too many (input )?tokens|reduce the length"
    r"|request too large",
    re.IGNORECASE,
)
UNKNOWN_MODEL = re.compile(
    r"model\b.{0,80}\b(not found|does not exist|not exist|unknown|no longer|not a valid)"
    r"|not a valid model|no such model|unknown model|invalid model",
    re.IGNORECASE,
)
MODELS_NAMED = 5  # models of the server that an error about an unknown one lists


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one attempt, the same for all versions of the openai package."""

    kind: Literal["answer", "no connection", "broken connection"]
    status: int = 0  # HTTP status of an answer; 0 for an error that came as a normal reply
    code: str = ""  # the server's own names for it, such as insufficient_quota
    parameter: str = ""  # the parameter that the server complains about
    message: str = ""  # the server's own words: untrusted, print them by Endpoint.quote
    retry_after: float | None = None  # seconds that the server asks to wait
    timed_out: bool = False  # no connection was made in time

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt may help."""
        if self.kind != "answer":
            return self.kind == "broken connection"
        return self.status in RETRYABLE and not (self.is_quota or self.is_too_long)

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
        return bool(TOO_LONG.search(self.message))

    @property
    def is_unknown_model(self) -> bool:
        """Whether the server says that it does not have the model."""
        if self.status not in {0, 400, 404}:
            return False
        return "model_not_found" in self.code or bool(UNKNOWN_MODEL.search(self.message))


class FailedAttempt(Exception):
    """One attempt failed; with `adapted`, the next one sends other parameters."""

    def __init__(self, failure: Failure, *, adapted: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.adapted = adapted


def failure_of(exc: Exception) -> Failure:
    """Return the failure behind an exception of the openai package; raise any other one again."""
    import openai

    if isinstance(exc, openai.APIStatusError):
        return _answer(exc.status_code, exc.body, _retry_after(exc.response.headers))
    if isinstance(exc, openai.APITimeoutError):
        return Failure("no connection", message="no connection in time", timed_out=True)
    # Reading a body fails with the HTTP library's own errors: httpx under openai 2, httpx2 under 3.
    library = type(exc).__module__.partition(".")[0]
    if isinstance(exc, openai.APIConnectionError) or library in {"httpx", "httpx2"}:
        return _connection(exc)
    raise exc


def failure_in(payload: Mapping[str, object]) -> Failure | None:
    """Return the failure that a 200 reply, or one event of a stream, reports; None if none."""
    error = payload.get("error")
    if not error or payload.get("choices"):
        return None
    code = error.get("code") if isinstance(error, Mapping) else None
    return _answer(code if isinstance(code, int) else 0, error, None)


def cut_off(message: str) -> FailedAttempt:
    """Return the failed attempt for a reply that did not come to its end."""
    return FailedAttempt(Failure("broken connection", message=message))


@dataclass(frozen=True, slots=True)
class ChatErrors:
    """The errors to raise about one model on one server: what happened, then what to do."""

    model: str
    endpoint: Endpoint

    def failed(
        self, failure: Failure, *, attempts: int = 1, models: Sequence[str] = ()
    ) -> ChatError:
        """Return the error for the last of `attempts`; `models` are those that the server has."""
        if failure.kind != "answer":
            return self._unreachable(failure, attempts)
        if failure.is_too_long:
            return ChatContextTooLong(
                f"The prompt is too long for {self.model} on {self._host}{self._saying(failure)}:"
                " use a model with a longer context (QA_MODEL), or start the server with one."
            )
        if failure.is_quota or failure.status in BUSY:
            return self._rate_limited(failure, attempts)
        if failure.status in {401, 403}:
            return self._no_access(failure)
        if failure.is_unknown_model or failure.status == 404:
            return self._not_found(failure, models)
        return self._other(failure, attempts)

    def no_answer(self, part: Part) -> ChatError:
        """Return the error for a reply that ended without text."""
        if part.called_tool:
            why = "called a tool, and was given none"
        elif part.finish == "length":
            why = "used up its output limit before the answer began"
        else:
            why = "sent an empty reply"
        return ChatBadReply(
            f"The model {self.model} on {self._host} {why}: ask again, or set another QA_MODEL."
        )

    def refused(self, part: Part) -> ChatError:
        """Return the error for a model, or a content filter, that would not answer."""
        why = self.endpoint.quote(part.refusal) or "a content filter stopped the reply"
        return ChatRefused(
            f"The model {self.model} declined to answer ({why}): ask differently, or set another"
            " QA_MODEL."
        )

    def output_limit(self) -> ChatError:
        """Return the error for a reply that reached the output limit."""
        return ChatBadReply(
            f"The model {self.model} reached its output limit. Ask for less, or set a QA_MODEL with"
            " longer replies."
        )

    def broken_off(self, failure: Failure) -> ChatError:
        """Return the error for a stream that ended in the middle."""
        why = self.endpoint.quote(failure.message) or "no reason given"
        return ChatBadReply(
            f"The reply of {self.model} on {self._host} broke off in the middle ({why}): ask again."
        )

    def not_a_reply(self) -> ChatError:
        """Return the error for something that is not of this protocol."""
        return ChatBadReply(
            f"The server {self._host} sent something that is no chat reply (a web page?):"
            " check OPENAI_BASE_URL, and any proxy on the way."
        )

    def too_slow(self, seconds: float) -> ChatError:
        """Return the error for a reply that did not come within `seconds`."""
        return ChatTimeout(
            f"There was no reply from {self.model} on {self._host} within {seconds:g} s:"
            " set QA_TIMEOUT to more seconds, or use a faster model."
        )

    def stalled(self, idle: float, total: float) -> ChatError:
        """Return the error for a stream silent for `idle` seconds, or without end for `total`."""
        return ChatTimeout(
            f"The reply of {self.model} on {self._host} stopped in the middle (nothing for"
            f" {idle:g} s, or no end for {total:g} s): set QA_TIMEOUT to more seconds, or ask"
            " again."
        )

    @property
    def _host(self) -> str:
        return self.endpoint.host

    def _saying(self, failure: Failure) -> str:
        said = self.endpoint.quote(failure.message)
        return f", saying “{said}”" if said else ""

    def _unreachable(self, failure: Failure, attempts: int) -> ChatError:
        if failure.kind == "broken connection":
            return ChatUnreachable(
                f"The connection to {self._host} failed{_count(attempts, ' {} times')}"
                f" ({failure.message}): ask again, or see the server's log."
            )
        advice = (
            "check the network."
            if self.endpoint.is_openai
            else "is it running? See OPENAI_BASE_URL."
        )
        return ChatUnreachable(
            f"There is no answer from {self._host} ({failure.message}): {advice}"
        )

    def _rate_limited(self, failure: Failure, attempts: int) -> ChatError:
        if failure.is_quota:
            return ChatRateLimited(
                f"The server {self._host} says that the quota is used up{_http(failure)}: check the"
                " account's plan and billing, or set another OPENAI_API_KEY."
            )
        wait = f" and asks to wait {failure.retry_after:.0f} s" if failure.retry_after else ""
        return ChatRateLimited(
            f"The server {self._host} is too busy for {self.model}: it refused"
            f"{_count(attempts, ' {} times')}{_http(failure)}{wait}. Ask again later, or set"
            " another QA_MODEL."
        )

    def _no_access(self, failure: Failure) -> ChatError:
        server = f"The server {self._host}"
        if failure.status == 403:
            return ChatAuthError(
                f"{server} refuses access to {self.model} (403){self._saying(failure)}: check what"
                " the key in OPENAI_API_KEY may use, or set QA_MODEL."
            )
        # What servers say about a wrong key repeats parts of it.
        if self.endpoint.key is None:
            return ChatAuthError(f"{server} wants a key (401): set OPENAI_API_KEY.")
        return ChatAuthError(f"{server} does not accept the key (401): check OPENAI_API_KEY.")

    def _not_found(self, failure: Failure, models: Sequence[str]) -> ChatError:
        server = f"The server {self._host}"
        if not (models or failure.is_unknown_model):
            return ChatUnreachable(
                f"{server} has no chat API at this address (404): {self.endpoint.path_advice}."
            )
        problem = f"{server} has no model {self.model!r}{_http(failure)}"
        if not models:
            return ChatModelNotFound(f"{problem}: set QA_MODEL to a model that it has.")
        names = ", ".join(self.endpoint.quote(name, longest=60) for name in models[:MODELS_NAMED])
        more = len(models) - MODELS_NAMED
        names += f" and {more} more" if more > 0 else ""
        return ChatModelNotFound(f"{problem}; it has {names}: set QA_MODEL to one of them.")

    def _other(self, failure: Failure, attempts: int) -> ChatError:
        problem = f"{_http(failure)}{_count(attempts, ' after {} attempts')}{self._saying(failure)}"
        if failure.status >= 500:
            return ChatError(
                f"The server {self._host} failed on {self.model}{problem}: ask again later."
            )
        return ChatError(
            f"The server {self._host} refused the request to {self.model}{problem}: check QA_MODEL."
        )


def _http(failure: Failure) -> str:
    return f" ({failure.status})" if failure.status else ""


def _count(attempts: int, text: str) -> str:
    return text.format(attempts) if attempts > 1 else ""


def _answer(status: int, body: object, retry_after: float | None) -> Failure:
    if not isinstance(body, Mapping):
        page = str(body or "").lstrip()
        message = "" if page.startswith("<") else page  # no line of a web page says what is wrong
        return Failure("answer", status, message=message, retry_after=retry_after)
    codes = [body.get("code"), body.get("type")]
    words = body.get("message") or body.get("detail") or body.get("error")
    return Failure(
        "answer",
        status,
        code=" ".join(code for code in codes if isinstance(code, str)),
        parameter=str(body.get("param") or ""),
        message=words if isinstance(words, str) else json.dumps(words or dict(body), default=str),
        retry_after=retry_after,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or as a date (RFC 9110, 10.2.3).

    The openai package parses it too, but only for its own retries.
    """
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _connection(exc: Exception) -> Failure:
    for cause in _causes(exc):
        if isinstance(cause, ConnectionRefusedError):
            return Failure("no connection", message="connection refused")
        if isinstance(cause, gaierror):
            return Failure("no connection", message="name not known")
        if isinstance(cause, ssl.SSLError):
            return Failure("no connection", message=f"TLS failed: {cause.reason or cause}")
    return Failure("broken connection", message="connection broken off")


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        if isinstance(exc, BaseExceptionGroup):
            for part in exc.exceptions:
                yield from _causes(part)
        exc = exc.__cause__ or exc.__context__
