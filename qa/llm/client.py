"""The client of an OpenAI-compatible chat server: requests, retries and time limits, streams.

Every failed attempt, a 429 among them, goes through `OpenAIChat.retry_or_raise`. The retries and
the reading of server-sent events are our own and not the openai package's: that also repeats what
cannot help (a used-up quota, a prompt that is too long, a refused connection), begins to wait for a
Retry-After of up to two minutes although the user's time limit ends before, does not repeat a 200
reply that reports an error or holds half a document, and ends a stream without its last event like
one that is complete.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from qa.errors import ChatTimeout
from qa.llm.compat import ServerCompat
from qa.llm.endpoint import Endpoint, open_async
from qa.llm.errors import ChatErrors, FailedAttempt, Failure, cut_off, failure_in, failure_of
from qa.llm.messages import ChatCall, Message, Reply, ReplyStream, Usage, estimated_usage
from qa.llm.replies import (
    DONE,
    Part,
    ThinkingFilter,
    ends_unopened_thinking,
    events,
    model_names,
    parse_object,
    part_of,
    without_thinking,
)
from qa.progress import observed

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The limits of one call: seconds, and a number of attempts."""

    connect: float = 10.0  # to open a connection
    total: float = 300.0  # for a reply with all attempts; for a stream, until its text begins
    idle: float = 60.0  # between two pieces of a stream whose text has begun
    stream: float = 900.0  # for a whole stream, so that one with an endless trickle ends too
    attempts: int = 4
    first_pause: float = 0.5  # before the second attempt; doubles from there
    longest_pause: float = 30.0  # a server that asks for a longer one is not tried again

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


class OpenAIChat:
    """A chat model behind an OpenAI-compatible server; for one event loop, many calls at once.

    A connection is opened with the first request.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None,
        timeouts: Timeouts | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Take `options` as further parameters of each request, such as a temperature.

        Raises ConfigError or ChatAuthError for an address or a key that cannot be one.
        """
        self.model = model
        self.endpoint = Endpoint.of(api_key, base_url)
        self.timeouts = timeouts or Timeouts()
        self.compat = ServerCompat(options or {})
        self.errors = ChatErrors(model, self.endpoint)
        self._client: AsyncOpenAI | None = None

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply; see Chat."""
        host = self.endpoint.host
        call = ChatCall(self.model, host, messages, wants_json=schema is not None)
        return await self._completed(call, schema)

    async def first_token(self, messages: Sequence[Message]) -> Reply:
        """Return a reply of one token; see Chat."""
        call = ChatCall(self.model, self.endpoint.host, messages)
        return await self._completed(call, None, first_token=True)

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written; see Chat."""
        return OpenAIStream(self, messages)

    async def close(self) -> None:
        """Close the connections; the client must not be used afterwards."""
        if self._client is not None:
            await self._client.close()

    async def _completed(
        self, call: ChatCall, schema: Mapping[str, object] | None, *, first_token: bool = False
    ) -> Reply:
        with observed(call):
            reply = await self._complete_call(call, schema, first_token=first_token)
            call.text, call.finish, call.usage = reply.text, reply.finish, reply.usage
            return reply

    async def _complete_call(
        self, call: ChatCall, schema: Mapping[str, object] | None, *, first_token: bool
    ) -> Reply:
        budget = CallBudget(self.timeouts)
        try:
            async with asyncio.timeout_at(budget.deadline):
                while True:
                    try:
                        return await self._complete_once(call.messages, schema, first_token)
                    except FailedAttempt as failed:
                        await self.retry_or_raise(failed, budget, call)
        except TimeoutError as exc:
            raise self.errors.too_slow(self.timeouts.total) from exc

    async def send(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, object] | None = None,
        stream: bool = False,
        first_token: bool = False,
    ) -> Any:  # noqa: ANN401 - an httpx.Response under openai 2, one of httpx2 under openai 3
        """Return the HTTP response to one attempt, unread if it is a stream.

        Raises FailedAttempt.
        """
        optional = self.compat.parameters(schema=schema, stream=stream, first_token=first_token)
        body = {name: value for name, value in optional.items() if name != "stream"}
        sent: Any = self.compat.messages(messages)
        completions = self._openai().chat.completions.with_raw_response
        try:
            raw = await completions.create(
                model=self.model, messages=sent, stream="stream" in optional, extra_body=body
            )
        except Exception as exc:
            failure = failure_of(exc)
            raise FailedAttempt(failure, adapted=self.compat.adapt(failure, optional)) from exc
        return raw.http_response

    async def retry_or_raise(
        self, failed: FailedAttempt, budget: "CallBudget", call: ChatCall
    ) -> None:
        """Wait until the next attempt may be made; raise the ChatError where there is none.

        An attempt that was refused for a parameter is repeated at once without it.
        """
        failure = failed.failure
        if failed.adapted or await budget.wait_for_retry(failure):
            call.add_failure(str(failure.status or failure.kind))
            return
        not_found = failure.status == 404 or failure.is_unknown_model
        models = await self._listed_models() if not_found else []
        error = self.errors.failed(failure, attempts=budget.attempts, models=models)
        raise error from failed.__cause__

    async def _complete_once(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, object] | None,
        first_token: bool,  # noqa: FBT001 - as complete or first_token asks
    ) -> Reply:
        response = await self.send(messages, schema=schema, first_token=first_token)
        payload = parse_object(response.text)
        if payload is None and response.text.lstrip().startswith("{"):
            raise cut_off("the reply was cut off")
        if payload is None:
            raise self.errors.not_a_reply()
        if failure := failure_in(payload):
            raise FailedAttempt(failure)
        part = part_of(payload)
        self.compat.thinks_unopened |= ends_unopened_thinking(part.text)
        text = without_thinking(part.text).strip()
        if part.is_refusal:
            raise self.errors.refused(part)
        if not text and not first_token:
            raise self.errors.no_answer(part)
        usage = part.usage or estimated_usage(messages, len(part.text) + part.hidden)
        return Reply(text, part.finish or "stop", usage, part.first_tokens)

    async def _listed_models(self) -> list[str]:
        """Return the server's models for an error message; none if it does not list them."""
        try:
            async with asyncio.timeout(self.timeouts.connect):
                raw = await self._openai().models.with_raw_response.list()
            return model_names(raw.http_response.text) or []
        except Exception:  # noqa: BLE001 - an error is being reported already
            return []

    def _openai(self) -> "AsyncOpenAI":
        if self._client is None:
            self._client = open_async(self.endpoint, connect=self.timeouts.connect)
        return self._client


