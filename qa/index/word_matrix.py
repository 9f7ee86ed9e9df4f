"""The corpus as a sparse matrix of words and word pairs, for learning from relevance judgements.

A row is a paper: TF-IDF of its words and of pairs of neighbouring words, as in Salton and Buckley
(1988): (1 + log count) x (1 + log((1 + papers) / (1 + papers that have it))), each row of length 1.
Stop words and endings stay: "randomised", "trial of" and "we compared" tell kinds of papers apart.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w\w+")
COMMON = 0.95  # share of the papers; what more have tells nothing

Counts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]  # row, term, count


class WordMatrix:
    """Rows of TF-IDF in compressed form; columns that only one paper has are left out.

    Such columns change no product of two papers, only their lengths, in which they do count.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Take the papers' texts; about 0.1 ms a paper."""
        words: dict[str, int] = {}
        numbers: list[int] = []
        lengths: list[int] = []
        for text in texts:
            found = _WORD.findall(text.lower())
            lengths.append(len(found))
            numbers.extend([words.setdefault(word, len(words)) for word in found])
        papers = len(lengths)
        row, term, count = _counts(np.array(numbers, np.int64), lengths, len(words))
        kinds, column, frequency = np.unique(term, return_inverse=True, return_counts=True)
        idf = 1 + np.log((1 + papers) / (1 + frequency))
        value = (1 + np.log(count)) * idf[column] * (frequency <= max(COMMON * papers, 1))[column]
        length = np.sqrt(np.bincount(row, value**2, minlength=papers))
        value /= np.maximum(length, 1e-9)[row]
        kept = (frequency > 1) & (frequency <= COMMON * papers)
        place = np.cumsum(kept) - 1
        of_kept = kept[column]
        self._starts = np.searchsorted(row[of_kept], np.arange(papers + 1))
        self._columns = place[column[of_kept]].astype(np.int32)
        self._values = value[of_kept].astype(np.float32)
        self._width = int(kept.sum())
        self._words = words  # → number
        self._terms, self._idf = kinds[kept], idf[kept]  # of each column

    def __len__(self) -> int:
        return len(self._starts) - 1

    def text_row(self, text: str) -> NDArray[np.float32]:
        """Return the row (columns,) that a text would have, a question for instance."""
        known = [self._words.get(word, -1) for word in _WORD.findall(text.lower())]
        numbers = np.array(known, np.int64)
        row = np.zeros(self._width, np.float32)
        _, terms, count = _counts(numbers, [len(numbers)], len(self._words))
        places = np.searchsorted(self._terms, terms)
        for place, term, times in zip(places.tolist(), terms.tolist(), count, strict=True):
            if place < self._width and self._terms[place] == term:
                row[place] = (1 + np.log(times)) * self._idf[place]
        return row / max(float(np.linalg.norm(row)), 1e-9)

    def row(self, number: int) -> NDArray[np.float32]:
        """Return one paper's row, (columns,)."""
        return self.combined([number], np.ones(1))

    def combined(self, rows: Sequence[int], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the weighted sum of papers' rows, (columns,)."""
        total = np.zeros(self._width, np.float32)
        for number, weight in zip(rows, weights.tolist(), strict=True):
            part = slice(self._starts[number], self._starts[number + 1])
            total[self._columns[part]] += weight * self._values[part]
        return total

    def products(
        self, vector: NDArray[np.float32], rows: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Return the product of a vector (columns,) with each of the rows, or with all."""
        if rows is not None:
            parts = [slice(self._starts[row], self._starts[row + 1]) for row in rows]
            return np.array([self._values[p] @ vector[self._columns[p]] for p in parts], np.float64)
        return _sums(self._values * vector[self._columns], self._starts)

    def top_words(self, vector: NDArray[np.float32], count: int) -> dict[str, float]:
        """Return the single words with the highest values in a vector, with these values."""
        names = list(self._words)
        size = len(names)
        single = np.flatnonzero((self._terms < size) & (vector > 0))
        best = single[np.argsort(-vector[single], kind="stable")[:count]]
        return {names[int(self._terms[place])]: float(vector[place]) for place in best}


def _counts(words: NDArray[np.int64], lengths: Sequence[int], size: int) -> Counts:
    """Return how often each text has each term, by text and term.

    `words` are the texts' words as numbers below `size`, -1 for an unknown one, `lengths` how many
    each text has. A word's term is its number, a pair's is size x (1 + first) + second.
    """
    text = np.repeat(np.arange(len(lengths)), lengths)
    follows = (text[1:] == text[:-1]) & (words[1:] >= 0) & (words[:-1] >= 0)
    known = words >= 0
    pairs = size * (1 + words[:-1][follows]) + words[1:][follows]
    texts = np.concatenate([text[known], text[:-1][follows]])
    terms = np.concatenate([words[known], pairs])
    # One sort of combined keys takes a third of the time of a sort by two.
    most = size * (size + 1) + 1
    keys, counts = np.unique(texts * most + terms, return_counts=True)
    return keys // most, keys % most, counts.astype(np.float64)


def _sums(values: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of each row's values; 0 for an empty row."""
    sums = np.zeros(len(starts) - 1)
    having = np.flatnonzero(np.diff(starts))
    if len(having):
        sums[having] = np.add.reduceat(values, starts[having])
    return sums
