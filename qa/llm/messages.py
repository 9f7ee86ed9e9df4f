"""What goes to a chat model and what comes back, and the protocol every chat model follows."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

CHARACTERS_PER_TOKEN = 4  # of English text, to estimate what a server did not count


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a request."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one or more calls; add them up with `+`.

    `cached_tokens` is the part of `prompt_tokens` that the server had cached and charges less for.
    `estimated` is true where at least one call was not counted by its server, and is estimated from
    its number of characters.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Tokens sent and received."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.estimated or other.estimated,
        )


def estimated_usage(messages: Sequence[Message], received: int) -> Usage:
    """Estimate the tokens of one call; `received` is the number of characters of the reply."""
    sent = sum(len(message.content) for message in messages)
    return Usage(
        calls=1,
        prompt_tokens=-(-sent // CHARACTERS_PER_TOKEN),
        completion_tokens=-(-received // CHARACTERS_PER_TOKEN),
        estimated=True,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; `finish` is "stop", or "length" where the model hit its output limit.

    `first_tokens` are the likeliest first tokens with the natural logarithms of their
    probabilities, where they were asked for and the server gives them.
    """

    text: str
    finish: str
    usage: Usage
    first_tokens: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class ChatCall:
    """One call of a chat model as hooks see it (`qa.progress.hooks`): what is sent, what comes."""

    model: str
    host: str  # the server's name and port
    messages: Sequence[Message]
    wants_json: bool = False
    streamed: bool = False
    began: float = field(default_factory=time.perf_counter)
    resent: list[tuple[int, str]] = field(default_factory=list)  # tries that failed: when, why
    first_piece: float | None = None  # seconds until the first piece of a streamed reply
    text: str = ""  # of the reply, as far as it has come
    finish: str | None = None  # why the reply ended
    usage: Usage = field(default_factory=Usage)

    def add_failure(self, kind: str) -> None:
        """Note that a try failed and is followed by another one."""
        self.resent.append((time.time_ns(), kind))

    def add_piece(self, text: str) -> None:
        """Note a piece of the reply."""
        if self.first_piece is None:
            self.first_piece = time.perf_counter() - self.began
        self.text += text


class ReplyStream(Protocol):
    """A reply piece by piece: iterate it with `async for`; leave early with `aclose()`."""

    @property
    def usage(self) -> Usage:
        """What the call cost; complete once the iteration has ended, also by an error."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def aclose(self) -> None:
        """Stop reading and close the connection."""


class Chat(Protocol):
    """A chat model."""

    @property
    def model(self) -> str:
        """Its name, which answers give as their author."""

    async def complete(
        self, messages: Sequence[Message], *, schema: Mapping[str, object] | None = None
    ) -> Reply:
        """Return the reply to `messages`; with `schema` a JSON document, where the server can.

        Raises ChatError.
        """

    async def first_token(self, messages: Sequence[Message]) -> Reply:
        """Return a reply of one token, with `first_tokens` where the server gives them.

        The text may be empty. A server that knows no such limit sends its whole reply. Raises
        ChatError.
        """

    def stream(self, messages: Sequence[Message]) -> ReplyStream:
        """Return the reply as it is written.

        The iteration raises ChatError; what came before that stays valid, as a partial reply.
        """

    async def close(self) -> None:
        """Close the connections."""
