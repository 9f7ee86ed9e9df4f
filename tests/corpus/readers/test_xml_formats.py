"""Papers in XML, by small files in each format."""

import paths
import pytest

from qa.corpus.papers import Record, Skipped, UnreadableFile
from qa.corpus.readers.corpus import read_corpus
from qa.corpus.readers.xml_formats import read_xml


def papers(name):
    return [e for e in read_corpus(paths.CORPORA / name).records() if isinstance(e, Record)]


def test_pubmed_has_labelled_parts_and_no_copyright_or_references():
    yawns, fish, hiccups = papers("pubmed.xml")
    assert yawns == Record(
        title="Effects of CO2 on Müllerian yawns.",
        abstract="BACKGROUND: People yawn & nobody knows why. "
        "RESULTS: With p < 0.05, CO2 made 12 of 40 yawn.",
        source="pubmed.xml",
        authors=("Jörg A Gähner", "Ann Yawn Jr", "The Yawning Group"),
        year=2019,
        venue="Journal of imaginary medicine",
        doi="10.5555/yawn.2019",
        keywords=("Yawning",),
    )
    assert (fish.title, fish.abstract) == ("Über das Gähnen der Fische.", "")
    assert (fish.year, fish.url) == (1998, "https://pubmed.ncbi.nlm.nih.gov/90000002/")
    assert (hiccups.title, hiccups.venue) == ("Hiccups", "StatPearls of Nowhere")


def test_jats_has_its_own_abstract_and_neither_body_nor_replies():
    (kites,) = papers("jats.xml")
    assert kites == Record(
        title="Kites in Föhn wind: a field study",
        abstract="Background: Kites fly where wind is above v=5 m/s. "
        "Results: We flew 30 kites [1]. None was lost.",
        source="jats.xml",
        authors=("Käthe Drachen", "Bo Wind", "Kite Society"),
        year=2016,
        venue="Annals of Kites",
        doi="10.5555/kites.7",
        url="https://example.org/kites/7",
        keywords=("kites", "Föhn"),
    )


def test_atom_of_arxiv_keeps_its_latex_and_leaves_out_errors():
    (kites,) = papers("arxiv.atom")
    assert kites.title == r"Learning to fly kites with $\epsilon$-greedy policies"
    assert kites.abstract == r"We let kites learn. If $x < 5$ then they fly, as Erd\H{o}s said."
    assert (kites.authors, kites.year) == (("Zoë Kite", "Paul Erdős"), 2023)
    assert (kites.arxiv_id, kites.doi) == ("2401.00007", "10.5555/fly")
    assert (kites.venue, kites.keywords) == ("J. Kites 3 (2024)", ("cs.LG",))


def test_rss_is_read_in_its_encoding_and_without_html():
    fog, issue = papers("journal.rss")
    assert fog.title == "Fog in Malmö & its smell"
    assert fog.abstract == "Fog smells of fish when the wind is from the west."
    assert (fog.authors, fog.year) == (("Åsa Dimma", "Nils Fog"), 2021)
    assert (fog.doi, fog.venue) == ("10.5555/fog.1", "Journal of Fog")
    assert (issue.title, issue.authors) == ("Issue Information", ("Eva Ditor",))


def test_rss_of_arxiv_has_the_abstract_without_what_is_before_it():
    description = "arXiv:2401.00001v1 Announce Type: cross \nAbstract: We count x &lt; y."
    text = f"<rss><channel><item><title>T</title><description>{description}</description></item>"
    (paper,) = read_xml([text + "</channel></rss>"], "a.rss")
    assert paper.abstract == "We count x < y."


def test_acl_anthology_gives_papers_the_year_and_venue_of_their_volume():
    tomatoes, talk = papers("acl.xml")
    assert tomatoes.title == "Parsing Tomatoes with O(n^2) Slices"
    assert tomatoes.abstract == "We parse tomatoes. Our parser needs n^2 slices and is fast."
    assert tomatoes.authors == ("Jiří Rajče", "Pomodoro")
    assert (tomatoes.year, tomatoes.venue) == (2020, "Proceedings of the Meeting on Tomatoes")
    assert tomatoes.url == "https://aclanthology.org/2020.tomato-main.1/"
    assert (talk.title, talk.year) == ("Invited Talk", 2020)


def test_endnote_xml_is_read_without_its_styles():
    (bridges,) = papers("endnote.xml")
    assert (bridges.title, bridges.authors) == ("Swing bridges", ("Otto Brücke",))
    assert (bridges.year, bridges.venue, bridges.doi) == (2009, "Bridges Today", "10.5555/swing")


def test_zotero_rdf_has_items_and_neither_notes_nor_attachments():
    slugs, snails = sorted(papers("zotero.rdf"), key=lambda paper: paper.title)
    assert snails.abstract == "Snails climb walls at night, 3 m in an hour."
    assert (snails.authors, snails.year) == (("Eva Škriňa",), 2013)
    assert (snails.venue, snails.doi) == ("Malacology of Walls", "10.5555/snail.1")
    assert snails.keywords == ("snails", "gardens")
    assert (slugs.title, slugs.venue, slugs.abstract) == (
        "Slugs below ground",
        "Proceedings of Slugs",
        "",
    )


def test_xml_of_another_kind_is_refused():
    with pytest.raises(UnreadableFile, match="of an unknown kind, <svg>"):
        list(read_xml(["<svg><g/></svg>"], "a.xml"))


def test_a_file_that_is_cut_off_gives_the_papers_before_the_end():
    text = (paths.CORPORA / "pubmed.xml").read_text(encoding="utf-8")
    *found, skipped = read_xml([text[: text.index("[Not Available]")]], "a.xml")
    assert [paper.title for paper in found] == ["Effects of CO2 on Müllerian yawns."]
    assert isinstance(skipped, Skipped)
    assert skipped.where == "after 1 records"
