"""Files of tagged lines, parsed by rispy: RIS, PubMed's NBIB, Web of Science, EndNote.

rispy gets one entry at a time. It would read a whole file at once, and take an entry without an
end for a part of the next.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from qa.corpus.papers import LONGEST_ENTRY, TOO_LONG, Record, Skipped
from qa.corpus.readers.fields import Entry, keyword_list
from qa.corpus.words import author_name


@dataclass(frozen=True, slots=True)
class TaggedFormat:
    """How a format writes its entries, and the tags of each field, the best first."""

    line: re.Pattern[str]  # a line with a tag; groups: the tag, its value
    start: str  # the tag that begins an entry
    end: str  # the tag that ends one; empty where the next start does
    title: tuple[str, ...]
    abstract: tuple[str, ...]
    authors: tuple[str, ...]
    year: tuple[str, ...]
    venue: tuple[str, ...]
    doi: tuple[str, ...]
    links: tuple[str, ...]
    keywords: tuple[str, ...]

    def tag(self, line: str) -> str:
        """Return the tag of a line; empty for a line that continues the one before."""
        found = self.line.match(line)
        return found[1] if found else ""


RIS = TaggedFormat(
    line=re.compile(r"\ufeff?([A-Z][A-Z0-9]) {1,2}-(?: |$)(.*)"),
    start="TY",
    end="ER",
    title=("TI", "T1", "CT", "BT"),
    abstract=("AB", "N2"),
    authors=("AU", "A1"),
    year=("PY", "Y1", "DA", "YR"),
    venue=("T2", "JO", "JF", "JA", "J2", "BT", "T3", "PB"),
    doi=("DO", "DI", "DOI"),
    links=("UR", "L1", "L2", "LK", "M3"),
    keywords=("KW", "DE"),
)
NBIB = TaggedFormat(
    line=re.compile(r"([A-Z]{2,4}) {0,2}- (.*)"),
    start="PMID",
    end="",
    title=("TI", "BTI", "TT"),
    abstract=("AB", "OAB"),
    authors=("FAU", "AU", "CN"),
    year=("DP", "DEP", "EDAT"),
    venue=("JT", "TA"),
    doi=("LID", "AID"),
    links=("LID", "AID", "GR"),
    keywords=("OT", "MH"),
)
WEB_OF_SCIENCE = TaggedFormat(
    line=re.compile(r"([A-Z][A-Z0-9])(?: (.*)|$)"),
    start="PT",
    end="ER",
    title=("TI",),
    abstract=("AB",),
    authors=("AF", "AU"),
    year=("PY", "PD", "EA"),
    venue=("SO", "CT", "SE"),
    doi=("DI", "D2"),
    links=("UR", "AR"),
    keywords=("DE", "ID"),
)
ENDNOTE = TaggedFormat(
    line=re.compile(r"%([0-9A-Z@!#$&*+<>?^~\[\]-]) ?(.*)"),
    start="0",
    end="",
    title=("T",),
    abstract=("X",),
    authors=("A",),
    year=("D", "8"),
    venue=("J", "B", "S"),
    doi=("R",),
    links=("U", "R", "M", ">"),
    keywords=("K",),
)


# Put around every entry, so that rispy finds its beginning and end whatever the file has.
_BEGIN, _END = "\0begin", "\0end"


def read_tagged(
    lines: Iterable[str], source: str, form: TaggedFormat
) -> Iterator[Record | Skipped]:
    """Yield each entry; lines outside of entries are left out."""
    for start, piece in _pieces(lines, form):
        if sum(map(len, piece)) > LONGEST_ENTRY:
            yield Skipped(source, TOO_LONG, f"line {start}")
            continue
        tags = [form.tag(line) for line in piece]
        if any(tags.count(tag) > 1 for tag in form.title):
            # The lines between two entries are missing: the abstract may be that of either.
            yield Skipped(source, "malformed entry: two titles", f"line {start}")
        elif form.start in tags or not {*form.title, *form.abstract}.isdisjoint(tags):
            yield _entry(piece, form).record(source, f"line {start}")


def _pieces(lines: Iterable[str], form: TaggedFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and lines of each entry.

    Of an entry longer than LONGEST_ENTRY only a part that is longer than that is held.
    """
    start, piece, size = 0, list[str](), 0
    for number, line in enumerate(lines, start=1):
        tag = form.tag(line)
        if piece and tag and tag in (form.start, form.end):
            yield start, piece
            piece, size = [], 0
        if (piece or (tag and tag != form.end)) and size <= LONGEST_ENTRY:
            start = start if piece else number
            piece.append(line)
            size += len(line)
    if piece:
        yield start, piece


def _entry(piece: list[str], form: TaggedFormat) -> Entry:
    values = _values(piece, form)

    def all_of(tags: tuple[str, ...]) -> list[str]:
        return next((values[tag] for tag in tags if any(values.get(tag, ()))), [])

    def text(tags: tuple[str, ...]) -> str:
        return " ".join(all_of(tags))

    return Entry(
        title=text(form.title),
        abstract=text(form.abstract),
        authors=map(author_name, all_of(form.authors)),
        year=" ".join(line for tag in form.year for line in values.get(tag, ())),
        venue=text(form.venue),
        doi=next((text for text in all_of(form.doi) if "10." in text), ""),
        links=[link for tag in form.links for link in values.get(tag, ())],
        keywords=_keywords(all_of(form.keywords), form),
    )


def _values(piece: list[str], form: TaggedFormat) -> dict[str, list[str]]:
    """Return the lines of each tag's value."""
    lines = iter([_BEGIN, *(line.rstrip("\r\n") for line in piece), _END])
    entries: list[dict[str, Any]] = _parser(form).parse_lines(lines)
    return {tag: lines for tag, lines in entries[0].items() if isinstance(lines, list)}


@cache
def _parser(form: TaggedFormat) -> Any:  # noqa: ANN401 - rispy has no types
    from rispy import RisParser  # type: ignore[import-untyped]

    tags = {
        *form.title,
        *form.abstract,
        *form.authors,
        *form.year,
        *form.venue,
        *form.doi,
        *form.links,
        *form.keywords,
    }

    class Parser(RisParser):  # type: ignore[misc]
        START_TAG, END_TAG = _BEGIN, _END
        PATTERN = form.line.pattern

        def parse_line(self, line: str) -> tuple[str | None, str]:
            if line == _END:
                return _END, ""
            found = form.line.match(line)
            return (found[1], (found[2] or "").strip()) if found else (None, line.strip())

    mapping = {tag: tag for tag in (_BEGIN, *sorted(tags))}
    return Parser(
        mapping=mapping, list_tags=sorted(tags), delimiter_tags_mapping={}, skip_unknown_tags=True
    )


def _keywords(lines: list[str], form: TaggedFormat) -> list[str]:
    # Web of Science breaks its one long list of keywords anywhere.
    return keyword_list(" ".join(lines)) if form is WEB_OF_SCIENCE else lines
