"""A model file as a chat model: the client of a llama.cpp server that the first call starts."""

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence

from qa.errors import ChatBadReply, ChatContextTooLong, ChatError, ChatUnreachable
from qa.llm.client import OpenAIChat, Timeouts
from qa.llm.llama_cpp.model_file import ModelFile, megabytes
from qa.llm.llama_cpp.server import Capacity, LocalServer, require_llama
from qa.llm.messages import Message, Reply, ReplyStream, Usage, estimated_usage

# A slow machine is no failure: one hour for a reply.
LOCAL_TIMEOUTS = Timeouts.within(3_600.0)
OPTIONS = {
    "temperature": 0,  # the same question gets the same verdicts
    "max_tokens": 2_048,  # small models may repeat themselves without end
    "chat_template_kwargs": {"enable_thinking": False},  # it takes pages for every paper
}
ANSWER_SHARE = 8  # one part in so many of the context is kept for the answer
SERVER_ENDED = (ChatUnreachable, ChatBadReply)  # what the client raises when the process ended


class LocalChat:
    """A chat model that runs on this machine; see Chat.

    `get_server` returns its server, which is started if need be. Calls raise ConfigError as well,
    where llama.cpp cannot load the model.
    """

    def __init__(
        self,
        model: str,
        get_server: Callable[[], Awaitable[LocalServer]],
        *,
        context: int,
        timeouts: Timeouts | None,
    ) -> None:
        self.model = model
        self.context = context  # tokens, prompt and reply
        self._get_server = get_server
        self._timeouts = timeouts or LOCAL_TIMEOUTS
        self._server: LocalServer | None = None
        self._client: OpenAIChat | None = None

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply; see Chat."""
        client = await self.client()
        try:
            return await client.complete(messages, schema=schema)
        except SERVER_ENDED as exc:
            raise await self.with_cause(exc) from exc

    async def first_token(self, messages: Sequence[Message]) -> Reply:
        """Return a reply of one token; see Chat."""
        client = await self.client()
        try:
            return await client.first_token(messages)
        except SERVER_ENDED as exc:
            raise await self.with_cause(exc) from exc

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written; see Chat."""
        return _LocalStream(self, messages)

    async def close(self) -> None:
        """Close the connections; the server goes on."""
        if self._client is not None:
            await self._client.close()

    async def client(self) -> OpenAIChat:
        """Return the client of the server, once that has loaded the model."""
        server = self._server = self._server or await self._get_server()
        if self._client is None:
            self._client = OpenAIChat(
                self.model,
                api_key=server.api_key,
                base_url=server.base_url,
                timeouts=self._timeouts,
                options=OPTIONS,
            )
        return self._client

    def check_room(self, messages: Sequence[Message]) -> None:
        """Raise ChatContextTooLong where the prompt leaves too little context for the answer."""
        prompt = estimated_usage(messages, 0).prompt_tokens
        if prompt > self.context - self.context // ANSWER_SHARE:
            raise ChatContextTooLong(
                f"The prompt of some {prompt:,} tokens leaves no room for an answer in the "
                f"{self.context:,} that {self.model} has here: ask for less."
            )

    async def with_cause(self, error: ChatError) -> ChatError:
        """Return why the server has ended as an error, or `error` if it has not."""
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
        self._chat.check_room(self._messages)
        client = await self._chat.client()
        self._inner = client.stream(self._messages)
        try:
            async for piece in self._inner:
                yield piece
        except SERVER_ENDED as exc:
            raise await self._chat.with_cause(exc) from exc
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
        """Return the model of the file that the setting names; nothing is started yet.

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
        """Return the model, its file and its context, in a line."""
        context = f"{self._capacity.context:,} tokens of context"
        where = f"{self.file.path.absolute()}, {megabytes(self.file.size)}"
        return f"{self.name}, run here by llama.cpp ({where}; {context})"

    def chat(self, timeouts: Timeouts | None) -> LocalChat:
        """Return a new client, to be closed after use; its first call starts the server."""
        context = self._capacity.context
        return LocalChat(self.name, self._ready_server, context=context, timeouts=timeouts)

    def close(self) -> None:
        """End the server."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    async def _ready_server(self) -> LocalServer:
        with self._lock:
            if self._server is None or self._server.ended:
                self._server = LocalServer(self.file, self._capacity)
            server = self._server
        await server.ready()
        return server
