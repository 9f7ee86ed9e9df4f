"""One chat request to a server: single attempts, what they teach about the server, and retries."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qa.errors import ChatModelNotFound
from qa.llm.compat import ServerCompat
from qa.llm.connection import Endpoint, Timeouts, open_async
from qa.llm.errors import Complaints, FailedAttempt, Failure, error_for, failure_of
from qa.llm.messages import ChatCall, Message
from qa.llm.models import model_advice, model_names

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class Deadline:
    """What one call may still spend of its limits."""

    def __init__(self, limits: Timeouts) -> None:
        now = asyncio.get_running_loop().time()
        self.tries = 1
        self.deadline = now + limits.total  # on the event loop's clock
        self._stream_deadline = now + limits.stream
        self._limits = limits

    async def next_try(self, fault: Failure) -> bool:
        """Wait until `fault` may have passed; False if there is no point or no time."""
        if not fault.passing or self.tries >= self._limits.tries:
            return False
        pause = self._pause(fault)
        now = asyncio.get_running_loop().time()
        if pause > self._limits.longest_pause or now + pause >= self.deadline:
            return False
        await asyncio.sleep(pause)
        self.tries += 1
        return True

    def piece_deadline(self, *, begun: bool) -> float:
        """Return until when the next piece of a stream may take."""
        if not begun:
            return min(self.deadline, self._stream_deadline)
        idle = asyncio.get_running_loop().time() + self._limits.idle
        return min(idle, self._stream_deadline)

    def _pause(self, fault: Failure) -> float:
        if fault.retry_after is not None:
            return fault.retry_after
        # Jitter keeps the calls of one batch from coming back all at once.
        return self._limits.pause * 2.0 ** (self.tries - 1) * random.uniform(0.5, 1)  # noqa: S311


class Server:
    """One model on one server, for one event loop.

    A connection is opened with the first request.
    """

    def __init__(
        self, model: str, endpoint: Endpoint, limits: Timeouts, options: Mapping[str, object]
    ) -> None:
        self.model = model
        self.endpoint = endpoint
        self.limits = limits
        self.dialect = ServerCompat(options)
        self.complaints = Complaints(model, endpoint, limits)
        self._client: AsyncOpenAI | None = None

    async def ask(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None, stream: bool
    ) -> Any:  # noqa: ANN401 - an httpx.Response under openai 2, one of httpx2 under openai 3
        """Return the HTTP response to one try, unread if it is a stream; raises FailedTry."""
        optional = self.dialect.parameters(schema=schema, stream=stream)
        body = {name: value for name, value in optional.items() if name != "stream"}
        wire: Any = self.dialect.messages(messages)
        completions = self._openai().chat.completions.with_raw_response
        try:
            raw = await completions.create(
                model=self.model, messages=wire, stream="stream" in optional, extra_body=body
            )
        except Exception as exc:
            fault = failure_of(exc)
            raise FailedAttempt(fault, adapted=self.dialect.learn(fault, optional)) from exc
        return raw.http_response

    async def go_on(self, failed: FailedAttempt, patience: Deadline, call: ChatCall) -> None:
        """Wait for the next try of a call, or raise the ChatError that the last one ended with."""
        if failed.adapted or await patience.next_try(failed.fault):
            call.add_failure(str(failed.fault.status or failed.fault.kind))
            return
        error = error_for(failed.fault, self.endpoint, self.model, tries=patience.tries)
        if isinstance(error, ChatModelNotFound):
            error = model_advice(failed.fault, error, self.endpoint, await self._listed())
        raise error from failed.__cause__

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _listed(self) -> list[str] | None:
        """Return the server's models for an error message, or None if it does not tell."""
        try:
            async with asyncio.timeout(self.limits.connect):
                raw = await self._openai().models.with_raw_response.list()
            return model_names(raw.http_response.text)
        except Exception:  # noqa: BLE001 - an error is being reported already
            return None

    def _openai(self) -> "AsyncOpenAI":
        if self._client is None:
            self._client = open_async(self.endpoint, connect=self.limits.connect)
        return self._client
