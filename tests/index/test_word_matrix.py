import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.index.word_matrix import WordMatrix

TEXTS = ["Blue whales sing", "blue whales swim", "", "red foxes sing"]


def test_a_paper_is_nearest_to_itself_and_then_to_one_with_the_same_words_and_pairs():
    near = WordMatrix(TEXTS).products(WordMatrix(TEXTS).row(0))
    assert near.argmax() == 0
    assert near[1] > near[3] > near[2] == 0


def test_the_product_is_that_of_tf_idf_rows_of_length_one():
    def idf(having):
        return 1 + math.log(5 / (1 + having))

    # blue, whales, sing, "blue whales" are in two papers each, the others in one
    lengths = math.sqrt(4 * idf(2) ** 2 + idf(1) ** 2) * math.sqrt(
        3 * idf(2) ** 2 + 2 * idf(1) ** 2
    )
    matrix = WordMatrix(TEXTS)
    assert matrix.products(matrix.row(0))[1] == pytest.approx(3 * idf(2) ** 2 / lengths)


def test_a_question_has_the_row_of_its_known_words():
    matrix = WordMatrix(TEXTS)
    near = matrix.products(matrix.text_row("which whales are blue?"))
    assert min(near[0], near[1]) > near[3]
    assert not matrix.text_row("quartz").any()


def test_products_with_some_rows_are_those_with_all():
    matrix = WordMatrix(TEXTS)
    row = matrix.row(1)
    assert matrix.products(row, [3, 0]) == pytest.approx(matrix.products(row)[[3, 0]])


def test_words_are_named_by_their_weight():
    matrix = WordMatrix(TEXTS)
    assert set(matrix.top_words(matrix.row(0), 5)) == {"blue", "whales", "sing"}


@given(st.lists(st.text(alphabet="ab \u00e9", max_size=12), max_size=6))
def test_any_texts_make_a_matrix(texts):
    matrix = WordMatrix(texts)
    assert len(matrix) == len(texts)
    for number in range(len(texts)):
        assert np.isfinite(matrix.products(matrix.row(number))).all()
