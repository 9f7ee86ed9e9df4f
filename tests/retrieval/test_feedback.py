import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.index.word_matrix import WordMatrix
from qa.retrieval.feedback import Feedback, Pool, train
from qa.retrieval.relevance import Relevance, Verdict

YES, PARTLY, NO = Relevance.YES, Relevance.PARTLY, Relevance.NO
TEXTS = [
    "sourdough bread rises with wild yeast",
    "bread baked with wild yeast",
    "wild yeast in bread dough",
    "tulip bulbs sold in the old market",
    "the tulip market of the old town",
    "market prices of tulip bulbs",
]


def feedback(texts=TEXTS, question="bread", asked=None):
    """Feedback over texts whose vectors tell nothing."""
    words = WordMatrix(texts)
    ids = [f"p{number}" for number in range(len(texts))]
    scores = np.zeros(len(texts)) if asked is None else np.asarray(asked, dtype=float)
    vectors = np.zeros((len(texts), 2), np.float32)
    question_vector = np.zeros(2, np.float32)
    return Feedback(Pool(ids, words, vectors, scores, words.text_row(question), question_vector))


def verdicts(**given_):
    return [Verdict(paper, relevance) for paper, relevance in given_.items()]


def test_unread_papers_like_those_that_qualify_come_before_those_like_the_others():
    scores = feedback().learn(verdicts(p0=YES, p3=NO)).scores
    assert min(scores[1], scores[2]) > max(scores[4], scores[5])


def test_the_question_is_an_example_where_nothing_qualifies():
    scores = feedback().learn(verdicts(p3=NO)).scores
    assert scores[1] > scores[5]


def test_the_ranking_for_the_question_as_asked_counts_less_the_more_papers_qualify():
    many = [*TEXTS, *(f"bread with yeast number {n}" for n in range(40))]
    asked = [0.0] * 5 + [9.0] + [0.0] * 40
    few = feedback(many, asked=asked).learn(verdicts(p0=YES)).scores
    told = {f"p{n}": YES for n in range(6, 46)}
    more = feedback(many, asked=asked).learn(verdicts(p0=YES, **told)).scores
    assert few.argmax() == 5
    assert more.argmax() != 5


def test_a_paper_that_answers_in_part_teaches_less_than_one_that_answers():
    fully = feedback(question="").learn(verdicts(p0=YES, p3=NO)).held_out
    partly = feedback(question="").learn(verdicts(p0=PARTLY, p1=YES, p3=NO))
    assert set(fully) == {"p0", "p3"}
    assert set(partly.held_out) == {"p0", "p1", "p3"}
    swapped = feedback(question="").learn(verdicts(p0=YES, p1=PARTLY, p3=NO))
    assert swapped.scores[0] > partly.scores[0]


def test_papers_without_a_usable_verdict_and_unknown_papers_teach_nothing():
    known = feedback().learn(verdicts(p0=YES, p3=NO)).scores
    more = feedback().learn(verdicts(p0=YES, p1=None, p3=NO, stranger=YES)).scores
    assert more == pytest.approx(known)


def test_learning_again_with_more_verdicts_is_the_same_as_learning_them_at_once():
    step_by_step = feedback()
    step_by_step.learn(verdicts(p3=NO))
    later = step_by_step.learn(verdicts(p3=NO, p0=YES, p4=NO))
    assert later.scores == pytest.approx(feedback().learn(verdicts(p3=NO, p0=YES, p4=NO)).scores)


def test_a_held_out_score_does_not_know_the_papers_own_verdict():
    as_yes = feedback().learn(verdicts(p0=YES, p2=YES, p3=NO, p4=NO, p1=YES))
    apart = feedback().learn(verdicts(p0=YES, p2=YES, p3=NO, p4=NO))
    assert as_yes.held_out["p1"] < as_yes.scores[1]
    assert apart.held_out["p3"] > apart.scores[3]


def test_words_that_tell_are_shown_with_the_question():
    terms = feedback().learn(verdicts(p0=YES, p3=NO)).moved.terms
    assert {"bread", "wild", "yeast"} <= set(terms)
    assert "tulip" not in terms


def test_scores_without_an_example_are_those_of_training_without_it():
    draws = np.random.default_rng(1)
    rows = draws.normal(size=(12, 4))
    targets = np.where(rows[:, 0] > 0, 1.0, -1.0)
    products, costs = rows @ rows.T, np.full(12, 0.05)
    _, held_out = train(products, targets, costs)
    rest = np.arange(1, 12)
    weights, _ = train(products[np.ix_(rest, rest)], targets[rest], costs[rest])
    assert held_out[0] == pytest.approx(float(products[0, rest] @ weights), abs=0.05)


@given(st.lists(st.sampled_from([YES, PARTLY, NO, None]), min_size=1, max_size=6))
def test_learning_is_the_same_every_time_and_never_breaks(relevances):
    read = [Verdict(f"p{n}", relevance) for n, relevance in enumerate(relevances)]
    first, second = feedback().learn(read), feedback().learn(read)
    assert np.array_equal(first.scores, second.scores)
    assert np.isfinite(first.scores).all()
    assert all(np.isfinite(score) for score in first.held_out.values())