class CallBudget:
    """How many attempts one call has made, and the deadlines on the event loop's clock."""

    def __init__(self, timeouts: Timeouts) -> None:
        now = asyncio.get_running_loop().time()
        self.attempts = 1
        self.deadline = now + timeouts.total
        self._stream_deadline = now + timeouts.stream
        self._timeouts = timeouts

    async def wait_for_retry(self, failure: Failure) -> bool:
        """Wait until another attempt makes sense; return False if none does or time is short."""
        if not failure.is_retryable or self.attempts >= self._timeouts.attempts:
            return False
        pause = failure.retry_after
        if pause is None:  # the random part keeps calls that failed together from coming together
            pause = self._timeouts.first_pause * 2.0 ** (self.attempts - 1)
            pause *= random.uniform(0.5, 1)  # noqa: S311 - no secret
        now = asyncio.get_running_loop().time()
        if pause > self._timeouts.longest_pause or now + pause >= self.deadline:
            return False
        await asyncio.sleep(pause)
        self.attempts += 1
        return True

    def piece_deadline(self, *, begun: bool) -> float:
        """Return when the next piece of a stream must have come; `begun`: it has sent text."""
        if not begun:
            return min(self.deadline, self._stream_deadline)
        idle = asyncio.get_running_loop().time() + self._timeouts.idle
        return min(idle, self._stream_deadline)


