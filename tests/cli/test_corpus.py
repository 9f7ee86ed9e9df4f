"""A corpus of one's own: listing it, what of it was left out, its columns, and its changes."""

import csv
import io
import json

import pytest
from rich.console import Console
from small_corpus import SMALL

from qa.cli.corpus import print_papers
from qa.cli.display.answer import has_links
from qa.corpus.papers import Paper
from qa.corpus.readers.corpus import read_corpus

TABLE = """Nummer,Article Title,Zusammenfassung,Erschienen
1,Clay Ovens in the Alps,We date clay ovens found in nine alpine valleys. They are old.,1999
2,Slate Roofs of Wales,We count slate roofs in forty villages of Wales. They are many.,2003
3,A Title Alone,,2004
4,,An abstract alone that nobody has given any title at all.,2004
"""


@pytest.fixture
def small(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    environment.setenv("QA_MODEL", "none")
    return small_corpus


@pytest.fixture
def table(environment, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE, encoding="utf-8")
    environment.setenv("QA_CORPUS", str(path))
    environment.setenv("QA_MODEL", "none")
    return path


COLUMNS = ("--column", "title=Article Title", "--column", "abstract=Zusammenfassung")


def test_papers_are_listed_a_line_each(small, qa):
    done = qa("papers")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert {line.split(maxsplit=1)[1] for line in lines} == set(SMALL)
    assert "3 papers of 3." in done.stderr
    first = json.loads(qa("show", lines[0][:12], "--json").stdout)
    assert first["title"] in lines[0]


def test_lines_fit_the_terminal():
    out = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    print_papers(out, [Paper("0123456789ab", "long title " * 20, "Text.", ("a",), year=2020)])
    (line,) = out.file.getvalue().splitlines()
    assert line.startswith("0123456789ab  2020  long title")
    assert len(line) <= 80


def test_json_and_csv_have_all_metadata(small, qa):
    document = json.loads(qa("papers", "--json").stdout)
    assert (document["corpus"], document["candidates"], document["filter"]) == (3, 3, None)
    assert {paper["title"]: paper["abstract"] for paper in document["papers"]} == SMALL
    assert document["papers"][0]["sources"] == ["papers/page.txt"]
    rows = list(csv.DictReader(io.StringIO(qa("papers", "--format", "csv").stdout)))
    assert {row["title"]: row["abstract"] for row in rows} == SMALL


def test_json_and_every_other_format_can_be_a_corpus_again(small, qa, tmp_path):
    for form, suffix in (("json", "json"), ("csv", "csv"), ("bibtex", "bib"), ("ris", "ris")):
        path = tmp_path / f"out.{suffix}"
        path.write_text(qa("papers", "--format", form).stdout, encoding="utf-8")
        found = list(read_corpus(path).records())
        assert {record.title: record.abstract for record in found} == SMALL, form


def test_columns_are_named_once_and_kept_for_later(table, qa):
    done = qa("ask", "which ovens are old?")
    assert done.exit_code == 1
    assert "Article Title" in done.stderr
    assert "Name the column with: qa rebuild --column abstract=NAME" in done.stderr
    done = qa("rebuild", *COLUMNS)
    assert done.exit_code == 0, done.output
    assert "Clay Ovens" in qa("ask", "which ovens are old?").stdout
    with table.open("a", encoding="utf-8") as more:
        more.write("5,Reed Roofs,We count roofs of reed in forty villages. They are few.,2001\n")
    assert "has changed" in qa("ask", "which ovens are old?").stderr
    assert "3 papers (1 new" in qa("rebuild").stdout
    assert "0 new, 0 changed, 0 removed, 3 unchanged" in qa("rebuild").stdout
    assert qa("papers", "--year", "1999").exit_code == 3
    done = qa("rebuild", "--column", "year=Erschienen")
    assert "3 changed" in done.stdout
    assert "Clay Ovens" in qa("papers", "--year", "1999").stdout
    assert "3 changed" in qa("rebuild", "--column", "year=").stdout


@pytest.mark.parametrize(("column", "code"), [("title", 2), ("=x", 2), ("colour=red", 1)])
def test_column_of_no_field_is_told(table, qa, column, code):
    done = qa("rebuild", "--column", column)
    assert done.exit_code == code
    assert "Traceback" not in done.stderr


def test_refresh_takes_the_changes_in_before_it_answers(small, qa):
    qa("rebuild")
    title, abstract = "Clay Ovens in the Alps", "We date clay ovens in nine alpine valleys. " * 3
    (small / "more.txt").write_text(f"Subscribe{title}\n{abstract}\n", encoding="utf-8")
    done = qa("ask", "which clay ovens are there?", "--refresh")
    assert title in done.stdout
    assert "1 new" in done.stderr
    assert "has changed" not in done.stderr


def test_what_is_left_out_is_counted_and_listed(table, qa):
    done = qa("rebuild", *COLUMNS)
    assert "2 entries were skipped: no abstract (1), no title (1)" in done.stderr
    listed = qa("status", "--skipped")
    assert listed.exit_code == 0
    assert listed.stdout.splitlines() == [
        "table.csv: line 4: no abstract",
        "table.csv: line 5: no title",
    ]
    document = json.loads(qa("status", "--skipped", "--json").stdout)
    assert (document["total"], document["reasons"]["no title"]) == (2, 1)
    assert document["first"][0] == {
        "source": "table.csv",
        "reason": "no abstract",
        "where": "line 4",
        "advice": "",
    }


def test_nothing_left_out_is_said_too(small, qa):
    qa("rebuild")
    done = qa("status", "--skipped")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No entry was skipped" in done.stderr


def test_guessed_encoding_is_said(environment, qa, tmp_path):
    path = tmp_path / "old.ris"
    entry = "TY  - JOUR\nTI  - Öfen in {0}\nAB  - {1}\nER  - \n"
    words = "Wir datieren Öfen in größeren Tälern. " * 5
    text = "".join(entry.format(place, words + place) for place in ("Tirol", "Kärnten", "Wallis"))
    path.write_bytes(text.encode("cp1252"))
    done = qa("rebuild", path)
    assert done.exit_code == 0, done.output
    assert "old.ris" in done.stderr
    assert "Öfen" in qa("papers", "--corpus", path).stdout


@pytest.mark.parametrize(
    ("colours", "links"), [("truecolor", True), ("256", True), ("standard", False), (None, False)]
)
def test_links_are_written_where_a_terminal_has_them(colours, links):
    assert has_links(Console(force_terminal=True, color_system=colours)) is links
    assert not has_links(Console(force_terminal=False, color_system=colours))
