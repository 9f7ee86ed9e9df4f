"""PDFs: what is taken from the first pages, in the layouts that papers have, and harmful files."""

import io

import paths
import pdf_files
import pytest
from pdf_files import Text, block

from qa.corpus.papers import UnreadableFile
from qa.corpus.readers import pdf
from qa.corpus.readers.pdf import read_pdf

TITLE = "Growing Tomatoes on Balconies in Cold Summers"
ABSTRACT = (
    "We compare twelve tomato varieties grown in pots on balconies over three summers. Cherry "
    "tomatoes gave the highest yield, with 4.2 kg for each plant. Daily watering mattered more "
    "than fertiliser. The difference between the varieties was small in the coldest summer."
)
BODY = "Tomatoes are grown in many places and by many people, for food and for joy. " * 12


def read(content):
    (paper,) = read_pdf(io.BytesIO(content), "a.pdf")
    return paper


def one_column(*between, abstract=ABSTRACT, title=TITLE):
    return [
        Text(title, 90, 760, 18, bold=True),
        Text("Ann Müller, J. P. van der Berg and Li Wei", 150, 735, 11),
        Text("Department of Gardens, University of Nowhere", 150, 720, 10),
        Text("ann@example.org", 220, 708, 9),
        *between,
        *block(abstract, 90, 660, 80),
        Text("1 Introduction", 90, 560, 13, bold=True),
        *block(BODY, 90, 540, 90),
    ]


def test_paper_set_by_latex_has_its_ligatures_hyphens_and_stamp():
    with (paths.CORPORA / "kites.pdf").open("rb") as stream:
        (kites,) = read_pdf(stream, "kites.pdf")
    assert kites.title == "Efficient Flight of Affine Kites: a Difficult Office Experiment"
    assert kites.abstract == (
        "We fly kites in an office and show that flight is difficult. The efficient configuration "
        "of affine kites has significantly fewer collisions with furniture than state-of-the-art "
        "alternatives. In a field of fifty offices, self-taught pilots needed 12.5% less string. "
        "Representative characteristics of ventilation influenced the results only insignificantly."
    )
    assert kites.authors == ("Käthe Drachen", "J. P. van der Wind")
    assert (kites.arxiv_id, kites.year) == ("2403.09999", 2024)
    assert kites.keywords == ("kites", "office ventilation")


def test_title_authors_and_abstract_of_one_column():
    paper = read(pdf_files.pdf(one_column(Text("Abstract", 260, 680, 12, bold=True))))
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)
    assert paper.authors == ("Ann Müller", "J. P. van der Berg", "Li Wei")


@pytest.mark.parametrize("label", ["Abstract—", "ABSTRACT: ", "Summary. ", "Zusammenfassung: "])
def test_heading_and_abstract_may_share_a_line(label):
    assert read(pdf_files.pdf(one_column(abstract=label + ABSTRACT))).abstract == ABSTRACT


def test_paragraph_before_the_introduction_is_the_abstract():
    assert read(pdf_files.pdf(one_column())).abstract == ABSTRACT


def test_two_columns_below_a_title_across_with_keywords_and_a_running_head():
    page = [
        Text("Journal of Gardens 12 (2019) 100-112", 40, 810, 8),
        Text(TITLE, 90, 760, 18, bold=True),
        Text("Ann Müller", 150, 735, 11),
        Text("Li Wei", 350, 735, 11),
        Text("Abstract", 130, 690, 11, bold=True),
        *block(ABSTRACT, 40, 670, 48),
        Text("Keywords: tomatoes; balcony gardens", 40, 570, 10),
        Text("1. Introduction", 40, 540, 12, bold=True),
        *block(BODY, 40, 520, 48),
        *block(BODY, 310, 690, 48),
        Text("https://doi.org/10.5555/Tomato.2019", 40, 30, 8),
    ]
    paper = read(pdf_files.pdf(page))
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)
    assert paper.authors == ("Ann Müller", "Li Wei")
    assert (paper.year, paper.doi) == (2019, "10.5555/tomato.2019")
    assert paper.keywords == ("tomatoes", "balcony gardens")


def test_abstract_goes_on_in_the_next_column_and_on_the_next_page():
    words = ABSTRACT.split()
    first, second = " ".join(words[:24]), " ".join(words[24:])
    head = [Text(TITLE, 90, 760, 18, bold=True), Text("Abstract", 90, 200, 12, bold=True)]
    column = [*head, *block(first, 40, 180, 48), *block(second, 310, 690, 48)]
    assert read(pdf_files.pdf(column)).abstract == ABSTRACT
    pages = [*head, *block(first, 40, 180, 48)], block(second, 40, 760, 48)
    assert read(pdf_files.pdf(*pages)).abstract == ABSTRACT


