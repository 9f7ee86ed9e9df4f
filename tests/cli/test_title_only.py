"""Papers of which the corpus has only the title, from the file to every output."""

import csv
import io
import json

import pytest
from mcp_clients import call

import qa as qa_api

LIBRARY = """TY  - JOUR
TI  - Growing Tomatoes on Balconies
AB  - We compare twelve tomato varieties grown in pots on balconies over three summers.
AU  - Grün, Ida
PY  - 2018
ER  -
TY  - JOUR
TI  - Tomatoes and the Weather: What Do We Know?
AU  - Regen, Uwe
PY  - 2021
ER  -
TY  - JOUR
TI  - Bicycle Lanes and Commuting
AU  - Rad, Max
ER  -
"""
BARE = "Tomatoes and the Weather: What Do We Know?"


@pytest.fixture
def library(environment, tmp_path):
    path = tmp_path / "library.ris"
    path.write_text(LIBRARY, encoding="utf-8")
    environment.setenv("QA_CORPUS", str(path))
    environment.setenv("QA_MODEL", "none")
    return path


def bare_of(papers):
    return {paper["title"]: paper["title_only"] for paper in papers}


def test_rebuild_says_how_many_there_are(library, qa):
    assert "3 papers (2 by title only)" in qa("rebuild").stdout


def test_question_finds_them_by_title_and_the_title_is_the_evidence(library, qa):
    document = json.loads(qa("ask", "what is known of weather and tomatoes?", "--json").stdout)
    paper = next(paper for paper in document["papers"] if paper["title"] == BARE)
    assert paper["title_only"] is True
    assert paper["evidence"] == [
        {"sentence": 1, "text": BARE, "start": 0, "end": len(BARE)}
    ]  # fmt: skip
    shown = qa("ask", "what is known of weather and tomatoes?").stdout
    assert f"{BARE} (title only)" in shown
    assert shown.count(BARE) == 1


def test_search_ranks_by_title(library, qa):
    found = json.loads(qa("search", "weather tomatoes", "--json").stdout)["papers"]
    assert found[0]["title"] == BARE
    assert bare_of(found)["Growing Tomatoes on Balconies"] is False
    assert f"{BARE} (title only)" in qa("search", "weather tomatoes").stdout


def test_papers_and_show_mark_them(library, qa):
    listed = qa("papers").stdout
    assert listed.count("(title only)") == 2
    papers = json.loads(qa("papers", "--json").stdout)["papers"]
    assert list(bare_of(papers).values()).count(True) == 2
    bare = next(paper["id"] for paper in papers if paper["title"] == BARE)
    shown = json.loads(qa("show", bare, "--json").stdout)
    assert (shown["title_only"], shown["abstract"]) == (True, "")
    assert [sentence["text"] for sentence in shown["sentences"]] == [BARE]
    assert f"{BARE} (title only)" in qa("show", bare).stdout


def test_exports_mark_them(library, qa):
    rows = csv.DictReader(io.StringIO(qa("papers", "--format", "csv").stdout))
    assert sorted(row["title_only"] for row in rows) == ["no", "yes", "yes"]
    assert qa("papers", "--format", "markdown").stdout.count("(title only)") == 2
    found = qa("ask", "what is known of weather and tomatoes?", "--format", "ris").stdout
    assert "by its title only" in found


def test_python_and_assistants_are_told(library, qa):
    with qa_api.open_corpus() as corpus:
        paper = next(p for p in corpus.papers() if p.title == BARE)
        assert paper.title_only
        assert paper.text == BARE
        listed = corpus.search("weather tomatoes").papers
        assert [entry.title_only for entry in listed if entry.title == BARE] == [True]
    result = call("get_paper", ids=[paper.id])
    assert result.structured_content["papers"][0]["title_only"] is True
    found = call("search_papers", query="weather tomatoes").structured_content["papers"]
    assert [p.get("title_only") for p in found if p["title"] == BARE] == [True]
    assert [p.get("title_only") for p in found if p["title"].startswith("Growing")] == [None]
