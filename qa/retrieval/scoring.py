"""Scores: how well papers match a question, and how many to list where nobody judges.

A candidate's score adds up two kinds of search: vectors (the abstract's and its best sentence's)
and keywords (BM25). For a judge, the best candidates are also compared word by word, by vectors of
single words. The list for an answer without a judge uses pseudo-relevance feedback: the best few
papers are taken as relevant, the question's vector moves toward them, and all candidates are
scored again.

The constants were chosen together on labelled questions over 558 abstracts (26 "which papers", 29
that one to three papers answer, 20 that none answers) and on the 809 training claims of SciFact
over 5,183 abstracts. Near the chosen values results change little.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qa.index.embedding.base import FloatArray
from qa.index.embedding_cache import Bits

Scores = NDArray[np.float64]

CANDIDATES = 300  # papers from each of the two searches

SENTENCE = 0.6  # weight of the best sentence's cosine; the abstract's has the rest

# What the best keyword match adds to a cosine. A question that one paper answers needs much of it,
# a question that many answer needs little: papers on one subject use different words.
KEYWORDS = 0.45  # in the ranking for a judge or reader; 0.25 costs claims 0.006 nDCG
KEYWORDS_MOVED = 0.1  # once the question's vector has moved for a set; 0 to 0.1 give the same
KEYWORDS_BESIDE_WORDS = 0.35  # beside WORDS; 0.25 to 0.45 give the same

WORDS = 1.5  # weight of the word-by-word comparison, as a cosine; 1 to 2.5 give the same
WORDED = 100  # best candidates whose words are compared

# Pseudo-relevance feedback: the best papers are taken as relevant, and the question moves.
ASSUMED_RELEVANT = 0.85  # share of the best score from which a paper is taken as relevant
FEWEST, MOST = 3, 6  # papers taken as relevant in the ranking for a judge or reader
FIRST_STEP = 0.5  # the vector's move there, its own length being 1; 0.15 to 1 give the same
POWER = 3  # exponent of their scores, as weights in their mean; 1 to 8 give the same
# For a set of papers it moves further, and several times: what one paper answers would be lost.
SET_ASSUMED = 10  # papers; 8 to 15 give the same
SET_STEP = 1.5  # 1 to 2 give the same
SET_ROUNDS = (
    3  # with one, the mean average precision of 46 questions is 0.04 lower; with 5 the same
)

# What is listed where nobody judges. For a set, all that stands out from the middle candidate,
# which on a large corpus of one field is near to the best. Chosen on 58 questions for sets on seven
# corpora; 0.55 gives 0.01 less F1, 0.65 gives 0.01 to 0.02 less.
POSSIBLE = 0.6  # share of the way from the middle candidate's score to that of the LEADERS
MOST_BACKGROUND = 0.4  # of their score: the most that the middle candidate counts, where few are
LEADERS = 5  # papers
LIKELY = 0.8  # share of the best score
# For a fact or an explanation, what comes close to the best paper, and no more than so many.
CLOSE, LIKELY_CLOSE = 0.75, 0.9  # shares of the best score
FEW, SOME = 3, 5  # papers: for a fact, for an explanation

# The least similarity (of the best paper) with which a question is on the corpus's subject. With
# MiniLM it was 0.32 or more for 55 questions that the corpus answers, 0.30 or more for claims on
# their own corpus, and 0.27 or less for 10 questions of other fields. 8 of 56 questions made to
# share words with the corpus ("How do I prune roses?") pass nevertheless.
ANSWERABLE = 0.3

# The same where no paper has a telling word of the question: it may be called otherwise.
# It was 0.48 or less for the four questions of 12 that nothing answers and that have such a word,
# 0.55 or more for 4 of 6 claims of SciFact.
ANSWERABLE_WITHOUT_WORD = 0.5

# A word that no abstract has, and that comes no nearer to any word of the best papers, is missing:
# so it was for 7 of 16 questions that nothing answers and for none of 52 others. Words that only
# say it otherwise ("thinner" for "low-rank": 0.46) come nearer.
FOREIGN = 0.45

# What having all exact words of the question adds to a score: more than the rest can where the
# question hangs on them. Beside other words, 0.5 costs claims 0.010 nDCG and 0.3 costs 0.002; with
# 0.2 up to 8 % fewer of the papers with a rare name are on top than with 0.3.
EXACT, EXACT_BESIDE = 0.5, 0.3

# The same for papers picked by an earlier question: the share of the question's words that one of
# them must have. It was 0.31 or more for 18 questions that some of them answer, and at most 0.13
# for 4 that none answers, but 0.34 for a fifth such question.
PICKED_ANSWER = 0.25

SIGN_COSINE = math.sqrt(math.pi / 2)  # cosine / mean product with signs, for normal components


def similarity(vector: FloatArray, papers: Sequence[FloatArray]) -> Scores:
    """Return papers' vector scores (n,): the weighted cosines of best sentence and abstract.

    `vector` is (d,), `papers` are (1 + sentences, d) each with the abstract as row 0; all rows have
    length 1.
    """
    if not papers:
        return np.zeros(0)
    # Paper by paper: putting all rows into one array first takes ten times as long.
    cosines = np.concatenate([rows @ vector for rows in papers]).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for rows in papers[:-1])])
    # The abstract is among the rows: a paper without a sentence of its own still has a best row.
    best = np.maximum.reduceat(cosines, starts)
    return np.asarray(SENTENCE * best + (1 - SENTENCE) * cosines[starts], dtype=np.float64)


def fused_scores(
    vector: FloatArray,
    papers: Sequence[FloatArray],
    keyword: Sequence[float],
    mean: FloatArray,
    share: float,
) -> Scores:
    """Return how well papers match a question (n,): vector and keyword scores added up.

    `vector` (d,) is the question's, `papers` are as in `similarity`, `keyword` (n,) their BM25
    scores, `mean` (d,) the corpus's mean vector. The best keyword score counts `share`, the others
    in proportion. The question's cosine with the mean vector is taken off, for any paper has it:
    0 is the score of a paper like any other.
    """
    words = np.asarray(keyword, dtype=np.float64)
    background = float(vector @ mean)
    above = (similarity(vector, papers) - background) / max(1.0 - background, 1e-6)
    return np.asarray(above + share * words / (words.max(initial=0.0) or 1.0), dtype=np.float64)


def word_cosines(words: FloatArray, papers: Sequence[Bits]) -> Scores:
    """Return how near each of the question's words comes to a word of each paper, (n, w).

    `words` (w, d) are the vectors of the question's words, each of length 1. `papers` are
    (words, d / 8) each: the signs of the words' vectors as bits, from which a cosine follows within
    some hundredths. It is the nearest word that counts, as in ColBERT's late interaction (Khattab
    and Zaharia, 2020), with vectors that were not trained for it. A paper without words gets the
    lowest cosines.
    """
    cosines = np.full((len(papers), len(words)), np.nan)
    # Paper by paper, as in `similarity`.
    for place, bits in enumerate(papers):
        if len(bits):
            ones = np.unpackbits(bits, axis=1, count=words.shape[1]).astype(np.float32)
            # A sign is twice the bit less one.
            cosines[place] = 2 * (ones @ words.T).max(axis=0) - words.sum(axis=1)
    cosines *= SIGN_COSINE / math.sqrt(words.shape[1])
    known = cosines[~np.isnan(cosines).any(axis=1)]
    lowest = known.min(axis=0) if len(known) else np.zeros(len(words))
    return np.where(np.isnan(cosines), lowest, cosines)


def weighted_mean(cosines: Scores, rarities: Sequence[float]) -> Scores:
    """Return the mean (n,) of words' cosines (n, w), weighted by how rare the words are."""
    return np.asarray(cosines @ (np.asarray(rarities) / (sum(rarities) or 1.0)), dtype=np.float64)


