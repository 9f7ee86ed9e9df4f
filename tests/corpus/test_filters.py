"""Filters: what they say, which papers pass, and that nothing else reaches an answer."""

import json

import pytest
from local_model import minilm
from stores import HashEmbedder, opened, write_corpus

from qa.corpus.filters import Filters
from qa.corpus.readers.corpus import read_corpus
from qa.errors import UsageError
from qa.index.build import build

LIBRARY = """
@article{a, title={Cherry Tomatoes on Balconies}, author={M{\\"u}ller, Anna and Roe, Richard},
  year=2019, journal={Journal of Balconies},
  abstract={We grew cherry tomatoes in pots on balconies. Watering mattered most for tomatoes.}}
@article{b, title={Beef Tomatoes in Glass Houses}, author={Roe, Richard}, year=2021,
  journal={Glass House Letters},
  abstract={Beef tomatoes were grown in glass houses. They need more warmth than other tomatoes.}}
@inproceedings{c, title={Tomatoes without Soil}, author={Doe, Jane}, year=2023,
  booktitle={Proceedings of the Conference on Balconies},
  abstract={Tomatoes grew in water alone. The yield of these tomatoes was 4 kg for each plant.}}
@misc{d, title={Tomatoes of Unknown Date},
  abstract={Nobody knows when these tomatoes were grown. They are said to have been red tomatoes.}}
"""
RECORD = """TY  - JOUR
TI  - Tomatoes under Lamps
AU  - Poe, Edgar
PY  - 2021
AB  - Tomatoes were grown under lamps of four colours. Red lamps gave the sweetest tomatoes.
ER  -
"""
QUESTION = "which papers grow tomatoes?"


def filters(*, year=(), author=(), venue=(), source=()):
    return Filters.parse(years=year, authors=author, venues=venue, sources=source)


@pytest.fixture(scope="module")
def built_library(tmp_path_factory, weights_folder):
    folder = tmp_path_factory.mktemp("corpora") / "library"
    (folder / "old").mkdir(parents=True)
    (folder / "refs.bib").write_text(LIBRARY, encoding="utf-8")
    (folder / "old" / "lamps.ris").write_text(RECORD, encoding="utf-8")
    build(folder.parent / "stores", read_corpus(folder), minilm())
    return folder


@pytest.fixture
def library(environment, built_library):
    environment.setenv("QA_CORPUS", str(built_library))
    environment.setenv("QA_STORE", str(built_library.parent / "stores"))
    environment.setenv("QA_MODEL", "none")
    return built_library


def titles(done):
    return {paper["title"] for paper in json.loads(done.stdout)["papers"]}


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2023", (2023, 2023)),
        ("2023-", (2023, 9999)),
        ("-2020", (0, 2020)),
        ("2019-2021", (2019, 2021)),
        (" 2019 - 2021 ", (2019, 2021)),
        ("2019\u20132021", (2019, 2021)),
    ],
)
def test_years_are_one_or_a_span_that_may_be_open(text, span):
    assert filters(year=[text]).years == (span,)


@pytest.mark.parametrize(
    "text", ["", "-", "23", "year", "2021-2019", "2019-2020-2021", "20199", "٢"]
)
def test_other_years_are_wrong_usage(text):
    with pytest.raises(UsageError, match=r"^year is") as error:
        filters(year=[text])
    assert error.value.parameter == "year"


def test_filters_say_in_words_what_they_are():
    assert not filters()
    found = filters(year=["2023-", "2019"], author=["Roe", "Müller, Anna"], source=["a.bib"])
    assert found
    assert found.describe() == "year 2023- or 2019, author Roe or Anna Müller, source a.bib"


@pytest.mark.parametrize("name", ["  ", "et al."])
def test_empty_name_is_wrong_usage(name):
    with pytest.raises(UsageError, match=r"^author is empty") as error:
        filters(author=[name])
    assert error.value.parameter == "author"


