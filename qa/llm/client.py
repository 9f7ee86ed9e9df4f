"""How long and how often a chat model is tried."""

import asyncio
from collections.abc import Mapping, Sequence

from qa.llm.connection import Endpoint, Timeouts
from qa.llm.errors import FailedAttempt, Failure, failure_in
from qa.llm.messages import ChatCall, Message, Reply, ReplyStream, estimated_usage
from qa.llm.replies import parse, part_of, thinks_unopened, without_thinking
from qa.llm.requests import Deadline, Server
from qa.llm.stream import OpenAIStream
from qa.progress import observed


class OpenAIChat:
    """A chat model behind an OpenAI-compatible server; for one event loop, many calls at once.

    Raises ConfigError or ChatAuthError for an address or a key that cannot be one.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None,
        limits: Timeouts | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Take `options` as further parameters of each request, such as a temperature."""
        self.model = model
        endpoint = Endpoint.of(api_key, base_url)
        self._server = Server(model, endpoint, limits or Timeouts(), options or {})

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply; see Chat."""
        host = self._server.endpoint.host
        call = ChatCall(self.model, host, messages, wants_json=schema is not None)
        with observed(call):
            reply = await self._try_until_done(call, schema)
            call.text, call.finish, call.usage = reply.text, reply.finish, reply.usage
            return reply

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written; see Chat."""
        return OpenAIStream(self._server, messages)

    async def close(self) -> None:
        """Close the connections; the client must not be used afterwards."""
        await self._server.close()

    async def _try_until_done(self, call: ChatCall, schema: Mapping[str, object] | None) -> Reply:
        patience = Deadline(self._server.limits)
        try:
            async with asyncio.timeout_at(patience.deadline):
                while True:
                    try:
                        return await self._try_once(call.messages, schema)
                    except FailedAttempt as failed:
                        await self._server.go_on(failed, patience, call)
        except TimeoutError as exc:
            raise self._server.complaints.too_slow() from exc

    async def _try_once(
        self, messages: Sequence[Message], schema: Mapping[str, object] | None
    ) -> Reply:
        response = await self._server.ask(messages, schema=schema, stream=False)
        payload = parse(response.text)
        if payload is None and response.text.lstrip().startswith("{"):
            raise FailedAttempt(Failure("broken connection", words="the reply was cut off"))
        if payload is None:
            raise self._server.complaints.not_a_reply()
        if fault := failure_in(payload):
            raise FailedAttempt(fault)
        part = part_of(payload)
        self._server.dialect.thinks_unopened |= thinks_unopened(part.text)
        text = without_thinking(part.text).strip()
        if part.is_refusal:
            raise self._server.complaints.refused(part)
        if not text:
            raise self._server.complaints.no_answer(part)
        usage = part.usage or estimated_usage(messages, len(part.text) + part.hidden)
        return Reply(text, part.finish or "stop", usage)
