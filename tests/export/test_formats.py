"""The way back: what is written for other programs is what the readers read."""

import csv
import io
import json
import re

import pytest
from chat_server import ChatServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa.corpus.papers import Paper, Record, as_paper, paper_id
from qa.corpus.readers.corpus import read_corpus
from qa.export.bibtex import bibtex, escaped
from qa.export.formats import Format, export_papers
from qa.export.markdown import markdown
from qa.export.references import AuthorName, citation_keys, exported_papers, name_parts

SUFFIX = {Format.BIBTEX: "bib", Format.RIS: "ris", Format.CSV: "csv"}
NASTY = [
    r"Costs of 100% & $5_000 #1 {sets} ~ x^2 \alpha <b> |x|",
    "It's --- ``so'' -- `it' ''is'' @article{x, title={y}} TY - JOUR",
    'Quotes "here", semicolons; commas, and {unbalanced } braces {{',
    "Ünïcödé: naïve Σ-algebras ≤ 5 µm — 数学 and “quotes”",
    "=1+1 is a formula, -- so is +2",
]


def paper(title, abstract=None, **fields):
    text = abstract or f"We study this: {title}. It is good, and it is told here at some length."
    return Paper(id=paper_id(title), title=title, abstract=text, sources=("a.txt",), **fields)


FULL = paper(
    "BERT and ResNet for $5: an Approach",
    authors=("Jane van der Doe", "Thomas Müller Jr.", "The ATLAS Collaboration", "OpenAI"),
    year=2023,
    venue="Journal of R & D",
    doi="10.1000/abc_(1)<2>",
    arxiv_id="2301.01234",
    url="https://example.org/a?b=1&c={2}%20#d_~e",
    keywords=("deep learning", "R&D"),
)


def back(papers, form, folder):
    """Write the papers, and return the records that are read from what was written."""
    path = folder / f"out.{SUFFIX[form]}"
    path.write_text(export_papers(exported_papers(papers), form), encoding="utf-8", newline="")
    return list(read_corpus(path).records())


@pytest.mark.parametrize("form", SUFFIX)
def test_every_field_comes_back(form, tmp_path):
    (found,) = back([FULL], form, tmp_path)
    for field in ("title", "abstract", "authors", "year", "venue", "doi", "arxiv_id", "keywords"):
        assert getattr(found, field) == getattr(FULL, field), field
    assert found.url.replace("%7B", "{").replace("%7D", "}").startswith("https://example.org/a?b=1")


@pytest.mark.parametrize("form", SUFFIX)
@pytest.mark.parametrize("text", NASTY)
def test_signs_that_mean_something_to_the_format_come_back(form, text, tmp_path):
    first = paper(text.replace("<b> ", ""), authors=("Jo Doe",), venue="Venue of A_B")
    records = back([first, paper("The Next One")], form, tmp_path)
    assert [record.title for record in records] == [first.title, "The Next One"]
    assert records[0].abstract == first.abstract


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "'=", "''-"])
def test_no_cell_of_a_table_is_a_formula_and_it_comes_back(sign, tmp_path):
    given = paper(f"{sign}SUM(A1) in spreadsheets", venue=f"{sign}1", authors=(f"{sign}Jo Doe",))
    text = export_papers(exported_papers([given]), Format.CSV)
    (row,) = csv.DictReader(io.StringIO(text))
    assert not any(value[:1] in "=+-@\t\r" for value in row.values() if value)
    (found,) = back([given], Format.CSV, tmp_path)
    assert (found.title, found.venue, found.authors) == (given.title, given.venue, given.authors)


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"], exclude_characters="<>&"),
    min_size=1,
    max_size=12,
)
TITLES = st.lists(WORDS, min_size=2, max_size=8).map(" ".join)


@pytest.mark.parametrize("form", SUFFIX)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(title=TITLES, words=TITLES)
def test_whatever_a_reader_delivered_is_written_so_that_it_is_read_again(
    form, title, words, tmp_path
):
    # What a reader would not leave as it is, no paper has: what it delivers is where we begin.
    (tmp_path / "in.jsonl").write_text(
        json.dumps({"title": f"On {title}", "abstract": f"We say: {words} and more of it."}),
        encoding="utf-8",
    )
    (record,) = read_corpus(tmp_path / "in.jsonl").records()
    if not isinstance(record, Record):
        return
    found = back([as_paper(record)], form, tmp_path)
    assert [(one.title, one.abstract) for one in found] == [(record.title, record.abstract)]


def test_citation_keys_are_unique_and_the_same_in_every_export():
    papers = [
        FULL,
        paper("Training without Labels", authors=("Žofie Škvor",), year=2020),
        paper("Training without Labels at Scale", authors=("Žofie Škvor",), year=2020),
        paper("深度学习的数学"),
        paper("Pruning the Roots of Trees"),
    ]
    keys = citation_keys(papers)
    assert len(set(keys)) == len(papers)
    assert keys == [citation_keys([one])[0] for one in papers]
    assert keys[1].startswith("skvor2020training-")
    assert all(re.fullmatch(r"[a-z0-9]+-[0-9a-f]{4}", key) for key in keys)
    twice = citation_keys([papers[1], papers[1]])
    assert twice[0].endswith(papers[1].id)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Jane Doe", AuthorName("Doe", "Jane")),
        ("Jan van der Berg", AuthorName("van der Berg", "Jan")),
        ("Martin Luther King Jr.", AuthorName("King", "Martin Luther", "Jr.")),
        ("OpenAI", AuthorName("OpenAI")),
        ("The ATLAS Collaboration", AuthorName("The ATLAS Collaboration")),
        ("李 明", AuthorName("明", "李")),
        ("", AuthorName("")),
    ],
)
def test_names_are_taken_apart(name, parts):
    assert name_parts(name) == parts


