"""Mentions of listed papers in a question: [3], [1, 4], paper 3, the first one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qa.answering.citations import find_citations
from qa.answering.results import ListedPaper
from qa.errors import UsageError


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
