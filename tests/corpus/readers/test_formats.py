"""Every format, by small files in its dialects."""

import paths
import pytest

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.corpus import read_corpus
from qa.corpus.readers.json import json_objects
from qa.errors import CorpusError

CORPORA = paths.CORPORA

# What is in each file, counted by hand: papers, and what is skipped at which place.
COUNTS = {
    "acl.xml": (2, []),
    "arxiv.atom": (1, []),
    "endnote.xml": (1, []),
    "jats.xml": (1, []),
    "journal.rss": (2, []),
    "pubmed.xml": (3, []),
    "zotero.rdf": (2, []),
    "arxiv.json": (3, ["malformed entry @ record 3, line 3"]),
    "beir.jsonl": (1, ["no title @ record 2, line 2"]),
    "csl.json": (2, ["no title @ record 3, line 13"]),
    "endnote.enw": (2, []),
    "kites.pdf": (1, []),
    "latin1.ris": (1, []),
    "mendeley.bib": (
        3,
        [
            "malformed entry @ line 21",
            "malformed entry: two titles or abstracts @ entry two2020, line 34",
            "malformed entry @ line 35",
        ],
    ),
    "openalex.json": (1, ["no abstract @ record 2, line 1"]),
    "ovid.ris": (5, ["malformed entry: two titles @ line 34"]),
    "page.txt": (2, []),
    "page_with_counters.txt": (2, []),
    "paper.md": (1, []),
    "paper.txt": (1, []),
    "parks.xlsx": (2, []),
    "preamble.tsv": (2, []),
    "pubmed.nbib": (2, []),
    "scopus.csv": (4, ["malformed entry @ line 6"]),
    "semantic_scholar.jsonl": (1, ["no abstract @ record 2, line 2"]),
    "semicolon.csv": (
        0,
        [
            "no column for the title among Zusammenfassung;Titel;Jahr @ whole file",
        ],
    ),
    "web_of_science.txt": (2, []),
    "web_of_science_win.txt": (2, []),
    "zotero.bib": (3, []),
    "zotero.ris": (3, []),
    "zotero.sqlite": (2, []),
}


@pytest.fixture(scope="module")
def entries():
    """All entries of the fixtures by file, read as one mixed folder."""
    found = {}
    for entry in read_corpus(CORPORA).records():
        found.setdefault(entry.source, []).append(entry)
    return found


def papers(entries, source):
    return [entry for entry in entries[source] if isinstance(entry, Record)]


def test_every_fixture_is_counted():
    assert {path.name for path in CORPORA.iterdir()} == COUNTS.keys()


@pytest.mark.parametrize("source", COUNTS)
def test_file_has_its_papers_and_what_is_skipped_is_told(entries, source):
    skipped = [entry for entry in entries[source] if isinstance(entry, Skipped)]
    count, told = COUNTS[source]
    assert [f"{entry.reason} @ {entry.where}" for entry in skipped] == told
    assert len(papers(entries, source)) == count


def test_bibtex_of_zotero_has_all_fields(entries):
    assert papers(entries, "zotero.bib")[0] == Record(
        title="Tidal Prediction with König Filters and 5% Noise",
        abstract=(
            "We predict tides in Šibenik with an error of O(n log n) and 10% less data."
            ' The filter is "simple" and needs no tuning.'
        ),
        source="zotero.bib",
        authors=("Ngozi Okafor", "Ana Šimić", "The Harbour Group"),
        year=2021,
        venue="Journal of Imaginary Oceans",
        doi="10.5555/tidal.2021.001",
        url="https://example.org/tidal",
        keywords=("tides", "filters", "Kalman"),
    )


def test_biblatex_has_subtitle_suffix_date_and_eprint(entries):
    _, bare, lichens = papers(entries, "zotero.bib")
    assert bare.abstract == ""
    assert lichens.title == "Lichens: A Slow Survey"
    assert lichens.abstract == "Lichens grow slowly. We surveyed them for ten years."
    assert (lichens.authors, lichens.year) == (("Per Lindqvist Jr",), 2024)
    assert lichens.arxiv_id == "2403.01234"