def test_bibtex_keeps_capitals_and_balances_its_braces():
    text = bibtex(exported_papers([FULL, paper("Open { brace")]))
    assert "title = {{BERT} and {ResNet} for \\$5: an Approach}" in text
    assert text.count("{") == text.count("}")
    assert escaped("a---b") == "a-{}-{}-b"


def test_bibtex_tells_journals_from_proceedings():
    found = bibtex(
        exported_papers(
            [
                paper("One", venue="Nature"),
                paper("Two", venue="Proceedings of the 9th Conference"),
                paper("Three", arxiv_id="2301.00001"),
            ]
        )
    )
    assert re.findall(r"@(\w+)\{", found) == ["article", "inproceedings", "misc"]
    assert "archiveprefix = {arXiv}" in found


def test_markdown_shows_markup_as_text():
    text = markdown(exported_papers([paper("A *bold* [link](http://x) `code` <b> # $x$")]))
    assert r"\*bold\* \[link\](http://x) \`code\` \<b\> \# \$x\$" in text


def test_control_characters_are_left_out_in_every_format():
    steered = paper("A \x1b[31mred\x1b[0m title", "It is \x07 red.\nAnd it has two lines of text.")
    for form in [*SUFFIX, Format.MARKDOWN]:
        text = export_papers(exported_papers([steered]), form)
        assert "\x1b" not in text
        assert "\x07" not in text


def test_nothing_is_an_empty_document():
    assert [export_papers([], form) for form in (Format.BIBTEX, Format.RIS, Format.MARKDOWN)] == [
        ""
    ] * 3
    assert export_papers([], Format.CSV).count("\n") == 1


QUESTION = "which lanes made people cycle?"


@pytest.fixture
def small(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    environment.setenv("QA_MODEL", "none")
    return small_corpus


def test_papers_of_an_answer_are_written_with_their_evidence(small, qa, tmp_path):
    told = json.loads(qa("ask", QUESTION, "--json").stdout)["papers"]
    quote = told[0]["evidence"][0]["text"]
    for form, suffix in SUFFIX.items():
        done = qa("ask", QUESTION, "--format", form)
        assert done.exit_code == 0, done.output
        assert quote.replace("%", r"\%") in done.stdout or quote in done.stdout
        path = tmp_path / f"found.{suffix}"
        path.write_text(done.stdout, encoding="utf-8")
        records = read_corpus(path).records()
        assert [record.title for record in records] == [paper["title"] for paper in told]
    (row, *_) = csv.DictReader(io.StringIO(qa("ask", QUESTION, "--format", "csv").stdout))
    assert (row["n"], row["relevance"], row["sources"]) == ("1", "likely", "page.txt")
    text = qa("ask", QUESTION, "--format", "markdown").stdout
    assert text.startswith(f"# {QUESTION}\n")
    assert f"> “{quote}”" in text
    assert "nearest by score" in text


def test_markdown_has_the_written_answer_above_the_papers(small, environment, qa):
    def model(body):
        prompt = body["messages"][-1]["content"]
        keys = re.findall(r"^\[(P\d+)\]", prompt, re.MULTILINE)
        if "Judge these" not in prompt:
            return "New lanes did [1]."
        papers = [{"key": key, "relevance": "partly", "sentences": [2]} for key in keys]
        return json.dumps({"papers": papers})

    with ChatServer(model=model, models=["one"]) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        environment.delenv("QA_MODEL")
        text = qa("ask", QUESTION, "--format", "markdown").stdout
        note = qa("ask", QUESTION, "--format", "ris").stdout
    assert text.index("New lanes did [1].") < text.index("(in part)")
    assert f"N1  - Answers in part “{QUESTION}”: “" in note


def test_format_json_is_json(small, qa):
    by_format = json.loads(qa("ask", QUESTION, "--format", "json").stdout)
    by_flag = json.loads(qa("ask", QUESTION, "--json").stdout)
    assert by_format["papers"] == by_flag["papers"]


def test_answer_of_no_papers_is_an_empty_document_and_code_3(small, qa):
    done = qa("ask", QUESTION, "--source", "none.txt", "--format", "bibtex")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "source none.txt" in done.stderr
    table = qa("ask", QUESTION, "--source", "none.txt", "--format", "csv")
    assert (table.exit_code, table.stdout.count("\n")) == (3, 1)


def test_two_formats_at_once_and_unknown_ones_are_wrong_usage(small, qa):
    assert qa("ask", QUESTION, "--json", "--format", "ris").exit_code == 2
    assert qa("ask", QUESTION, "--format", "docx").exit_code == 2
    assert qa("papers", "--csv", "--json").exit_code == 2
