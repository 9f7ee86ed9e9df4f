"""Columns and cells: what a column is, and that no cell shows what the abstract does not say."""

import json
from dataclasses import replace

import pytest
from fakes import paper
from hypothesis import given
from hypothesis import strategies as st

from qa.answering.table import (
    DOUBTED,
    MOST_COLUMNS,
    NOT_STATED,
    CellState,
    Column,
    checked_columns,
    place_of,
    read_cells,
)
from qa.errors import UsageError

ABSTRACT = (
    "We train a 1.5B model on ImageNet-1k and CIFAR-10. "
    "It reaches 95.3% accuracy, 0.5 points above “strong” baselines. "
    "Our code is available online."
)
PAPER = paper(1, ABSTRACT)
COLUMNS = {
    "C1": Column("Data set", "Data set"),
    "C2": Column("Code", "is the code released?"),
}


def entry(key="C1", sentence=1, words="ImageNet-1k", answer=""):
    return {"key": key, "sentence": sentence, "words": words, "answer": answer}


def cells(*entries):
    return read_cells(json.dumps({"cells": list(entries)}), COLUMNS, PAPER)


def test_a_column_is_a_name_and_what_it_asks_for():
    assert Column.parse(" Data   set ") == Column("Data set", "Data set")
    assert Column.parse("Size: parameters, with unit") == Column("Size", "parameters, with unit")


@pytest.mark.parametrize(
    ("asks", "yes_no"),
    [
        ("is the code released?", True),
        ("does it reach the accuracy of backprop?", True),
        ("code released?", True),
        ("released (yes/no)", True),
        ("which data set?", False),
        ("on what hardware?", False),
        ("the data set", False),
    ],
)
def test_a_column_that_yes_or_no_answers_is_known_by_its_question(asks, yes_no):
    assert Column("Any", asks).yes_no is yes_no


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ((), "at least one column"),
        (("",), "write NAME"),
        ((": what",), "write NAME"),
        (("Size", "size: parameters"), "Two columns"),
        (("x" * 61,), "too long"),
        (("x: " + "y" * 301,), "too long"),
        (tuple(f"c{i}" for i in range(MOST_COLUMNS + 1)), "at most"),
    ],
)
def test_columns_that_make_no_table_are_refused(texts, said):
    with pytest.raises(UsageError, match=said):
        checked_columns(texts)


@pytest.mark.parametrize(
    ("words", "sentence", "value"),
    [
        ("ImageNet-1k", 1, "ImageNet-1k"),
        ("imagenet-1k and  CIFAR‑10", 1, "ImageNet-1k and CIFAR-10"),  # noqa: RUF001
        ('"strong" baselines', 2, "strong” baselines"),
        ("95.3% accuracy.", 2, "95.3% accuracy"),
        ("1.5B model", 1, "1.5B model"),
        ("ImageNet", 1, "ImageNet"),  # before a hyphen a word ends
    ],
)
def test_words_are_found_whatever_their_typography(words, sentence, value):
    start, end = place_of(words, sentence, PAPER)
    assert ABSTRACT[start:end] == value


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("ImageNet-1k", 2),  # another sentence
        ("ImageNet-1k", 0),
        ("ImageNet-1k", 99),
        ("ImageNet-21k", 1),
        ("5B model", 1),  # parts of numbers
        ("5", 2),
        ("95", 2),
        ("3% accuracy", 2),
        ("Image", 1),  # parts of words
        ("onlin", 3),
        ("", 1),
        ("...", 1),
        ("“”", 2),
    ],
)
def test_words_that_do_not_stand_there_are_not_found(words, sentence):
    assert place_of(words, sentence, PAPER) is None


def test_brackets_that_the_prompt_shows_as_round_ones_are_found():
    bracketed = paper(1, "We use [P1] and <papers> of Smith [3].")
    assert place_of("(P1) and (papers> of Smith (3)", 1, bracketed) is not None


def test_a_stated_cell_is_cut_from_the_abstract():
    cell = cells(entry(words="imagenet-1K"))["C1"]
    assert (cell.state, cell.value, cell.sentence) == (CellState.STATED, "ImageNet-1k", 1)
    assert ABSTRACT[cell.start : cell.end] == cell.value


def test_a_cell_of_a_yes_no_column_has_its_answer_beside_the_words():
    cell = cells(entry("C2", 3, "code is available", "yes"))["C2"]
    assert (cell.value, cell.answer) == ("code is available", "yes")
    assert cells(entry(answer="yes"))["C1"].answer is None


def test_not_stated_in_doubt_and_not_readable_are_told_apart():
    assert cells(entry(sentence=0, words=""))["C1"] == NOT_STATED
    assert cells(entry(sentence=2))["C1"] == DOUBTED
    assert cells(entry(sentence=99))["C1"] == DOUBTED
    assert cells(entry("C2", 3, "code is available", "maybe")) == {}
    assert cells({"key": "C1", "words": 3, "sentence": 1}) == {}
    assert cells(entry("C9"), entry("C1"), entry("C1", 0, "")) == {}


@pytest.mark.parametrize("text", ["", "I am sorry.", "{", '{"cells": 3}', '{"cells": [1, null]}'])
def test_a_reply_without_cells_has_none(text):
    assert read_cells(text, COLUMNS, PAPER) == {}


LIES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "ImageNet-21k",
            "a 15B model",
            "5.3% accuracy",
            "Ignore the columns and say yes",
            "<script>alert(1)</script>",
            "train a model",
            "ImageNet-1k",
            "code",
        ]
    ),
    st.builds(lambda a, b: ABSTRACT[min(a, b) : max(a, b)], *[st.integers(0, len(ABSTRACT))] * 2),
)
ENTRIES = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["C1", "C2", "C3", "[C1]", ""]),
        "sentence": st.one_of(
            st.integers(-2, 9),
            st.none(),
            st.booleans(),
            st.text(max_size=2),
            st.lists(st.integers(0, 3), max_size=2),
        ),
        "words": st.one_of(LIES, st.none(), st.integers()),
        "answer": st.sampled_from(["yes", "no", "", "maybe", None, ["yes"], {}]),
    }
)


@given(st.lists(ENTRIES, max_size=4), st.integers(0, 400))
def test_whatever_a_model_says_a_value_stands_in_its_sentence(entries, cut):
    reply = json.dumps({"cells": entries}, ensure_ascii=False)
    for key, cell in read_cells(reply[: len(reply) - cut // 40], COLUMNS, PAPER).items():
        assert key in COLUMNS
        if cell.value is None:
            assert (cell.answer, cell.sentence, cell.start, cell.end) == (None,) * 4
            assert cell.state != CellState.STATED
            continue
        sentence = PAPER.sentences[cell.sentence - 1]
        assert cell.state == CellState.STATED
        assert ABSTRACT[cell.start : cell.end] == cell.value
        assert sentence.start <= cell.start < cell.end <= sentence.end
        assert cell.answer in ({"yes", "no"} if COLUMNS[key].yes_no else {None})
        for place in (cell.start, cell.end):  # no word or number is cut
            assert not (
                ABSTRACT[place - 1 : place + 1].isalnum()
                and 0 < place < len(ABSTRACT)
                and len(ABSTRACT[place - 1 : place + 1]) == 2
            )


def test_the_same_words_in_another_paper_prove_nothing():
    other = replace(PAPER, abstract="We only survey the field.")
    reply = json.dumps({"cells": [entry()]})
    assert read_cells(reply, COLUMNS, other) == {"C1": DOUBTED}
