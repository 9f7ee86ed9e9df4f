"""A follow-up question understood by rules: what its words point back to, and what it leaves out.

"which of those release code?" is asked of the last answer's papers, "what does [3] measure?" of one
of them, "and for graphs?" goes on with the last question; all else stands for itself.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qa.answering.mentions import NOUN, Mention, find_mentions
from qa.answering.results import ListedPaper
from qa.answering.terminal_text import clean_line
from qa.corpus.words import STOP_WORDS


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