def test_bibtex_papers_take_year_and_venue_from_their_volume(tmp_path):
    abstract = "abstract = {We count the lichens of nine valleys, one by one.}"
    (tmp_path / "a.bib").write_text(
        "@Book{old, title = {Old Lichens}, year = 1990}\n"
        "@Proceedings{conf, booktitle = {Proceedings of Lichens}, year = {2022}}\n"
        f"@InProceedings{{a, title = {{Below the Proceedings}}, {abstract}}}\n"
        f"@InCollection{{b, title = {{In the Book}}, crossref = {{Old}}, {abstract}}}\n"
        f"@InProceedings{{c, title = {{With a Year}}, year = 2001, {abstract}}}\n"
        f"@misc{{d, title = {{Of No Volume}}, crossref = {{none}}, {abstract}}}\n",
        encoding="utf-8",
    )
    entries = list(read_corpus(tmp_path).records())
    assert [e.reason for e in entries if isinstance(e, Skipped)] == ["a volume, not a paper"]
    found = [e for e in entries if isinstance(e, Record)]
    assert found.pop(0).title == "Old Lichens"
    assert [(record.year, record.venue) for record in found] == [
        (2022, "Proceedings of Lichens"),
        (1990, "Old Lichens"),
        (2001, None),
        (None, None),
    ]


def test_bibtex_strings_parentheses_and_keys_used_twice(entries):
    first, second, third = papers(entries, "mendeley.bib")
    assert (first.venue, first.authors) == ("Journal of Invented Science", ("Kenji Abe",))
    assert (second.venue, second.doi) == ("Proceedings of Nowhere", "10.5555/abc(2018)1")
    assert third.title == "The Entry after the Broken One"


def test_ris_has_all_fields(entries):
    moss, _, older = papers(entries, "zotero.ris")
    assert moss.authors == ("María de la Cruz", "Pat O'Neil")
    assert (moss.year, moss.venue) == (2017, "Annals of Roofing")
    assert (moss.doi, moss.url) == ("10.5555/moss.17", "https://example.org/moss")
    assert moss.keywords == ("moss", "roofs")
    assert older.abstract == (
        "The older tags are still in use, and this abstract goes on in a second line."
    )
    assert (older.year, older.arxiv_id) == (2015, "1501.00001")


def test_ris_entries_without_end_or_beginning_stay_apart(entries):
    assert [paper.title for paper in papers(entries, "ovid.ris")] == [
        "Sleep and Chess.",
        "Coffee and Chess.",
        "An Entry Whose End is Missing",
        "The Entry after It",
        "An Entry Whose Beginning is Missing",
    ]


def test_further_lines_belong_to_the_tag_above(entries):
    hand, letter = papers(entries, "pubmed.nbib")
    assert letter.title == "A letter without abstract."
    assert hand.title.endswith("a cross-sectional study of schools.")
    assert hand.abstract.endswith("RESULTS: They do.")
    assert (hand.authors, hand.doi) == (("Lena Link", "Rolf Recht"), "10.5555/hand.2018")
    sheep, _ = papers(entries, "web_of_science.txt")
    assert sheep.title == "Counting sheep in fog: an acoustic approach"
    assert sheep.authors == ("Harriet A. Hill", "Daniel Dale III")
    assert sheep.keywords == ("acoustics", "sheep", "fog", "animal counting")
    bridge, _ = papers(entries, "endnote.enw")
    assert bridge.keywords == ("bridges", "wind")


def test_quotes_that_break_the_rules_of_csv_cost_one_row_at_most(entries):
    reeds, _, quote, after = papers(entries, "scopus.csv")
    assert reeds.title == 'Reeds, rushes and "other" grasses'
    assert reeds.abstract.endswith("A second paragraph, too. © 2016 Nobody.")
    assert reeds.authors == ("Mia Marsh", "Felix Fen")
    assert quote.title == 'A quote "in" the middle'
    assert after.title == "The row after it"


