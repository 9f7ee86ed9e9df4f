"""Mentions of listed papers in a question: [3], [1, 4], paper 3, the first one."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qa.answering.citations import find_citations
from qa.answering.results import Answer, ListedPaper, ModelUsage
from qa.answering.safe_text import clean_line
from qa.corpus.words import STOP_WORDS
from qa.errors import (
    ChatAuthError,
    ChatBadReply,
    ChatError,
    ChatModelNotFound,
    ChatUnreachable,
    UsageError,
)
from qa.llm.messages import Chat, Message, Usage
from qa.llm.prompts import Prompt, one_line
from qa.llm.replies import extract_json
from qa.retrieval.query import content_words


@dataclass(frozen=True, slots=True)
class Mention:
    """`line[start:end]` names these papers."""

    start: int
    end: int
    papers: tuple[ListedPaper, ...]


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NOUN = r"(?:papers?|articles?|stud(?:y|ies)|works?|publications?|preprints?)"
_NUMBERED = re.compile(
    rf"(?:\b{NOUN}\s+\#?|\#)(\d{{1,3}}(?:(?:\s*,\s*|\s*&\s*|\s+and\s+|\s+or\s+)\#?\d{{1,3}})*)\b",
    re.IGNORECASE,
)
_INDEXED = re.compile(r"[\w)]", re.ASCII)  # before [1] where that is no paper: L[1], f(x)[1]
_ORDINAL = re.compile(
    rf"\bthe\s+(?P<which>{'|'.join(_ORDINALS)}|last)(?:\s+(?P<count>{'|'.join(_COUNTS)}))?\s+"
    rf"(?:ones?|(?:of|among)\s+(?:them|these|those)|{NOUN}(?!\s+(?:about|on|of|that|to|which|in)))"
    r"(?:\b|(?=\W|$))",
    re.IGNORECASE,
)


def find_mentions(line: str, shown: Sequence[ListedPaper]) -> list[Mention]:
    """Where the line names papers: [3], [1, 4], paper 3, the first one; none where none are shown.

    Raises UsageError for a marker whose number no paper has.
    """
    if not shown:
        return []
    by_number = {paper.n: paper for paper in shown}
    found = []
    for citation in find_citations(line):
        if _INDEXED.match(line[: citation.start][-1:]):
            continue
        _check_known(citation.numbers, by_number)
        found.append(_mention(citation.start, citation.end, citation.numbers, by_number))
    for match in _NUMBERED.finditer(line):
        numbers = {int(digits) for digits in re.findall(r"\d+", match[1])}
        if numbers <= by_number.keys():
            found.append(_mention(match.start(), match.end(), numbers, by_number))
    for match in _ORDINAL.finditer(line):
        chosen = _ordinal(match, shown)
        found += [Mention(match.start(), match.end(), chosen)] if chosen else []
    return sorted(found, key=lambda mention: mention.start)


def _check_known(numbers: Iterable[int], by_number: dict[int, ListedPaper]) -> None:
    unknown = sorted(set(numbers) - by_number.keys())
    if unknown:
        raise UsageError(
            f"The last list has no [{unknown[0]}]: its papers are [1] to [{max(by_number)}]. "
            "/papers lists them."
        )


def _mention(
    start: int, end: int, numbers: Iterable[int], by_number: dict[int, ListedPaper]
) -> Mention:
    return Mention(start, end, tuple(by_number[number] for number in sorted(numbers)))


def _ordinal(match: re.Match[str], shown: Sequence[ListedPaper]) -> tuple[ListedPaper, ...]:
    """The papers of "the second one", "the first three papers", "the last of them"."""
    which, count = match["which"].lower(), match["count"]
    size = _COUNTS.index(count.lower()) + 2 if count else 1
    start = max(0, len(shown) - size) if which == "last" else _ORDINALS.index(which)
    return tuple(shown[start : start + size])


@dataclass(frozen=True, slots=True)
class Context:
    """What a follow-up question may speak of."""

    question: str  # the last one, as it would be put to the whole corpus
    papers: tuple[ListedPaper, ...]  # the last that were found: "those"
    shown: tuple[ListedPaper, ...]  # the last list with numbers: [3]
    within: tuple[ListedPaper, ...] = ()  # those that the last question was put to, if not all
    named: tuple[ListedPaper, ...] = ()  # those that were then asked about by number: "it"
    of_named: str = ""  # what was asked about those


@dataclass(frozen=True, slots=True)
class Understood:
    """A question as it is put to the papers."""

    question: str
    wider: str  # the same as it is put to the whole corpus
    within: tuple[ListedPaper, ...] = ()  # the papers that it is put to; none: the whole corpus
    named: bool = False  # whether these were picked by their numbers


# "which papers are similar to [3]?" looks for others than [3]
_ELSEWHERE = re.compile(
    r"\b(?:like|unlike|similar\s+to|close\s+to|related\s+to|other\s+than|besides|except|beyond"
    r"|builds?\s+on|extends?|cites?|same\s+(?:\w+\s+){0,3}as)\b",
    re.IGNORECASE,
)

_WORD = re.compile(r"[^\W_]+")
_AND = re.compile(r"(?:and|but|also|so|then|or)\b[\s,]*", re.IGNORECASE)
_THEM = re.compile(r"\b(?:they|them|these|those)\b", re.IGNORECASE)
# "which papers are like those of Hinton?" says itself which ones it means
_SAYS_WHICH = re.compile(
    r"th[eo]se\s+(?:of|in|by|from)\s+(?!(?:them|these|those)\b)\w", re.IGNORECASE
)
_GOVERNED = re.compile(
    r"\b(?:of|among|amongst|do|does|did|are|were|have|can|could|would|will|about)\s+(?:all\s+)?\Z",
    re.IGNORECASE,
)
_ITS = re.compile(
    r"\b(?:their|theirs|its)\b|\b(?:does|did|can|could|will|has|was|how\s+is)\s+it\b"
    r"|\b(?:does|did|is|was|can|will)\s+(?:this|that)\b(?!\s+corpus)",
    re.IGNORECASE,
)
_LIST = re.compile(
    rf"\bthe\s+(?:above|list|(?:last|previous)\s+answer)\b"
    rf"|\bthe\s+(?:{NOUN}|ones|results?)\s+(?:above|listed|shown|(?:you\s+)?found)\b"
    r"|^(?:only|just)\b|^(?:which|what)\s+ones\b",
    re.IGNORECASE,
)
_SUBSET = re.compile(
    r"(?P<asks>which|what|how\s+many)(?:\s+(?:ones?|papers?))?\s+(?:of|among|from)\s+(?:all\s+)?"
    rf"(?:these|those|them)(?:\s+(?:\w+\s+)?(?:{NOUN}|ones))?\s+(?P<rest>\S.*)",
    re.IGNORECASE,
)
_BARE_WHICH = re.compile(rf"(?:which|how\s+many)\s+(?!(?:\w+\s+){{0,2}}{NOUN}\b)\S", re.IGNORECASE)
_ABOUT = re.compile(r"(?:what|how)\s+about\s+(?P<rest>\S.*)", re.IGNORECASE)
_SAME = re.compile(r"(?:the\s+)?same(?:\s+(?:question|thing))?[\s,]+(?P<rest>\S.*)", re.IGNORECASE)
_FRAGMENT = re.compile(r"(?:for|in|on|with|without|using|by|since|before|after)\s", re.IGNORECASE)
# "in which papers is dropout used?", "in 2023, what was pruned?", but not "on which datasets?"
_ASKS_LATER = re.compile(
    r"(?:for|in|on|with|without|using|by|since|before|after|from|at|to|of|under|through|via|about)\s"
    r"(?:\s*(?:which|what|whose|whom|when|how)\s+\S+\s+\S|[^,]*,\s*(?:which|what|how|who|why)\s)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:which|what|how|why|who|whose|when|where|is|are|was|were|do|does|did|can|could|has|have"
    r"|list|show|find|name|give|tell|compare|explain|describe|papers?)\b",
    re.IGNORECASE,
)
_FEW_WORDS = 6  # of a question that has no verb: "for graphs?"


def by_rules(line: str, context: Context | None) -> Understood:
    """The question that the line asks; raises UsageError for a number that no paper has."""
    if context is None:
        return Understood(line, line)
    mentions = find_mentions(line, context.shown)
    if mentions:
        return _of_named(line, mentions, context)
    said = _AND.match(line)
    rest = line[said.end() :] if said else line
    if _means_named(rest, context.named):
        return Understood(rest, rest, context.named, named=True)
    if points_back(rest) or (said and _BARE_WHICH.match(rest)):
        return _within(rest, context)
    added = _addition(rest, after_and=said is not None)
    return _continued(added, context) if added else Understood(line, line)


def _of_named(line: str, mentions: Sequence[Mention], context: Context) -> Understood:
    """The question with titles for numbers, put to the named papers or to others like them."""
    question = rest = line
    for mention in reversed(mentions):
        question = question[: mention.start] + _titles(mention.papers) + question[mention.end :]
        rest = rest[: mention.start] + rest[mention.end :]
    asked_before = _titles(context.named)
    if context.named and len(mentions) == 1 and not _content(rest):
        question = context.of_named.replace(asked_before, _titles(mentions[0].papers))
    if any(_ELSEWHERE.search(line[: mention.start]) for mention in mentions):
        return Understood(question, question)
    papers = {paper.n: paper for mention in mentions for paper in mention.papers}
    within = tuple(papers[n] for n in sorted(papers))
    return Understood(question, question, within, named=True)


def _titles(papers: Iterable[ListedPaper]) -> str:
    return " and ".join(f"“{clean_line(paper.title)}”" for paper in papers)


def points_back(line: str) -> bool:
    """Whether the line speaks of papers that it does not name: those, their, the ones above.

    A pronoun points back to an earlier question only where this one has said little before it:
    in "which papers prune transformers and retrain them?" it does not.
    """
    if _LIST.search(line) or not _content(line):
        return True
    for match in _THEM.finditer(line):
        before = line[: match.start()]
        if _SAYS_WHICH.match(line, match.start()) and not _may_pick(before):
            continue
        if len(_content(before)) <= (2 if _GOVERNED.search(before) else 1):
            return True
    most = 1 if _ASKS_LATER.match(line) else 0  # "on what hardware was it run?"
    return any(len(_content(line[: match.start()])) <= most for match in _ITS.finditer(line))


def _may_pick(before: str) -> bool:
    """Whether "those by Hinton" after this are some of the last papers: do those, list those."""
    return _GOVERNED.search(before) is not None or len(before.split()) <= 1


def _means_named(line: str, named: Sequence[ListedPaper]) -> bool:
    """Whether the line speaks of the papers that were just asked about by number: it, they."""
    pattern = _ITS if len(named) == 1 else _THEM
    match = pattern.search(line) if named else None
    return match is not None and not _SUBSET.fullmatch(line) and points_back(line)


def _content(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]


def _within(line: str, context: Context) -> Understood:
    """The question put to the papers found last, or with the last question where there are none."""
    subset = _SUBSET.fullmatch(line)
    asks = "how many" if subset and subset["asks"].lower().startswith("how") else "which"
    of_papers = f"{asks} papers {subset['rest']}" if subset else line
    if subset and _ASKS.match(context.question) and asks == "which":
        wider = _joined(context.question, f"and {subset['rest']}")
    else:
        wider = _joined(context.question, f"and {of_papers}")
    if not context.papers:
        return Understood(wider, wider)
    return Understood(of_papers if _content(of_papers) else wider, wider, context.papers)


def _continued(addition: str, context: Context) -> Understood:
    """The last question with something added; of some papers the addition alone is asked."""
    wider = _joined(context.question, addition)
    if context.within:
        return Understood(f"{addition.rstrip(' ?.!')}?", wider, context.within)
    return Understood(wider, wider)


def _addition(line: str, *, after_and: bool) -> str | None:
    """What the line adds to the last question, None if it is a question of its own."""
    for pattern in (_ABOUT, _SAME):
        if match := pattern.match(line):
            return match["rest"]
    if _ASKS_LATER.match(line):
        return None
    if _FRAGMENT.match(line) and len(line.split()) <= _FEW_WORDS:
        return line
    return line if after_and and not _ASKS.match(line) else None


def _joined(question: str, addition: str) -> str:
    """The question with something added, as one: `which papers prune, for graphs?`."""
    end = addition.rstrip(" ?.!")
    if end[:1].isupper() and not end[1:2].isupper():
        end = end[0].lower() + end[1:]
    return f"{question.rstrip(' ?.!')}, {end}?"


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
        usage=ModelUsage(
            calls=spent.calls + usage.calls,
            prompt_tokens=spent.prompt_tokens + usage.prompt_tokens,
            completion_tokens=spent.completion_tokens + usage.completion_tokens,
            cost_usd=(spent.cost_usd or 0.0) + (cost or 0.0) if priced else None,
            estimated=spent.estimated or usage.estimated,
            by_kind={"understand": {"calls": usage.calls, **tokens}, **spent.by_kind},
        ),
    )
