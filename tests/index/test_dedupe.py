import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from qa.corpus.papers import Record, Skipped
from qa.index.dedupe import MergedPapers, same_abstract


def unique_papers(records):
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(MergedPapers(Path(folder) / "merged.sqlite")) as merged,
    ):
        merged.add_records(records)
        return next(merged.papers(list(merged.digests()), size=1000), [])


ABSTRACT = "We train deep networks without backpropagation and show that local errors suffice."
OTHER = "A survey of soil moisture sensors for vineyards, with field data from three dry summers."


def record(title="A Title", abstract=ABSTRACT, source="a.txt", **more):
    return Record(title=title, abstract=abstract, source=source, **more)


def test_records_of_one_paper_become_one_paper_with_all_its_files():
    papers = unique_papers([record(), record(title="a  TITLE.", source="b.txt")])
    assert [paper.sources for paper in papers] == [("a.txt", "b.txt")]


def test_same_title_with_another_abstract_stays_a_paper_of_its_own():
    papers = unique_papers([record(), record(abstract=OTHER)])
    assert len({paper.id for paper in papers}) == 2


def test_near_identical_titles_stay_apart():
    titles = ("Forward Learning I", "Forward Learning II")
    papers = unique_papers([record(title=title) for title in titles])
    assert len(papers) == 2


def test_shared_doi_joins_a_preprint_and_its_published_version():
    first = record(title="Old Title", doi="10.1/x")
    papers = unique_papers([first, record(title="New Title", doi="10.1/x")])
    assert len(papers) == 1


def test_shared_doi_of_a_volume_does_not_join_its_papers():
    papers = unique_papers([record(doi="10.1/v"), record("B", OTHER, doi="10.1/v")])
    assert len(papers) == 2


def test_arxiv_versions_join_whatever_their_titles():
    papers = unique_papers([record("A", arxiv_id="2401.1"), record("B", arxiv_id="2401.1")])
    assert len(papers) == 1


def test_merging_keeps_the_longer_abstract_and_fills_in_what_is_missing():
    longer = ABSTRACT + " Code is available."
    papers = unique_papers(
        [record(year=2020, authors=("A. B.",)), record(abstract=longer, venue="ICML", url="u")]
    )
    paper = papers[0]
    assert (paper.abstract, paper.year, paper.venue, paper.url) == (longer, 2020, "ICML", "u")
    assert paper.authors == ("A. B.",)


def test_merging_by_doi_keeps_both_titles_and_says_why():
    longer = ABSTRACT + " Code is available."
    records = [
        record("Old Title", doi="10.1/x"),
        record("New Title", longer, "b.bib", doi="10.1/x"),
        record("old title!", source="c.bib"),
        record("Third", source="c.bib", arxiv_id="2401.1"),
        Skipped("c.bib", "no abstract", "line 9"),
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(MergedPapers(Path(folder) / "merged.sqlite")) as merged,
    ):
        report = merged.add_records(records, formats={"b.bib": "BibTeX"})
        paper, other = next(merged.papers(list(merged.digests()), size=9))
    assert (paper.title, paper.other_titles, other.title) == ("New Title", ("Old Title",), "Third")
    assert [(each.source, each.title, each.reason, each.paper) for each in report.merged] == [
        ("b.bib", "New Title", "same DOI", paper.id),
        ("c.bib", "old title!", "same title", paper.id),
    ]
    assert [(f.name, f.format, f.entries, f.papers, f.merged, f.skipped) for f in report.files] == [
        ("a.txt", None, 1, 1, 0, 0),
        ("b.bib", "BibTeX", 1, 0, 1, 0),
        ("c.bib", None, 3, 1, 1, 1),
    ]


def test_ids_do_not_depend_on_order_even_where_titles_are_shared():
    records = [record(), record(abstract=OTHER), record("Another")]
    ids = {paper.abstract + paper.title: paper.id for paper in unique_papers(records)}
    again = {paper.abstract + paper.title: paper.id for paper in unique_papers(records[::-1])}
    assert ids == again


def test_id_survives_a_changed_abstract():
    assert unique_papers([record()])[0].id == unique_papers([record(abstract=OTHER)])[0].id


@given(st.text(max_size=200))
def test_an_abstract_is_the_same_as_itself(text):
    assert same_abstract(text, text)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from([ABSTRACT, OTHER]))))
def test_every_record_ends_in_exactly_one_paper(pairs):
    records = [record(title, text, source=str(i)) for i, (title, text) in enumerate(pairs)]
    sources = [source for paper in unique_papers(records) for source in paper.sources]
    assert sorted(sources) == sorted(r.source for r in records)


def test_title_alone_joins_the_paper_with_this_title_unless_authors_or_years_contradict():
    full = record(authors=("Ann Author",), year=2020)
    bare = {"abstract": "", "source": "b.txt"}
    for more, count in (
        ({}, 1),
        ({"authors": ("A. Author", "B. Writer"), "year": 2021}, 1),
        ({"authors": ("Carl Other",)}, 2),
        ({"year": 1999}, 2),
        ({"title": "Another Title", "doi": "10.1/x"}, 2),
    ):
        papers = unique_papers([replace(full, doi="10.1/x"), record(**bare, **more)])
        assert len(papers) == count, more
        assert papers[0].abstract == ABSTRACT


def test_titles_alone_that_are_equal_have_ids_of_their_own():
    papers = unique_papers(
        [record("Editorial", "", authors=(name,)) for name in ("Ann Author", "Carl Other")]
    )
    assert len({paper.id for paper in papers}) == 2
    assert all(paper.title_only for paper in papers)
