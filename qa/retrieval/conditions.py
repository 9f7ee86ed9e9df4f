"""Conditions: what a question says of year, author, venue or file, as filters.

"Which papers prune, since 2020 by Han at NeurIPS?" is the question "Which papers prune?" put to
some of the papers. No abstract says when and by whom it was written, so that neither scores nor a
judge of abstracts could answer it as it stands.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from qa.corpus.filters import Filters

FIRST, LAST = 0, 9999  # years of a span that is open on a side

_PUBLISHED = (
    r"(?:,?\s*\b(?:that|which)\s+(?:was|were|are|is))?"
    r"(?:\s*\b(?:published|written|released|presented)\b)?"
)
_YEAR = r"(?:the\s+years?\s+)?((?:19|20)\d\d)\b"
_PAPERS = re.compile(
    r"\b(?:papers?|articles?|publications?|stud(?:y|ies)|preprints?|works?|published)\b",
    re.IGNORECASE,
)
_CAPITALISED = r"[A-Z][\w.'\u2019-]*"
_NAME = rf"{_CAPITALISED}(?:\s+(?:(?:van|von|de|der|den|la|le|al|bin|di|da)\s+)*{_CAPITALISED})*"
_AUTHOR = re.compile(
    rf"{_PUBLISHED}(?:\s*\bco-?authored)?\s*\bby\s+({_NAME}(?:\s+or\s+{_NAME})*)(?:\s+et\s+al\.?)?"
)
_WRITTEN = re.compile(rf"\bdid\s+({_NAME})\s+(?:write|publish|author)\b")
_VENUE = re.compile(
    rf"{_PUBLISHED}\s*\b(?:at|in|from)\s+(?:the\s+)?"
    r"([A-Z][\w&.-]*(?:\s+(?:(?:of|on|and|for|in)\s+)?[A-Z][\w&.-]*)*)"
)
_SOURCE = re.compile(
    r"\s*\b(?:in|from)\s+(?:the\s+file\s+)?([\w./-]+\.(?:bib|ris|csv|tsv|txt|jsonl?|md|xml|nbib))\b"
)
_NEGATED = re.compile(
    r"\bnot\b|n['\u2019]t\b|\bnever\b|\bexcept\b|\bexcluding\b|\bother\s+than\b", re.IGNORECASE
)

Span = tuple[int, int]


def _years(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_PUBLISHED}\s*\b{pattern}", re.IGNORECASE)


# In this order: "from 2019 to 2021" before "from 2019".
_SPANS: tuple[tuple[re.Pattern[str], Callable[[int, int], Span]], ...] = (
    (
        _years(rf"(?:between|from)\s+{_YEAR}\s*(?:and|to|until|-|\u2013)\s*{_YEAR}"),
        lambda a, b: (a, b),
    ),
    (_years(rf"(?:in|of|during)\s+{_YEAR}\s*(?:to|-|\u2013)\s*{_YEAR}"), lambda a, b: (a, b)),
    (_years(rf"(?:since\s+{_YEAR}|from\s+{_YEAR}\s+on(?:wards?)?\b)"), lambda a, _: (a, LAST)),
    (_years(rf"after\s+{_YEAR}"), lambda a, _: (a + 1, LAST)),
    (_years(rf"before\s+{_YEAR}"), lambda a, _: (FIRST, a - 1)),
    (_years(rf"(?:until|up\s+to)\s+{_YEAR}"), lambda a, _: (FIRST, a)),
    (_years(rf"(?:in|of|from|during)\s+{_YEAR}"), lambda a, _: (a, a)),
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """A question without its conditions, and the papers that it is put to."""

    question: str
    filters: Filters
    notes: tuple[str, ...] = ()  # what was made of the conditions, in sentences


def read_conditions(question: str, given: Filters, passing: Callable[[Filters], int]) -> Conditions:
    """Return the question without the conditions in it, and these added to the filters given.

    `passing` counts the papers that pass filters. A kind that is given stays as it is given. A
    name is taken for an author or a venue only where papers have it; a condition on what no paper
    has is told and left out.
    """
    read = given
    notes: list[str] = []
    if not given.years and _PAPERS.search(question):
        question, read = _read_years(question, read, passing, notes)
    if not given.authors:
        question, read = _read_authors(question, read, passing, notes)
    if not given.venues:
        question, read = _read_names(question, read, "venues", _VENUE, passing)
    if not given.sources:
        question, read = _read_names(question, read, "sources", _SOURCE, passing)
    if read != given:
        notes.insert(0, _told(read, given))
    return Conditions(_tidy(question), read, tuple(notes))


def is_negated(question: str) -> bool:
    """Tell whether the question excludes something, which scores cannot see.

    "Without" is not meant: "training without backprop" is a subject of its own.
    """
    return _NEGATED.search(question) is not None


def _read_years(
    question: str, read: Filters, passing: Callable[[Filters], int], notes: list[str]
) -> tuple[str, Filters]:
    for pattern, span_of in _SPANS:
        found = pattern.search(question)
        if found is None:
            continue
        first, *more = [int(year) for year in found.groups() if year]
        rest = question[: found.start()] + " " + question[found.end() :]
        if not passing(Filters(years=((FIRST, LAST),))):
            said = " ".join(found[0].split()).strip(" ,")
            notes.append(f"No paper has a known year: “{said}” is left out.")
            return rest, read
        span = span_of(first, *(more or [first]))
        return rest, replace(read, years=(span,)) if span[0] <= span[1] else read
    return question, read


def _read_authors(
    question: str, read: Filters, passing: Callable[[Filters], int], notes: list[str]
) -> tuple[str, Filters]:
    found = _AUTHOR.search(question) or _WRITTEN.search(question)
    if found is None:
        return question, read
    names = tuple(re.split(r"\s+or\s+", found[1].strip().rstrip(".")))
    replaced = " are there " if found.re is _WRITTEN else " "
    rest = question[: found.start()] + replaced + question[found.end() :]
    known = tuple(name for name in names if passing(Filters(authors=(name,))))
    if known:
        return rest, replace(read, authors=known)
    before = question[: found.start()].rstrip().rpartition(" ")[2]
    if _PAPERS.fullmatch(before) or found.re is _WRITTEN:  # "papers by X": X is a person
        if passing(Filters(authors=("",))):
            notes.append(f"No paper is by “{' or '.join(names)}”.")
        else:
            notes.append(f"No paper has a known author: “by {' or '.join(names)}” is left out.")
        return rest, read
    return question, read


def _read_names(
    question: str,
    read: Filters,
    kind: Literal["venues", "sources"],
    pattern: re.Pattern[str],
    passing: Callable[[Filters], int],
) -> tuple[str, Filters]:
    """Read a venue or a source file that papers of the corpus have."""
    for found in pattern.finditer(question):
        name = found[1].rstrip(".")
        alone = Filters.parse(**{kind: name})
        if len(name) > 2 and passing(alone):
            rest = question[: found.start()] + " " + question[found.end() :]
            if kind == "venues":
                return rest, replace(read, venues=alone.venues)
            return rest, replace(read, sources=alone.sources)
    return question, read


def _told(read: Filters, given: Filters) -> str:
    """Return which papers the question is put to, as a sentence."""
    parts = []
    if read.years != given.years:
        parts.append("of " + Filters(years=read.years).describe().removeprefix("year "))
    if read.authors != given.authors:
        parts.append("by " + " or ".join(read.authors))
    if read.venues != given.venues:
        parts.append("at " + " or ".join(read.venues))
    if read.sources != given.sources:
        parts.append("in " + " or ".join(read.sources))
    return f"Asked of papers {' '.join(parts)}."


def _tidy(question: str) -> str:
    return re.sub(r"\s+([?,.;])", r"\1", " ".join(question.split())).strip(" ,")
