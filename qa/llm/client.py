"""The chat client for OpenAI and every server that speaks its protocol."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from qa.llm.completion import parse, part_of
from qa.llm.endpoint import Endpoint
from qa.llm.faults import FailedTry, Fault, fault_in
from qa.llm.limits import Limits, Patience
from qa.llm.messages import Message, Reply, ReplyStream, estimated_usage
from qa.llm.server import Server
from qa.llm.stream import OpenAIStream
from qa.llm.thinking import thinks_unopened, without_thinking


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
        limits: Limits | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Take `options` as further parameters of each request, such as a temperature."""
        self.model = model
        endpoint = Endpoint.of(api_key, base_url)
        self._server = Server(model, endpoint, limits or Limits(), options or {})

    @property
    def host(self) -> str:
        """The server's name and port."""
        return self._server.endpoint.host

    def listen(self, retried: Callable[[Fault], None]) -> None:
        """Have `retried` hear of each try that failed and is followed by another one."""
        self._server.retried = retried

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply; see Chat."""
        patience = Patience(self._server.limits)
        try:
            async with asyncio.timeout_at(patience.deadline):
                while True:
                    try:
                        return await self._try_once(messages, schema)
                    except FailedTry as failed:
                        await self._server.go_on(failed, patience)
        except TimeoutError as exc:
            raise self._server.complaints.too_slow() from exc

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written; see Chat."""
        return OpenAIStream(self._server, messages)

    async def close(self) -> None:
        """Close the connections; the client must not be used afterwards."""
        await self._server.close()

    async def _try_once(
        self, messages: Sequence[Message], schema: Mapping[str, object] | None
    ) -> Reply:
        response = await self._server.ask(messages, schema=schema, stream=False)
        payload = parse(response.text)
        if payload is None and response.text.lstrip().startswith("{"):
            raise FailedTry(Fault("broken connection", words="the reply was cut off"))
        if payload is None:
            raise self._server.complaints.not_a_reply()
        if fault := fault_in(payload):
            raise FailedTry(fault)
        part = part_of(payload)
        self._server.dialect.thinks_unopened |= thinks_unopened(part.text)
        text = without_thinking(part.text).strip()
        if part.is_refusal:
            raise self._server.complaints.refused(part)
        if not text:
            raise self._server.complaints.no_answer(part)
        usage = part.usage or estimated_usage(messages, len(part.text) + part.hidden)
        return Reply(text, part.finish or "stop", usage)
