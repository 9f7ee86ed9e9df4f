"""Reading what a chat server sends: whole completions, and the events of a stream."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

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
