"""Quotations in an answer, and whether a text has them word for word."""
# ruff: noqa: RUF001 (quotation marks of many kinds are the matter here)

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from qa.answering.verify.flat_text import FlatText

SHORTEST = 4  # words; what is shorter is a term rather than a quotation

_MARKS = re.compile(
    r"""“(?P<curly>[^“”]+)”|„(?P<low>[^„“”]+)[“”]|«(?P<angle>[^«»]+)»|``(?P<latex>[^`]+?)''
    |(?<!\w)"(?P<straight>[^"]+)"|(?<!\w)‘(?P<single>(?:[^‘’]|(?<=\w)’(?=\w))+)’(?!\w)
    |(?<![\w'])'(?=[^\s'])(?P<typed>(?:[^']|(?<=\w)'(?=\w))+)'(?![\w'])""",
    re.VERBOSE,
)
_BLOCK = re.compile(r"(?:^[ \t]*>[^\n]*(?:\n|\Z))+", re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*•]|\d{1,3}[.)])\s)")
_LEFT_OUT = re.compile(r"\[\s*(?:\.\.\.|…)\s*\]|\(\s*(?:\.\.\.|…)\s*\)|\.\.\.|…|\[[^\]\d]{2,}\]")
_REFERENCE = re.compile(r"[\[(]P?\d+(?:\s*[,-]\s*\d+)*[\])]")
_WORD = re.compile(r"[^\W\d_]\S*")


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quotation of some length: `answer[start:end]` is it, with its marks."""

    text: str  # what is between the marks
    start: int
    end: int


def find_quotations(answer: str) -> tuple[Quotation, ...]:
    """Return the quotations of at least four words, in quotation marks or as block quotes."""
    return tuple(q for q in _all(answer) if len(_WORD.findall(q.text)) >= SHORTEST)


def stands_in(quotation: str, text: str) -> bool:
    """Tell whether a text has a quotation word for word.

    White space, the kind of quotation marks and dashes, signs of LaTeX, the first letter's case,
    and punctuation at either end may differ; where words are left out (...) the rest is in order.
    """
    source, place = _normal(text), 0
    for piece in _LEFT_OUT.split(re.sub(r"\[(\w)\]", r"\1", quotation)):
        wanted = _normal(piece).strip(" .,;:!?'-")
        if not wanted:
            continue
        first = rf"[{re.escape(wanted[0].lower())}{re.escape(wanted[0].upper())}]"
        pattern = rf"(?<!\w){first}{re.escape(wanted[1:])}(?!\w)"
        match = re.compile(pattern).search(source, place)
        if match is None:
            return False
        place = match.end()
    return True


def _all(answer: str) -> Iterator[Quotation]:
    start = 0
    for stop in [*_PARAGRAPH.finditer(answer), None]:
        end = stop.start() if stop else len(answer)
        for match in _MARKS.finditer(answer, start, end):
            yield Quotation(match[match.lastgroup or 0], match.start(), match.end())
        start = stop.end() if stop else end
    for block in _BLOCK.finditer(answer):
        text = re.sub(r"^[ \t]*>\s?", "", block[0], flags=re.MULTILINE).strip()
        if not _MARKS.search(text):
            yield Quotation(text, block.start(), block.end())


@lru_cache(maxsize=512)
def _normal(text: str) -> str:
    flat = FlatText.of(_REFERENCE.sub(" ", text)).text
    flat = re.sub(r"``|''|\"|'", "'", flat)
    flat = re.sub(r"(?<![A-Za-z])(?:sim|approx)(?=\d)", " ", flat)
    flat = re.sub(r"(?<=\d)\s*(?:times|[xX×])(?!\w)", " times", flat)
    flat = re.sub(r"-{2,}|\s-\s", " - ", flat)
    return re.sub(r"\s+(?=[%.,;:!?])", "", " ".join(flat.split()))
