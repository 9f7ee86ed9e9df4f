"""Documents of other frameworks' readers become papers, and papers a corpus file."""

import math
from decimal import Decimal
from functools import reduce
from pathlib import Path

import numpy as np
import paths
import pytest

from qa.corpus.papers import Record
from qa.corpus.readers.corpus import read_corpus
from qa.errors import UsageError
from qa.llama_index.documents import LoadedText, import_documents

CORPORA = paths.CORPORA
TITLE = "Lichens on Northern Walls"
ABSTRACT = "We surveyed forty churches for ten years. Growth was 0.4 mm a year."
FULL_TEXT = "\n".join(["1 Introduction", *["Churches have walls on which things grow. " * 20] * 40])


def only(text, metadata=None, columns=None):
    """The one paper of one document."""
    taken = import_documents([LoadedText(text, metadata or {})], columns)
    assert taken.skipped == ()
    (paper,) = taken.papers
    return paper


def why_not(text, metadata=None):
    taken = import_documents([LoadedText(text, metadata or {})])
    assert taken.papers == ()
    (line,) = taken.notices
    return line


def test_a_text_whose_title_is_known_is_the_abstract():
    paper = only(ABSTRACT, {"title": TITLE})
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)


def test_the_metadata_tell_the_other_fields():
    paper = only(
        ABSTRACT,
        {
            "title": TITLE,
            "authors": ["Ada Moss", "Stone, Bo"],
            "year": 2021,
            "venue": "Annals of Walls",
            "externalIds": {"DOI": "10.5555/Walls", "ArXiv": "2101.00001"},
            "openAccessPdf": "https://example.org/walls.pdf",
            "citationCount": 7,
        },
    )
    assert paper.authors == ("Ada Moss", "Bo Stone")
    assert (paper.year, paper.venue) == (2021, "Annals of Walls")
    assert (paper.doi, paper.arxiv_id) == ("10.5555/walls", "2101.00001")
    assert paper.url == "https://example.org/walls.pdf"


def test_metadata_as_the_arxiv_and_pubmed_readers_write_them_are_understood():
    paper = only(
        ABSTRACT,
        {
            "Title of this paper": TITLE,
            "Authors": "Ada Moss, Bo Stone",
            "Date published": "03/14/2019",
            "Journal it was published in:": "Annals of Walls",
            "URL": "http://arxiv.org/abs/2101.00001v2",
        },
    )
    assert paper.title == TITLE
    assert paper.authors == ("Ada Moss", "Bo Stone")
    assert (paper.year, paper.venue, paper.arxiv_id) == (2019, "Annals of Walls", "2101.00001")


def test_the_arxiv_readers_summaries_lose_what_it_puts_before_them():
    paper = only(f"The following is a summary of the paper: {TITLE}\n\nSummary: {ABSTRACT}")
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)


@pytest.mark.parametrize("between", [" ", "\n\n", ". ", "\n"])
def test_a_title_before_the_text_is_taken_off(between):
    assert only(f"{TITLE}{between}{ABSTRACT}", {"title": TITLE}).abstract == ABSTRACT


def test_a_first_sentence_that_begins_like_the_title_stays_whole():
    text = "Lichens grow on northern walls. We surveyed forty churches."
    assert only(text, {"title": "Lichens"}).abstract == text


def test_a_heading_that_is_the_title_is_taken_off():
    assert only(f"# {TITLE}\n\n{ABSTRACT}", {"title": TITLE}).abstract == ABSTRACT


def test_a_source_that_is_no_venue_is_not_taken_for_one():
    assert only(ABSTRACT, {"title": TITLE, "source": "3"}).venue is None
    assert only(ABSTRACT, {"title": TITLE, "source": "https://example.org/a"}).url == (
        "https://example.org/a"
    )


def test_columns_name_metadata_of_the_users_own():
    metadata = {"headline": TITLE, "title": "Front page", "teaser": ABSTRACT}
    paper = only("The whole story.", metadata, {"title": "Headline", "abstract": "teaser"})
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)


def test_a_document_without_the_column_is_taken_by_its_text():
    assert only(ABSTRACT, {"title": TITLE}, {"abstract": "teaser"}).abstract == ABSTRACT


