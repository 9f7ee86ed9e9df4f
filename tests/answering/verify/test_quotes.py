"""Quotations: found in every kind of marks, and held to be word for word."""
# ruff: noqa: RUF001 (quotation marks of many kinds are the matter here)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.answering.verify.quotes import find_quotations, stands_in

SOURCE = (
    'We don\'t need 94.5 \\% of the memory -- it runs 10times  faster [55], a "docking port" says.'
)


@pytest.mark.parametrize(
    "quoted",
    ["“{}”", '"{}"', "„{}“", "«{}»", "``{}''", "‘{}’", "'{}'", "> {}"],
)
def test_every_kind_of_marks_is_a_quotation(quoted):
    text = "it doesn't need the memory"
    (found,), _ = find_quotations(
        f"{quoted.format(text)} [1]" if quoted[0] != ">" else quoted.format(text)
    )
    assert found.text == text


def test_terms_and_apostrophes_are_no_quotations():
    assert (
        find_quotations("It's the “docking port” of Smith's and Lee's networks' layers.")[0] == ()
    )
    assert find_quotations('An odd " mark, and\n\nanother " in the next paragraph.')[0] == ()


@pytest.mark.parametrize(
    "quotation",
    [
        "we don’t need 94.5% of the memory",
        "it runs 10 times faster",
        "It runs 10× faster, a ‘docking port’ says",
        "We don't need ... the memory – it runs",
        "[W]e don't need [more than] 94.5 % of the memory",
        "of the memory.",
    ],
)
def test_a_quotation_may_differ_in_signs(quotation):
    assert stands_in(quotation, SOURCE)


@pytest.mark.parametrize(
    "quotation",
    [
        "We do need 94.5% of the memory",
        "we need 94.5% of the memory",
        "We don't need 94.6% of the memory",
        "it runs ... of the memory",
        "don't need 94.5% of the mem",
        "it runs 10 times slower",
    ],
)
def test_a_quotation_may_not_differ_in_words(quotation):
    assert not stands_in(quotation, SOURCE)


@given(st.lists(st.sampled_from(["we", "need", "10x", "It", "94.5 \\%", "(so)", "a,"]), min_size=4))
def test_a_text_has_itself_and_each_part_of_it(words):
    text = " ".join(words)
    assert stands_in(text, text)
    assert stands_in(" ".join(words[1:-1]), text)