class OpenAIStream:
    """A reply piece by piece; see ReplyStream.

    An attempt that fails before its text begins is repeated as for whole replies.
    """

    def __init__(self, chat: OpenAIChat, messages: Sequence[Message]) -> None:
        self.usage = Usage()
        self._chat = chat
        self._messages = messages
        self._pieces = self._read()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def aclose(self) -> None:
        """Stop reading and close the connection."""
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        host = self._chat.endpoint.host
        call = ChatCall(self._chat.model, host, self._messages, streamed=True)
        with observed(call):
            async with contextlib.aclosing(self._read_call(call)) as pieces:
                async for piece in pieces:
                    call.add_piece(piece)
                    yield piece

    async def _read_call(self, call: ChatCall) -> AsyncGenerator[str, None]:
        budget = CallBudget(self._chat.timeouts)
        while True:
            attempt = _StreamAttempt(self._chat, self._messages, budget)
            try:
                async with contextlib.aclosing(attempt.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
                break
            except FailedAttempt as failed:
                if attempt.begun:
                    raise self._chat.errors.broken_off(failed.failure) from failed.__cause__
                await self._chat.retry_or_raise(failed, budget, call)
            finally:
                self.usage += attempt.usage()
                call.usage = self.usage
        attempt.check_end()


class _StreamAttempt:
    """One attempt to get a streamed reply, and what has come of it so far."""

    def __init__(self, chat: OpenAIChat, messages: Sequence[Message], budget: CallBudget) -> None:
        self.begun = False  # whether text has been passed on: from then on there is no retry
        self._chat = chat
        self._messages = messages
        self._budget = budget
        self._thinking = ThinkingFilter(opened=chat.compat.thinks_unopened)
        self._received = 0  # characters, thinking included
        self._total = Part()  # all parts together, without their text

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Yield the reply's text; raises FailedAttempt and ChatError."""
        request = self._chat.send(self._messages, stream=True)
        response = await self._in_time(request)
        try:
            async with contextlib.aclosing(self._parts(response)) as parts:
                async for part in parts:
                    self._received += len(part.text) + part.hidden
                    self._total = self._total.with_next(part)
                    if text := self._thinking.feed(part.text):
                        self.begun = True
                        yield text
            if text := self._thinking.rest():
                self.begun = True
                yield text
        finally:
            await response.aclose()

    def usage(self) -> Usage:
        """Return what this attempt cost, nothing if no reply came."""
        if self._total.usage or not self._received:
            return self._total.usage or Usage()
        return estimated_usage(self._messages, self._received)

    def check_end(self) -> None:
        """Raise ChatError if the reply came to its end, but is no answer or not all of it."""
        if self._total.is_refusal:
            raise self._chat.errors.refused(self._total)
        if not self.begun:
            raise self._chat.errors.no_answer(self._total)
        if self._total.finish == "length":
            raise self._chat.errors.output_limit()

    async def _parts(self, response: Any) -> AsyncGenerator[Part, None]:  # noqa: ANN401 - see send
        """Yield what comes until the reply is complete."""
        content_type = response.headers.get("content-type", "")
        if "html" in content_type:
            raise self._chat.errors.not_a_reply()
        if "json" in content_type:  # the server does not stream
            yield _part(await self._in_time(response.aread()))
            return
        data_of_events = events(response.aiter_bytes())
        while (data := await self._next(data_of_events)) not in {None, DONE}:
            if data:
                yield _part(data)
        # Some servers never send a finish reason, but say that they are done.
        if data is None and self._total.finish is None:
            raise cut_off("its end never came")

    async def _next(self, data_of_events: AsyncIterator[str]) -> str | None:
        """Return the next event's data, or None after the last one."""
        try:
            return await self._in_time(anext(data_of_events, None))
        except (FailedAttempt, ChatTimeout):
            if self._total.finish is None:
                raise
            return None  # the reply is complete, only its token counts are missing

    async def _in_time(self, awaitable: Awaitable[T]) -> T:
        """Return what `awaitable` gives; raises ChatTimeout and FailedAttempt."""
        timeouts, errors = self._chat.timeouts, self._chat.errors
        try:
            async with asyncio.timeout_at(self._budget.piece_deadline(begun=self.begun)):
                return await awaitable
        except TimeoutError as exc:
            if self.begun:
                raise errors.stalled(timeouts.idle, timeouts.stream) from exc
            raise errors.too_slow(timeouts.total) from exc
        except FailedAttempt:
            raise
        except Exception as exc:
            raise FailedAttempt(failure_of(exc)) from exc


def _part(data: str | bytes) -> Part:
    payload = parse_object(data)
    if payload is None:
        raise cut_off("one piece was cut off")
    if failure := failure_in(payload):
        raise FailedAttempt(failure)
    return part_of(payload)
