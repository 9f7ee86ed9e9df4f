"""Tables in spreadsheets (.xlsx): each sheet with a header is read as a CSV file would be.

A workbook is an archive of XML files (ECMA-376): the strings of all sheets are in one of them, and
of dates only a number and a format are kept.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain, islice
from typing import BinaryIO
from xml.etree.ElementTree import Element

from qa.corpus.papers import Record, Skipped, UnreadableFile
from qa.corpus.readers.csv import find_header, read_table
from qa.corpus.readers.xml import xml_records

_CHUNK = 1 << 16  # characters
_HEAD_ROWS = 20  # rows in which the header is looked for
_MAX_STRINGS = 1_000_000  # different texts in a workbook
_MAX_STRING_SIZE = 100_000_000  # characters of them
_MAX_SHEET = 1_000_000_000  # bytes of a sheet, unpacked
_MAX_COLUMNS = 16_384
_SHEETS = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_COLUMN = re.compile(r"[A-Z]{1,3}")
_DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_FIRST_DAY = date(1899, 12, 30)  # day 0 of dates, as Excel counts since March 1900
_AS_CSV = "Save the sheet as CSV."


def is_workbook(stream: BinaryIO) -> bool:
    """Tell whether a ZIP archive is a workbook."""
    try:
        with zipfile.ZipFile(stream) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    finally:
        stream.seek(0)


def read_xlsx(
    stream: BinaryIO, source: str, columns: Mapping[str, str]
) -> Iterator[Record | Skipped]:
    """Yield the paper of each row of each sheet that has a header for papers.

    `columns` are the user's column names, by field. Raises UnreadableFile if no sheet has one.
    """
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        strings = list(_strings(archive)) if "xl/sharedStrings.xml" in names else []
        dates = _date_styles(archive) if "xl/styles.xml" in names else set()
        numbers = sorted(int(found[1]) for name in names if (found := _SHEETS.fullmatch(name)))
        read, missing, headings = 0, "title", ""
        for number in numbers:
            rows = _csv_lines(_rows(archive, f"xl/worksheets/sheet{number}.xml", strings, dates))
            head = list(islice(rows, _HEAD_ROWS))
            header = find_header("".join(head), columns, any_rows=True)
            if header is None or header.missing:
                missing = header.missing if header else missing
                headings = headings or next((line for line in head if line.strip()), "")
                continue
            read += 1
            where = f"{source}/sheet{number}" if len(numbers) > 1 else source
            header = replace(header, escape=None)
            for entry in read_table(chain(head, rows), where, header):
                yield replace(entry, source=source)
    if not read:
        names_found = " ".join(headings.split())[:300]
        raise UnreadableFile(
            f"no column for the {missing} among {names_found}", missing_column=missing
        )


def _member(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    """Yield the text of a file in the archive in pieces."""
    if archive.getinfo(name).file_size > _MAX_SHEET:
        raise UnreadableFile("it is a workbook that unpacks to more than 1 GB", _AS_CSV)
    try:
        with archive.open(name) as content, io.TextIOWrapper(content, "utf-8", "replace") as text:
            while chunk := text.read(_CHUNK):
                yield chunk
    except RuntimeError as error:
        raise UnreadableFile("it is a workbook with a password", "Save it without one.") from error


def _strings(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the texts that the cells of all sheets refer to by number."""
    size = 0
    chunks = _member(archive, "xl/sharedStrings.xml")
    for count, record in enumerate(xml_records(chunks, lambda _: {"si"}, {"rPh"})):
        text = _text(record.element)
        size += len(text)
        if count >= _MAX_STRINGS or size > _MAX_STRING_SIZE:
            raise UnreadableFile("it is a workbook with more text than memory", _AS_CSV)
        yield text


def _text(element: Element) -> str:
    return "".join(part.text or "" for part in element.iter("t"))


def _date_styles(archive: zipfile.ZipFile) -> set[int]:
    """Return the numbers of the cell styles that show a number as a date."""
    own: set[int] = set()
    styles: set[int] = set()
    for record in xml_records(_member(archive, "xl/styles.xml"), lambda _: {"numFmt", "cellXfs"}):
        element = record.element
        if element.tag == "numFmt":
            if "y" in element.get("formatCode", "").lower():
                own.add(_number(element.get("numFmtId")))
        else:
            for at, style in enumerate(element.iter("xf")):
                if _number(style.get("numFmtId")) in _DATE_FORMATS | own:
                    styles.add(at)
    return styles


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else -1


def _rows(
    archive: zipfile.ZipFile, name: str, strings: list[str], dates: set[int]
) -> Iterator[list[str]]:
    """Yield the cells of each row of a sheet."""
    for record in xml_records(_member(archive, name), lambda _: {"row"}):
        row: list[str] = []
        for cell in record.element.iter("c"):
            at = _column(cell.get("r", ""), len(row))
            row.extend([""] * (at - len(row)))
            row[at:] = [_value(cell, strings, dates)]
        yield row


def _column(place: str, following: int) -> int:
    """Return the number of a cell's column, from 0; without a place it follows the last one."""
    found = _COLUMN.match(place)
    if not found:
        return following
    number = 0
    for letter in found[0]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return min(number, _MAX_COLUMNS) - 1


def _value(cell: Element, strings: list[str], dates: set[int]) -> str:
    """Return the text of a cell as the sheet shows it, a date as `2021-05-03`."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _text(cell)
    value = cell.find("v")
    text = (value.text or "") if value is not None else ""
    if kind == "s":
        number = _number(text)
        return strings[number] if 0 <= number < len(strings) else ""
    if kind != "n" or not text:
        return "" if kind == "e" else text  # "e" is an error, such as #REF!
    try:
        amount = float(text)
        if _number(cell.get("s")) in dates:
            return str(_FIRST_DAY + timedelta(days=int(amount)))
        return str(int(amount)) if amount.is_integer() and abs(amount) < 1e15 else text
    except (ValueError, OverflowError):
        return text


def _csv_lines(rows: Iterator[list[str]]) -> Iterator[str]:
    """Yield each row as one line of CSV."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in rows:
        writer.writerow([" ".join(cell.split()) for cell in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
