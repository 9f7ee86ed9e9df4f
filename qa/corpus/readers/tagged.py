"""Files of tagged lines, parsed by rispy: RIS, PubMed's NBIB, Web of Science, EndNote.

rispy reads a whole file at once and takes an entry without its end for a part of the next, so it
is handed one entry at a time.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.fields import Entry, keyword_list
from qa.corpus.words import author_name


@dataclass(frozen=True, slots=True)
class TaggedFormat:
    """How a format writes its entries, and which tags hold what, the best first."""

    line: re.Pattern[str]  # a line with a tag: the tag, then what it says
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
        """Return the tag of a line; empty on a line that goes on with the one before."""
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


# What stands around every entry that the parser gets, whether its file says so or not.
_BEGIN, _END = "\0begin", "\0end"


def read_tagged(
    lines: Iterable[str], source: str, dialect: TaggedFormat
) -> Iterator[Record | Skipped]:
    """Yield each entry; what stands outside of entries is left out."""
    for start, piece in _pieces(lines, dialect):
        tags = [dialect.tag(line) for line in piece]
        if any(tags.count(tag) > 1 for tag in dialect.title):
            # The lines between two entries are gone, so whose abstract is whose nobody knows.
            yield Skipped(source, "malformed entry: two titles", f"line {start}")
        elif dialect.start in tags or not {*dialect.title, *dialect.abstract}.isdisjoint(tags):
            yield _entry(piece, dialect).paper(source, f"line {start}")


def _pieces(lines: Iterable[str], dialect: TaggedFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and lines of each entry."""
    start, held = 0, list[str]()
    for number, line in enumerate(lines, start=1):
        tag = dialect.tag(line)
        if held and tag and tag in (dialect.start, dialect.end):
            yield start, held
            held = []
        if held or (tag and tag != dialect.end):
            start = start if held else number
            held.append(line)
    if held:
        yield start, held


def _entry(piece: list[str], dialect: TaggedFormat) -> Entry:
    values = _values(piece, dialect)

    def all_of(tags: tuple[str, ...]) -> list[str]:
        return next((values[tag] for tag in tags if any(values.get(tag, ()))), [])

    def text(tags: tuple[str, ...]) -> str:
        return " ".join(all_of(tags))

    return Entry(
        title=text(dialect.title),
        abstract=text(dialect.abstract),
        authors=map(author_name, all_of(dialect.authors)),
        year=" ".join(line for tag in dialect.year for line in values.get(tag, ())),
        venue=text(dialect.venue),
        doi=next((text for text in all_of(dialect.doi) if "10." in text), ""),
        links=[link for tag in dialect.links for link in values.get(tag, ())],
        keywords=_keywords(all_of(dialect.keywords), dialect),
    )


def _values(piece: list[str], dialect: TaggedFormat) -> dict[str, list[str]]:
    """Return what each tag says, line by line."""
    lines = iter([_BEGIN, *(line.rstrip("\r\n") for line in piece), _END])
    entries: list[dict[str, Any]] = _parser(dialect).parse_lines(lines)
    return {tag: lines for tag, lines in entries[0].items() if isinstance(lines, list)}


@cache
def _parser(dialect: TaggedFormat) -> Any:  # noqa: ANN401 - rispy has no types
    from rispy import RisParser  # type: ignore[import-untyped]

    tags = {
        *dialect.title,
        *dialect.abstract,
        *dialect.authors,
        *dialect.year,
        *dialect.venue,
        *dialect.doi,
        *dialect.links,
        *dialect.keywords,
    }

    class Parser(RisParser):  # type: ignore[misc]
        START_TAG, END_TAG = _BEGIN, _END
        PATTERN = dialect.line.pattern

        def parse_line(self, line: str) -> tuple[str | None, str]:
            if line == _END:
                return _END, ""
            found = dialect.line.match(line)
            return (found[1], (found[2] or "").strip()) if found else (None, line.strip())

    mapping = {tag: tag for tag in (_BEGIN, *sorted(tags))}
    return Parser(
        mapping=mapping, list_tags=sorted(tags), delimiter_tags_mapping={}, skip_unknown_tags=True
    )


def _keywords(lines: list[str], dialect: TaggedFormat) -> list[str]:
    # Web of Science breaks its one long list of keywords anywhere.
    return keyword_list(" ".join(lines)) if dialect is WEB_OF_SCIENCE else lines
