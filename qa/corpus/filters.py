"""Filters: which papers of the corpus a question is put to, by year, author, venue and file."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from qa.errors import UsageError

_YEARS = re.compile(r"(\d{4})|(\d{4})?\s?[-\u2013]\s?(\d{4})?")
_FIRST, _LAST = 0, 9999


@dataclass(frozen=True, slots=True)
class Filters:
    """What a paper must have; of the values of one kind any will do, of the kinds every one.

    Authors, venues and sources are parts of the name, however they are written in case and accents.
    """

    years: tuple[tuple[int, int], ...] = ()  # first and last of each span
    authors: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # of a file's name, below the corpus folder's
    ids: tuple[str, ...] = ()  # of papers; these are given whole
    ids_are: str = "papers given by id"  # in words
    numbers: tuple[int, ...] = ()  # under which those papers are cited; none: from 1 on

    def __post_init__(self) -> None:
        """Raise UsageError for values of other kinds: they would pass as something else."""
        names = (self.authors, self.venues, self.sources, self.ids)
        spans = all(isinstance(years, tuple) and len(years) == 2 for years in self.years)
        if not spans or any(isinstance(values, str) for values in names):
            raise UsageError(
                "Filters takes tuples. From text make it so: "
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
        """The filters as the command line gives them, one of a kind or several.

        Years are "2023", "2023-", "-2020" or "2019-2021". Raises UsageError.
        """
        return cls(
            years=tuple(map(_span, _several(years))),
            authors=tuple(_in_order(_given("author", name)) for name in _several(authors)),
            venues=tuple(_given("venue", name) for name in _several(venues)),
            sources=tuple(_given("source", name) for name in _several(sources)),
        )

    def __bool__(self) -> bool:
        return bool(self.years or self.authors or self.venues or self.sources or self.ids)

    def kinds(self) -> dict[str, "Filters"]:
        """For each kind that is given, what every paper passes that has such a thing at all."""
        anything = {
            "year": Filters(years=((_FIRST, _LAST),) if self.years else ()),
            "author": Filters(authors=("",) if self.authors else ()),
            "venue": Filters(venues=("",) if self.venues else ()),
        }
        return {kind: filters for kind, filters in anything.items() if filters}

    def describe(self) -> str:
        """The filters in words: `year 2019-2021, author Hinton or Bengio`."""
        kinds = {
            "year": tuple(map(_span_text, self.years)),
            "author": self.authors,
            "venue": self.venues,
            "source": self.sources,
        }
        told = [f"{kind} {' or '.join(of)}" for kind, of in kinds.items() if of]
        return ", ".join([self.ids_are, *told] if self.ids else told)


EVERYTHING = Filters()


def folded(text: str) -> str:
    """The text without case, accents and needless space, so that Muller finds Müller."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(text.casefold().split())


def _several(values: str | Sequence[str]) -> Sequence[str]:
    return [values] if isinstance(values, str) else values


def _span(text: str) -> tuple[int, int]:
    found = _YEARS.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise UsageError(f"--year is {text!r}; write 2023, 2023-, -2020 or 2019-2021.")
    first, last = (found[1], found[1]) if found[1] else (found[2], found[3])
    span = int(first or _FIRST), int(last or _LAST)
    if span[0] > span[1]:
        raise UsageError(f"--year is {text!r}, which ends before it begins.")
    return span


def _span_text(span: tuple[int, int]) -> str:
    first, last = span
    if first == last:
        return str(first)
    return f"{'' if first == _FIRST else first}-{'' if last == _LAST else last}"


def _given(option: str, text: str) -> str:
    if not folded(text):
        raise UsageError(f"--{option} is empty; give a part of the name.")
    return " ".join(text.split())


def _in_order(name: str) -> str:
    """A name as papers carry it: `Family, Given` is `Given Family`."""
    family, comma, given = name.partition(",")
    return f"{given.strip()} {family.strip()}".strip() if comma else name
