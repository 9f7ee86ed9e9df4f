"""Citation markers: what is one, what is none, and that none is ever shown torn."""
# ruff: noqa: RUF001 (brackets and dashes of many kinds are the matter here)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.answering.citations import (
    MarkerBuffer,
    cited_numbers,
    cut_off_marker,
    find_citations,
    show_unknown,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a [1].", {1}),
        ("a [1][2] and [3]", {1, 2, 3}),
        ("a [1, 3; 5]", {1, 3, 5}),
        ("a [2-4]", {2, 3, 4}),
        ("a [2–4, 7]", {2, 3, 4, 7}),
        ("a [1 and 3]", {1, 3}),
        ("a [ 2 ]", {2}),
        ("a 【3】 or 【4†source】 or ［5］", {3, 4, 5}),
        ("a [^6]", {6}),
        ("a [#7], [paper 8], [refs. 9, 10]", {7, 8, 9, 10}),
        ("a **[11]** or [**12**]", {11, 12}),
        (r"a \[13\]", {13}),
        ("a [1\u200b4]", set()),
        ("a [\u200b15\u200b]", {15}),
        ("a [2019]", {2019}),
        ("a [0]", {0}),
        ("the marker `[16]` alone in code", {16}),
        ("between ``quotes'' [17] of ``LaTeX''", {17}),
    ],
)
def test_markers_are_found(text, numbers):
    assert cited_numbers(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "an interval [0.5, 1] or [0, 1] or [-1, 1]",
        "the cube [1, 2]^d",
        "code such as `a[1] = b[2]` and $x[1] + 1$",
        "a list number (1), [sic], [], [3 papers], [10 million]",
        "a link [like this](https://a.b)",
    ],
)
def test_what_only_looks_like_a_marker_is_none(text):
    assert find_citations(text) == ()


def test_a_leaked_key_of_the_judge_is_a_marker_that_leads_nowhere():
    (citation,) = find_citations("It works [P3].")
    assert not citation.references[0].known({1, 2, 3})
    assert show_unknown("It works [P3].", {1, 2, 3}) == "It works [P3?]."


def test_unknown_numbers_are_marked_where_they_stand():
    assert show_unknown("a [1, 9], [9], [2-9]", {1, 2, 3}) == "a [1, 9?], [9?], [2-9?]"


def test_a_marker_cut_off_at_the_end_is_seen():
    assert cut_off_marker("It works [1") == (9, 11)
    assert cut_off_marker("It works [") is None
    assert cut_off_marker("It works [1]") is None


MARKERS = [
    "[1]",
    "[9]",
    "[1, 2]",
    "[2-3]",
    "【1】",
    "[P2]",
    "[",
    "]",
    "1",
    ",",
    " ",
    "a",
    "\n",
]
TEXTS = st.lists(st.sampled_from(MARKERS), max_size=30).map("".join) | st.text(max_size=40)
SIZES = st.lists(st.integers(1, 7), max_size=60)


def pieces(text, sizes):
    for size in sizes:
        yield text[:size]
        text = text[size:]
    yield text


@given(TEXTS, SIZES)
def test_a_stream_shows_the_whole_text_and_never_half_a_marker(text, sizes):
    buffer = MarkerBuffer()
    inside = {place for c in find_citations(text) for place in range(c.start + 1, c.end)}
    shown = ""
    for piece in pieces(text, sizes):
        shown += buffer.feed(piece)
        assert len(shown) not in inside
    assert shown + buffer.flush() == text


@given(st.text(alphabet="abc .[(", max_size=80))
def test_little_text_waits_that_is_no_marker(text):
    buffer = MarkerBuffer()
    shown = "".join(buffer.feed(character) for character in text)
    assert len(text) - len(shown) <= 12


@given(TEXTS, st.sets(st.integers(1, 4)))
def test_every_unknown_number_shows(text, papers):
    shown = show_unknown(text, papers)
    unknown = [r for c in find_citations(text) for r in c.references if not r.known(papers)]
    assert len(shown) - len(text) == len(unknown)
    assert all(reference.known(papers) for c in find_citations(shown) for reference in c.references)
