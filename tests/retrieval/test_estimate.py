import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.retrieval.estimate import (
    FLOORS,
    Calibration,
    Figures,
    estimate,
    missing_distribution,
)

SEEN = Figures(
    promised=1.0,
    unread=400,
    read=100,
    found=20,
    low=0,
    lowest=0,
    barren=30,
    last=20,
    floors=np.zeros(len(FLOORS)),
)


def reading(answers, candidates, unread=-1.0):
    """A reading whose answers have high held-out scores; unread papers all have one score."""
    held_out = [2.0 if yes else -1.0 - 0.01 * place for place, yes in enumerate(answers)]
    return estimate(
        answers, held_out, np.full(candidates - len(answers), unread), candidates=candidates
    )


def test_where_every_paper_was_read_nothing_is_left():
    left = reading([True, False, True], 3)
    assert (left.relevant, left.low, left.high, left.recall) == (2.0, 2, 2, 1.0)


def test_a_long_run_without_an_answer_leaves_less_than_a_short_one():
    short, long = reading([True] * 10 + [False] * 10, 500), reading([True] * 10 + [False] * 60, 500)
    assert long.high < short.high
    assert long.recall > short.recall


def test_answers_up_to_the_end_leave_many():
    assert reading([True] * 50, 500).high > 60


def test_unread_papers_that_score_like_answers_are_expected_to_answer():
    answers = [True] * 10 + [False] * 40
    assert reading(answers, 300, unread=2.0).relevant > reading(answers, 300).relevant


def test_a_judge_that_says_yes_among_the_worst_says_so_among_the_unread():
    answers = ([True] * 10 + [False] * 40) + [True, False, False, False] * 5
    held_out = [2.0] * 10 + [0.0] * 40 + [-1.0] * 20
    at_random = estimate(answers, held_out, np.full(400, -1.0), candidates=470)
    sure = estimate(
        answers, [2.0 if yes else -1.0 for yes in answers], np.full(400, -1.0), candidates=470
    )
    assert at_random.high > sure.high
    assert at_random.recall < sure.recall


def test_nothing_found_may_still_leave_something():
    left = reading([False] * 30, 500)
    assert left.low == 0
    assert left.high >= 1
    assert 0 < left.recall < 1


@given(
    st.lists(st.booleans(), min_size=1, max_size=60),
    st.integers(0, 300),
    st.floats(-3, 3),
)
def test_an_estimate_is_always_possible(answers, unread, score):
    left = reading(answers, len(answers) + unread, score)
    found = sum(answers)
    assert found <= left.low <= left.high <= found + unread
    assert found <= left.relevant <= found + unread
    assert 0 <= left.recall <= 1


def test_the_probabilities_add_up_to_one_for_huge_corpora_too():
    figures = Figures(
        promised=50.0,
        unread=100_000,
        read=400,
        found=300,
        low=60,
        lowest=20,
        barren=0,
        last=90,
        floors=np.linspace(-40, 0, len(FLOORS)),
    )
    for seen in (SEEN, figures):
        missing = missing_distribution(seen)
        assert len(missing) == seen.unread + 1
        assert missing.sum() == pytest.approx(1)


def test_calibration_gives_high_scores_high_probabilities():
    scores = np.linspace(-1, 1, 40)
    fitted = Calibration.fitted(scores, (scores > 0.2).astype(float), 0.0)
    chances = fitted.probabilities(np.array([-1.0, 0.2, 1.0]))
    assert chances[0] < 0.1 < chances[1] < 0.9 < chances[2]


def test_a_floor_fits_verdicts_that_are_yes_at_any_score_better():
    scores = np.linspace(-2, 2, 100)
    clean = (scores > 1).astype(float)
    erring = clean.copy()
    erring[[3, 17, 31, 44]] = 1.0

    def gain(yes):
        with_floor, without = (Calibration.fitted(scores, yes, floor) for floor in (0.05, 0.0))
        return with_floor.evidence - without.evidence

    assert gain(erring) > 2
    assert gain(clean) < 0


@pytest.mark.parametrize("yes", [np.zeros(30), np.ones(30)])
def test_verdicts_of_one_kind_can_be_calibrated(yes):
    fitted = Calibration.fitted(np.zeros(30), yes, 0.02)
    assert 0.02 <= fitted.probabilities(np.array([5.0]))[0] <= 1
