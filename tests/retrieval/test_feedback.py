import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.retrieval.feedback import (
    NEW_TERMS,
    CorpusStatistics,
    JudgedPapers,
    rescore,
    rocchio,
)
from qa.retrieval.query import Query
from qa.retrieval.relevance import Relevance
from qa.retrieval.stopping import (
    FIRST_ROUND,
    ROUND,
    ROUND_AFTER_NO_ANSWER,
    ReadPaper,
    next_round,
    papers_left,
    relative_scores,
)

MEAN = np.zeros(4, np.float32)
BACKGROUND = CorpusStatistics(papers=100, mean=MEAN, frequency=defaultdict(lambda: 5).__getitem__)
YES, PARTLY, NO = Relevance.YES, Relevance.PARTLY, Relevance.NO

QUESTION = Query(np.array([1, 0, 0, 0], np.float32), {"backprop": 1.0})


def vectors(*rows):
    return np.array(rows, np.float32)


def judged(*relevances, counts=None):
    """The i-th paper read lies in direction i + 1 of the space and has one word of its own."""
    rows = np.eye(4, dtype=np.float32)[1 : len(relevances) + 1]
    return JudgedPapers(
        relevances, rows, counts or [{f"word{i}": 1} for i in range(len(relevances))]
    )


def having(**frequency):
    """A corpus of 100 papers, with the words in so many of them."""
    return replace(BACKGROUND, frequency=frequency.__getitem__)


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


# Learning


def test_vector_moves_toward_papers_that_qualify_and_away_from_those_that_do_not():
    moved = rocchio(QUESTION, judged(YES, NO), BACKGROUND).vector
    assert moved[1] > 0 > moved[2]
    assert moved[0] > 0


def test_moved_vector_has_length_one():
    assert np.linalg.norm(
        rocchio(QUESTION, judged(YES, PARTLY, NO), BACKGROUND).vector
    ) == pytest.approx(1)


def test_a_paper_that_answers_in_part_teaches_less_than_one_that_answers():
    moved = rocchio(QUESTION, judged(YES, PARTLY), BACKGROUND).vector
    assert moved[1] > moved[2] > 0


def test_what_all_papers_share_teaches_nothing():
    shared = np.array([0, 0, 0, 5], np.float32)
    papers = judged(YES, NO)
    plain = rocchio(QUESTION, papers, BACKGROUND)
    shifted = rocchio(
        QUESTION, replace(papers, vectors=papers.vectors + shared), replace(BACKGROUND, mean=shared)
    )
    assert shifted.vector == pytest.approx(plain.vector)


def test_terms_of_qualifying_papers_are_added_to_the_questions_own():
    terms = rocchio(QUESTION, judged(YES, NO), BACKGROUND).terms
    assert set(terms) == {"backprop", "word0"}


def test_terms_that_rejected_papers_share_lose_weight():
    papers = judged(YES, NO, counts=[{"forward": 1, "network": 1}, {"network": 1}])
    terms = rocchio(QUESTION, papers, BACKGROUND).terms
    assert terms["forward"] > terms.get("network", 0.0)


def test_the_number_of_new_terms_is_bounded():
    many = [{f"word{i}": 1 for i in range(500)}]
    terms = rocchio(QUESTION, judged(YES, counts=many), BACKGROUND).terms
    assert len(terms) == NEW_TERMS + 1


def test_rarer_words_weigh_more():
    papers = judged(YES, counts=[{"spiking": 1, "training": 1}])
    terms = rocchio(QUESTION, papers, having(spiking=3, training=15)).terms
    assert terms["spiking"] > terms["training"]


def test_words_of_a_single_paper_and_of_very_many_are_left_out():
    papers = judged(YES, counts=[{"typo": 1, "network": 4, "spiking": 1}])
    terms = rocchio(QUESTION, papers, having(typo=1, network=31, spiking=3)).terms
    assert set(terms) == {"backprop", "spiking"}


def test_the_rarest_words_are_found_among_many_frequent_ones():
    counts = {f"usual{i}": 2 for i in range(60)} | {"spiking": 1}
    frequency = dict.fromkeys(counts, 19) | {"spiking": 2}
    terms = rocchio(QUESTION, judged(YES, counts=[counts]), having(**frequency)).terms
    assert max(terms.keys() - {"backprop"}, key=terms.__getitem__) == "spiking"


def test_words_that_cannot_be_among_the_best_are_not_looked_up():
    asked = []
    counts = {f"telling{i:02}": 20 for i in range(NEW_TERMS)} | {f"other{i}": 1 for i in range(300)}
    background = replace(BACKGROUND, frequency=lambda term: asked.append(term) or 3)
    rocchio(QUESTION, judged(YES, counts=[counts]), background)
    assert len(asked) == NEW_TERMS


