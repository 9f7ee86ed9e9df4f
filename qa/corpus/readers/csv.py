"""Tables with a header: CSV and TSV, with any usual delimiter and any usual column names."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from qa.corpus.papers import LONGEST_ENTRY, TOO_LONG, Record, Skipped
from qa.corpus.readers import fields
from qa.corpus.readers.fields import Entry, author_names, bare_name, column_names

_DELIMITERS = ",\t;|"
_HEADER_WITHIN = 10  # lines; some exports have a preamble before the header
_TRIED_ROWS = 5  # below a header, to tell a table from prose
_ROW_LINES = (
    1000  # of one row, after which they are looked at: more may be rows after an open quote
)
_LONG_CELL = 250  # characters; an abstract has more
_ROWS_SHARE = 0.5  # of the delimiters that rows have, in lines that are rows and no text
_MIN_ROW_DELIMITERS = 3  # lines inside a cell with as many delimiters are rows, not a paragraph
# Our own export writes a `'` before cells that a spreadsheet would take for formulas.
_OWN_EXPORT = ("key", "id", "title", "authors", "year")
_GUARDED = re.compile(r"'+[=+@\t\r-]")
_RULE = " \t\r\n:-"  # what the line below the header of a table in Markdown is made of
_MALFORMED = "malformed entry"
_MAX_QUOTES = 200  # in one line; the time to repair a line grows with their number
# A doubled quote inside quotes, as most dialects write it.
_DOUBLED = re.compile(r'[^\s,;|]""[^\s,;|]|\\""[^,;|\t\r\n]')


@dataclass(frozen=True, slots=True)
class TableHeader:
    """The header of a table: its place, the dialect of the table, and the columns of each field."""

    line: int  # 1-based
    delimiter: str
    escape: str | None  # before a quote inside quotes; None: such a quote is doubled
    names: tuple[str, ...]  # of the columns
    columns: Mapping[str, Sequence[int]]  # numbers of the columns of each field, the best first

    @property
    def missing(self) -> str:
        """Return the field, title or abstract, that has no column; empty if both have one."""
        return next((field for field in ("title", "abstract") if not self.columns[field]), "")

    @property
    def is_bibliography(self) -> bool:
        """Return whether titles without abstracts below it are those of papers."""
        about = ("authors", "year", "venue", "doi")
        return self.missing == "abstract" and sum(bool(self.columns[f]) for f in about) >= 3

    @property
    def fields(self) -> int:
        """Return how many fields have a column."""
        return sum(map(bool, self.columns.values()))


def find_header(head: str, own: Mapping[str, str], *, any_rows: bool) -> TableHeader | None:
    """Return the header of the table that begins with `head`, or None if it is no table.

    `own` are the user's column names, by field. With `any_rows` the header is enough; without, one
    of the rows below must have as many cells, for prose may name title and abstract too.
    """
    escape = "\\" if '\\"' in head and not _DOUBLED.search(head) else None
    lines = head.split("\n")
    found = [
        header
        for number, line in _whole_lines(lines)
        for delimiter in _DELIMITERS
        if delimiter in line
        and (header := _header(line, number, delimiter, escape, own)).missing in ("", "abstract")
        and (any_rows or _has_a_row(lines[number:], header))
    ]
    return max(found, key=lambda header: (not header.missing, header.fields), default=None)


def has_long_cells(head: str, header: TableHeader) -> bool:
    """Tell whether a column that is not known may hold abstracts, by the first rows."""
    known = {at for columns in header.columns.values() for at in columns}
    lines = (f"{line}\n" for line in head.split("\n")[header.line :])
    rows = islice(_rows(_Lines(lines, 1, header), header), _TRIED_ROWS)
    return any(
        len(cell) > _LONG_CELL
        for _, row in rows
        if not isinstance(row, str)
        for at, cell in enumerate(row)
        if at not in known
    )


def _whole_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the first lines with their numbers; one with an open quote goes on until it closes.

    The number is that of its last line. Some programs break the names of columns.
    """
    for start, line in enumerate(lines[:_HEADER_WITHIN]):
        end = start + 1
        while line.count('"') % 2 and end < min(start + _HEADER_WITHIN, len(lines)):
            line, end = f"{line}\n{lines[end]}", end + 1  # noqa: PLW2901 - it grows
        yield end, line


def _has_a_row(lines: Sequence[str], header: TableHeader) -> bool:
    """Tell whether one of the first rows below a header has a cell for each column."""
    below = _Lines(iter(f"{line}\n" for line in lines), 1, header)
    rows = islice(_rows(below, header), _TRIED_ROWS)
    return any(not isinstance(row, str) and len(row) == len(header.names) for _, row in rows)


def _header(
    line: str, number: int, delimiter: str, escape: str | None, own: Mapping[str, str]
) -> TableHeader:
    row = _one_row(line, delimiter)
    cells = [bare_name(name) for name in row]
    columns = {
        field: [cells.index(name) for name in known if name in cells]
        for field, known in column_names(own).items()
    }
    return TableHeader(number, delimiter, escape, tuple(row), columns)


