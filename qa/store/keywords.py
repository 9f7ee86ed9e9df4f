"""The keyword index: BM25 of single words from SQLite's FTS5, weighted and added up here."""

import math
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

TITLE_WEIGHT = 2.0  # a word in the title counts as twice in the abstract
_COMMON = 10_000  # papers
_CACHED = 4_000_000  # postings kept in memory: 48 MB

Postings = tuple[NDArray[np.int64], NDArray[np.float64]]  # row numbers, scores
_NOTHING: Postings = (np.empty(0, np.int64), np.empty(0, np.float64))
_WORD = re.compile(r"[^\W_]+")


class Keywords:
    """Scores papers by words, and counts words, in the FTS5 index of an open papers file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        (last,) = db.execute("SELECT coalesce(max(n), 0) FROM papers").fetchone()
        (self._papers,) = db.execute("SELECT count(*) FROM papers").fetchone()
        self._size = int(last) + 1
        self._postings: dict[str, Postings] = {}
        self._held = 0
        self._frequency: dict[str, int] = {}

    def best(
        self, terms: Mapping[str, float], k: int, *, only: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        """Return the k rows with the highest sum of weight x BM25, best first, hits alone."""
        scores = np.zeros(self._size)
        hit = np.zeros(self._size, bool)
        for term, weight in terms.items():
            rows, values = self._postings_of(term)
            if rows.size and rows.max() >= self._size:
                raise sqlite3.DatabaseError("the keyword index and the papers disagree")
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
            found = self._search(term)
            self._postings[term] = found
            self._held += len(found[0])
        return self._postings[term]

    def _search(self, term: str) -> Postings:
        match = _quoted(term)
        frequency = self.document_frequency(term)
        # Words that more than half of a large corpus has tell least and take longest to fetch.
        if match is None or frequency > max(self._papers / 2, _COMMON):
            return _NOTHING
        found = self._db.execute(
            f"SELECT rowid, -bm25(keywords, {TITLE_WEIGHT}, 1.0) FROM keywords "
            "WHERE keywords MATCH ?",
            (match,),
        ).fetchall()
        table = np.array(found, np.float64).reshape(-1, 2)
        return table[:, 0].astype(np.int64), table[:, 1] * self._idf_ratio(frequency)

    def _idf_ratio(self, frequency: int) -> float:
        """Return Lucene's idf as a multiple of FTS5's.

        FTS5 gives a word that half of the papers have no weight at all, which leaves nothing of
        a small corpus; Lucene's idf is log(1 + odds) for log(odds), and ranks a little better.
        """
        odds = (self._papers - frequency + 0.5) / (frequency + 0.5)
        return math.log1p(odds) / max(math.log(odds), 1e-6)

    def document_frequency(self, term: str) -> int:
        """Return how many papers have a word, in any of the forms that share its stem."""
        if term not in self._frequency:
            match = _quoted(term)
            count = 0
            if match is not None:
                query = "SELECT count(*) FROM keywords WHERE keywords MATCH ?"
                (count,) = self._db.execute(query, (match,)).fetchone()
            self._frequency[term] = int(count)
        return self._frequency[term]


def _quoted(term: str) -> str | None:
    """Return a term as an FTS5 string, in which nothing is an operator; None if it has no word."""
    term = term.replace("\0", " ")
    if not _WORD.search(term):
        return None
    return '"' + term.replace('"', '""') + '"'


def count_terms(texts: Iterable[tuple[str, str]]) -> list[dict[str, int]]:
    """Return for each (title, abstract) how often it has each word, forms of a stem together.

    A stem goes by the form that is most frequent in all the texts; title words count as
    TITLE_WEIGHT. FTS5 itself does the stemming, in memory, so that words mean what they mean there.
    """
    words = [(_words(title), _words(abstract)) for title, abstract in texts]
    forms = Counter(word for pair in words for part in pair for word in part)
    stems = _stems(list(forms))
    name: dict[str, str] = {}
    for word, _ in forms.most_common():
        name.setdefault(stems[word], word)
    counts = []
    for title, abstract in words:
        count: defaultdict[str, int] = defaultdict(int)
        for part, weight in ((title, int(TITLE_WEIGHT)), (abstract, 1)):
            for word in part:
                count[name[stems[word]]] += weight
        counts.append(dict(count))
    return counts


def longest_word(text: str) -> str | None:
    """Return a text's longest word, if it has any."""
    return max(_words(text), key=len, default=None)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _stems(words: list[str]) -> dict[str, str]:
    """Return what FTS5's tokenizer makes of each word."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE words USING fts5(word, tokenize='porter unicode61')")
    db.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(words, 'instance')")
    db.executemany("INSERT INTO words (rowid, word) VALUES (?, ?)", enumerate(words))
    stems = {words[row]: stem for stem, row in db.execute("SELECT term, doc FROM stems")}
    db.close()
    return {word: stems.get(word, word) for word in words}
