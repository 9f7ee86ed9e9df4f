import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.retrieval import scoring

MEAN = np.zeros(4, np.float32)
SCORES = st.lists(st.floats(-1, 2), max_size=40).map(np.array)


def unit(*numbers):
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


X, Y, Z, W = np.eye(4, dtype=np.float32)


def paper(*rows):
    return np.stack(rows)


def test_similarity_mixes_the_abstract_and_its_best_sentence():
    assert scoring.similarity(X, [paper(Y, X, Z)]) == pytest.approx([scoring.SENTENCE])
    assert scoring.similarity(X, [paper(X, Y)]) == pytest.approx([1.0])


def test_a_paper_without_sentences_is_scored_by_its_abstract():
    assert scoring.similarity(X, [paper(X), paper(Y, Y)]).tolist() == [1.0, 0.0]


def test_no_candidates_have_no_scores():
    assert scoring.fused_scores(X, [], [], MEAN, scoring.KEYWORDS).size == 0
    assert scoring.count_listed(np.zeros(0)) == scoring.count_likely(np.zeros(0)) == 0
    assert scoring.share_of_best(np.zeros(0), scoring.CLOSE, scoring.FEW) == 0


def test_words_decide_between_papers_alike_by_vectors():
    scores = scoring.fused_scores(X, [paper(X), paper(X)], [0.0, 7.0], MEAN, scoring.KEYWORDS)
    assert scores[1] - scores[0] == pytest.approx(scoring.KEYWORDS)


def test_words_count_less_the_more_of_a_set_is_sought():
    papers, words = [paper(X), paper(Y)], [0.0, 1.0]
    shares = [scoring.KEYWORDS, scoring.KEYWORDS_BESIDE_WORDS, scoring.KEYWORDS_MOVED]
    scores = [scoring.fused_scores(X, papers, words, MEAN, share)[1] for share in shares]
    assert np.all(np.diff(scores) < 0)


def test_without_any_word_found_the_vectors_decide():
    scores = scoring.fused_scores(X, [paper(Y), paper(X)], [0.0, 0.0], MEAN, scoring.KEYWORDS)
    assert scoring.best_first(scores) == [1, 0]


def test_a_paper_like_any_other_scores_zero():
    scores = scoring.fused_scores(X, [paper(unit(1, 1, 0, 0))], [0.0], unit(1, 1, 0, 0), 0.45)
    assert scores == pytest.approx([0.0])


def test_feedback_finds_what_the_best_papers_have_in_common():
    # The question lies along X; the papers nearest to it are all of topic Y too.
    papers = [paper(unit(3, 2, 0, 0)), paper(unit(3, 2, 0, 1)), paper(unit(3, 2, 0, -1))]
    like, unlike = paper(unit(1, 5, 0, 0)), paper(unit(1, 0, 5, 0))
    candidates = [*papers, unlike, like]
    scores = scoring.fused_scores(X, candidates, [0.0] * 5, MEAN, scoring.KEYWORDS)
    assert scores[4] == pytest.approx(scores[3])
    vector = scoring.move_toward_best(X, scores, candidates, MEAN, 1.0, 3)
    after = scoring.fused_scores(vector, candidates, [0.0] * 5, MEAN, scoring.KEYWORDS_MOVED)
    assert after[4] > after[3]


def test_feedback_ignores_what_all_papers_of_the_corpus_share():
    papers = [paper(unit(1, 3, 0, 0))] * 3
    mean = papers[0][0] - 0.1 * X  # they differ from the mean along X only
    vector = scoring.move_toward_best(X, np.ones(3), papers, mean, 1.0, 3)
    assert vector == pytest.approx(X, abs=1e-6)


def test_papers_without_merit_do_not_move_the_question():
    moved = scoring.move_toward_best(X, np.zeros(2), [paper(Y), paper(Z)], MEAN, 1.0, 2)
    assert moved.tolist() == X.tolist()


def test_more_papers_are_trusted_where_more_are_alike():
    alone = np.array([1.0, *[0.2] * 20])
    level = np.array([*[1.0] * 20, 0.2])
    counts = [scoring.count_assumed_relevant(scores) for scores in (alone, level)]
    assert counts == [scoring.FEWEST, scoring.MOST]


def test_the_question_moves_toward_as_many_papers_as_are_named():
    papers = [paper(row) for row in np.eye(32, dtype=np.float32)[:20]]
    question, mean = np.eye(32, dtype=np.float32)[31], np.zeros(32, np.float32)
    moved = scoring.move_toward_best(question, np.ones(20), papers, mean, 1.0, 7)
    assert int((moved[:20] > 0).sum()) == 7


