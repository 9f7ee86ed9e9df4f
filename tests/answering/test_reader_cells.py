"""A person's corrections of cells: words of the abstract, kept, and above the model's."""

import pytest
from fakes import paper

from qa.answering.reader_cells import ReaderCells
from qa.answering.table import NOT_STATED, UNREADABLE, CellState, Column
from qa.errors import UsageError

PAPER = paper(1, "We train a 1.5B model. Our code is available.")
SIZE, CODE = Column("Size", "Size"), Column("Code", "is the code released?")


@pytest.fixture
def kept(tmp_path):
    return ReaderCells(tmp_path / "cells.sqlite")


def cells_over(kept, *cells):
    return kept.over({PAPER.id: cells}, (SIZE, CODE), [PAPER])[PAPER.id]


def test_a_correction_counts_above_the_models_cell_and_is_marked(kept):
    kept.put(SIZE, PAPER, "1.5B")
    size, code = cells_over(kept, NOT_STATED, UNREADABLE)
    assert (size.state, size.value, size.sentence) == (CellState.STATED, "1.5B", 1)
    assert size.by_reader
    assert PAPER.abstract[size.start : size.end] == "1.5B"
    assert code == UNREADABLE


def test_that_nothing_states_a_cell_is_a_correction_too(kept):
    kept.put(SIZE, PAPER, " ")
    size, _ = cells_over(kept, UNREADABLE, UNREADABLE)
    assert (size.state, size.by_reader) == (CellState.NOT_STATED, True)


def test_a_correction_is_words_of_the_abstract(kept):
    with pytest.raises(UsageError, match="no sentence with these words"):
        kept.put(SIZE, PAPER, "7B")
    with pytest.raises(UsageError, match="yes or no"):
        kept.put(CODE, PAPER, "code is available")
    assert kept.put(CODE, PAPER, "code is available", "yes").answer == "yes"


def test_a_correction_can_be_taken_back(kept):
    kept.put(SIZE, PAPER, "1.5B")
    kept.take_back(SIZE, PAPER.id)
    assert cells_over(kept, NOT_STATED, UNREADABLE) == (NOT_STATED, UNREADABLE)


def test_a_correction_of_a_text_that_has_changed_does_not_count(kept):
    kept.put(SIZE, PAPER, "1.5B")
    changed = paper(1, "We train a larger model.")
    assert kept.over({changed.id: (NOT_STATED,)}, (SIZE,), [changed]) == {changed.id: (NOT_STATED,)}
