"""A chat model on a server, reached through the openai package: single tries, and going on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qa.errors import ChatModelNotFound
from qa.llm.complaints import Complaints
from qa.llm.connection import open_async
from qa.llm.dialect import Dialect
from qa.llm.endpoint import Endpoint
from qa.llm.faults import FailedTry, Fault, error_for, fault_of
from qa.llm.limits import Limits, Patience
from qa.llm.listing import advice, model_names
from qa.llm.messages import Message

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def unheard(_: Fault) -> None:
    """A listener for those who do not care."""


class Server:
    """One model on one server, for one event loop.

    A connection is opened with the first request.
    """

    def __init__(
        self, model: str, endpoint: Endpoint, limits: Limits, options: Mapping[str, object]
    ) -> None:
        self.model = model
        self.endpoint = endpoint
        self.limits = limits
        self.dialect = Dialect(options)
        self.complaints = Complaints(model, endpoint, limits)
        self.retried: Callable[[Fault], None] = unheard  # hears of tries that another one follows
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
            fault = fault_of(exc)
            raise FailedTry(fault, adapted=self.dialect.learn(fault, optional)) from exc
        return raw.http_response

    async def go_on(self, failed: FailedTry, patience: Patience) -> None:
        """Wait for the next try, or raise the ChatError that the last one ended with."""
        if failed.adapted or await patience.next_try(failed.fault):
            self.retried(failed.fault)
            return
        error = error_for(failed.fault, self.endpoint, self.model, tries=patience.tries)
        if isinstance(error, ChatModelNotFound):
            error = advice(failed.fault, error, self.endpoint, await self._listed())
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
