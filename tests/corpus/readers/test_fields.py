"""Fields of papers in one form."""

import pytest

from qa.corpus.readers import fields
from qa.corpus.readers.fields import Entry, author_names
from qa.corpus.readers.latex import text_from_latex


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("AT&amp;T  &lt; 5\n\tmice", "AT&T < 5 mice"),
        ("&amp;lt;p&amp;gt;twice&amp;lt;/p&amp;gt;", "twice"),
        ("<jats:p>CO<jats:sub>2</jats:sub> rises</jats:p><jats:p>Then</jats:p>", "CO2 rises Then"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("the <mask> and <s> tokens", "the <mask> and <s> tokens"),
        ("x?a=1&copy=2&para", "x?a=1&copy=2&para"),
        ("e\u0301", "\u00e9"),
        ("soft\u00adhyphen, \ufeffmark, \x00null, \ud800half", "softhyphen, mark, null, half"),
        ("<i>p</i> <a href='x'>link</a>", "p link"),
    ],
)  # fmt: skip
def test_markup_and_odd_characters_go(written, plain):
    assert fields.plain(written) == plain


@pytest.mark.parametrize(
    ("doi", "links", "found"),
    [
        ("10.1000/ABC", [], "10.1000/abc"),
        ("https://doi.org/10.1000/abc.", [], "10.1000/abc"),
        ("doi: 10.1000/abc [doi]", [], "10.1000/abc"),
        ("10.1002/(SICI)1097-0258(1998)17:15<1661::AID>3.0.CO;2-2", [],
         "10.1002/(sici)1097-0258(1998)17:15<1661::aid>3.0.co;2-2"),
        ("", ["see http://dx.doi.org/10.1000/abc)."], "10.1000/abc"),
        ("", ["https://x.org?id=doi:10.4103%2F2303-9027.1&atitle=y"], "10.4103/2303-9027.1"),
        ("", ["https://biorxiv.org/content/10.1101/2020.01v1.full"], None),
        ("10.1", [], None),
        ("   ", [], None),
    ],
)  # fmt: skip
def test_doi_is_bare_and_in_lower_case(doi, links, found):
    assert fields.doi_of(doi, links) == found


@pytest.mark.parametrize(
    ("number", "links", "found"),
    [
        ("2401.01234v2", [], "2401.01234"),
        ("arXiv:2401.01234", [], "2401.01234"),
        ("2401.01234v1 [cs.LG]", [], "2401.01234"),
        ("hep-th/9901001v3", [], "hep-th/9901001"),
        ("math.CO/0601001", [], "math.co/0601001"),
        ("", ["https://arxiv.org/pdf/2401.01234v3.pdf"], "2401.01234"),
        ("", ["10.48550/arXiv.2401.01234"], "2401.01234"),
        ("", ["arXiv preprint arXiv:2401.01234"], "2401.01234"),
        ("", ["2401.01234"], None),
        ("W123", ["https://example.org/2401.01234"], None),
    ],
)
def test_arxiv_number_has_no_version(number, links, found):
    assert fields.arxiv_of(number, links) == found


@pytest.mark.parametrize(
    ("written", "year"),
    [("2019", 2019), ("2014//", 2014), ("Mon, 2 Apr 2007", 2007), ("[[2020, 1]]", 2020),
     ("c1999", 1999), ("10 15", None), ("", None), ("15770000", None)],
)  # fmt: skip
def test_year_is_found_in_any_date(written, year):
    assert fields.year_of(written) == year


@pytest.mark.parametrize(
    ("written", "people"),
    [
        ("Marx, Karl; Lindgren, Astrid", ["Karl Marx", "Astrid Lindgren"]),
        ("['Marx, Karl', 'Lindgren, Astrid']", ["Karl Marx", "Astrid Lindgren"]),
        ("Liu R., Adler D.G.", ["Liu R.", "Adler D.G."]),
        ("Smith, John", ["John Smith"]),
        ("Smith, John and Doe, Jane", ["John Smith", "Jane Doe"]),
        ("A. Smith, B. Doe, and C. Roe", ["A. Smith", "B. Doe", "C. Roe"]),
        ("Tom & Jerry", ["Tom", "Jerry"]),
    ],
)
def test_lists_of_names_are_told_apart(written, people):
    assert author_names(written) == people


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"{\v{S}}ehi{\'c} and K\"onigl, Fran\c cois", "Šehić and Königl, François"),
        (r"10% faster, 5\% smaller", "10% faster, 5% smaller"),
        (r"$O(n \log n)$ in $\mathbb{R}$", "O(n log n) in \u211d"),
        (r"the {BERT} model \emph{is} large", "the BERT model is large"),
        (r"in $\XQM$, a quark", "in XQM, a quark"),
        (r"it costs $5 and more, and {never closes", "it costs 5 and more, and never closes"),
        ("no markup at all", "no markup at all"),
    ],
)
def test_latex_becomes_text(latex, text):
    assert text_from_latex(latex) == text


@pytest.mark.parametrize("nothing", ["", "  ", "N/A", "nan", "[No abstract available]", "None."])
def test_abstract_that_says_there_is_none_is_none(nothing):
    entry = Entry(title="A title", abstract=nothing)
    assert entry.record("f", "line 1").abstract == ""
    assert entry.record("f", "line 1", bare_titles=False).reason == "no abstract"


def test_title_of_which_more_is_known_is_a_paper_in_a_file_of_anything():
    entry = Entry(title="A title", authors=["A. Author"])
    assert entry.record("f", "line 1", bare_titles=False).title == "A title"


def test_title_may_say_no_abstract():
    record = Entry(title="No Abstract", abstract="We show that.").record("f", "x")
    assert record.title == "No Abstract"


@pytest.mark.parametrize(
    ("written", "abstract"),
    [
        ("Abstract: We show", "We show"),
        ("ABSTRACT We show", "We show"),
        ("Abstract Meaning Representation helps", "Abstract Meaning Representation helps"),
        ("Abstract-based search helps", "Abstract-based search helps"),
    ],
)
def test_label_before_an_abstract_goes_and_a_word_stays(written, abstract):
    assert Entry(title="T", abstract=written).record("f", "x").abstract == abstract