@given(SCORES)
def test_best_first_orders_all_and_keeps_ties_as_they_stand(scores):
    order = scoring.best_first(scores)
    assert sorted(order) == list(range(len(scores)))
    assert order == sorted(order, key=lambda i: (-scores[i], i))


@given(SCORES)
def test_the_best_paper_is_listed_if_it_has_any_merit(scores):
    top = scores.max(initial=0.0)
    assert (scoring.count_listed(scores) > 0) == (top > 0)
    assert 0 <= scoring.count_likely(scores) <= len(scores)


def test_the_list_ends_where_scores_fall_off():
    scores = np.array([0.8, 0.78, 0.75, 0.74, 0.7, 0.66, 0.3, 0.28])
    assert scoring.count_listed(scores) == 6


def test_the_list_does_not_depend_on_the_order_of_the_candidates():
    scores = np.array([0.3, 0.8, 0.7, 0.75, 0.2, 0.74, 0.66])
    assert scoring.count_listed(scores) == scoring.count_listed(np.sort(scores)) == 5


def test_a_corpus_far_from_the_question_does_not_answer_it():
    assert scoring.is_answerable(scoring.ANSWERABLE)
    assert not scoring.is_answerable(scoring.ANSWERABLE - 0.01)
    assert not scoring.is_answerable(scoring.ANSWERABLE, missing=True)
    assert scoring.is_answerable(scoring.ANSWERABLE_WITHOUT_WORD, missing=True)


def test_a_fact_lists_what_comes_close_to_the_best_and_few_papers():
    clear = np.array([1.0, 0.6, 0.5])
    assert scoring.share_of_best(clear, scoring.CLOSE, scoring.FEW) == 1
    assert scoring.share_of_best(np.ones(9), scoring.CLOSE, scoring.FEW) == scoring.FEW


def bits(*vectors):
    return np.packbits(np.stack(vectors) > 0, axis=1)


def word_scores(words, rarities, papers):
    return scoring.weighted_mean(scoring.word_cosines(words, papers), rarities)


def directions(count):
    return np.random.default_rng(0).normal(size=(count, 384)).astype(np.float32)


def test_a_paper_that_has_a_word_like_the_questions_is_ahead():
    word, like, other, another = directions(4)
    like = word + 0.5 * like
    papers = [bits(other, another), bits(other, like, another)]
    scores = word_scores(unit(*word)[None], [1.0], papers)
    assert scores[1] > scores[0]


def test_rare_words_of_the_question_count_more():
    common, rare, *others = directions(4)
    papers = [bits(common, *others), bits(rare, *others)]
    question = np.stack([unit(*common), unit(*rare)])
    assert np.argmax(word_scores(question, [1.0, 5.0], papers)) == 1
    assert np.argmax(word_scores(question, [5.0, 1.0], papers)) == 0


def test_signs_tell_a_cosine_within_some_hundredths():
    word, other = directions(2)
    for share in (0.0, 0.5, 1.0, 2.0):
        mixed = word + share * other
        cosine = float(unit(*word) @ unit(*mixed))
        scores = word_scores(unit(*word)[None], [1.0], [bits(mixed), bits(-mixed)])
        assert (scores[0] - scores[1]) / 2 == pytest.approx(cosine, abs=0.1)


def test_papers_without_words_score_as_the_lowest():
    word, other = directions(2)
    none = np.empty((0, 48), np.uint8)
    papers = [none, bits(word), none, bits(other), none]
    scores = word_scores(unit(*word)[None], [1.0], papers)
    assert scores[0] == scores[2] == scores[3] == scores[4] < scores[1]
    assert word_scores(unit(*word)[None], [1.0], [none, none]).tolist() == [0.0, 0.0]
    assert word_scores(unit(*word)[None], [1.0], []).size == 0


def test_words_of_no_rarity_change_nothing():
    word, other = directions(2)
    scores = word_scores(unit(*word)[None], [0.0], [bits(word), bits(other)])
    assert scores.tolist() == [0.0, 0.0]


def test_nearness_of_words_decides_between_papers_alike_otherwise():
    words = np.array([-0.1, 0.1])
    scores = (
        scoring.fused_scores(X, [paper(X), paper(X)], [1.0, 1.0], MEAN, scoring.KEYWORDS)
        + scoring.WORDS * words
    )
    assert scores[1] > scores[0]
