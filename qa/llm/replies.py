"""What a chat model replies: completions, JSON with prose around it, `<think>` sections."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from qa.errors import ChatBadReply
from qa.llm.messages import Usage

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Part:
    """What one completion, or one event of a stream, holds of the reply."""

    text: str = ""
    refusal: str = ""
    finish: str | None = None
    usage: Usage | None = None
    hidden: int = 0  # characters of reasoning that came beside the text
    called_tool: bool = False

    @property
    def is_refusal(self) -> bool:
        """Whether the model, or a guard of its server, would not answer."""
        return bool(self.refusal) or self.finish == "content_filter"

    def with_next(self, part: "Part") -> "Part":
        """Return what is known with one more part, all but the text."""
        return Part(
            refusal=self.refusal + part.refusal,
            finish=part.finish or self.finish,
            usage=part.usage or self.usage,
            called_tool=self.called_tool or part.called_tool,
        )


def part_of(payload: Mapping[str, object]) -> Part:
    """Return the reply's part in a completion or an event; whatever is odd counts as absent."""
    choices = payload.get("choices")
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    message = _mapping(choice.get("delta")) or _mapping(choice.get("message"))
    hidden = message.get("reasoning_content") or message.get("reasoning")
    finish = choice.get("finish_reason")
    return Part(
        text=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        finish=finish if isinstance(finish, str) and finish else None,
        usage=_usage(payload.get("usage")),
        hidden=len(hidden) if isinstance(hidden, str) else 0,
        called_tool=bool(message.get("tool_calls") or message.get("function_call")),
    )


def parse(document: str | bytes) -> dict[str, object] | None:
    """Return a JSON object, or None for anything else."""
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the data of each server-sent event.

    Lines are split on bytes: `str.splitlines` would tear a text at U+2028 and its like.
    """
    held = b""
    async for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode("utf-8", "replace")
    if held.startswith(b"data:"):
        yield held[5:].strip().decode("utf-8", "replace")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(content: object) -> str:
    """Return the text of a message's content, which some servers send as a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (_mapping(part).get("text") for part in content)
    return "".join(part for part in parts if isinstance(part, str))


def _usage(value: object) -> Usage | None:
    usage = _mapping(value)
    sent, received = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not (isinstance(sent, int) and isinstance(received, int)) or not sent + received:
        return None
    cached = _mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(1, sent, received, cached if isinstance(cached, int) else 0)


FENCED = re.compile(r"```[\w-]*\s*\n?(.*?)```", re.DOTALL)
BRACKET = re.compile(r"[{\[]")
MOST_MISSES = 500  # brackets that open no JSON; each may cost a pass over the text
DECODER = json.JSONDecoder(strict=False)  # models leave line breaks in strings


def extract_json(text: str) -> object:
    """Return the JSON object or array in a reply: bare, in a code fence, or amid prose.

    Of several the longest object counts. Raises ChatBadReply if there is none.
    """
    for candidate in (text, *FENCED.findall(text)):
        value = _whole(candidate)
        if value is not None:
            return value
    found = _amid(text)
    if found is None:
        start = " ".join(text.split())[:60]
        raise ChatBadReply(f"the model was asked for JSON and replied {start!r}: try another model")
    return found


def _whole(text: str) -> object | None:
    try:
        value = DECODER.decode(text.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _amid(text: str) -> object | None:
    best: tuple[bool, int] = (False, 0)
    found: object | None = None
    position = misses = 0
    while misses < MOST_MISSES and (match := BRACKET.search(text, position)):
        try:
            value, end = DECODER.raw_decode(text, match.start())
        except RecursionError:
            return found
        except ValueError:
            position, misses = match.end(), misses + 1
            continue
        rank = (isinstance(value, dict), end - match.start())
        if rank > best:
            best, found = rank, value
        position = end
    return found


OPEN, CLOSE = "<think>", "</think>"
# Some chat templates put the opening tag into the prompt: then a line ends the section alone.
UNOPENED = re.compile(r"\A(?!\s*<think>).*?^\s*</think>\s*$", re.DOTALL | re.MULTILINE)


def without_thinking(text: str) -> str:
    """Return the reply alone; a section that never closes leaves nothing."""
    thinking = Thinking(opened=thinks_unopened(text))
    return thinking.feed(text) + thinking.rest()


def thinks_unopened(text: str) -> bool:
    """Whether the reply closes a section that it never opened."""
    return UNOPENED.match(text) is not None


class Thinking:
    """Drops the section from a reply that comes in pieces, tags torn between them included.

    Only at the very start: papers about language models write of `<think>` too.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._state = "inside" if opened else "start"
        self._supposed = opened  # the section was not seen to open
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what one more piece makes certain of the reply."""
        self._held += piece
        if self._state == "start":
            self._begin()
        if self._state == "inside":
            self._skip()
        if self._state == "gap":
            self._held = self._held.lstrip()
            self._state = "reply" if self._held else "gap"
        if self._state != "reply":
            return ""
        out, self._held = self._held, ""
        return out

    def rest(self) -> str:
        """Return what is still held back when nothing more comes."""
        return self._held.strip() if self._state == "start" or self._supposed else ""

    def _begin(self) -> None:
        start = self._held.lstrip()
        if start.startswith(OPEN):
            self._state, self._held = "inside", start[len(OPEN) :]
        elif not OPEN.startswith(start):
            self._state, self._held = "reply", start

    def _skip(self) -> None:
        self._held = self._held.lstrip() if self._supposed else self._held
        if self._supposed and self._held.startswith(OPEN):
            self._supposed = False
        _, close, after = self._held.partition(CLOSE)
        if close:
            self._state, self._held, self._supposed = "gap", after, False
        elif not self._supposed:
            self._held = self._held[-len(CLOSE) + 1 :]
