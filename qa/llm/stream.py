"""A chat model's reply while it is written."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from typing import Any, TypeVar

from qa.errors import ChatTimeout
from qa.llm.errors import FailedAttempt, Failure, failure_in, failure_of
from qa.llm.messages import ChatCall, Message, Usage, estimated_usage
from qa.llm.replies import DONE, Part, Thinking, events, parse, part_of
from qa.llm.requests import Deadline, Server
from qa.progress import observed

T = TypeVar("T")


class OpenAIStream:
    """A reply piece by piece; see ReplyStream.

    A try that fails before its text begins is followed by another one, as for whole replies.
    """

    def __init__(self, server: Server, messages: Sequence[Message]) -> None:
        self.usage = Usage()
        self._server = server
        self._messages = messages
        self._pieces = self._read()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def aclose(self) -> None:
        """Stop reading and let go of the connection."""
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        host = self._server.endpoint.host
        call = ChatCall(self._server.model, host, self._messages, streamed=True)
        with observed(call):
            async with contextlib.aclosing(self._try_until_done(call)) as pieces:
                async for piece in pieces:
                    call.add_piece(piece)
                    yield piece

    async def _try_until_done(self, call: ChatCall) -> AsyncGenerator[str, None]:
        patience = Deadline(self._server.limits)
        while True:
            a_try = _Attempt(self._server, self._messages, patience)
            try:
                async with contextlib.aclosing(a_try.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
                break
            except FailedAttempt as failed:
                if a_try.begun:
                    raise self._server.complaints.broken_off(failed.fault) from failed.__cause__
                await self._server.go_on(failed, patience, call)
            finally:
                self.usage += a_try.usage()
                call.usage = self.usage
        a_try.check_end()


class _Attempt:
    """One try to get a reply, and what has come of it so far."""

    def __init__(self, server: Server, messages: Sequence[Message], patience: Deadline) -> None:
        self.begun = False  # whether text has gone out: from then on there is no other try
        self._server = server
        self._messages = messages
        self._patience = patience
        self._thinking = Thinking(opened=server.dialect.thinks_unopened)
        self._received = 0  # characters, thinking included
        self._sum = Part()  # of all parts, without the text

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Yield the reply's text; raises FailedTry and ChatError."""
        asking = self._server.ask(self._messages, schema=None, stream=True)
        response = await self._in_time(asking)
        try:
            async with contextlib.aclosing(self._parts(response)) as parts:
                async for part in parts:
                    if text := self._take(part):
                        self.begun = True
                        yield text
            if text := self._thinking.rest():
                self.begun = True
                yield text
        finally:
            await response.aclose()

    def usage(self) -> Usage:
        """Return what this try cost, nothing if no reply came."""
        if self._sum.usage or not self._received:
            return self._sum.usage or Usage()
        return estimated_usage(self._messages, self._received)

    def check_end(self) -> None:
        """Raise ChatError if the reply, complete as it is, is no answer or not all of it."""
        complaints = self._server.complaints
        if self._sum.is_refusal:
            raise complaints.refused(self._sum)
        if not self.begun:
            raise complaints.no_answer(self._sum)
        if self._sum.finish == "length":
            raise complaints.cut_short()

    def _take(self, part: Part) -> str:
        self._received += len(part.text) + part.hidden
        self._sum = self._sum.with_next(part)
        return self._thinking.feed(part.text)

    async def _parts(self, response: Any) -> AsyncGenerator[Part, None]:  # noqa: ANN401
        """Yield what comes until the reply is complete."""
        kind = response.headers.get("content-type", "")
        if "html" in kind:
            raise self._server.complaints.not_a_reply()
        if "json" in kind:  # the server does not stream
            yield self._read_part(await self._in_time(self._network(response.aread())))
            return
        lines = events(response.aiter_bytes())
        while (data := await self._next(lines)) not in {None, DONE}:
            if data:
                yield self._read_part(data)
        # Some servers never name a reason for the end, but say that it is one.
        if data is None and self._sum.finish is None:
            raise FailedAttempt(Failure("broken connection", words="its end never came"))

    async def _next(self, lines: AsyncIterator[str]) -> str | None:
        """Return the next event, or None after the last one."""
        try:
            return await self._in_time(self._network(anext(lines, None)))
        except (FailedAttempt, ChatTimeout):
            if self._sum.finish is None:
                raise
            return None  # the reply is there, only its epilogue is missing

    async def _network(self, awaitable: Awaitable[T]) -> T:
        try:
            return await awaitable
        except Exception as exc:
            raise FailedAttempt(failure_of(exc)) from exc

    def _read_part(self, data: str | bytes) -> Part:
        payload = parse(data)
        if payload is None:
            raise FailedAttempt(Failure("broken connection", words="one piece was cut off"))
        if fault := failure_in(payload):
            raise FailedAttempt(fault)
        return part_of(payload)

    async def _in_time(self, awaitable: Awaitable[T]) -> T:
        complaints = self._server.complaints
        try:
            async with asyncio.timeout_at(self._patience.piece_deadline(begun=self.begun)):
                return await awaitable
        except TimeoutError as exc:
            raise complaints.stalled() if self.begun else complaints.too_slow() from exc