def move_toward_best(  # noqa: PLR0913, PLR0917 - one for each part of the formula
    vector: FloatArray,
    scores: Scores,
    papers: Sequence[FloatArray],
    mean: FloatArray,
    step: float,
    count: int,
) -> FloatArray:
    """Return the question's vector (d,) moved by a step toward the `count` best papers.

    This is Rocchio's formula (1971) on vectors centred on the corpus's mean (d,): seen from there
    papers differ by topic, while seen from zero they are all alike.
    """
    best = np.argsort(-scores, kind="stable")[:count]
    weights = np.maximum(scores[best], 0.0) ** POWER
    if not weights.any():
        return vector
    toward = weights @ (np.stack([papers[i][0] for i in best]) - mean)
    return unit(vector + step * unit(toward)).astype(np.float32)


def share_of_best(scores: Scores, share: float, most: int) -> int:
    """Return how many papers reach a share of the best score, at most so many."""
    return min(_count(scores, share * float(scores.max(initial=0.0))), most)


def count_assumed_relevant(scores: Scores) -> int:
    """Return how many papers to take as relevant: those near the best, but FEWEST to MOST."""
    near = int((scores >= ASSUMED_RELEVANT * scores.max(initial=0.0)).sum())
    return min(max(near, FEWEST), MOST)


def best_first(scores: Scores) -> list[int]:
    """Return the indexes of the scores, the highest first, equal ones in their order."""
    return [int(i) for i in np.argsort(-scores, kind="stable")]


def count_listed(scores: Scores) -> int:
    """Return how many papers to list for a set, where nobody judges (scores (n,))."""
    if not len(scores):
        return 0
    leaders = float(np.sort(scores)[-LEADERS:].mean())
    background = min(float(np.median(scores)), MOST_BACKGROUND * leaders)
    return _count(scores, background + POSSIBLE * (leaders - background))


def count_likely(scores: Scores) -> int:
    """Return how many papers are likely answers: those near the best score."""
    return _count(scores, LIKELY * float(scores.max(initial=0.0)))


def _count(scores: Scores, least: float) -> int:
    return int(((scores >= least) & (scores > 0)).sum())


def is_answerable(similar: float, *, missing: bool = False) -> bool:
    """Tell whether the corpus has anything on the question's subject.

    `similar` is the best paper's `similarity` to the question as it was asked; `missing` tells
    whether no paper has one of its telling words. Near the corpus's
    subjects a question that it does not answer scores as high as one that it answers.
    """
    return similar >= (ANSWERABLE_WITHOUT_WORD if missing else ANSWERABLE)


def rarity(having: int, papers: int) -> float:
    """Return the weight of a word that `having` of the papers have: Lucene's idf."""
    return math.log1p((papers - having + 0.5) / (having + 0.5))


def unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the vector with length 1; a vector of zeros stays as it is."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else vector