def test_without_a_qualifying_paper_the_terms_stay():
    assert rocchio(QUESTION, judged(NO, NO), BACKGROUND).terms == QUESTION.terms


def test_unjudged_papers_teach_nothing():
    learnt = rocchio(QUESTION, judged(YES, None), BACKGROUND)
    only = rocchio(QUESTION, judged(YES), BACKGROUND)
    assert learnt.vector == pytest.approx(only.vector)
    assert learnt.terms == only.terms


def test_nothing_judged_leaves_the_question_as_it_was():
    learnt = rocchio(QUESTION, judged(None, None), BACKGROUND)
    assert learnt.vector == pytest.approx(QUESTION.vector)
    assert learnt.terms == QUESTION.terms


def test_a_question_without_terms_gets_those_of_the_papers():
    assert set(rocchio(replace(QUESTION, terms={}), judged(YES), BACKGROUND).terms) == {"word0"}


def test_verdicts_of_the_judge_are_understood():
    said = [Relevance.YES, Relevance.PARTLY, Relevance.NO]
    told = rocchio(QUESTION, judged(*said), BACKGROUND)
    assert told.vector == pytest.approx(
        rocchio(QUESTION, judged(YES, PARTLY, NO), BACKGROUND).vector
    )


@given(
    st.lists(st.sampled_from([YES, PARTLY, NO, None]), max_size=3),
    st.lists(st.integers(0, 5), min_size=3, max_size=3),
)
def test_learning_is_the_same_every_time_and_never_breaks(relevances, words):
    papers = judged(*relevances, counts=[{f"w{n}": n + 1} for n in words[: len(relevances)]])
    first, second = rocchio(QUESTION, papers, BACKGROUND), rocchio(QUESTION, papers, BACKGROUND)
    assert np.array_equal(first.vector, second.vector)
    assert list(first.terms.items()) == list(second.terms.items())
    assert np.isfinite(first.vector).all()


# Scoring


def test_best_candidate_scores_one_and_none_is_negative():
    papers = [vectors([1, 0], [0, 1]), vectors([0, 1]), vectors([0.6, 0.8], [1, 0])]
    scores = rescore(np.array([1, 0], np.float32), papers, [0.0, 3.0, 1.0])
    assert scores.max() == 1
    assert scores.min() >= 0


def test_one_fitting_sentence_lifts_a_paper():
    without, with_ = vectors([0, 1], [0, 1]), vectors([0, 1], [1, 0])
    scores = rescore(np.array([1, 0], np.float32), [without, with_], [0.0, 0.0])
    assert scores[1] > scores[0]


def test_keywords_decide_between_equal_vectors():
    paper = vectors([0.6, 0.8])
    scores = rescore(np.array([1, 0], np.float32), [paper, paper], [0.0, 2.0])
    assert scores[1] > scores[0]


def test_no_candidates_and_equal_candidates_can_be_scored():
    question = np.array([1, 0], np.float32)
    assert rescore(question, [], []).shape == (0,)
    assert rescore(question, [vectors([1, 0])] * 2, [0.0, 0.0]).tolist() == [0.0, 0.0]


def test_relative_score_does_not_depend_on_far_candidates():
    near = np.array([1.0, 0.8, 0.5, 0.4, 0.2])
    assert relative_scores(near * 3 + 7) == pytest.approx(relative_scores(near))
    assert relative_scores(near)[0] == 1
    assert relative_scores(near)[2] == 0
    assert relative_scores(np.zeros(0)).shape == (0,)


# Stopping


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
    assert next_round([], 0) == FIRST_ROUND


def test_a_round_after_answers_is_small_and_after_none_large():
    fruitful = reads("yyyyyyyyyy")
    assert next_round(fruitful, 10) == ROUND
    assert next_round(fruitful + reads("nnnnnnnnnn"), 10) == ROUND_AFTER_NO_ANSWER


@given(st.lists(st.tuples(st.sampled_from([YES, PARTLY, NO, None]), st.floats(-1, 1))))
def test_a_round_never_reads_beyond_papers_left(history):
    seen = [ReadPaper(relevance, stood) for relevance, stood in history]
    if seen:
        assert 0 <= next_round(seen, 1) <= max(0, math.ceil(papers_left(seen)))


@given(st.sets(st.integers(1, 200), max_size=60))
def test_reading_always_ends(answers):
    total, _ = read_until_dry(answers, limit=10_000)
    assert total <= 200 + 60