@pytest.mark.parametrize(
    ("options", "passing"),
    [
        (("--year", "2021"), {"Beef", "under"}),
        (("--year", "-2020"), {"Cherry"}),
        (("--year", "2021-"), {"Beef", "under", "without"}),
        (("--year", "2019", "--year", "2023"), {"Cherry", "without"}),
        (("--author", "muller"), {"Cherry"}),
        (("--author", "Roe, Richard"), {"Cherry", "Beef"}),
        (("--author", "roe", "--year", "2020-"), {"Beef"}),
        (("--venue", "balconies"), {"Cherry", "without"}),
        (("--source", "lamps.ris"), {"under"}),
        (("--source", "library/old"), {"under"}),
        (("--source", ".bib", "--venue", "letters", "--author", "doe"), set()),
    ],
)
def test_papers_are_chosen_by_every_kind_of_filter(library, qa, options, passing):
    done = qa("papers", *options, "--json")
    found = titles(done)
    assert done.exit_code == (0 if passing else 3)
    assert len(found) == len(passing)
    assert all(any(word in title for title in found) for word in passing)


def test_answers_come_only_from_what_passes_and_say_so(library, qa):
    done = json.loads(qa("ask", QUESTION, "--year", "2021", "--json").stdout)
    assert {paper["title"] for paper in done["papers"]} <= {
        "Beef Tomatoes in Glass Houses",
        "Tomatoes under Lamps",
    }
    coverage = done["coverage"]
    assert (coverage["corpus"], coverage["candidates"]) == (5, 2)
    assert coverage["filter"] == "year 2021"
    assert "of 2 (year 2021)" in qa("ask", QUESTION, "--year", "2021").stdout


def test_without_a_filter_all_papers_are_candidates(library, qa):
    coverage = json.loads(qa("ask", QUESTION, "--json").stdout)["coverage"]
    assert (coverage["corpus"], coverage["candidates"], coverage["filter"]) == (5, 5, None)


def test_search_is_filtered_too(library, qa):
    done = qa("search", "tomatoes", "--author", "poe", "--json")
    assert titles(done) == {"Tomatoes under Lamps"}
    assert "1 paper (author poe) of 5" in qa("search", "tomatoes", "--author", "poe").stderr


@pytest.mark.parametrize("command", [("ask", QUESTION), ("search", "tomatoes"), ("papers",)])
def test_when_no_paper_passes_a_line_says_so_and_the_code_is_3(library, qa, command):
    done = qa(*command, "--year", "1999")
    assert done.exit_code == 3
    assert "(year 1999)" in done.output
    assert "Traceback" not in done.output


def test_when_no_paper_passes_the_outcome_is_that_nothing_was_retrieved(library, qa):
    done = qa("ask", QUESTION, "--year", "1999", "--json")
    document = json.loads(done.stdout)
    assert document["outcome"] == "nothing_retrieved"
    assert (document["papers"], document["nearest"]) == ([], [])
    assert document["coverage"]["candidates"] == 0


def test_filter_for_what_no_paper_tells_is_explained(seeds, qa):
    done = qa("ask", "which papers prune?", "--year", "2023-")
    assert done.exit_code == 3
    assert "has a known year" in done.stderr


def test_wrong_year_is_wrong_usage_with_the_forms_that_are_right(library, qa):
    done = qa("ask", QUESTION, "--year", "lately")
    assert done.exit_code == 2
    assert "--year is 'lately'" in done.stderr
    assert "2019-2021" in done.stderr


def test_store_ranks_among_the_selected_as_among_all(tmp_path):
    """A filter leaves papers out; it changes neither scores nor order of the others."""
    lines = [
        {"title": f"Paper {n} on optics", "abstract": f"We study lens {n}. {n} photons.", "year": n}
        for n in range(2000, 2040)
    ]
    text = "\n".join(map(json.dumps, lines))
    embedder = HashEmbedder()
    corpus = write_corpus(tmp_path / "corpus", [])
    (corpus.path / "papers.txt").unlink()
    (corpus.path / "papers.jsonl").write_text(text, encoding="utf-8")
    corpus = read_corpus(corpus.path)
    build(tmp_path / "store", corpus, embedder)
    query = embedder.embed(["lens photons 2017"])[0]
    with opened(tmp_path / "store", corpus, embedder) as generation:
        some = generation.select(filters(year=["2011-2019"]))
        assert len(some) == 9
        for find in (
            lambda **only: generation.nearest(query, 40, **only),
            lambda **only: generation.keyword({"lens": 1.0, "2017": 2.0}, 40, **only),
        ):
            every = [hit for hit in find() if hit[0] in some.ids]
            assert [hit[0] for hit in find(only=some)] == [hit[0] for hit in every]
            assert dict(find(only=some)) == pytest.approx(dict(every))
        nothing = generation.select(filters(author=["nobody"]))
        assert generation.nearest(query, 5, only=nothing) == []
        assert generation.keyword({"lens": 1.0}, 5, only=nothing) == []
