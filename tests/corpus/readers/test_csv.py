"""Tables as programs export them."""

import csv
import io

import pytest

from qa.corpus.papers import Record
from qa.corpus.readers.corpus import read_corpus
from qa.corpus.readers.fields import year_of

ABSTRACT = "We measure how well nurses sleep, and when.\n\nThey sleep better by day; most say so."
TITLE = "Sleep of nurses: a “cohort” study"

# Headers as programs write them, with the cells of one paper. T, A: its title and abstract.
EXPORTS = {
    "mini-conf": "UID=1|title=T|authors=Ann Abe|abstract=A|keywords=sleep|sessions=s1",
    "pubmed screening": "PMID=12|Title=T|Authors=Abe A.|Journal/Book=Sleep|Publication Year=2019|"
    "DOI=10.5555/s|Abstract=A|Decision=",
    "scopus": "Authors=Abe A.|Author(s) ID=7|Title=T|Year=2019|Source title=Sleep|Cited by=3|"
    "DOI=10.5555/s|Link=https://example.org|Abstract=A|Author Keywords=sleep; work|EID=2-s2",
    "web of science": "Publication Type=J|Authors=Abe, A|Article Title=T|Source Title=Sleep|"
    "Author Keywords=sleep|Abstract=A|Publication Year=2019|DOI=10.5555/s|UT (Unique ID)=W1",
    "ieee": "Document Title=T|Authors=A. Abe|Publication Title=Sleep|Publication Year=2019|"
    "Abstract=A|DOI=10.5555/s|PDF Link=https://example.org/p.pdf|IEEE Terms=sleep",
    "embase": "Title=T|Author names=Abe A.|Source=Sleep (2019) 12:3 (45-56). Date: 1 Mar 2019|"
    "Abstract=A|DOI=10.5555/s|Embase Link=https://example.org",
    "zotero": "Key=K1|Item Type=journalArticle|Publication Year=2019|Author=Abe, Ann|Title=T|"
    "Publication Title=Sleep|DOI=10.5555/s|Url=https://example.org|Abstract Note=A|Date=2019-03",
    "rayyan": "key=rayyan-1|title=T|year=2019|month=3|day=|journal=Sleep|authors=Abe, Ann|"
    "url=https://example.org|abstract=A|notes=|doi=10.5555/s",
    "covidence": "Title=T|Authors=Abe, Ann|Abstract=A|Published Year=2019|Published Month=|"
    "Journal=Sleep|DOI=10.5555/s|Covidence #=#4|Study=Abe 2019|Notes=|Tags=",
    "lens": "#=1|Lens ID=0-1|Title=T|Date Published=2019-03-01|Publication Year=2019|"
    "Source Title=Sleep|Author/s=Ann Abe|Abstract=A|DOI=10.5555/s",
    "ebsco": "title=T|contributors=Abe, Ann|source=Sleep|publicationDate=20190301|abstract=A|"
    "doi=10.5555/s|plink=https://example.org|subjects=sleep",
    "asreview": "record_id=0|title=T|abstract=A|authors=Abe, A.|year=2019|label_included=1",
}  # fmt: skip


def table(export, *, delimiter=",", rows=3, before=""):
    """The text of a table with that export's header, every cell in quotes."""
    cells = dict(cell.split("=", 1) for cell in export.split("|"))
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(cells)
    for number in range(rows):
        own = {"T": f"{TITLE} {number}", "A": ABSTRACT}
        writer.writerow([own.get(value, value) for value in cells.values()])
    return before + file.getvalue()


def records(path, content):
    path.write_bytes(content)
    return list(read_corpus(path).records())


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_programs_are_read(tmp_path, name, delimiter):
    text = table(EXPORTS[name], delimiter=delimiter)
    found = records(tmp_path / "export.csv", text.encode("utf-8-sig"))
    assert [record.title for record in found] == [f"{TITLE} {number}" for number in range(3)]
    assert {record.abstract for record in found} == {" ".join(ABSTRACT.split())}
    assert all("Abe" in record.authors[0] for record in found)
    if name != "mini-conf":
        assert {record.year for record in found} == {2019}
    if "Sleep" in EXPORTS[name]:
        assert {record.venue for record in found} == {"Sleep"}


@pytest.mark.parametrize("codec", ["utf-16", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("before", ["", "sep=;\n", "About the data: exported on 2024-01-02.\n\n"])
def test_preambles_and_encodings(tmp_path, codec, before):
    text = table(EXPORTS["scopus"], delimiter=";", before=before)
    assert len(records(tmp_path / "a.csv", text.encode(codec))) == 3


def test_year_of_the_source_counts_only_where_there_is_no_other(tmp_path):
    with_year = EXPORTS["embase"] + "|Publication Year=2020"
    (record,) = records(tmp_path / "a.csv", table(with_year, rows=1).encode())
    assert record.year == 2020
    assert year_of("12:3 (45-56)") is None


def test_authors_and_keywords_between_bars(tmp_path):
    text = 'title,abstract,authors,keywords\nT,We sleep.,"Ann Abe|Bo Li",sleep|work\n'
    (record,) = records(tmp_path / "a.csv", text.encode())
    assert (record.authors, record.keywords) == (("Ann Abe", "Bo Li"), ("sleep", "work"))


def test_cell_of_many_lines_is_read_and_none_of_its_lines_is_a_row(tmp_path):
    text = "A line of a full text without any sign.\n" * 5000
    content = f'title,abstract,year\nT,"{text}",2020\nU,We sleep.,2021\n'
    first, second = records(tmp_path / "a.csv", content.encode())
    assert (len(first.abstract), first.year, second.title) == (len(text) - 1, 2020, "U")


def test_cell_over_the_limit_is_skipped_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("qa.corpus.readers.csv.LONGEST_ENTRY", 50_000)
    for text in ("word " * 20_000, "a line of words\n" * 20_000):
        content = f'title,abstract\nT,We sleep.\nLong,"{text}"\nU,We work.\n'
        first, skipped, last = records(tmp_path / "a.csv", content.encode())
        assert (first.title, skipped.reason, skipped.where) == ("T", "longer than 10 MB", "line 3")
        assert isinstance(last, Record)
        assert last.title == "U"


@pytest.mark.parametrize(
    "text",
    [
        'Title,"Cited\nby",Abstract\nT,3,We sleep.\n',  # a broken name
        ",title,abstract\n0,T,We sleep.\n",  # a number of the row without a name
        '\ufeff"Title";"Abstract"\n"T";"We sleep."\n',
        " Title , Abstract \n T , We sleep. \n",
        "Title|Abstract\nT|We sleep.\n",
        "| Title | Abstract |\n|-------|----------|\n| T | We sleep. |\n",  # of Markdown
        'Title\tAbstract\r\nT\t"We sleep."\r\n',
    ],
)
def test_odd_headers(tmp_path, text):
    (record,) = records(tmp_path / "a.csv", text.encode())
    assert (record.title, record.abstract) == ("T", "We sleep.")