def test_a_column_of_a_field_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="no field colour: the fields are title, abstract"):
        import_documents([], {"colour": "c"})


def test_metadata_of_any_kind_do_no_harm():
    metadata = {
        "title": TITLE,
        "year": float("nan"),
        "tags": {1: object()},
        "date": Path("x"),
        5: 6,
    }
    assert only(ABSTRACT, metadata).year is None


class Mute:
    """An object that cannot tell its text."""

    def __str__(self):
        raise RuntimeError("no")


def holding_itself():
    held = {}
    held["self"] = held
    return held


def nested(depth):
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "told",
    [
        {"authors": holding_itself()},
        {"authors": reduce(lambda inner, _: [inner], range(3000), [])},
        {"authors": nested(60)},
        {"authors": Mute()},
        {"year": 10**5000},
    ],
    ids=["holds itself", "3000 deep", "60 deep", "cannot tell", "digits"],
)
def test_a_document_whose_metadata_cannot_be_read_is_skipped_and_no_other_is(told):
    odd = LoadedText(ABSTRACT, {"title": TITLE, "file_name": "odd.pdf", **told}, 1)
    taken = import_documents([odd, LoadedText(ABSTRACT, {"title": "Moss"}, 2)])
    assert [paper.title for paper in taken.papers] == ["Moss"]
    assert taken.notices == ["1 skipped, metadata that cannot be read: odd.pdf"]


def test_metadata_that_tell_nothing_of_a_paper_need_not_be_readable():
    odd = {"node": holding_itself(), "source": Mute(), "file_path": Mute(), "URL": None}
    assert only(ABSTRACT, {"title": TITLE, **odd}).title == TITLE


def test_names_that_are_no_text_are_none():
    taken = import_documents([LoadedText("", {"file_name": Mute(), "url": Mute()}, 3)])
    assert taken.notices == ["1 skipped, metadata that cannot be read: document 3"]


@pytest.mark.parametrize(
    "nothing", [math.nan, math.inf, -math.inf, np.float32("nan"), Decimal("NaN"), [math.nan]]
)
def test_numbers_that_are_none_tell_nothing(nothing):
    fields = ("authors", "year", "venue", "doi", "url", "keywords")
    told = dict.fromkeys(fields, nothing)
    assert only(ABSTRACT, {"title": TITLE, **told}) == only(ABSTRACT, {"title": TITLE})
    assert only(ABSTRACT, {"title": nothing, "file_name": "walls.txt"}).title == "walls"


def test_authors_in_a_set_are_authors():
    assert only(ABSTRACT, {"title": TITLE, "authors": {"Ada Moss", "Bo Stone"}}).authors == (
        "Ada Moss",
        "Bo Stone",
    )


@pytest.mark.parametrize("columns", [{"title": None}, {None: "title"}, {"title": ["a"]}, ["title"]])
def test_columns_that_are_no_names_are_refused(columns):
    with pytest.raises(UsageError, match=r"such as .'title': 'headline'"):
        import_documents([], columns)


def test_without_a_title_the_file_gives_one():
    assert only("Just a note.", {"file_name": "walls.docx"}).title == "walls"


def test_without_a_title_and_a_file_the_first_words_are_one():
    paper = only(
        "We surveyed forty churches and found lichens on all of their northern walls. " * 3
    )
    assert paper.title == (
        "We surveyed forty churches and found lichens on all of their northern walls. We surveyed …"
    )


def test_a_text_file_with_title_and_abstract_is_read_as_one():
    paper = only(f"{TITLE}\nAda Moss\n\nAbstract\n{ABSTRACT}\n\n1 Introduction\nWalls.")
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)


def test_fields_written_into_the_text_are_understood():
    paper = only(f"Title: {TITLE}\nAuthor: Ada Moss\nYear: 2021\nAbstract: {ABSTRACT}")
    assert (paper.title, paper.year, paper.abstract) == (TITLE, 2021, ABSTRACT)


