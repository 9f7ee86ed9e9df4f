"""Find the quotations in an answer, and tell whether a text has them word for word."""
# ruff: noqa: RUF001 (answers use quotation marks of many kinds)

import re
from dataclasses import dataclass
from functools import lru_cache

from qa.answering.verify.normalize import NormalizedText

SHORTEST = 4  # words; fewer are a term rather than a quotation

_MARKS = re.compile(
    r"""“(?P<curly>[^“”]+)”|„(?P<low>[^„“”]+)[“”]|«(?P<angle>[^«»]+)»|``(?P<latex>[^`]+?)''
    |(?<!\w)"(?P<straight>[^"]+)"|(?<!\w)‘(?P<single>(?:[^‘’]|(?<=\w)’(?=\w))+)’(?!\w)
    |(?<![\w'])'(?=[^\s'])(?P<typed>(?:[^']|(?<=\w)'(?=\w))+)'(?![\w'])""",
    re.VERBOSE,
)
_OPENING = re.compile(r"[“„«]|``|(?<!\w)[\"‘']")
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


def find_quotations(
    answer: str, start: int = 0, end: int | None = None
) -> tuple[tuple[Quotation, ...], int]:
    """Return the quotations of at least four words that end at or before `end`.

    They stand in quotation marks or are block quotes. Also return the place from which to look on:
    before `end` only if a quotation is open there.
    """
    end = len(answer) if end is None else end
    in_marks, open_mark = _in_marks(answer, start, end)
    blocks, open_block = _block_quotes(answer, start, end)
    found = (q for q in [*in_marks, *blocks] if len(_WORD.findall(q.text)) >= SHORTEST)
    return tuple(found), min(open_mark, open_block)


def stands_in(quotation: str, text: str) -> bool:
    """Tell whether a text has a quotation word for word.

    These may differ: white space, the kind of quotation marks and dashes, signs of LaTeX, the case
    of the first letter, punctuation at either end. Words may be left out where it says "...".
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


def _in_marks(answer: str, start: int, end: int) -> tuple[list[Quotation], int]:
    """Return what stands in quotation marks, and where marks are still open at `end`, else `end`.

    Marks in different paragraphs do not belong together.
    """
    found: list[Quotation] = []
    while start < end:
        stop = _PARAGRAPH.search(answer, start)
        paragraph_end = stop.start() if stop else len(answer)
        for match in _MARKS.finditer(answer, start, paragraph_end):
            if match.end() > end:
                break
            found.append(Quotation(match[match.lastgroup or 0], match.start(), match.end()))
            start = match.end()
        if paragraph_end > end or stop is None:
            opening = _OPENING.search(answer, start, end)
            return found, opening.start() if opening else end
        start = stop.end()
    return found, end


def _block_quotes(answer: str, start: int, end: int) -> tuple[list[Quotation], int]:
    """Return the lines that begin with ">", and where such lines go on after `end`, else `end`."""
    found: list[Quotation] = []
    for block in _BLOCK.finditer(answer, start):
        block_end = block.start() + len(block[0].rstrip())
        if block_end > end:
            return found, min(block.start(), end)
        text = re.sub(r"^[ \t]*>\s?", "", block[0], flags=re.MULTILINE).strip()
        if not _MARKS.search(text):
            found.append(Quotation(text, block.start(), block_end))
    return found, end


@lru_cache(maxsize=512)  # every quotation is looked for in the same abstracts
def _normal(text: str) -> str:
    flat = NormalizedText.of(_REFERENCE.sub(" ", text)).text
    flat = re.sub(r"``|''|\"|'", "'", flat)
    flat = re.sub(r"(?<![A-Za-z])(?:sim|approx)(?=\d)", " ", flat)
    flat = re.sub(r"(?<=\d)\s*(?:times|[xX×])(?!\w)", " times", flat)
    flat = re.sub(r"-{2,}|\s-\s", " - ", flat)
    return re.sub(r"\s+(?=[%.,;:!?])", "", " ".join(flat.split()))
