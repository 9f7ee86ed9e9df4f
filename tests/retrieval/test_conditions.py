import pytest

from qa.corpus.filters import Filters
from qa.retrieval.conditions import is_negated, read_conditions

AUTHORS = ("Albert Gu", "Song Han")
VENUES = ("NeurIPS", "Nature")


def passing(filters):
    """A corpus with years, AUTHORS, VENUES and one file."""
    names = [*((a, AUTHORS) for a in filters.authors), *((v, VENUES) for v in filters.venues)]
    names += [(s, ("library.bib",)) for s in filters.sources]
    return int(all(any(part in one for one in known) for part, known in names))


def read(question, given=None, passing=passing):
    return read_conditions(question, given or Filters(), passing)


@pytest.mark.parametrize(
    ("said", "span"),
    [
        ("in 2023", (2023, 2023)),
        ("from 2023", (2023, 2023)),
        ("published in 2023", (2023, 2023)),
        ("since 2020", (2020, 9999)),
        ("from 2020 on", (2020, 9999)),
        ("after 2020", (2021, 9999)),
        ("before 2020", (0, 2019)),
        ("up to 2020", (0, 2020)),
        ("between 2019 and 2021", (2019, 2021)),
        ("from 2019 to 2021", (2019, 2021)),
        ("that were published in 2023", (2023, 2023)),
    ],
)
def test_years_become_a_filter(said, span):
    found = read(f"which papers prune networks {said}?")
    assert found.question == "which papers prune networks?"
    assert found.filters.years == (span,)
    assert found.notes[0].startswith("Asked of papers of ")


def test_authors_venues_and_files_become_filters_and_are_said():
    found = read("which papers by Albert Gu at NeurIPS in library.bib prune?")
    assert found.question == "which papers prune?"
    assert found.filters == Filters(
        authors=("Albert Gu",), venues=("NeurIPS",), sources=("library.bib",)
    )
    assert found.notes == ("Asked of papers by Albert Gu at NeurIPS in library.bib.",)


def test_who_wrote_it_may_be_asked_otherwise():
    found = read("which papers did Song Han write?")
    assert found.filters.authors == ("Song Han",)
    assert found.question == "which papers are there?"


@pytest.mark.parametrize(
    "question",
    [
        "which papers train without backprop?",
        "Who won the World Cup in 2022?",
        "which papers learn by Backprop?",
        "which papers report results in ImageNet?",
        "which papers prune 2048 units?",
    ],
)
def test_what_is_no_condition_stays(question):
    found = read(question)
    assert (found.question, found.filters, found.notes) == (question, Filters(), ())


def test_what_no_paper_has_is_told_and_left_out():
    found = read("which papers prune since 2020?", passing=lambda _: 0)
    assert found.question == "which papers prune?"
    assert not found.filters
    assert found.notes == ("No paper has a known year: \u201csince 2020\u201d is left out.",)
    found = read("papers by Jane Doe on pruning")
    assert found.notes == ("No paper is by \u201cJane Doe\u201d.",)
    assert not found.filters


def test_what_is_given_as_an_option_stays_as_it_is_given():
    given = Filters(years=((2021, 2021),))
    found = read("which papers prune in 2023?", given)
    assert found.filters == given
    assert found.question == "which papers prune in 2023?"


def test_negations_are_noticed_but_not_what_is_a_subject():
    assert is_negated("which papers do NOT use transformers?")
    assert is_negated("which papers don\u2019t use transformers?")
    assert not is_negated("which papers train without backprop?")
    assert not is_negated("which papers study notation?")
