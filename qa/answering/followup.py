"""Follow-up questions: rewrite "which of those release code?" so that it can be asked alone.

Papers named by their numbers are found first. Rules then tell what the question refers to, and a
chat model, where there is one, rewrites it; the rules decide where its reply cannot be used.
"""

import asyncio
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from qa.answering.citations import find_citations
from qa.answering.results import Answer, ListedPaper, ModelUsage
from qa.answering.safe_text import clean_line
from qa.corpus.words import STOP_WORDS
from qa.errors import ChatBadReply, ChatError, UsageError
from qa.llm.messages import Chat, Message, Usage
from qa.llm.prompts import Prompt, one_line
from qa.llm.replies import extract_json, strict_object
from qa.retrieval.query import content_words, word_start

FRAGMENT_WORDS = 6  # of a question without a verb, at most: "for graphs?"

# What the chat model is told, and what it may reply.
EARLIER_QUESTIONS = 3
MAX_TITLES = 40  # of the last answer's papers
MAX_QUESTION = 500  # characters of the question that it writes
REWRITE_TIMEOUT = 60.0  # seconds; then the rules decide
LAST_ANSWER, CORPUS = "last_answer", "corpus"
SCHEMA = strict_object(
    {
        "question": {"type": "string"},
        "scope": {"type": "string", "enum": [LAST_ANSWER, CORPUS]},
    }
)


@dataclass(frozen=True, slots=True)
class Interpretation:
    """A question that can be asked alone, and the papers that it is asked of."""

    question: str
    wider: str  # the same question, worded for the whole corpus
    within: tuple[ListedPaper, ...] = ()  # the papers that it is asked of; none: the whole corpus
    named: bool = False  # whether these were named by their numbers


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was typed, as it was interpreted, and its answer."""

    typed: str
    interpretation: Interpretation
    answer: Answer


@dataclass(frozen=True, slots=True)
class Context:
    """What a follow-up question may refer to."""

    question: str  # the last one, worded for the whole corpus
    papers: tuple[ListedPaper, ...]  # the last that were found: "those"
    shown: tuple[ListedPaper, ...]  # the last list with numbers: [3]
    within: tuple[ListedPaper, ...] = ()  # those that the last question was asked of, if not all
    named: tuple[ListedPaper, ...] = ()  # those that were then asked about by number: "it"
    of_named: str = ""  # what was asked about those


def turns_with_lists(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns whose answers numbered their papers anew, or all turns if none did."""
    return [turn for turn in turns if not turn.interpretation.named] or turns


def context_of(turns: Sequence[Turn]) -> Context | None:
    """Return what the next question may refer to; None at the beginning.

    Where the last answer found nothing, "those" are still the papers of the answer before. A
    question about papers by their numbers leaves the list of numbers as it is.
    """
    if not turns:
        return None
    last, lists = turns[-1].interpretation, turns_with_lists(turns)
    found = next((turn.answer.papers for turn in reversed(lists) if turn.answer.papers), ())
    shown = lists[-1].answer.papers or lists[-1].answer.nearest
    asked = lists[-1].interpretation
    if not last.named:
        return Context(asked.wider, found, shown, asked.within)
    return Context(asked.wider, found, shown, asked.within, last.within, last.question)


def asked_line(typed: str, asked: Interpretation) -> str | None:
    """Return a line that says how a question was interpreted; None if it was taken as typed."""
    if asked.named and asked.within:
        return f"Asked of {numbers_of(asked.within)}: {asked.question}"
    if asked.within:
        count = len(asked.within)
        papers = "this paper" if count == 1 else f"these {count} papers"
        return f"Asked of {papers}: {asked.question}"
    return f"Asked: {asked.question}" if asked.question != typed else None


def numbers_of(papers: Sequence[ListedPaper]) -> str:
    """Return the papers' numbers as an answer cites them: `[1], [4]`."""
    return ", ".join(f"[{paper.n}]" for paper in papers)


# ---- Mentions of papers: [3], [1, 4], paper 3, the first one ----


