"""The chat client of a local model: the usual one, to a server that the first call starts."""

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence

from qa.errors import ChatBadReply, ChatContextTooLong, ChatError, ChatUnreachable
from qa.llm.client import OpenAIChat, Timeouts
from qa.llm.llama_cpp.model_file import ModelFile, megabytes
from qa.llm.llama_cpp.server import Capacity, LocalServer, require_llama
from qa.llm.messages import Message, Reply, ReplyStream, Usage, estimated_usage

PATIENCE = Timeouts.within(3_600.0)  # a slow machine is no failure, and is only the user's own
OPTIONS = {
    "temperature": 0,  # the same question, the same verdicts
    "max_tokens": 2_048,  # small models may never find an end
    "chat_template_kwargs": {"enable_thinking": False},  # pages of thoughts for every paper
}
ROOM = 8  # the part of the context, one in so many, that an answer must find left
BROKEN = (ChatUnreachable, ChatBadReply)  # how the end of the server looks to the client


class LocalChat:
    """A chat model that runs here; see Chat. `serving` gives its server, started if need be.

    Calls raise ConfigError as well: where llama.cpp cannot load the model.
    """

    def __init__(
        self,
        model: str,
        serving: Callable[[], Awaitable[LocalServer]],
        *,
        context: int,
        limits: Timeouts | None,
    ) -> None:
        self.model = model
        self.context = context  # tokens, prompt and reply
        self._serving = serving
        self._limits = limits or PATIENCE
        self._server: LocalServer | None = None
        self._client: OpenAIChat | None = None

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply; see Chat."""
        client = await self.client()
        try:
            return await client.complete(messages, schema=schema)
        except BROKEN as exc:
            raise await self.explained(exc) from exc

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written; see Chat."""
        return _LocalStream(self, messages)

    async def close(self) -> None:
        """Close the connections; the server goes on."""
        if self._client is not None:
            await self._client.close()

    async def client(self) -> OpenAIChat:
        """The client of the server, which is waited for."""
        server = self._server = self._server or await self._serving()
        if self._client is None:
            self._client = OpenAIChat(
                self.model,
                api_key=server.api_key,
                base_url=server.base_url,
                timeouts=self._limits,
                options=OPTIONS,
            )
        return self._client

    def make_room(self, messages: Sequence[Message]) -> None:
        """Raise ChatContextTooLong where a prompt may fit, but leaves too little for the answer."""
        prompt = estimated_usage(messages, 0).prompt_tokens
        if prompt > self.context - self.context // ROOM:
            raise ChatContextTooLong(
                f"the prompt of some {prompt:,} tokens leaves no room for an answer in the "
                f"{self.context:,} that {self.model} has here: ask for less"
            )

    async def explained(self, error: ChatError) -> ChatError:
        """The error that says more, if the server has ended."""
        why = await self._server.why_ended() if self._server else None
        return ChatUnreachable(why) if why else error


class _LocalStream:
    """A reply piece by piece; see ReplyStream."""

    def __init__(self, chat: LocalChat, messages: Sequence[Message]) -> None:
        self._chat = chat
        self._messages = messages
        self._inner: ReplyStream | None = None
        self._pieces = self._read()

    @property
    def usage(self) -> Usage:
        return self._inner.usage if self._inner else Usage()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._pieces

    async def aclose(self) -> None:
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        self._chat.make_room(self._messages)
        client = await self._chat.client()
        self._inner = client.stream(self._messages)
        try:
            async for piece in self._inner:
                yield piece
        except BROKEN as exc:
            raise await self._chat.explained(exc) from exc
        finally:
            await self._inner.aclose()


class LocalModel:
    """One model for any number of questions, also from several threads, until it is closed."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self._capacity = Capacity.of(file)
        self._server: LocalServer | None = None
        self._lock = threading.Lock()

    @classmethod
    def find(cls, name: str) -> "LocalModel":
        """The model of the file that the setting names; nothing is started yet.

        Raises ConfigError if there is none, if it is no chat model, or without llama.cpp.
        """
        file = ModelFile.find(name)
        require_llama()
        return cls(file)

    @property
    def name(self) -> str:
        """What answers call the model."""
        return self.file.name

    def describe(self) -> str:
        """The model, its file and what it gets of the machine, in a line."""
        context = f"{self._capacity.context:,} tokens of context"
        where = f"{self.file.path.absolute()}, {megabytes(self.file.size)}"
        return f"{self.name}, run here by llama.cpp ({where}; {context})"

    def chat(self, limits: Timeouts | None) -> LocalChat:
        """A new client, to be closed after use; its first call starts the server."""
        context = self._capacity.context
        return LocalChat(self.name, self._serving, context=context, limits=limits)

    def close(self) -> None:
        """End the server."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    async def _serving(self) -> LocalServer:
        with self._lock:
            if self._server is None or self._server.ended:
                self._server = LocalServer(self.file, self._capacity)
            server = self._server
        await server.ready()
        return server
