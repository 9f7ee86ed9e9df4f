"""Pages of titles and abstracts, among them the seeds."""

import paths
import pytest

from qa.corpus.papers import Skipped
from qa.corpus.readers.corpus import read_corpus
from qa.corpus.readers.listing_page import looks_like_listing_page, read_listing_page

SEEDS = paths.ROOT / "seeds"
CORPORA = paths.CORPORA
FURNITURE = {
    "Get trending papers in your email inbox once a day!",
    "Get trending papers in your email inbox!",
    "Subscribe",
    "Daily Papers",
    "byAK and the research community",
    "Jul 30",
    "new",
}
ABSTRACT = "We " + "measure kites in the wind and " * 8 + "report it."


def lines_of_papers(path):
    """The lines of a seed page that are its papers', by another rule than the reader's."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").split("\n")]
    lines = [line for line in lines if line and line not in FURNITURE]
    return [lines[0].removeprefix("Subscribe"), *lines[1:]]


@pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_every_line_of_a_seed_page_is_one_title_or_abstract(path):
    records = list(read_corpus(path).records())
    assert [line for record in records for line in (record.title, record.abstract)] == (
        lines_of_papers(path)
    )
    assert {record.source for record in records} == {path.name}


def test_seeds_have_641_records_of_558_papers_and_nothing_is_skipped():
    records = list(read_corpus(SEEDS).records())
    assert not [record for record in records if isinstance(record, Skipped)]
    assert len(records) == 641
    assert len({record.title for record in records}) == 558
    assert len({record.abstract for record in records}) == 558


def test_abstracts_of_the_seeds_are_never_shorter_than_their_titles():
    for record in read_corpus(SEEDS).records():
        assert 10 < len(record.title) < 200 < len(record.abstract)


def test_label_of_the_button_is_cut_off_even_before_a_small_letter():
    records = list(read_corpus(CORPORA / "page.txt").records())
    assert [record.title for record in records] == [
        "nKites: Flying Small Kites in Strong Wind",
        "A Second Look at Second Looks",
    ]
    assert not records[1].abstract.endswith(".")


def test_counters_dates_and_bylines_are_no_titles():
    records = list(read_corpus(CORPORA / "page_with_counters.txt").records())
    assert [record.title for record in records] == [
        "Kites at Night: A Benchmark",
        "2048 Tiles Suffice",
    ]


@pytest.mark.parametrize(
    "furniture",
    ["Jul 30", "Tue, Mar 3, 2026", "2026-03-03", "12", "1.2k", "Upvote", "+ 5", "byAK and others",
     "Submitted by", "3 days ago", "11 authors", "Week 31", "12 Mar 2025", "-", "Next"],
)  # fmt: skip
def test_furniture_between_papers_is_left_out(furniture):
    lines = ["One Title", ABSTRACT, furniture, "Another Title", furniture, ABSTRACT]
    assert [record.title for record in read_listing_page(lines, "p")] == [
        "One Title",
        "Another Title",
    ]


def test_title_without_abstract_is_reported_with_its_line():
    lines = ["One Title", ABSTRACT, "", "A Lonely Title", "Another Title", ABSTRACT, "The Last"]
    skipped = [entry for entry in read_listing_page(lines, "p") if isinstance(entry, Skipped)]
    assert skipped == [
        Skipped("p", "no abstract", "line 4"),
        Skipped("p", "no abstract", "line 7"),
    ]


def test_abstract_without_title_never_takes_the_one_before():
    lines = ["One Title", ABSTRACT, ABSTRACT.replace("kites", "tides")]
    first, second = read_listing_page(lines, "p")
    assert "tides" not in first.abstract
    assert second == Skipped("p", "no title", "line 3")


def test_subscriber_at_the_start_of_a_title_stays():
    lines = ["Subscriber Churn in Kite Clubs", ABSTRACT]
    assert next(read_listing_page(lines, "p")).title == "Subscriber Churn in Kite Clubs"


def test_one_paper_with_sections_is_no_page():
    assert not looks_like_listing_page(
        ["A Title", "Abstract", ABSTRACT, "1 Introduction", ABSTRACT, "2 Methods", ABSTRACT]
    )


def test_titles_and_abstracts_in_turn_are_a_page_without_furniture_too():
    assert looks_like_listing_page(["One Title", ABSTRACT, "Two Titles", ABSTRACT])