def _words(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern that ignores case, and in which a space stands for `\s+`."""
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PAPER = r"(?:papers?|articles?|stud(?:y|ies)|works?|publications?|preprints?)"

# "paper 3", "papers 2 and 5", "#3"
_NUMBERED = _words(
    rf"(?:\b{PAPER} \#?|\#)(\d{{1,3}}(?:(?:\s*,\s*|\s*&\s*| and | or )\#?\d{{1,3}})*)\b"
)
# "the first one", "the last two papers", "the second of them", but not "the first paper on GANs"
_ORDINAL = _words(
    rf"\bthe (?P<which>{'|'.join(ORDINALS)}|last)(?: (?P<count>{'|'.join(COUNTS)}))? "
    rf"(?:ones?|(?:of|among) (?:them|these|those)|{PAPER}(?! (?:about|on|of|that|to|which|in)))"
    r"(?:\b|(?=\W|$))"
)
_INDEXED = re.compile(r"[\w)]", re.ASCII)  # before a [1] that names no paper: L[1], f(x)[1]


@dataclass(frozen=True, slots=True)
class Mention:
    """`line[start:end]` names these papers."""

    start: int
    end: int
    papers: tuple[ListedPaper, ...]


def find_mentions(line: str, shown: Sequence[ListedPaper]) -> list[Mention]:
    """Return where the line names papers of the list `shown`, first to last.

    Raises UsageError for a marker such as [9] whose number is not in the list.
    """
    if not shown:
        return []
    by_number = {paper.n: paper for paper in shown}
    spans: list[tuple[int, int, Collection[int]]] = []
    for citation in find_citations(line):
        if not _INDEXED.match(line[: citation.start][-1:]):
            _check_known(citation.numbers, by_number)
            spans.append((citation.start, citation.end, citation.numbers))
    for match in _NUMBERED.finditer(line):
        numbers = {int(digits) for digits in re.findall(r"\d+", match[1])}
        if numbers <= by_number.keys():
            spans.append((*match.span(), numbers))
    spans += [(*match.span(), _ordinal_numbers(match, shown)) for match in _ORDINAL.finditer(line)]
    return [
        Mention(start, end, tuple(by_number[number] for number in sorted(numbers)))
        for start, end, numbers in sorted(spans, key=lambda span: span[0])
        if numbers
    ]


def _check_known(numbers: Iterable[int], by_number: dict[int, ListedPaper]) -> None:
    unknown = sorted(set(numbers) - by_number.keys())
    if unknown:
        raise UsageError(
            f"The last list has no [{unknown[0]}]: its papers are [1] to [{max(by_number)}]. "
            "/papers lists them."
        )


def _ordinal_numbers(match: re.Match[str], shown: Sequence[ListedPaper]) -> list[int]:
    """Return the papers of "the second one", "the first three papers", "the last of them"."""
    which, count = match["which"].lower(), match["count"]
    size = COUNTS.index(count.lower()) + 2 if count else 1
    start = max(0, len(shown) - size) if which == "last" else ORDINALS.index(which)
    return [paper.n for paper in shown[start : start + size]]


# ---- Rules: what a question refers to ----

_WORD = re.compile(r"[^\W_]+")
_PREPOSITION = "for|in|on|with|without|using|by|since|before|after"
_LEADING_AND = _words(r"(?:and|but|also|so|then|or)\b[\s,]*")

# "which papers are similar to [3]?" asks for others than [3]
_OTHERS_LIKE = _words(
    r"\b(?:like|unlike|similar to|close to|related to|other than|besides|except|beyond"
    r"|builds? on|extends?|cites?|same (?:\w+ ){0,3}as)\b"
)
_THEM = _words(r"\b(?:they|them|these|those)\b")
# "which papers are like those of Hinton?" says itself which ones it means
_THOSE_OF = _words(r"th[eo]se (?:of|in|by|from) (?!(?:them|these|those)\b)\w")
# before "them": "which of them", "do they"
_BEFORE_THEM = _words(
    r"\b(?:of|among|amongst|do|does|did|are|were|have|can|could|would|will|about) (?:all )?\Z"
)
_IT = _words(
    r"\b(?:their|theirs|its)\b|\b(?:does|did|can|could|will|has|was|how is) it\b"
    r"|\b(?:does|did|is|was|can|will) (?:this|that)\b(?! corpus)"
)
# "the above", "the papers listed", "only …", "which ones …"
_THE_LIST = _words(
    rf"\bthe (?:above|list|(?:last|previous) answer)\b"
    rf"|\bthe (?:{PAPER}|ones|results?) (?:above|listed|shown|(?:you )?found)\b"
    r"|^(?:only|just)\b|^(?:which|what) ones\b"
)
# "which of those release code?", "how many of these five papers use MNIST?"
_WHICH_OF_THEM = _words(
    r"(?P<asks>which|what|how many)(?: (?:ones?|papers?))? (?:of|among|from) (?:all )?"
    rf"(?:these|those|them)(?: (?:\w+ )?(?:{PAPER}|ones))? (?P<rest>\S.*)"
)
# after "and": "which release code?", but not "which papers release code?"
_WHICH_ALONE = _words(rf"(?:which|how many) (?!(?:\w+ ){{0,2}}{PAPER}\b)\S")
# "what about graphs?", "the same for vision"
_WHAT_ABOUT = _words(
    r"(?:(?:what|how) about |(?:the )?same(?: (?:question|thing))?[\s,]+)(?P<rest>\S.*)"
)
_FRAGMENT = _words(rf"(?:{_PREPOSITION})\s")
# "in which papers is dropout used?", "in 2023, what was pruned?", but not "on which datasets?"
_QUESTION_AFTER_PREPOSITION = _words(
    rf"(?:{_PREPOSITION}|from|at|to|of|under|through|via|about)\s"
    r"(?:\s*(?:which|what|whose|whom|when|how) \S+ \S|[^,]*,\s*(?:which|what|how|who|why)\s)"
)
_QUESTION_START = _words(
    r"(?:which|what|how|why|who|whose|when|where|is|are|was|were|do|does|did|can|could|has|have"
    r"|list|show|find|name|give|tell|compare|explain|describe|papers?)\b"
)


def by_rules(line: str, context: Context | None) -> Interpretation:
    """Return the question that the line asks; raises UsageError for a number that no paper has."""
    if context is None:
        return Interpretation(line, line)
    mentions = find_mentions(line, context.shown)
    if mentions:
        return _about_mentioned(line, mentions, context)
    after_and = _LEADING_AND.match(line)
    rest = line[after_and.end() :] if after_and else line
    if _refers_to_named(rest, context.named):
        return Interpretation(rest, rest, context.named, named=True)
    if _refers_back(rest) or (after_and and _WHICH_ALONE.match(rest)):
        return _about_last_papers(rest, context)
    addition = _addition(rest, after_and=after_and is not None)
    if addition is None:
        return Interpretation(line, line)
    wider = _joined(context.question, addition)
    question = f"{addition.rstrip(' ?.!')}?" if context.within else wider
    return Interpretation(question, wider, context.within)


def _about_mentioned(line: str, mentions: Sequence[Mention], context: Context) -> Interpretation:
    """Return the question with titles for numbers, about these papers or about others like them."""
    question = line
    for mention in reversed(mentions):
        question = question[: mention.start] + _titles(mention.papers) + question[mention.end :]
    if context.named and len(mentions) == 1 and not _content(_without(mentions, line)):
        # "and [3]?" asks of [3] what was asked of the paper before
        question = context.of_named.replace(_titles(context.named), _titles(mentions[0].papers))
    if any(_OTHERS_LIKE.search(line[: mention.start]) for mention in mentions):
        return Interpretation(question, question)
    papers = {paper.n: paper for mention in mentions for paper in mention.papers}
    return Interpretation(question, question, tuple(papers[n] for n in sorted(papers)), named=True)


def _titles(papers: Iterable[ListedPaper]) -> str:
    return " and ".join(f"“{clean_line(paper.title)}”" for paper in papers)


def _without(mentions: Sequence[Mention], line: str) -> str:
    for mention in reversed(mentions):
        line = f"{line[: mention.start]} {line[mention.end :]}"
    return line


def _refers_to_named(line: str, named: Sequence[ListedPaper]) -> bool:
    """Tell whether the line is about the papers just asked about by number: it, they."""
    pattern = _IT if len(named) == 1 else _THEM
    match = pattern.search(line) if named else None
    return match is not None and not _WHICH_OF_THEM.fullmatch(line) and _refers_back(line)


def _refers_back(line: str) -> bool:
    """Tell whether the line is about papers that it does not name: those, their, the ones above.

    A pronoun refers to an earlier question only if few words of this one stand before it: in
    "which papers prune transformers and retrain them?" it does not.
    """
    if _THE_LIST.search(line) or not _content(line):
        return True
    for match in _THEM.finditer(line):
        before = line[: match.start()]
        governed = _BEFORE_THEM.search(before) is not None
        # "do those by Hinton", "list those by Hinton" are some of the last papers
        some_of_the_last = governed or len(before.split()) <= 1
        if _THOSE_OF.match(line, match.start()) and not some_of_the_last:
            continue
        if len(_content(before)) <= (2 if governed else 1):
            return True
    allowed = 1 if _QUESTION_AFTER_PREPOSITION.match(line) else 0  # "on what hardware was it run?"
    return any(len(_content(line[: match.start()])) <= allowed for match in _IT.finditer(line))


def _content(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]


def _about_last_papers(line: str, context: Context) -> Interpretation:
    """Return the question about the papers found last, joined with the last if there are none."""
    match = _WHICH_OF_THEM.fullmatch(line)
    asks = "how many" if match and match["asks"].lower().startswith("how") else "which"
    question = f"{asks} papers {match['rest']}" if match else line
    addition = question
    if match and asks == "which" and _QUESTION_START.match(context.question):
        addition = match["rest"]  # "which papers prune, and release code?"
    wider = _joined(context.question, f"and {addition}")
    if not context.papers:
        return Interpretation(wider, wider)
    return Interpretation(question if _content(question) else wider, wider, context.papers)


def _addition(line: str, *, after_and: bool) -> str | None:
    """Return what the line adds to the last question, None if it is a question of its own."""
    if match := _WHAT_ABOUT.match(line):
        return match["rest"]
    if _QUESTION_AFTER_PREPOSITION.match(line):
        return None
    if _FRAGMENT.match(line) and len(line.split()) <= FRAGMENT_WORDS:
        return line
    return line if after_and and not _QUESTION_START.match(line) else None


def _joined(question: str, addition: str) -> str:
    """Return the question with something added: `which papers prune, for graphs?`."""
    end = addition.rstrip(" ?.!")
    if end[:1].isupper() and not end[1:2].isupper():  # not of GNNs
        end = end[0].lower() + end[1:]
    return f"{question.rstrip(' ?.!')}, {end}?"


# ---- Rewriting by a chat model ----


class QuestionRewriter:
    """Rewrites follow-up questions by a chat model."""

    def __init__(self, chat: Chat, system: Prompt, user: Prompt) -> None:
        self._chat = chat
        self._system = system
        self._user = user

    async def rewrite(
        self, line: str, turns: Sequence[Turn], rules: Interpretation
    ) -> tuple[Interpretation, Usage]:
        """Return what the line asks, and the tokens spent; `rules` is what `by_rules` made of it.

        Where the model fails, `rules` is returned: answering the question then tells the reason.
        """
        context = context_of(turns)
        if context is None:
            return rules, Usage()
        messages = self._messages(line, turns, context)
        try:
            async with asyncio.timeout(REWRITE_TIMEOUT):
                reply = await self._chat.complete(messages, schema=SCHEMA)
        except (ChatError, TimeoutError):
            return rules, Usage()
        return read_reply(reply.text, line, context, rules) or rules, reply.usage

    def _messages(self, line: str, turns: Sequence[Turn], context: Context) -> list[Message]:
        earlier = [one_line(turn.interpretation.wider) for turn in turns[-EARLIER_QUESTIONS:]]
        papers = [f"[{p.n}] {one_line(p.title)}" for p in context.shown[:MAX_TITLES]]
        user = self._user.fill(
            earlier="\n".join(f"- {question}" for question in earlier),
            papers="\n".join(papers) or "(none)",
            question=line,
        )
        return [Message("system", self._system.text), Message("user", user)]


def read_reply(
    text: str, line: str, context: Context, rules: Interpretation
) -> Interpretation | None:
    """Return what a model's reply makes of the line; None if the reply cannot be used."""
    try:
        reply = extract_json(text)
    except ChatBadReply:
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("question"), str):
        return None
    question = clean_line(reply["question"])
    if not 0 < len(question) <= MAX_QUESTION or not _keeps_a_word(question, line, context):
        return None
    if reply.get("scope") == CORPUS:
        return Interpretation(question, question)
    if reply.get("scope") == LAST_ANSWER:
        within = rules.within if rules.named else context.papers
        return Interpretation(question, question, within, named=rules.named)
    return None


def _keeps_a_word(question: str, line: str, context: Context) -> bool:
    """Tell whether the rewritten question has a word of the line; else it is another question."""
    typed = _stems(_without(find_mentions(line, context.shown), line))
    return not typed or bool(typed & _stems(question))


def _stems(text: str) -> set[str]:
    return {word_start(word) for word in content_words(text)}


def with_cost_of(answer: Answer, usage: Usage, cost: float | None) -> Answer:
    """Return the answer with the rewriting's tokens and cost (US dollars) added to its own."""
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
