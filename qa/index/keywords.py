"""The keyword index: BM25 of single words in SQLite's FTS5, weighted and added up here."""

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qa.index.stems import TITLE_COUNTS, Stemmer, count_terms
from qa.index.summary import frequency, lengths

_COMMON = 10_000  # papers
_CACHED = 4_000_000  # postings kept in memory: 48 MB
_K1, _B = 1.2, 0.75  # BM25's parameters, as FTS5 has them

Postings = tuple[NDArray[np.int64], NDArray[np.float64]]  # row numbers, scores
_NOTHING: Postings = (np.empty(0, np.int64), np.empty(0, np.float64))


class Keywords:
    """Scores papers by words, and counts words, in the FTS5 index of an open papers file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        (last,) = db.execute("SELECT coalesce(max(n), 0) FROM papers").fetchone()
        (papers,) = db.execute("SELECT count(*) FROM papers").fetchone()
        self._papers = int(papers)
        self._size = int(last) + 1
        self._stemmer = Stemmer()
        self._postings: dict[str, Postings] = {}
        self._held = 0
        self._frequency: dict[str, int] = {}

    def best(
        self, terms: Mapping[str, float], k: int, *, only: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        """Return the k rows with the highest sum of weight x BM25, best first, hits alone."""
        self._stemmer.stems(terms)  # all at once
        scores = np.zeros(self._size)
        hit = np.zeros(self._size, bool)
        for term, weight in terms.items():
            rows, values = self._postings_of(term)
            scores[rows] += weight * values
            hit[rows] = True
        if only is not None:
            allowed = np.zeros(self._size, bool)
            allowed[list(only)] = True
            hit &= allowed
        rows = np.flatnonzero(hit)
        # Ties go by row number, so that the same question gets the same list.
        order = np.lexsort((rows, -scores[rows]))[:k]
        return [(int(row), float(scores[row])) for row in rows[order]]

    def _postings_of(self, term: str) -> Postings:
        """Return a term's hits, kept for the next round: rounds repeat most of their terms."""
        if term not in self._postings:
            if self._held > _CACHED:
                self._postings.clear()
                self._held = 0
            rows, values = self._search(term)
            if rows.size and rows.max() >= self._size:
                raise sqlite3.DatabaseError("the keyword index and the papers disagree")
            self._postings[term] = rows, values
            self._held += len(rows)
        return self._postings[term]

    def _search(self, term: str) -> Postings:
        frequency = self.document_frequency(term)
        # Words that more than half of a large corpus has tell least and take longest to fetch.
        if not 0 < frequency <= max(self._papers / 2, _COMMON):
            return _NOTHING
        stems = self._stemmer.stems([term])[term]
        found = self._of_stem(stems[0]) if len(stems) == 1 else self._of_phrase(term)
        return found[0], found[1] * self._idf_ratio(frequency)

    def _of_stem(self, stem: str) -> Postings:
        """Return what FTS5's own bm25() does, to the last bit, in a third of its time.

        It looks the length of each paper up, one by one.
        """
        query = "SELECT group_concat(doc * 2 + (col = 'title')) FROM instances WHERE term = ?"
        (found,) = self._db.execute(query, (stem,)).fetchone()
        places = np.fromstring(found or "", np.int64, sep=",")
        counts = np.bincount(places >> 1, 1.0 + (TITLE_COUNTS - 1) * (places & 1), self._size)
        rows = np.flatnonzero(counts)
        if not len(rows) or len(counts) > len(self._lengths):
            raise sqlite3.DatabaseError("the keyword index and its summary disagree")
        often = counts[rows]
        odds = self._odds(len(rows))
        idf = math.log(odds) if odds > 1 else 1e-6
        length = self._lengths[rows] / self._mean_length
        return rows, idf * ((often * (_K1 + 1.0)) / (often + _K1 * (1 - _B + _B * length)))

    @cached_property
    def _lengths(self) -> NDArray[np.float64]:
        return lengths(self._db).astype(np.float64)

    @cached_property
    def _mean_length(self) -> float:
        return float(self._lengths.sum()) / self._papers

    def _of_phrase(self, term: str) -> Postings:
        """Return the scores of a term that FTS5 takes for several words in a row."""
        found = self._db.execute(
            f"SELECT rowid, -bm25(keywords, {TITLE_COUNTS}, 1.0) FROM keywords "
            "WHERE keywords MATCH ?",
            (_quoted(term),),
        ).fetchall()
        table = np.array(found, np.float64).reshape(-1, 2)
        return table[:, 0].astype(np.int64), table[:, 1]

    def _idf_ratio(self, frequency: int) -> float:
        """Return Lucene's idf as a multiple of FTS5's.

        FTS5 gives a word that half of the papers have no weight at all, which leaves nothing of
        a small corpus; Lucene's idf is log(1 + odds) for log(odds), and ranks a little better.
        """
        odds = self._odds(frequency)
        return math.log1p(odds) / max(math.log(odds), 1e-6)

    def _odds(self, frequency: int) -> float:
        return float(self._papers - frequency + 0.5) / (frequency + 0.5)

    def document_frequency(self, term: str) -> int:
        """Return how many papers have a word, in any of the forms that share its stem."""
        if term not in self._frequency:
            stems = self._stemmer.stems([term])[term]
            count = frequency(self._db, stems[0]) if stems else 0
            if len(stems) > 1:
                query = "SELECT count(*) FROM keywords WHERE keywords MATCH ?"
                (count,) = self._db.execute(query, (_quoted(term),)).fetchone()
            self._frequency[term] = int(count)
        return self._frequency[term]

    def counts(self, texts: Iterable[tuple[str, str]]) -> list[dict[str, int]]:
        """Return how often each (title, abstract) has each word; see `count_terms`."""
        return count_terms(texts, self._stemmer)


def _quoted(term: str) -> str:
    """Return a term as an FTS5 string, in which nothing is an operator."""
    return '"' + term.replace("\0", " ").replace('"', '""') + '"'
