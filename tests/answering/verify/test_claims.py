"""The claims of an answer: what is one, what it cites, and what may stand without citation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.answering.verify.claims import Form, find_claims, needs_no_citation


def cites(answer):
    return [(claim.text, sorted(claim.cites)) for claim in find_claims(answer)]


def test_a_marker_belongs_to_the_sentence_it_stands_in_or_behind():
    assert cites("It works [1]. It is fast. [2][3] It is small.") == [
        ("It works [1].", [1]),
        ("It is fast. [2][3]", [2, 3]),
        ("It is small.", []),
    ]


def test_a_marker_that_is_the_subject_belongs_to_its_own_sentence():
    assert cites("It works well. [2] shows that it does.")[-1] == ("[2] shows that it does.", [2])
    assert cites("[2] NoProp works. Smith et al. [1] agree.") == [
        ("[2] NoProp works.", [2]),
        ("Smith et al. [1] agree.", [1]),
    ]


def test_names_in_lower_case_begin_a_sentence():
    assert cites("It works [1]. xLSTM is slow.")[-1] == ("xLSTM is slow.", [])


def test_bold_numbers_are_no_part_of_their_item():
    assert cites("**4. NoProp** is local\n**5.** It is fast [2]") == [
        ("NoProp** is local", []),
        ("It is fast [2]", [2]),
    ]
    forms = [claim.form for claim in find_claims("**4. NoProp**\n\nIt is fast [2].")]
    assert forms == [Form.HEADING, Form.SENTENCE]


def test_items_rows_and_headings_are_claims_of_their_own():
    answer = (
        "# Results\n1. First [1]\n2) Second.\n   It goes on [2]\n\n**Local rules**\n> quoted"
        " [3]\n\n"
        "| a | b |\n|---|---|\n| c | d. e [4] |\n---\n```\ncode [5]\n```"
    )
    assert [(c.text, c.form) for c in find_claims(answer)] == [
        ("Results", Form.HEADING),
        ("First [1]", Form.SENTENCE),
        ("Second.", Form.SENTENCE),
        ("It goes on [2]", Form.SENTENCE),
        ("**Local rules**", Form.HEADING),
        ("quoted [3]", Form.SENTENCE),
        ("| a | b |", Form.HEADING),
        ("|---|---|", Form.HEADING),
        ("| c | d. e [4] |", Form.ROW),
        ("code [5]", Form.SENTENCE),
    ]


def test_a_short_line_above_a_list_is_a_heading():
    assert [c.form for c in find_claims("Local rules\n- It works [1]\n- Others\n  - FF [2]")] == [
        Form.HEADING,
        Form.SENTENCE,
        Form.HEADING,
        Form.SENTENCE,
    ]


def test_a_long_list_of_titles_is_one_sentence():
    titles = ", ".join(f"A rather long title of some paper [{n}]" for n in range(1, 60))
    (claim,) = find_claims(f"The papers are {titles}.")
    assert len(claim.cites) == 59


@given(st.text(alphabet="aB.! \n-*|#>1[]2:`é", max_size=120))
def test_claims_stand_in_order_and_hold_every_citation(answer):
    end = 0
    for claim in find_claims(answer):
        assert answer[claim.start : claim.end] == claim.text
        assert end <= claim.start < claim.end
        end = claim.end


NEED_NONE = [
    "The following papers train without backprop:",
    "In short:",
    "Yes.",
    "Overall,",
    "The abstracts do not say how much memory it needs.",
    "However, none of the abstracts reports a number.",
    "No other paper answers this.",
    "It's unclear which optimiser was used.",
    "How they compare is not stated.",
    "Nothing in the abstracts tells.",
    "Are there others?",
]
NEED_ONE = [
    "It works.",
    "NoProp wins.",
    "The papers show that depth hurts.",
    "The abstracts do not say how, but NoProp clearly needs less memory.",
    "No method is faster.",
    "There are many of them.",
    "In short, it works.",
    "Nothing is faster than NoProp; it also needs the least memory.",
]


def alone(text):
    (claim,) = find_claims(text)
    return needs_no_citation(claim, last=True)


@pytest.mark.parametrize("text", NEED_NONE)
def test_what_claims_nothing_needs_no_citation(text):
    assert alone(text)


@pytest.mark.parametrize("text", NEED_ONE)
def test_what_claims_something_needs_one(text):
    assert not alone(text)