def read_table(
    lines: Iterable[str], source: str, header: TableHeader
) -> Iterator[Record | Skipped]:
    """Yield the paper of each row below the header, which must have no missing field."""
    below = iter(lines)
    for _ in range(header.line):
        next(below, "")
    for number, row in _rows(_Lines(below, header.line + 1, header), header):
        if isinstance(row, str):
            yield Skipped(source, row, f"line {number}")
        elif any(cell.strip() for cell in row[len(header.names) :]):
            yield Skipped(source, _MALFORMED, f"line {number}")
        elif any(cell.strip(_RULE) for cell in row) and tuple(row) != header.names:
            is_own = header.names[: len(_OWN_EXPORT)] == _OWN_EXPORT
            cells = [cell[1:] if is_own and _GUARDED.match(cell) else cell for cell in row]
            entry = _entry(cells, header.columns)
            yield entry.record(source, f"line {number}", bare_titles=False)


class _TooLongError(csv.Error):
    """A row is longer than LONGEST_ENTRY."""


class _Lines:
    """Lines that can be given back after csv has read them, with the number of the next one."""

    def __init__(self, lines: Iterator[str], number: int, header: TableHeader) -> None:
        self._lines = lines
        self._given_back: deque[str] = deque()
        self._header = header
        self.number = number
        self.read: list[str] = []  # since the last `keep`
        self._size = 0  # characters of `read`

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._size > LONGEST_ENTRY:
            raise _TooLongError
        if self.read and len(self.read) % _ROW_LINES == 0 and self._are_rows(self.read):
            raise csv.Error("a quote that is never closed")
        line = self._given_back.popleft() if self._given_back else next(self._lines)
        self.read.append(line)
        self._size += len(line)
        if len(line) > LONGEST_ENTRY:
            raise _TooLongError
        return line

    def keep(self, count: int) -> None:
        """Give back all lines read except the first `count`."""
        self.number += count
        self._given_back.extendleft(reversed(self.read[count:]))
        self.read, self._size = [], 0

    def skip_row(self) -> None:
        """Leave out the lines read, and the rest of the quoted cell in which they end."""
        quotes = sum(line.count('"') for line in self.read)
        while quotes % 2 and len(self.read[-1]) <= LONGEST_ENTRY:
            self.keep(len(self.read))
            for line in islice(self._lines, _ROW_LINES):
                self.read.append(line)
                quotes += line.count('"')
                if quotes % 2 == 0:
                    break
            if not self.read or self._are_rows(self.read):
                break
        self.keep(len(self.read))

    def _are_rows(self, lines: Sequence[str]) -> bool:
        """Tell whether the last of many lines are rows rather than text within one cell."""
        last = lines[-_ROW_LINES:]
        in_a_row = len(self._header.names) - 1
        found = sum(len(_row_delimiter(self._header).findall(line)) for line in last)
        return found >= _ROWS_SHARE * in_a_row * len(last)


def _row_delimiter(header: TableHeader) -> re.Pattern[str]:
    # In prose a space follows a comma, so a paragraph rarely looks like a row.
    return re.compile(rf"{re.escape(header.delimiter)}(?! )")


def _rows(lines: _Lines, header: TableHeader) -> Iterator[tuple[int, list[str] | str]]:
    """Yield line number and cells of each row; in place of the cells why there are none."""
    csv.field_size_limit(2 * LONGEST_ENTRY)  # it is 131,072 otherwise; `_Lines` stops before this
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
            row: list[str] = next(rows)
            valid = not _includes_other_rows(lines.read, row, header)
        except StopIteration:
            return
        except _TooLongError:
            lines.skip_row()
            yield number, TOO_LONG
            continue
        except csv.Error:
            valid = False
        if valid:
            lines.keep(len(lines.read))
            yield number, row
        else:
            # One quote too few or too many: only the line that it is on is read another way.
            cells = _with_stray_quotes(lines.read[0], header) if lines.read else None
            lines.keep(1)
            yield number, cells or _MALFORMED


def _includes_other_rows(lines: Sequence[str], row: Sequence[str], header: TableHeader) -> bool:
    """Tell whether a quote was closed only by one of a later row, so that rows became one cell."""
    if len(lines) < 2:
        return False
    if any(cell.strip() for cell in row[len(header.names) :]):
        return True
    delimiter = _row_delimiter(header)
    in_a_row = len(header.names) - 1
    inner = lines[1:-1]
    all_rows = all(len(delimiter.findall(line)) == in_a_row for line in inner)
    return all_rows and len(inner) * in_a_row >= _MIN_ROW_DELIMITERS


def _with_stray_quotes(line: str, header: TableHeader) -> list[str] | None:
    """Return the cells of a line whose quotes break the rules; None if their number is wrong."""
    line, delimiter = line.rstrip("\r\n"), re.escape(header.delimiter)
    if line.count('"') > _MAX_QUOTES:
        return None
    # Here a quote closes a cell only if a delimiter follows.
    cell = re.compile(rf'(?:"(.{{0,20000}}?)"|([^{delimiter}]*)){delimiter}')
    quoted = [found[1] or found[2] or "" for found in cell.finditer(line + header.delimiter)]
    for row in (quoted, line.split(header.delimiter)):
        if len(row) == len(header.names):
            return row
    return None


def _one_row(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(line.splitlines(keepends=True), delimiter=delimiter), [])
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
        authors=author_names(text("authors")),
        year=next((date for date in cells("year") if fields.year_of(date)), ""),
        venue=text("venue"),
        doi=text("doi"),
        arxiv=next((number for number in cells("arxiv") if fields.arxiv_of(number, ())), ""),
        links=cells("links"),
        keywords=fields.keyword_list(text("keywords")),
    )
