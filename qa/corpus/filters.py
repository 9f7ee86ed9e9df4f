"""Filters: to which papers of the corpus a question is put, by year, author, venue and file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qa.corpus.words import author_name, folded
from qa.errors import UsageError

_YEARS = re.compile(r"(\d{4})|(\d{4})?\s?[-\u2013]\s?(\d{4})?")
_FIRST_YEAR, _LAST_YEAR = 0, 9999  # of a span that is open on this side


@dataclass(frozen=True, slots=True)
class Filters:
    """What a paper must have: one of the values of every kind that is given.

    Authors, venues and sources are parts of names. Case and accents do not count.
    """

    years: tuple[tuple[int, int], ...] = ()  # first and last year of each span
    authors: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # parts of a file's name, which begins with the corpus folder
    ids: tuple[str, ...] = ()  # whole paper ids
    ids_are: str = "papers given by id"  # how `describe` calls the papers with these ids
    numbers: tuple[int, ...] = ()  # under which these papers are cited; empty: from 1 on

    def __post_init__(self) -> None:
        """Raise UsageError for values of other types: a text would count as its letters."""
        names = (self.authors, self.venues, self.sources, self.ids)
        spans = all(isinstance(years, tuple) and len(years) == 2 for years in self.years)
        if not spans or any(isinstance(values, str) for values in names):
            raise UsageError(
                "Filters takes tuples. To make them from text: "
                'Filters.parse(years="2021-", authors=["Hinton", "Bengio"])'
            )

    @classmethod
    def parse(
        cls,
        *,
        years: str | Sequence[str] = (),
        authors: str | Sequence[str] = (),
        venues: str | Sequence[str] = (),
        sources: str | Sequence[str] = (),
    ) -> "Filters":
        """Return the filters that texts ask for, one or several of each kind.

        Years are "2023", "2023-", "-2020" or "2019-2021"; authors "Given Family" or
        "Family, Given". Raises UsageError.
        """
        return cls(
            years=tuple(map(_span, _listed(years))),
            authors=tuple(_name("author", author_name(name)) for name in _listed(authors)),
            venues=tuple(_name("venue", name) for name in _listed(venues)),
            sources=tuple(_name("source", name) for name in _listed(sources)),
        )

    def __bool__(self) -> bool:
        return bool(self.years or self.authors or self.venues or self.sources or self.ids)

    def kinds(self) -> dict[str, "Filters"]:
        """Return for each kind that is given a filter for all papers with any value of this kind.

        So it can be said how many papers have, for example, a year at all.
        """
        anything = {
            "year": Filters(years=((_FIRST_YEAR, _LAST_YEAR),) if self.years else ()),
            "author": Filters(authors=("",) if self.authors else ()),
            "venue": Filters(venues=("",) if self.venues else ()),
        }
        return {kind: filters for kind, filters in anything.items() if filters}

    def describe(self) -> str:
        """Return the filters in words: `year 2019-2021, author Hinton or Bengio`."""
        kinds = {
            "year": tuple(map(_span_text, self.years)),
            "author": self.authors,
            "venue": self.venues,
            "source": self.sources,
        }
        parts = [f"{kind} {' or '.join(values)}" for kind, values in kinds.items() if values]
        return ", ".join([self.ids_are, *parts] if self.ids else parts)


EVERYTHING = Filters()


def _listed(values: str | Sequence[str]) -> Sequence[str]:
    return [values] if isinstance(values, str) else values


def _span(text: str) -> tuple[int, int]:
    """Return the first and last year that a text such as `2019-2021` means."""
    found = _YEARS.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise UsageError(
            f"year is {text!r}; write 2023, 2023-, -2020 or 2019-2021.", parameter="year"
        )
    first, last = (found[1], found[1]) if found[1] else (found[2], found[3])
    span = int(first or _FIRST_YEAR), int(last or _LAST_YEAR)
    if span[0] > span[1]:
        raise UsageError(f"year is {text!r}, which ends before it begins.", parameter="year")
    return span


def _span_text(span: tuple[int, int]) -> str:
    first, last = span
    if first == last:
        return str(first)
    return f"{'' if first == _FIRST_YEAR else first}-{'' if last == _LAST_YEAR else last}"


def _name(parameter: str, text: str) -> str:
    """Return a part of a name with single spaces; raises UsageError for an empty one."""
    if not folded(text):
        raise UsageError(f"{parameter} is empty; give a part of the name.", parameter=parameter)
    return " ".join(text.split())