def test_stamp_of_arxiv_at_the_side_gives_number_and_year_and_is_no_text():
    stamp = Text("arXiv:2305.01234v2  [cs.CL]  12 Jan 2024", 20, 200, 20, turned=True)
    paper = read(pdf_files.pdf([stamp, *one_column(Text("Abstract", 260, 680, 12, bold=True))]))
    assert (paper.title, paper.abstract) == (TITLE, ABSTRACT)
    assert (paper.arxiv_id, paper.year) == ("2305.01234", 2024)


def test_cover_page_is_passed_over():
    cover = [
        Text("See discussions, stats and author profiles for this publication", 60, 800, 8),
        Text("1 author, including: Ann Müller", 60, 600, 9),
        Text("DOI: 10.5555/cover", 60, 580, 9),
    ]
    paper = read(pdf_files.pdf(cover, one_column(Text("Abstract", 260, 680, 12, bold=True))))
    assert (paper.title, paper.abstract, paper.doi) == (TITLE, ABSTRACT, "10.5555/cover")


def test_words_cut_at_the_end_of_a_line_are_put_together():
    lines = [
        "We compare to-",
        "mato varieties with state-of-the-",
        "art methods. The tomato grows.",
    ]
    lines += [
        "A third and a fourth sentence are here, so that this is",
        "an abstract as it should be,",
    ]
    lines += ["with more than thirty words in it, of which some are long, and a last word."]
    page = [
        Text(TITLE, 90, 760, 18, bold=True),
        Text("Abstract", 90, 700, 12, bold=True),
        *(Text(line, 90, 680 - 12 * n) for n, line in enumerate(lines)),
    ]
    abstract = read(pdf_files.pdf(page)).abstract
    assert abstract.startswith("We compare tomato varieties with state-of-the-art methods.")


def test_marks_of_footnotes_are_no_part_of_names_and_title():
    page = one_column(Text("Abstract", 260, 680, 12, bold=True))
    page[1:2] = [
        Text("Ann Müller", 150, 735, 11),
        Text("1,*", 207, 740, 6),
        Text("Li Wei", 250, 735, 11),
        Text("2", 282, 740, 6),
    ]
    assert read(pdf_files.pdf(page)).authors == ("Ann Müller", "Li Wei")


def test_title_of_the_metadata_counts_only_if_it_is_printed():
    page = one_column(Text("Abstract", 260, 680, 12, bold=True))
    assert read(pdf_files.pdf(page, title="Microsoft Word - draft.doc")).title == TITLE


def test_letter_without_abstract_is_no_paper_and_one_with_a_doi_is_known_by_its_title():
    letter = [Text("To Whom It May Concern", 90, 760, 18, bold=True), *block(BODY, 90, 700, 80)]
    with pytest.raises(UnreadableFile, match="no title and abstract"):
        read(pdf_files.pdf(letter))
    paper = read(pdf_files.pdf([*letter, Text("doi:10.5555/letter", 90, 40)]))
    assert (paper.title, paper.abstract) == ("To Whom It May Concern", "")


def test_scan_without_text_is_told_with_what_helps():
    with pytest.raises(UnreadableFile, match="without text, as a scanner makes it") as error:
        read(pdf_files.pdf([]))
    assert "ocrmypdf" in error.value.advice


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.4 cut off",
        b"%PDF-1.4" + bytes(range(256)) * 100,
        pdf_files.bomb(500_000_000),
        pdf_files.nested(200_000),
        pdf_files.document([b"BT /F1 10 Tf 50 700 Td (a) Tj ET\n" * 50_000]),
    ],
    ids=["cut off", "garbage", "bomb", "nested", "many objects"],
)
def test_harmful_file_is_told_and_the_next_one_is_read(content):
    with pytest.raises(UnreadableFile, match="it is a PDF"):
        read(content)
    assert read(pdf_files.pdf(one_column())).title == TITLE


def test_file_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(pdf, "SECONDS", 0.0)
    with pytest.raises(UnreadableFile, match="more than 0 seconds"):
        read(pdf_files.pdf(one_column()))
    monkeypatch.undo()
    assert read(pdf_files.pdf(one_column())).title == TITLE
