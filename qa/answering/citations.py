"""Find the citations in an answer: markers such as [1], [2, 3] and [4-6] of numbered papers."""
# ruff: noqa: RUF001 (models write brackets and dashes of many kinds)

import re
from collections.abc import Container
from dataclasses import dataclass

# Signs of the same use, one character for one: the patterns below are small and quick to compile.
_ONE_SIGN = str.maketrans(
    dict.fromkeys("【［", "[")
    | dict.fromkeys("】］", "]")
    | dict.fromkeys("‐‑‒–—−", "-")
    | dict.fromkeys("，、", ",")
    | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", "\xad")  # takes no place
)
_GAP = r"[\s*_\xad]*"


def _number(name: str) -> str:
    prefix = rf"(?:(?P<{name}_key>[Pp])|\#|\^|(?:papers?|Papers?|refs?\.?|sources?){_GAP})?"
    return rf"{prefix}(?P<{name}>\d{{1,6}})"


_ONE = re.compile(rf"{_number('low')}(?:{_GAP}(?:-|\.\.|to\b){_GAP}{_number('high')})?")
_ITEM = re.sub(r"\?P<\w+>", "?:", _ONE.pattern)
_MARKER = re.compile(
    rf"\[{_GAP}(?P<items>{_ITEM}(?:{_GAP}(?:[,;&]|and\b){_GAP}{_ITEM})*)"
    rf"{_GAP}(?:†[^\]\n]{{0,40}})?\\?\]"
)
_CODE = re.compile(r"(?<!`)`(?!`)[^`\n]{1,80}`|\$(?=\S)[^$\n]{1,80}(?<=\S)\$(?!\d)")
_CUT_OFF = re.compile(r"\[[\d\s,;^#P\-\xad]*\Z")
_WIDEST_RANGE = 500  # papers; of a wider range only its two ends count

_HELD = 12  # characters from a bracket on that wait while they may become a marker
_HELD_MARKER = 400  # the same if all of them are what markers consist of
_MAY_GROW = re.compile(rf"\[(?:[^\]\n]{{0,{_HELD - 1}}}|[\d\s,;&^#P*_†\-\xad]*)\Z")


@dataclass(frozen=True, slots=True)
class Reference:
    """One number, or one range of numbers, inside a marker."""

    low: int
    high: int
    start: int  # of the number in the answer
    end: int
    leaked: bool  # written [P3], as the prompts for judging number papers: no number of a reader

    @property
    def numbers(self) -> frozenset[int]:
        """Return the numbers of papers that it names."""
        if self.leaked:
            return frozenset()
        if 0 <= self.high - self.low <= _WIDEST_RANGE:
            return frozenset(range(self.low, self.high + 1))
        return frozenset((self.low, self.high))

    def known(self, papers: Container[int]) -> bool:
        """Tell whether every number of it is a paper's."""
        return not self.leaked and all(number in papers for number in self.numbers)


@dataclass(frozen=True, slots=True)
class Citation:
    """One marker: `answer[start:end]` is it, brackets included."""

    start: int
    end: int
    references: tuple[Reference, ...]

    @property
    def numbers(self) -> frozenset[int]:
        """Return the numbers of papers that it names."""
        return frozenset().union(*(reference.numbers for reference in self.references))


def find_citations(text: str) -> tuple[Citation, ...]:
    """Return the markers of a text in order.

    Decimals and signs ([0.5, 1], [-1, 1]), intervals from zero, exponents ([1, 2]^d), and indexes
    in code or formulas (`a[1]`) are no citations.
    """
    hidden = [match.span() for match in _CODE.finditer(text)]
    found = (_citation(match) for match in _MARKER.finditer(text.translate(_ONE_SIGN)))
    return tuple(c for c in found if c is not None and not _is_index(c, hidden, text))


def cited_numbers(text: str) -> set[int]:
    """Return all numbers that a text cites, of papers or not."""
    return set().union(*(citation.numbers for citation in find_citations(text)))


def cut_off_marker(text: str) -> tuple[int, int] | None:
    """Return start and end of a marker that the end of a text cuts off, if there is one."""
    match = _CUT_OFF.search(text.translate(_ONE_SIGN), max(0, len(text) - _HELD_MARKER))
    return match.span() if match and any(c.isdigit() for c in match[0]) else None


def show_unknown(text: str, papers: Container[int]) -> str:
    """Return the text with a question mark behind each number of no paper: [9?], [1, 9?]."""
    unknown = [r for c in find_citations(text) for r in c.references if not r.known(papers)]
    for reference in reversed(unknown):
        text = f"{text[: reference.end]}?{text[reference.end :]}"
    return text


class MarkerBuffer:
    """Passes on text that comes in pieces, never ending within a marker."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be passed on; a few characters wait that may become a marker."""
        text = self._held + piece
        match = _MAY_GROW.search(text[-_HELD_MARKER:].translate(_ONE_SIGN))
        end = len(text) - len(match[0]) if match else len(text)
        self._held = text[end:]
        return text[:end]

    def flush(self) -> str:
        """Return the rest, when no more will come: a marker that was cut off."""
        held, self._held = self._held, ""
        return held


def _citation(match: re.Match[str]) -> Citation | None:
    offset = match.start("items")
    references = tuple(_reference(item, offset) for item in _ONE.finditer(match["items"]))
    interval = len(references) > 1 and not references[0].leaked and references[0].low == 0
    if interval or match.string.startswith("^", match.end()):
        return None
    return Citation(match.start(), match.end(), references)


def _reference(item: re.Match[str], offset: int) -> Reference:
    low = int(item["low"])
    high = int(item["high"] or low)
    leaked = bool(item["low_key"] or item["high_key"])
    return Reference(low, high, offset + item.start(), offset + item.end(), leaked)


def _is_index(citation: Citation, hidden: list[tuple[int, int]], text: str) -> bool:
    inside = any(start < citation.start and citation.end < end for start, end in hidden)
    return inside and re.match(r"[\w)\]]", text[citation.start - 1]) is not None
