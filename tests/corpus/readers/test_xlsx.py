"""Spreadsheets, made here as archives of XML, for no program is needed to read or write them."""

import zipfile

import pytest

from qa.corpus.papers import Record
from qa.corpus.readers import xlsx
from qa.corpus.readers.corpus import read_corpus
from qa.errors import CorpusError

STYLES = (
    '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm"/></numFmts><cellXfs>'
    '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>'
)


def cell(place, value):
    """Return a cell: text inline, numbers as they are, and a pair as (attributes, content)."""
    if isinstance(value, tuple):
        return f'<c r="{place}" {value[0]}>{value[1]}</c>'
    if isinstance(value, int):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


def sheet(*rows):
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = "".join(cell(f"{'ABCDEFGH'[at]}{number}", value) for at, value in row.items())
        lines.append(f'<row r="{number}">{cells}</row>')
    return f"<worksheet><sheetData>{''.join(lines)}</sheetData></worksheet>"


def workbook(path, *sheets, strings=(), more=()):
    shared = "".join(f"<si>{string}</si>" for string in strings)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/styles.xml", STYLES)
        archive.writestr("xl/sharedStrings.xml", f"<sst>{shared}</sst>")
        for number, content in enumerate(sheets, start=1):
            archive.writestr(f"xl/worksheets/sheet{number}.xml", content)
        for name, content in more:
            archive.writestr(name, content)
    return path


HEADER = {0: "Title", 1: "Abstract", 2: "Authors", 3: "Year"}


def test_rows_are_papers_and_empty_cells_keep_their_columns(tmp_path):
    content = sheet(
        {0: "Exported on Monday"},
        HEADER,
        {0: "Føhn &amp; kites", 1: "We fly, and \"land\".", 3: 2019},
        {0: "Kites again", 1: "They fly.", 2: "Drachen, K.; Wind, B."},
    )  # fmt: skip
    first, second = read_corpus(workbook(tmp_path / "a.xlsx", content)).records()
    assert first == Record("Føhn & kites", 'We fly, and "land".', "a.xlsx", year=2019)
    assert second.authors == ("K. Drachen", "B. Wind")


def test_shared_strings_and_dates_are_what_the_sheet_shows(tmp_path):
    strings = ["<t>Snow</t>", "<r><t>Snow </t></r><r><t>falls.</t></r><rPh><t>x</t></rPh>"]
    row = {0: ('t="s"', "<v>0</v>"), 1: ('t="s"', "<v>1</v>"), 3: ('s="1"', "<v>43466</v>")}
    other = {0: "Rain", 1: "It rains.", 3: ('s="2"', "<v>36526.5</v>")}
    path = workbook(tmp_path / "a.xlsx", sheet(HEADER, row, other), strings=strings)
    snow, rain = read_corpus(path).records()
    assert (snow.title, snow.abstract, snow.year) == ("Snow", "Snow falls.", 2019)
    assert rain.year == 2000


def test_every_sheet_with_a_header_is_read(tmp_path):
    notes = sheet({0: "Notes"}, {0: "buy milk"})
    path = workbook(
        tmp_path / "a.xlsx", notes, *(sheet(HEADER, {0: t, 1: f"About {t}."}) for t in "AB")
    )
    assert [record.title for record in read_corpus(path).records()] == ["A", "B"]


def test_columns_can_be_named_and_a_missing_one_is_told(tmp_path):
    path = workbook(tmp_path / "a.xlsx", sheet({0: "Titel", 1: "Text"}, {0: "T", 1: "Wir zeigen."}))
    with pytest.raises(CorpusError, match="no column for the title among Titel"):
        list(read_corpus(path).records())
    (paper,) = read_corpus(path, {"title": "Titel", "abstract": "Text"}).records()
    assert (paper.title, paper.abstract) == ("T", "Wir zeigen.")


def test_workbook_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "_MAX_STRING_SIZE", 100_000)
    path = workbook(tmp_path / "a.xlsx", sheet(HEADER), strings=["<t>%s</t>" % ("a" * 1000)] * 200)
    with pytest.raises(CorpusError, match="more text than memory"):
        list(read_corpus(path).records())
    monkeypatch.setattr(xlsx, "_MAX_SHEET", 1_000)
    with pytest.raises(CorpusError, match="unpacks to more than"):
        list(read_corpus(path).records())


def test_entities_in_a_sheet_are_refused(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + sheet(HEADER, {0: "&a;", 1: "b"})
    with pytest.raises(CorpusError, match="declares entities"):
        list(read_corpus(workbook(tmp_path / "a.xlsx", bomb)).records())


def test_other_office_documents_are_refused_with_what_helps(tmp_path):
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(CorpusError, match="--convert-to xlsx"):
        list(read_corpus(path).records())
