"""What a chat model replies: completions and events of the protocol, JSON amid prose, thinking.

Whatever comes from the server is untrusted: odd fields count as absent.
"""

import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from qa.errors import ChatBadReply
from qa.llm.messages import Usage

DONE = "[DONE]"  # the data of a stream's last event

CODE_FENCE = re.compile(r"```[\w-]*\s*\n?(.*?)```", re.DOTALL)
BRACKET = re.compile(r"[{\[]")
MAX_FALSE_BRACKETS = 500  # brackets that open no JSON; each may cost a pass over the text
DECODER = json.JSONDecoder(strict=False)  # models leave line breaks in strings

THINK, END_THINK = "<think>", "</think>"
# Some chat templates put the opening tag into the prompt: the reply then has the closing one only.
UNOPENED = re.compile(r"\A(?!\s*<think>).*?^\s*</think>\s*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """What one completion, or one event of a stream, holds of the reply."""

    text: str = ""
    refusal: str = ""
    finish: str | None = None
    usage: Usage | None = None
    hidden: int = 0  # characters of reasoning that came beside the text
    called_tool: bool = False
    first_tokens: Mapping[str, float] = field(default_factory=dict)  # their log probabilities

    @property
    def is_refusal(self) -> bool:
        """Whether the model, or a content filter of its server, would not answer."""
        return bool(self.refusal) or self.finish == "content_filter"

    def with_next(self, part: "Part") -> "Part":
        """Return both parts together, without their text and reasoning."""
        return Part(
            refusal=self.refusal + part.refusal,
            finish=part.finish or self.finish,
            usage=part.usage or self.usage,
            called_tool=self.called_tool or part.called_tool,
        )


def part_of(payload: Mapping[str, object]) -> Part:
    """Return the part of the reply in a completion or an event."""
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
        first_tokens=_first_tokens(choice.get("logprobs")),
    )


def model_names(document: str) -> list[str] | None:
    """Return the names in a reply of /v1/models, or None if it is none."""
    data = (parse_object(document) or {}).get("data")
    if not isinstance(data, list):
        return None
    names = (_mapping(entry).get("id") for entry in data)
    return [name for name in names if isinstance(name, str) and name and name.isprintable()]


def parse_object(document: str | bytes) -> dict[str, object] | None:
    """Return a JSON object, or None for anything else."""
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the data of each server-sent event, DONE included.

    Lines are split as bytes: `str.splitlines` would split a text at U+2028 too.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode("utf-8", "replace")
    if rest.startswith(b"data:"):
        yield rest[5:].strip().decode("utf-8", "replace")


def extract_json(text: str) -> object:
    """Return the JSON object or array in a reply: bare, in a code fence, or amid prose.

    Of several the longest object counts. Raises ChatBadReply if there is none.
    """
    for candidate in (text, *CODE_FENCE.findall(text)):
        value = _decoded(candidate)
        if value is not None:
            return value
    found = _longest_in(text)
    if found is None:
        start = " ".join(text.split())[:60]
        raise ChatBadReply(
            f"The model was asked for JSON and replied {start!r}: try another model."
        )
    return found


def keyed_entries(text: str, name: str) -> dict[str, dict[str, Any]]:
    """Return the entries of the list `name` in a JSON reply, by their "key".

    The list may also be the whole reply. Entries under a key that comes twice are left out. Without
    a usable list there are none.
    """
    try:
        entries = extract_json(text)
    except ChatBadReply:
        return {}
    if isinstance(entries, dict):
        entries = entries.get(name)
    if not isinstance(entries, list):
        return {}
    named = [(_key(entry), entry) for entry in entries if isinstance(entry, dict)]
    counts = Counter(key for key, _ in named)
    return {key: entry for key, entry in named if counts[key] == 1}


def _key(entry: Mapping[str, Any]) -> str:
    return str(entry.get("key", "")).strip().strip("[]")


def strict_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object that has exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def without_thinking(text: str) -> str:
    """Return the reply without its `<think>` section; nothing where that never closes."""
    thinking = ThinkingFilter(opened=ends_unopened_thinking(text))
    return thinking.feed(text) + thinking.rest()


def ends_unopened_thinking(text: str) -> bool:
    """Return whether the reply closes a `<think>` section that it never opened."""
    return UNOPENED.match(text) is not None


class ThinkingFilter:
    """Drops the `<think>` section of a reply that comes in pieces, also with a tag split over two.

    Only at the very start: papers about language models write of `<think>` too. With `opened` the
    reply is expected to begin inside a section.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._state = "inside" if opened else "start"
        self._expected = opened  # the section is expected, and was not seen to open
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what is certain to be reply once one more piece has come."""
        self._held += piece
        if self._state == "start":
            self._look_for_start()
        if self._state == "inside":
            self._look_for_end()
        if self._state == "gap":
            self._held = self._held.lstrip()
            self._state = "reply" if self._held else "gap"
        if self._state != "reply":
            return ""
        out, self._held = self._held, ""
        return out

    def rest(self) -> str:
        """Return what is still held back when nothing more comes."""
        return self._held.strip() if self._state == "start" or self._expected else ""

    def _look_for_start(self) -> None:
        start = self._held.lstrip()
        if start.startswith(THINK):
            self._state, self._held = "inside", start[len(THINK) :]
        elif not THINK.startswith(start):
            self._state, self._held = "reply", start

    def _look_for_end(self) -> None:
        self._held = self._held.lstrip() if self._expected else self._held
        if self._expected and self._held.startswith(THINK):
            self._expected = False
        _, end, after = self._held.partition(END_THINK)
        if end:
            self._state, self._held, self._expected = "gap", after, False
        elif not self._expected:
            self._held = self._held[-len(END_THINK) + 1 :]


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


def _first_tokens(logprobs: object) -> dict[str, float]:
    """Return the first token's likeliest alternatives with their log probabilities."""
    tokens = _mapping(logprobs).get("content")
    first = _mapping(tokens[0]) if isinstance(tokens, list) and tokens else {}
    alternatives = first.get("top_logprobs")
    listed = alternatives if isinstance(alternatives, list) and alternatives else [first]
    found = {}
    for token, value in ((_mapping(e).get("token"), _mapping(e).get("logprob")) for e in listed):
        if isinstance(token, str) and isinstance(value, int | float) and math.isfinite(value):
            found[token] = float(value)
    return found


def _usage(value: object) -> Usage | None:
    usage = _mapping(value)
    sent, received = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not (isinstance(sent, int) and isinstance(received, int)) or not sent + received:
        return None
    cached = _mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(1, sent, received, cached if isinstance(cached, int) else 0)


def _decoded(text: str) -> object | None:
    try:
        value = DECODER.decode(text.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _longest_in(text: str) -> object | None:
    """Return the longest JSON object amid prose, or the longest array where there is no object."""
    best: tuple[bool, int] = (False, 0)
    found: object | None = None
    position = false_brackets = 0
    while false_brackets < MAX_FALSE_BRACKETS and (match := BRACKET.search(text, position)):
        try:
            value, end = DECODER.raw_decode(text, match.start())
        except RecursionError:
            return found
        except ValueError:
            position, false_brackets = match.end(), false_brackets + 1
            continue
        rank = (isinstance(value, dict), end - match.start())
        if rank > best:
            best, found = rank, value
        position = end
    return found
