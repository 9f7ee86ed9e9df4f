import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.retrieval.relevance import ReadPaper, Relevance
from qa.retrieval.stopping import ROUND, next_round, papers_left, relative_scores

YES, PARTLY, NO = Relevance.YES, Relevance.PARTLY, Relevance.NO


def reads(pattern):
    """`y`, `p`, `n` and `?` (unjudged) as a history."""
    verdicts = {"y": YES, "p": PARTLY, "n": NO, "?": None}
    return [ReadPaper(verdicts[letter]) for letter in pattern]


def read_until_dry(answers, *, unjudged=(), limit=1000):
    """How many papers are read if the n-th is an answer for n in `answers`, and the rounds."""
    history, sizes = [], []
    while len(history) < limit and (size := next_round(history, sizes[-1] if sizes else 0)):
        numbers = range(len(history) + 1, len(history) + size + 1)
        history += [
            ReadPaper(None if n in unjudged else YES if n in answers else NO) for n in numbers
        ]
        sizes.append(size)
    return len(history), sizes


def test_relative_score_does_not_depend_on_far_candidates():
    near = np.array([1.0, 0.8, 0.5, 0.4, 0.2])
    assert relative_scores(near * 3 + 7) == pytest.approx(relative_scores(near))
    assert relative_scores(near)[0] == 1
    assert relative_scores(near)[2] == 0
    assert relative_scores(np.zeros(0)).shape == (0,)


def test_one_answer_in_the_first_seven_needs_two_rounds_and_no_more_than_25_papers():
    for position in range(1, 8):
        total, rounds = read_until_dry({position})
        assert total <= 25
        assert len(rounds) == 2


def test_nothing_found_stops_after_thirty():
    assert read_until_dry(set())[0] == 30


def test_late_first_answer_is_followed_further_than_an_early_one():
    early, late = read_until_dry({5})[0] - 5, read_until_dry({17})[0] - 17
    assert late >= early + 10


def test_many_answers_are_read_on_for_longer_than_few():
    few, _ = read_until_dry({1, 2})
    many, _ = read_until_dry(set(range(1, 11)))
    assert few - 2 < many - 10


def test_answers_far_apart_are_found_where_there_are_several():
    assert read_until_dry({1, 2, 3, 5, 30, 50})[0] > 50


def test_reading_ends_soon_after_the_last_answer():
    for last in (1, 10, 40, 100):
        assert read_until_dry(set(range(1, last + 1)))[0] <= last + 46


def test_unjudged_papers_are_no_sign_that_reading_is_dry():
    assert papers_left(reads("ynn??????")) == papers_left(reads("ynn"))
    assert read_until_dry({1}, unjudged={5, 6, 7})[0] == read_until_dry({1})[0] + 3


def test_papers_that_answer_in_part_cost_less_papers_left():
    assert papers_left(reads("yn")) < papers_left(reads("yp")) < papers_left(reads("y"))


def test_an_erring_judge_does_not_keep_the_reading_going():
    draws = np.random.default_rng(0)
    for _ in range(50):
        history = [ReadPaper(YES)] * 10
        history += [ReadPaper(YES if draws.random() < 0.1 else NO, 0.1) for _ in range(60)]
        assert papers_left(history) <= 0


def test_a_low_relative_score_answer_never_makes_impatient():
    assert papers_left([ReadPaper(YES, -1.0)] * 5) <= papers_left([ReadPaper(YES, 1.0)] * 5)
    assert papers_left([*reads("ynn"), ReadPaper(YES, -1.0)]) >= papers_left(reads("ynnn"))


def test_first_round_is_read_whatever_comes():
    assert next_round([], 0) == ROUND


def test_a_round_after_answers_is_small_and_after_none_large():
    fruitful = reads("yyyyyyyyyy")
    assert next_round(fruitful, 10) == ROUND
    assert next_round(fruitful + reads("nnnnnnnnnn"), 10) == 2 * ROUND


@given(st.lists(st.tuples(st.sampled_from([YES, PARTLY, NO, None]), st.floats(-1, 1))))
def test_a_round_never_reads_beyond_papers_left(history):
    seen = [ReadPaper(relevance, stood) for relevance, stood in history]
    if seen:
        assert 0 <= next_round(seen, 1) <= max(0, math.ceil(papers_left(seen)))


@given(st.sets(st.integers(1, 200), max_size=60))
def test_reading_always_ends(answers):
    total, _ = read_until_dry(answers, limit=10_000)
    assert total <= 200 + 60