def test_an_unclosed_quote_does_not_take_in_the_rows_below(tmp_path):
    rows = [f"Title {n},Abstract {n} of some length.,20{n:02}" for n in range(12)]
    rows[2] = 'Title 2,"Abstract 2 of some length.,2002'
    rows[9] = 'Title 9,A disk of 5",2009'
    path = tmp_path / "inches.csv"
    path.write_text("\n".join(["title,abstract,year", *rows]), encoding="utf-8")
    found = list(read_corpus(path).records())
    assert [record.title for record in found] == [f"Title {n}" for n in range(12)]
    assert max(len(record.abstract) for record in found) < 40


def test_paragraphs_within_quotes_are_no_rows(tmp_path):
    text = 'title,abstract\nTitle,"One, two.\nThree, four.\nFive, six.\nSeven, eight."\n'
    (tmp_path / "paragraphs.csv").write_text(text, encoding="utf-8")
    (record,) = read_corpus(tmp_path / "paragraphs.csv").records()
    assert record.abstract.endswith("Seven, eight.")


def test_table_in_utf16_with_tabs_keeps_literal_quotes(entries):
    fences, unclosed = papers(entries, "web_of_science_win.txt")
    assert fences.title == '"Smart" fences keep sheep in'
    assert fences.abstract == 'They do, "mostly".'
    assert unclosed.title == '"Quoted and never closed'


def test_columns_can_be_named_by_the_user():
    columns = {"title": "Titel", "abstract": "Zusammenfassung", "year": "Jahr"}
    snow, rain = read_corpus(CORPORA / "semicolon.csv", columns).records()
    assert (snow.title, snow.abstract, snow.year) == ("Schnee", "Wir messen Schnee.", 2001)
    assert rain.title == "Regen"


def test_members_can_be_named_by_the_user(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"title": "Not this", "Kop": "This", "body": "The text."}\n', encoding="utf-8")
    (paper,) = read_corpus(path, {"title": "kop", "abstract": "body"}).records()
    assert (paper.title, paper.abstract) == ("This", "The text.")


def test_arxiv_snapshot_is_latex(entries):
    gardens, knots, after = papers(entries, "arxiv.json")
    assert gardens.title == "On ϵ-nets in gardens"
    assert "as P. Erdős asked" in gardens.abstract
    assert gardens.authors == ("J. Erdős", "K. Gödel")
    assert (gardens.year, gardens.arxiv_id) == (2021, "2106.00001")
    assert gardens.keywords == ("math.CO", "cs.CG")
    assert (knots.arxiv_id, knots.doi) == ("hep-th/9901001", "10.5555/knot")
    assert after.title == "The line after it"


def test_openalex_abstract_is_put_together_from_its_index(entries):
    (gardens,) = papers(entries, "openalex.json")
    assert gardens.abstract == "Gardens can hang. Such Gardens save space."
    assert (gardens.venue, gardens.url) == ("Garden Review", "https://example.org/oa1")
    assert (gardens.authors, gardens.keywords) == (("Ivy Vert",), ("Horticulture",))


def test_references_of_a_paper_are_not_papers(entries):
    (ants,) = papers(entries, "semantic_scholar.jsonl")
    assert (ants.title, ants.arxiv_id, ants.doi) == ("Ants in lifts", "1901.00001", "10.5555/s2.1")


def test_csl_has_markup_particles_and_date_parts(entries):
    bees, _ = papers(entries, "csl.json")
    assert bees.abstract == "Bees count to four & no further."
    assert bees.authors == ("Alexa von Humboldt", "Bee Group")
    assert (bees.year, bees.venue, bees.doi) == (2014, "Insect Arithmetic", "10.5555/bees")


