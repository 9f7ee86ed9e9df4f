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
KEYWORDS_FEEDBACK = 0.25  # to choose the papers taken as relevant; 0.35 costs sets 0.03 MAP
KEYWORDS_MOVED = 0.15  # once the question's vector has moved; 0.1 to 0.2 give the same
KEYWORDS_BESIDE_WORDS = 0.35  # beside WORDS; 0.25 to 0.45 give the same

WORDS = 1.5  # weight of the word-by-word comparison, as a cosine; 1 to 2.5 give the same
WORDED = 100  # best candidates whose words are compared

# Pseudo-relevance feedback.
ASSUMED_RELEVANT = 0.85  # share of the best score from which a paper is taken as relevant
FEWEST, MOST = 3, 6  # papers taken as relevant; with 10, what only one paper answers is lost
STEP = 1.0  # the vector's move toward them, its own length being 1; 0.5 to 2 give the same
FIRST_STEP = 0.5  # the same in the ranking for a judge or reader; 0.15 to 1 give the same
POWER = 3  # exponent of their scores, as weights in their mean; 1 to 8 give the same

# What is listed where nobody judges.
POSSIBLE = 0.6  # share of the mean of the LEADERS best scores; F1 is flat up to 0.675
LEADERS = 5  # papers; with 1 instead, F1 is 0.01 lower
LIKELY = 0.7  # share of the best score

# The least similarity (of the best paper) with which a question is on the corpus's subject. With
# MiniLM it was 0.32 or more for 55 questions that the corpus answers, 0.30 or more for claims on
# their own corpus, and 0.27 or less for 10 questions of other fields. 8 of 56 questions made to
# share words with the corpus ("How do I prune roses?") pass nevertheless.
ANSWERABLE = 0.3

# The same for papers picked by an earlier question: the share of the question's words that one of
# them must have. It was 0.31 or more for 18 questions that some of them answer, and at most 0.13
# for 4 that none answers, but 0.34 for a fifth such question.
PICKED_ANSWER = 0.25

SIGN_COSINE = math.sqrt(math.pi / 2)  # cosine / mean product with signs, for normal components

# What makes a sentence a proof, added to its cosine with the question.
WORDS_PROVE = 0.25  # all of the question's words in it
FIGURE_PROVES = 0.15  # a figure, where one is asked for
OWN_PROVES = 0.05  # else: the authors speak of their own work
BACKGROUND = 0.1  # taken off the first sentence, which mostly tells what others have done


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


def word_scores(words: FloatArray, rarities: Sequence[float], papers: Sequence[Bits]) -> Scores:
    """Return how near papers' words come to the question's (n,); the mean over papers is 0.

    `words` (w, d) are the vectors of the question's words, each of length 1, `rarities` (w,) their
    weights. `papers` are (words, d / 8) each: the signs of the words' vectors as bits, from which
    a cosine follows within some hundredths. Each word of the question counts with the nearest word
    of the paper, as in ColBERT's late interaction (Khattab and Zaharia, 2020), with vectors that
    were not trained for it. A paper without words gets the lowest score.
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


def move_toward_best(
    vector: FloatArray,
    scores: Scores,
    papers: Sequence[FloatArray],
    mean: FloatArray,
    step: float = STEP,
) -> FloatArray:
    """Return the question's vector (d,) moved by a step toward the papers with the best scores.

    This is Rocchio's formula (1971) on vectors centred on the corpus's mean (d,): seen from there
    papers differ by topic, while seen from zero they are all alike.
    """
    best = np.argsort(-scores, kind="stable")[: count_assumed_relevant(scores)]
    weights = np.maximum(scores[best], 0.0) ** POWER
    if not weights.any():
        return vector
    toward = weights @ (np.stack([papers[i][0] for i in best]) - mean)
    return unit(vector + step * unit(toward)).astype(np.float32)


def count_assumed_relevant(scores: Scores) -> int:
    """Return how many papers to take as relevant: those near the best, but FEWEST to MOST."""
    near = int((scores >= ASSUMED_RELEVANT * scores.max(initial=0.0)).sum())
    return min(max(near, FEWEST), MOST)


def best_first(scores: Scores) -> list[int]:
    """Return the indexes of the scores, the highest first, equal ones in their order."""
    return [int(i) for i in np.argsort(-scores, kind="stable")]


def count_listed(scores: Scores) -> int:
    """Return how many papers are possible answers: those not far behind the leading ones."""
    leading = np.sort(scores)[::-1][:LEADERS]
    return _count(scores, POSSIBLE * float(leading.mean())) if len(leading) else 0


def count_likely(scores: Scores) -> int:
    """Return how many papers are likely answers: those near the best score."""
    return _count(scores, LIKELY * float(scores.max(initial=0.0)))


def _count(scores: Scores, least: float) -> int:
    return int(((scores >= least) & (scores > 0)).sum())


def is_answerable(similar: Scores) -> bool:
    """Tell whether the corpus has anything on the question's subject.

    `similar` is the `similarity` (n,) to the question as it was asked. A question near the corpus's
    subjects that it does not answer scores as high as one that it answers: no score tells them
    apart.
    """
    return float(similar.max(initial=0.0)) >= ANSWERABLE


def rarity(having: int, papers: int) -> float:
    """Return the weight of a word that `having` of the papers have: Lucene's idf."""
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
    """Return the indexes of the sentences that best prove a paper's relevance, best first.

    The sequences have one entry a sentence: its cosine with the question, the share of the
    question's words in it, whether it has a figure, and whether the authors speak of their own
    work in it.
    """
    scores = np.asarray(cosines, dtype=np.float64) + WORDS_PROVE * np.asarray(words)
    if figure_asked:
        scores = scores + FIGURE_PROVES * np.asarray(figures, dtype=np.float64)
    else:
        scores = scores + OWN_PROVES * np.asarray(own, dtype=np.float64)
    scores[:1] -= BACKGROUND
    return tuple(best_first(scores)[:count])


def unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the vector with length 1; a vector of zeros stays as it is."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else vector
