"""Tables with a header: CSV and TSV, whatever their delimiter and however they call the columns."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers import fields
from qa.corpus.readers.fields import Entry, bare_name, bare_names, names

_DELIMITERS = ",\t;|"
_HEADER_WITHIN = 10  # lines: some exports first say what they are
_LONGEST_ROW = 1000  # lines of one row; more is a quote that nothing closes
_SWALLOWED = 3  # delimiters, where they would be in rows of their own: no paragraph has them
_MOST_QUOTES = 200  # in one line: the time to make sense of them grows with their number
# A quote inside quotes, in most dialects.
_DOUBLED = re.compile(r'[^\s,;|]""[^\s,;|]|\\""[^,;|\t\r\n]')


@dataclass(frozen=True, slots=True)
class TableHeader:
    """The header of a table: where it stands, and which columns hold what."""

    line: int
    delimiter: str
    escape: str | None  # before a quote inside quotes, where that is not doubled
    names: tuple[str, ...]
    columns: Mapping[str, Sequence[int]]  # by field, the best first

    @property
    def missing(self) -> str:
        """The field without which a row is no paper; empty when there is none."""
        return next((field for field in ("title", "abstract") if not self.columns[field]), "")


def find_header(head: str, own: Mapping[str, str]) -> TableHeader | None:
    """Return the header of the table that begins like this, or None for no table.

    `own` are the user's names for columns, by field.
    """
    escape = "\\" if '\\"' in head and not _DOUBLED.search(head) else None
    found = [
        header
        for number, line in enumerate(head.split("\n")[:_HEADER_WITHIN], start=1)
        for delimiter in _DELIMITERS
        if delimiter in line
        and (header := _header(line, number, delimiter, escape, own)).missing in ("", "abstract")
    ]
    return max(found, key=_fit, default=None)


def _fit(header: TableHeader) -> tuple[bool, int]:
    return not header.missing, sum(map(bool, header.columns.values()))


def _header(
    line: str, number: int, delimiter: str, escape: str | None, own: Mapping[str, str]
) -> TableHeader:
    row = _one_row(line, delimiter)
    cells = [bare_name(name) for name in row]
    columns = {
        field: [cells.index(name) for name in known if name in cells]
        for field, known in bare_names(own).items()
    }
    return TableHeader(number, delimiter, escape, tuple(row), columns)


def read_table(
    lines: Iterable[str], source: str, header: TableHeader
) -> Iterator[Record | Skipped]:
    """Yield each row below the header."""
    if header.missing:
        told = ", ".join(name.strip() for name in header.names)[:300]
        name_it = f"qa rebuild PATH --column {header.missing}=NAME"
        reason = f"no column for the {header.missing} among {told} (name it: {name_it})"
        yield Skipped(source, reason, "whole file")
        return
    below = iter(lines)
    for _ in range(header.line):
        next(below, "")
    for number, row in _rows(_Lines(below, header.line + 1), header):
        if row is None or any(cell.strip() for cell in row[len(header.names) :]):
            yield Skipped(source, "malformed entry", f"line {number}")
        elif any(cell.strip() for cell in row) and tuple(row) != header.names:
            yield _entry(row, header.columns).paper(source, f"line {number}")


class _Lines:
    """Lines that can be given back, with the number of the next."""

    def __init__(self, lines: Iterator[str], number: int) -> None:
        self._lines = lines
        self._back: deque[str] = deque()
        self.number = number
        self.taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _LONGEST_ROW:
            raise csv.Error("a quote that nothing closes")
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line

    def keep(self, count: int) -> None:
        """Give back all lines taken but the first `count`."""
        self.number += count
        self._back.extendleft(reversed(self.taken[count:]))
        self.taken = []


def _rows(lines: _Lines, header: TableHeader) -> Iterator[tuple[int, list[str] | None]]:
    """Yield line number and cells of each row; None for one that cannot be told into cells."""
    rows = csv.reader(
        lines,
        delimiter=header.delimiter,
        escapechar=header.escape,
        doublequote=header.escape is None,
        strict=True,
    )
    while True:
        number = lines.number
        try:
            row: list[str] | None = next(rows)
            sound = not _swallows(lines.taken, row or (), header)
        except StopIteration:
            return
        except csv.Error:
            sound = False
        if sound:
            lines.keep(len(lines.taken))
        else:
            # A quote too few or too many: only the line that it stands on is in doubt.
            row = _with_stray_quotes(lines.taken[0], header) if lines.taken else None
            lines.keep(1)
        yield number, row


def _swallows(lines: Sequence[str], row: Sequence[str], header: TableHeader) -> bool:
    """Whether the row has taken others in: its quote was closed by one that is not its own."""
    if len(lines) < 2:
        return False
    if any(cell.strip() for cell in row[len(header.names) :]):
        return True
    # In prose a blank follows the comma, so that a paragraph hardly looks like a row.
    mark, between = re.compile(rf"{re.escape(header.delimiter)}(?! )"), len(header.names) - 1
    within = lines[1:-1]
    alike = all(len(mark.findall(line)) == between for line in within)
    return alike and len(within) * between >= _SWALLOWED


def _with_stray_quotes(line: str, header: TableHeader) -> list[str] | None:
    """Return the cells of a line whose quotes break the rules, if they come to the right number."""
    line, mark = line.rstrip("\r\n"), re.escape(header.delimiter)
    if line.count('"') > _MOST_QUOTES:
        return None
    # Here a quote closes a cell only before the next delimiter.
    cell = re.compile(rf'(?:"(.{{0,20000}}?)"|([^{mark}]*)){mark}')
    quoted = [found[1] or found[2] or "" for found in cell.finditer(line + header.delimiter)]
    for row in (quoted, line.split(header.delimiter)):
        if len(row) == len(header.names):
            return row
    return None


def _one_row(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _entry(row: Sequence[str], columns: Mapping[str, Sequence[int]]) -> Entry:
    def cells(field: str) -> list[str]:
        return [row[at] for at in columns[field] if at < len(row) and row[at].strip()]

    def text(field: str) -> str:
        return next(iter(cells(field)), "")

    return Entry(
        title=text("title"),
        abstract=text("abstract"),
        authors=names(text("authors")),
        year=next((date for date in cells("year") if fields.year_of(date)), ""),
        venue=text("venue"),
        doi=text("doi"),
        arxiv=next((number for number in cells("arxiv") if fields.arxiv_of(number, ())), ""),
        links=cells("links"),
        keywords=fields.words(text("keywords")),
    )
