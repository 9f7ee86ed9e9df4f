"""Ranking without a judge: how well papers match a question, which to list, when to list none.

A candidate's score joins what two kinds of search found: vectors (the abstract's and its best
sentence's) and words (BM25). For a reader or judge the best candidates are also compared word by
word, by vectors of single words. The list for an answer comes from blind feedback: the best few
papers are taken for true, the question moves toward them, and all candidates are scored again.

The constants were chosen together on labelled questions over 558 abstracts (26 "which papers", 29
that one to three papers answer, 20 that none does) and on the 809 training claims of SciFact over
5,183 abstracts; near the chosen values results change little.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Scores = NDArray[np.float64]
Bits = NDArray[np.uint8]

CANDIDATES = 300  # papers from each of the two searches

SENTENCE = 0.6  # share of the best sentence in the score by vectors, the rest is the abstract's

# What the best keyword match adds to a cosine. Single answers are found best with much, whole sets
# with little: words tell which paper is meant, but papers on one subject use different ones.
KEYWORDS = 0.45  # in the ranking for a reader or judge; 0.25 costs claims 0.006 nDCG
KEYWORDS_TRUSTED = 0.25  # to choose the papers that are taken for true; 0.35 costs sets 0.03 MAP
KEYWORDS_MOVED = 0.15  # once the question has moved; 0.1 to 0.2 are alike

# What the nearest words to those of the question add, as a cosine; 1 to 2.5 are alike. They tell
# which paper is meant as keywords do, so these count less beside them.
WORDS = 1.5
KEYWORDS_BESIDE = 0.35  # 0.25 to 0.45 are alike
WORDED = 100  # candidates whose words are compared

FIRST_STEP = 0.5  # see STEP, in the ranking for a reader or judge; 0.15 to 1 are alike for claims
TRUSTED = 0.85  # share of the best score with which a paper is taken for true; 0.8 is alike
FEWEST, MOST = 3, 6  # papers taken for true; 10 lose what only one paper answers
STEP = 1.0  # of the question's vector toward them, its own length being 1; 0.5 to 2 are alike
POWER = 3  # of their scores, as weights in their mean; 1 to 8 are alike

LISTED = 0.6  # share of the mean of the best five scores that lists a paper; F1 is flat to 0.675
LEADERS = 5  # a share of the best score alone is 0.01 worse
SURE = 0.7  # share of the best score with which a paper is as good as certain

# With MiniLM the best score by vectors was 0.32 and more for 55 questions that the corpus answers,
# 0.30 and more for claims on their own corpus, and 0.27 and less for 10 questions of other fields;
# 8 of 56 made to share words with the corpus ("How do I prune roses?") pass nevertheless.
ANSWERABLE = 0.3

# Share of a question's words that one of the papers must have where these were picked by an earlier
# question. It was 0.31 and more for 18 questions that some of them answer, and at most 0.13 for 4
# that none does; 0.34 for one more of those.
PICKED_ANSWER = 0.25

# A vector's cosine with another by the mean product with its signs, were its numbers normal.
SIGN_COSINE = math.sqrt(math.pi / 2)

WORDS_PROVE = 0.25  # what all of the question's words add to a sentence's cosine
FIGURE_PROVES = 0.15  # what a figure adds where one is asked for
OWN_PROVES = 0.05  # what it adds where none is, that the authors speak of their own work
BACKGROUND = 0.1  # what the first sentence loses, which mostly tells what others have done


def similarity(vector: FloatArray, papers: Sequence[FloatArray]) -> Scores:
    """Return the papers' scores by vectors (n,): of two cosines, their sentence's and abstract's.

    `papers` are (1 + sentences, d) each with the abstract as row 0; all rows have length 1.
    """
    if not papers:
        return np.zeros(0)
    # Paper by paper: putting all rows into one array first takes ten times as long.
    cosines = np.concatenate([rows @ vector for rows in papers]).astype(np.float64)
    starts = np.cumsum([0, *(len(rows) for rows in papers[:-1])])
    # The abstract is among the rows: a paper without a sentence of its own still has a best row.
    best = np.maximum.reduceat(cosines, starts)
    return np.asarray(SENTENCE * best + (1 - SENTENCE) * cosines[starts], dtype=np.float64)


def _fused(
    vector: FloatArray,
    papers: Sequence[FloatArray],
    keyword: Sequence[float],
    mean: FloatArray,
    share: float,
) -> Scores:
    """Return scores by vectors and by words (n,) as one; the best of the latter count `share`.

    The cosine with the corpus's mean vector is what any paper has: 0 is a paper like any other.
    """
    words = np.asarray(keyword, dtype=np.float64)
    background = float(vector @ mean)
    above = (similarity(vector, papers) - background) / max(1.0 - background, 1e-6)
    return np.asarray(above + share * words / (words.max(initial=0.0) or 1.0), dtype=np.float64)


def first_scores(
    vector: FloatArray,
    papers: Sequence[FloatArray],
    keyword: Sequence[float],
    mean: FloatArray,
    words: Scores | None = None,
) -> Scores:
    """Return how well the papers match the question (n,); `words` are their `word_scores`."""
    if words is None:
        return _fused(vector, papers, keyword, mean, KEYWORDS)
    return _fused(vector, papers, keyword, mean, KEYWORDS_BESIDE) + WORDS * words


def word_scores(words: FloatArray, rarities: Sequence[float], papers: Sequence[Bits]) -> Scores:
    """Return how near the papers' words come to those of the question (n,); their mean is 0.

    Each word of the question, of the (w, d) with length 1, counts with the nearest word of the
    paper, both as they are meant where they stand, and by its rarity: ColBERT's "late interaction"
    (2020) with vectors that were not trained for it. `papers` are (words, d / 8) each, the signs
    of vectors as bits, from which a cosine can be told within some hundredths. A paper without
    words scores as the lowest.
    """
    having = [place for place, bits in enumerate(papers) if len(bits)]
    if not having:
        return np.zeros(len(papers))
    # Paper by paper, as in `similarity`.
    ones = (np.unpackbits(papers[p], axis=1, count=words.shape[1]) for p in having)
    nearest = np.stack([(rows.astype(np.float32) @ words.T).max(axis=0) for rows in ones])
    # A sign is twice the bit less one.
    cosines = SIGN_COSINE / math.sqrt(words.shape[1]) * (2 * nearest - words.sum(axis=1))
    shares = np.asarray(rarities, dtype=np.float64) / (sum(rarities) or 1.0)
    found = cosines @ shares
    scores = np.full(len(papers), found.min())
    scores[having] = found
    return np.asarray(scores - scores.mean(), dtype=np.float64)


def trusted_scores(
    vector: FloatArray, papers: Sequence[FloatArray], keyword: Sequence[float], mean: FloatArray
) -> Scores:
    """Return the same as `first_scores`, for choosing papers to move the question toward (n,)."""
    return _fused(vector, papers, keyword, mean, KEYWORDS_TRUSTED)


def move_toward_best(
    vector: FloatArray,
    scores: Scores,
    papers: Sequence[FloatArray],
    mean: FloatArray,
    step: float = STEP,
) -> FloatArray:
    """Return the question's vector moved by a step toward the papers with the best scores.

    This is Rocchio's formula (1971) on the papers' distances from the corpus's mean (d,): seen
    from there they differ by topic, while seen from zero they are all alike.
    """
    best = np.argsort(-scores, kind="stable")[: count_trusted(scores)]
    weights = np.maximum(scores[best], 0.0) ** POWER
    if not weights.any():
        return vector
    toward = weights @ (np.stack([papers[i][0] for i in best]) - mean)
    return _unit(vector + step * _unit(toward)).astype(np.float32)


def count_trusted(scores: Scores) -> int:
    """Return how many papers to take for true: those near the best, but some in any case."""
    near = int((scores >= TRUSTED * scores.max(initial=0.0)).sum())
    return min(max(near, FEWEST), MOST)


def second_scores(
    vector: FloatArray, papers: Sequence[FloatArray], keyword: Sequence[float], mean: FloatArray
) -> Scores:
    """Return how well the papers match the question as it has moved (n,); see `moved`."""
    return _fused(vector, papers, keyword, mean, KEYWORDS_MOVED)


def best_first(scores: Scores) -> list[int]:
    """Return the places of the scores, the highest first, equal ones as they stand."""
    return [int(i) for i in np.argsort(-scores, kind="stable")]


def count_listed(scores: Scores) -> int:
    """Return how many papers to list: those not far behind the leading ones."""
    leading = np.sort(scores)[::-1][:LEADERS]
    return _count(scores, LISTED * float(leading.mean())) if len(leading) else 0


def count_likely(scores: Scores) -> int:
    """Return how many papers are as good as certain."""
    return _count(scores, SURE * float(scores.max(initial=0.0)))


def _count(scores: Scores, least: float) -> int:
    return int(((scores >= least) & (scores > 0)).sum())


def is_answerable(similar: Scores) -> bool:
    """Tell whether the corpus has anything on the question's subject.

    `similar` is of the question as it was asked. Questions near the corpus's subjects that it does
    not answer score as high as those that it does: no score can tell them apart.
    """
    return float(similar.max(initial=0.0)) >= ANSWERABLE


def rarity(having: int, papers: int) -> float:
    """Return how much a word tells that so many of the papers have: Lucene's idf."""
    return math.log1p((papers - having + 0.5) / (having + 0.5))


def best_sentences(  # noqa: PLR0913 - one array for each kind of evidence
    cosines: Sequence[float],
    words: Sequence[float],
    figures: Sequence[bool],
    own: Sequence[bool],
    *,
    figure_asked: bool,
    count: int = 1,
) -> tuple[int, ...]:
    """Return the places of the sentences that best prove a paper's relevance, best first.

    For each sentence: its cosine with the question, the share of the question's words in it,
    whether it has a figure, and whether the authors speak of their own work in it.
    """
    scores = np.asarray(cosines, dtype=np.float64) + WORDS_PROVE * np.asarray(words)
    if figure_asked:
        scores = scores + FIGURE_PROVES * np.asarray(figures, dtype=np.float64)
    else:
        scores = scores + OWN_PROVES * np.asarray(own, dtype=np.float64)
    scores[:1] -= BACKGROUND
    return tuple(best_first(scores)[:count])


def _unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else vector
