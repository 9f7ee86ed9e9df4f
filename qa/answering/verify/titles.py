"""Find the titles that an answer names, and the papers that have them."""
# ruff: noqa: RUF001 (answers use quotation marks of many kinds)

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from qa.corpus.papers import title_key

_SPANS = re.compile(
    r"""\*\*(?P<bold>[^*\n]+)\*\*|__(?P<strong>[^_\n]+)__
    |(?<![\w*])\*(?P<italic>[^*\n]+)\*(?![\w*])|(?<!\w)_(?P<slanted>[^_\n]+)_(?!\w)
    |“(?P<curly>[^“”\n]+)”|(?<!\w)"(?P<straight>[^"\n]+)"|(?<!\w)‘(?P<single>[^‘\n]+?)’(?!\w)
    |^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+(?P<head>[^\n"“*_\[]{12,})(?=\[)
    """,
    re.VERBOSE | re.MULTILINE,
)
_OPENING = re.compile(
    r"[*_“\"‘]|^[ \t]*(?:[-•]|\d{1,3}[.)])[ \t]", re.MULTILINE
)  # the last: an item
_MARKER = re.compile(r"\s*[\[【]\s*[\dP#^][^\]】\n]{0,40}[\]】]\s*[.:,]?\s*\Z")
_MARKED = re.compile(r"[\s*_,.:–—-]{0,4}[\[【(]\s*[\[P#^]?\d")
_WORD = re.compile(r"[^\W_](?:[\w'’+./^{}$-]*\w)?")
_SMALL = (
    "a an and as at between but by for from in into is it its or nor of on onto over the their to "
    "toward towards under up upon via vs with within without are be can you your all do does than"
)
_SMALL_WORDS = frozenset(_SMALL.split())
_GOES_ON = re.compile(r"\s+(?:[–—-]\s+)?[(a-z]")
_ALIKE = 0.75  # share of letters in common, from which a title is a misspelt one
_CERTAIN = 6  # words in Title Case that are more than a label


@dataclass(frozen=True, slots=True)
class NamedTitle:
    """What looks like a title: `answer[start:end]` is it, without marks or stars."""

    text: str
    start: int
    end: int
    quoted: bool
    marked: bool  # a citation follows at once
    places: tuple[int, int]  # where it stands with its marks

    @property
    def looks_like_title(self) -> bool:
        """Tell whether its words are written as those of a title."""
        words = [w for w in _WORD.findall(self.text) if w.lower() not in _SMALL_WORDS]
        capitals = [w for w in words if not w[0].islower()]
        length = len(_WORD.findall(self.text))
        if len(capitals) < 3 or len(capitals) < 0.7 * len(words):
            return False
        return length >= (4 if self.quoted or self.marked else _CERTAIN)


def find_named_titles(
    answer: str, start: int = 0, end: int | None = None
) -> tuple[tuple[NamedTitle, ...], int]:
    """Return what looks like a title and ends at or before `end`.

    That is what is bold, italic, quoted, or at the head of a list item before a citation. Also
    return the place from which to look on: before `end` only if bold text or so is open there.
    """
    end = len(answer) if end is None else end
    found: list[NamedTitle] = []
    for match in _SPANS.finditer(answer, start):
        if match.end() > end:
            break
        start = match.end()
        kind = match.lastgroup or ""
        inner = _MARKER.sub("", match[kind])
        text = inner.strip(" \t.,:;–—-")
        if not text:
            continue
        begin = match.start(kind) + match[kind].index(text)
        marked = inner != match[kind] or bool(_MARKED.match(answer, match.end()))
        quoted = kind in {"curly", "straight", "single"}
        found.append(NamedTitle(text, begin, begin + len(text), quoted, marked, match.span()))
    line_start = max(start, answer.rfind("\n", start, end) + 1)
    opening = _OPENING.search(answer, line_start, end)
    return tuple(found), opening.start() if opening else end


def is_title_of(title: str, text: str) -> bool:
    """Tell whether a text is a title, its head before the colon, a good part of it, or begins so.

    A list item may go on after the title, in lower case: "Layer Collaboration … lets layers talk".
    """
    rest = text[len(title) :]
    if _GOES_ON.match(rest) and text[: len(title)].casefold() == title.casefold():
        return True
    key, heads = _keys(title)
    wanted, _ = _keys(text)
    return wanted == key or wanted in heads or (len(wanted) >= 20 and wanted in key)


@lru_cache(maxsize=1024)  # every name in an answer is compared with the same titles
def _keys(title: str) -> tuple[str, frozenset[str]]:
    heads = (title.partition(separator)[0] for separator in (":", " - ", "?"))
    return title_key(title), frozenset(map(title_key, heads))


def nearest_title(text: str, titles: Iterable[str]) -> str | None:
    """Return the title that a text nearly is, if there is one."""
    wanted = title_key(text)
    best, found = _ALIKE, None
    for title in titles:
        for form in {title, title.partition(":")[0]}:
            matcher = SequenceMatcher(None, title_key(form), wanted, autojunk=False)
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
                ratio = matcher.ratio()
                if ratio > best:
                    best, found = ratio, title
    return found


def papers_with_title(text: str, titles: Mapping[int, str]) -> frozenset[int]:
    """Return the numbers of the papers whose title a text is."""
    return frozenset(n for n, title in titles.items() if is_title_of(title, text))