def test_markdown_has_front_matter_and_ends_its_abstract_at_the_next_heading(entries):
    (snow,) = papers(entries, "paper.md")
    assert snow.title == "Snow on: a study"
    assert snow.abstract == "Snow falls on roofs. It also falls beside them, as we show."
    assert (snow.authors, snow.year) == (("Ida Ice", "Sven Snow"), 2020)


def test_text_has_a_title_over_two_lines_and_no_byline_in_its_abstract(entries):
    (clocks,) = papers(entries, "paper.txt")
    assert clocks.title == "Wooden Clocks and the Weather: an experiment with forty clocks"
    assert clocks.abstract.startswith("Wooden clocks run slower")
    assert clocks.abstract.endswith("The effect is small but steady.")
    assert clocks.keywords == ("clocks", "wood")


def paper(number):
    return (
        f'{{"id": {number}, "title": "T{number}", "authors": [{{"id": 1, "name": "x"}}],'
        f' "abstract": "A{number}"}}'
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("\n".join(map(paper, range(4))), ["T0", "T1", "T2", "T3"]),
        ("[" + ",".join(map(paper, range(4))) + "]", ["T0", "T1", "T2", "T3"]),
        ("".join(map(paper, range(4))), ["T0", "T1", "T2", "T3"]),
        ("[\n  " + ",\n  ".join([paper(0), '{"id": 1, broken}', paper(2)]) + "\n]",
         ["T0", None, "T2"]),
        ("\n".join([paper(0), paper(1)[:30], paper(2)]), ["T0", None, "T2"]),
        ("[" + ",".join(map(paper, range(3)))[:-5], ["T0", "T1", None]),
        ('{"title": "A", "abstract": "B",\n"title": "C", "abstract": "D"}\n' + paper(3),
         [None, "T3"]),
        ('{"title": "A", "abstract":\n' + "\n".join([paper(1), paper(2)]), [None, "T1", "T2"]),
        ('{"title": NaN}', ["nan"]),
    ],
)  # fmt: skip
def test_objects_are_found_however_they_are_strung_together(text, titles, size):
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    objects = [value for _, value in json_objects(chunks)]
    found = [None if isinstance(value, str) else str(value.get("title")) for value in objects]
    if None in titles:  # parts of a broken object may be reported as broken, too
        found = [title for at, title in enumerate(found) if title or found[at - 1 : at] != [None]]
    assert [title for title in found if title != "None"] == titles


def test_papers_in_a_frame_that_is_cut_off_are_read():
    text = '{"meta": {"n": 3}, "results": [' + ",".join(map(paper, range(3)))
    assert [value["title"] for _, value in json_objects([text])] == ["T0", "T1", "T2"]


def test_parts_of_a_bibtex_value_are_joined(tmp_path):
    path = tmp_path / "joined.bib"
    path.write_text(
        '@string{j = "Journal"}\n'
        '@article{a, title = {Moss} # { Two}, abstract = "Blue moss" # " thing.", '
        'journal = j # " of {X # Y}", year = 2020}\n'
    )
    (record,) = read_corpus(path).records()
    assert (record.title, record.abstract) == ("Moss Two", "Blue moss thing.")
    assert record.venue == "Journal of X # Y"


def test_table_without_abstracts_is_read_by_title_if_it_is_a_bibliography(tmp_path):
    rows = "Title,Authors,Year,Journal,Notes\nTides of the Moon,Ann Müller,2020,Tides,{}\n"
    path = tmp_path / "list.csv"
    path.write_text(rows.format("read this"), encoding="utf-8")
    (paper,) = read_corpus(path).records()
    assert (paper.title, paper.abstract, paper.year) == ("Tides of the Moon", "", 2020)
    path.write_text(rows.format("We measure tides in nine bays. " * 10), encoding="utf-8")
    with pytest.raises(CorpusError, match="no column for the abstract"):
        list(read_corpus(path).records())
    path.write_text("Title,Price\nA Film,9.99\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no column for the abstract"):
        list(read_corpus(path).records())