@pytest.mark.parametrize(
    ("file", "count"),
    [("zotero.bib", 6), ("scopus.csv", 3), ("page.txt", 2), ("arxiv.json", 3), ("ovid.ris", 3)],
)
def test_a_document_may_hold_a_whole_bibliography(file, count):
    text = (CORPORA / file).read_text(encoding="utf-8")
    taken = import_documents([LoadedText(text, {"file_name": file})])
    native = [r for r in read_corpus(CORPORA / file).records() if isinstance(r, Record)]
    assert [paper.title for paper in taken.papers] == [record.title for record in native]
    assert len(native) >= min(count, 2)


def test_pages_of_one_file_are_one_paper():
    texts = [f"{TITLE}\nAda Moss\nAbstract\nWe sur-\nveyed forty churches.", FULL_TEXT, "The end."]
    first = {"file_name": "a.pdf", "file_path": "x/a.pdf"}
    pages = [
        LoadedText(t, {**first, "page_label": str(n)}, n) for n, t in enumerate(texts, start=1)
    ]
    other = LoadedText(
        f"Moss\nAbstract\n{ABSTRACT}", {"file_path": "y/a.pdf", "page_label": "1"}, 4
    )
    taken = import_documents([*pages, other])
    assert [(paper.title, paper.abstract) for paper in taken.papers] == [
        (TITLE, "We surveyed forty churches."),
        ("Moss", ABSTRACT),
    ]
    (line,) = taken.notices
    assert line.startswith("2 of the documents are full texts: of each the abstract is taken, or")


def test_sections_of_one_file_are_one_paper_and_rows_of_a_table_are_not():
    texts = [f"{TITLE}\nAda Moss", f"\n\nAbstract\n{ABSTRACT}", "\n\nIntroduction\nWalls stand."]
    taken = import_documents(LoadedText(text, {"file_path": "a/walls.md"}) for text in texts)
    assert [(paper.title, paper.abstract) for paper in taken.papers] == [(TITLE, ABSTRACT)]
    rows = [f"Title: {title}\nAbstract: {ABSTRACT}" for title in ("Moss", "Fern")]
    taken = import_documents(LoadedText(row, {"file_path": "a/walls.csv"}) for row in rows)
    assert [paper.title for paper in taken.papers] == ["Moss", "Fern"]


def test_papers_of_one_file_with_titles_of_their_own_are_not_put_together():
    told = [{"file_path": "proceedings.pdf", "title": title} for title in ("Moss", "Fern")]
    taken = import_documents(LoadedText(ABSTRACT, metadata) for metadata in told)
    assert [paper.title for paper in taken.papers] == ["Moss", "Fern"]


def test_pages_take_the_title_of_their_metadata():
    page = {"Title of this paper": TITLE, "file_name": "5d41402a.pdf", "page_label": "1"}
    assert only(f"Walls, lichens\nAbstract\n{ABSTRACT}\nIntroduction\nWalls.", page).title == TITLE


def test_of_a_full_text_without_a_marked_abstract_the_beginning_is_taken():
    paper = only("A sentence about walls. " * 5000, {"title": TITLE})
    assert paper.abstract.startswith("A sentence about walls. A sentence")
    assert 19_000 < len(paper.abstract) <= 20_000


def test_a_document_without_text_is_told_of():
    assert why_not("", {"file_name": "scan.pdf"}) == "1 skipped, no text: scan.pdf"
    assert why_not(" \n") == "1 skipped, no text: document 1"
    assert why_not(TITLE, {"title": TITLE}) == "1 skipped, no text: document 1"


def test_without_a_text_the_metadata_may_have_the_abstract():
    assert only("", {"title": TITLE, "summary": ABSTRACT}).abstract == ABSTRACT


@pytest.mark.parametrize("text", ["%PDF-1.7 obj", "PK\x03\x04zip", "U\0T\0F\0-\0001\0006\0"])
def test_a_files_bytes_are_no_text(text):
    assert why_not(text, {"file_name": "a.pdf"}) == "1 skipped, no text but the file's bytes: a.pdf"


def test_many_documents_without_papers_are_told_of_in_one_line():
    taken = import_documents(LoadedText("", {}, number) for number in range(1, 10))
    assert taken.notices == [
        "9 skipped, no text: document 1, document 2, document 3, document 4, document 5, …"
    ]
