"""A conversation: its questions and answers so far, and what the next line asks in their light.

With a chat model one small call rewrites a follow-up question into one that stands for itself.
What it replies is untrusted: anything but a question of moderate length, in the reader's own words
and with a known scope, counts for nothing, and the rules of `qa.followup` decide.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from qa.answering.followup import Context, Understood, by_rules
from qa.answering.mentions import Mention, find_mentions
from qa.answering.results import Answer, ListedPaper, Spent
from qa.answering.terminal_text import clean_line
from qa.errors import ChatAuthError, ChatBadReply, ChatError, ChatModelNotFound, ChatUnreachable
from qa.llm.json_reply import extract_json
from qa.llm.messages import Chat, Message, Usage
from qa.llm.prompts import Prompt
from qa.llm.wire import one_line
from qa.retrieval.terms import content_words

EARLIER = 3  # questions that the model is told
TITLES = 40  # of the last answer's papers that it is told
LONGEST = 500  # characters of a question that it may write
PATIENCE = 60.0  # seconds that understanding may take, before the rules have to do
LAST_ANSWER, CORPUS = "last_answer", "corpus"

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "question": {"type": "string"},
        "scope": {"type": "string", "enum": [LAST_ANSWER, CORPUS]},
    },
    "required": ["question", "scope"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was typed, as it was understood, and its answer."""

    typed: str
    understood: Understood
    answer: Answer


def with_lists(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Those of the turns whose answers gave papers their numbers."""
    return [turn for turn in turns if not turn.understood.named] or turns


def context_of(turns: Sequence[Turn]) -> Context | None:
    """What the next question may speak of; None at the beginning.

    Where the last answer found nothing, "those" are still the papers of the answer before. A
    question about papers by their numbers leaves the list that they stand in as it is.
    """
    if not turns:
        return None
    last, lists = turns[-1], with_lists(turns)
    found = next((turn.answer.papers for turn in reversed(lists) if turn.answer.papers), ())
    shown = lists[-1].answer.papers or lists[-1].answer.nearest
    asked = lists[-1].understood
    if not last.understood.named:
        return Context(asked.wider, found, shown, asked.within)
    about = last.understood
    return Context(asked.wider, found, shown, asked.within, about.within, about.question)


def asked_line(typed: str, understood: Understood) -> str | None:
    """How a line was understood, where that is not plain from the line itself."""
    papers = understood.within
    if understood.named and papers:
        return f"Asked of {numbers_of(papers)}: {understood.question}"
    if papers:
        these = "this paper" if len(papers) == 1 else f"these {len(papers)} papers"
        return f"Asked of {these}: {understood.question}"
    return f"Asked: {understood.question}" if understood.question != typed else None


def numbers_of(papers: Sequence[ListedPaper]) -> str:
    """The papers' numbers as an answer cites them."""
    return ", ".join(f"[{paper.n}]" for paper in papers)


class Interpreter:
    """Understands follow-up questions by a chat model; `usage` tells what that took."""

    def __init__(self, chat: Chat, system: Prompt, user: Prompt) -> None:
        self._chat = chat
        self._system = system
        self._user = user
        self.usage = Usage()

    async def understand(self, line: str, turns: Sequence[Turn]) -> Understood:
        """What the line asks.

        Raises UsageError for a number that no paper has, and the ChatErrors that would keep the
        answer from coming, too; after any other failure the rules decide.
        """
        context = context_of(turns)
        known = by_rules(line, context)
        if context is None:
            return known
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await self._chat.complete(
                    self._messages(line, turns, context), schema=SCHEMA
                )
        except (ChatAuthError, ChatModelNotFound, ChatUnreachable):
            raise
        except (ChatError, TimeoutError):
            return known
        self.usage += reply.usage
        return read_understood(reply.text, line, context) or known

    def _messages(self, line: str, turns: Sequence[Turn], context: Context) -> list[Message]:
        shown = context.shown[:TITLES]
        user = self._user.fill(
            earlier="\n".join(f"- {one_line(turn.understood.wider)}" for turn in turns[-EARLIER:]),
            papers="\n".join(f"[{p.n}] {one_line(p.title)}" for p in shown) or "(none)",
            question=line,
        )
        return [Message("system", self._system.text), Message("user", user)]


def read_understood(text: str, line: str, context: Context) -> Understood | None:
    """What a model's reply makes of the line; None if it is of no use."""
    question, scope = _fields(text)
    mentions = find_mentions(line, context.shown)
    if not 0 < len(question) <= LONGEST or not _keeps_words(question, line, mentions):
        return None
    whole = Understood(question, question)
    if scope == CORPUS:
        return whole
    if scope == LAST_ANSWER:
        known = by_rules(line, context)
        within = known.within if known.named else context.papers
        return replace(whole, within=within, named=known.named)
    return None


def _fields(text: str) -> tuple[str, object]:
    """The question of a reply, clean and in one line, and its scope; empty if there is none."""
    try:
        reply = extract_json(text)
    except ChatBadReply:
        return "", None
    question = reply.get("question") if isinstance(reply, dict) else None
    if not isinstance(reply, dict) or not isinstance(question, str):
        return "", None
    return clean_line(question), reply.get("scope")


def _keeps_words(question: str, line: str, mentions: Sequence[Mention]) -> bool:
    """Whether the rewritten question has a word of the reader's: without any it is another one."""
    rest = line
    for mention in reversed(mentions):
        rest = f"{rest[: mention.start]} {rest[mention.end :]}"
    stems = {_stem(word) for word in content_words(rest)}
    return not stems or bool(stems & {_stem(word) for word in content_words(question)})


def _stem(word: str) -> str:
    return word[: max(4, len(word) - 3)]


def with_cost_of(answer: Answer, usage: Usage, cost: float | None) -> Answer:
    """The answer with what it took to understand its question added to what it took."""
    if not usage.calls:
        return answer
    spent = answer.usage
    priced = spent.cost_usd is not None and cost is not None
    tokens = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return replace(
        answer,
        usage=Spent(
            calls=spent.calls + usage.calls,
            prompt_tokens=spent.prompt_tokens + usage.prompt_tokens,
            completion_tokens=spent.completion_tokens + usage.completion_tokens,
            cost_usd=(spent.cost_usd or 0.0) + (cost or 0.0) if priced else None,
            estimated=spent.estimated or usage.estimated,
            by_kind={"understand": {"calls": usage.calls, **tokens}, **spent.by_kind},
        ),
    )
