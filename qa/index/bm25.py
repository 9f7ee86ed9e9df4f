"""Keyword search: SQLite's FTS5 index of titles and abstracts, ranked by BM25, and its stems."""

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from re import compile as pattern

import numpy as np
from numpy.typing import NDArray

Postings = tuple[NDArray[np.int64], NDArray[np.float64]]  # row numbers and scores of papers

# FTS5 makes words lower-case and takes accents off; Porter's rules, which are made for English,
# cut them to their stems.
_WORDS, _ENGLISH_STEMS = "unicode61", "porter unicode61"
TITLE_COUNTS = 2  # a word in the title counts as two in the abstract
_SCHEMA = """
CREATE VIRTUAL TABLE keywords USING fts5(
  title, abstract, content='papers', content_rowid='n', tokenize='{tokenizer}');
CREATE VIRTUAL TABLE terms USING fts5vocab(keywords, 'row');
CREATE TABLE frequencies (stem TEXT PRIMARY KEY, papers INTEGER NOT NULL) WITHOUT ROWID;
"""
_WORD = pattern(r"[^\W_]+")
_STEMS_KEPT = 100_000  # words whose stems stay in memory
_POSTINGS_KEPT = 4_000_000  # postings that stay in memory: 64 MB
_COMMON = 10_000  # papers that a word must be in before it can be too frequent to be looked for
_NO_POSTINGS: Postings = (np.empty(0, np.int64), np.empty(0, np.float64))


def schema(*, stems: bool) -> str:
    """Return the SQL for the tables of a keyword index, which cuts words to stems or does not."""
    return _SCHEMA.format(tokenizer=_ENGLISH_STEMS if stems else _WORDS)


class KeywordIndex:
    """Scores papers by words, and counts words, in the FTS5 index of an open papers file.

    `stems` tells whether the index was made of stems.
    """

    def __init__(self, db: sqlite3.Connection, *, stems: bool) -> None:
        self._db = db
        query = "SELECT count(*), coalesce(max(n), 0) + 1 FROM papers"
        self._papers, self._size = db.execute(query).fetchone()
        self._stemmer = Stemmer(stems=stems)
        self._postings: dict[str, Postings] = {}
        self._postings_kept = 0
        self._frequency: dict[str, int] = {}

    def best(
        self, terms: Mapping[str, float], k: int, *, only: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        """Return the k rows with the highest sum of weight x BM25, best first.

        `terms` are words with their weights, `only` the rows to choose from. Rows that have none
        of the words are left out.
        """
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
        # Rows of equal score are ordered by number: the same question gets the same list.
        order = np.lexsort((rows, -scores[rows]))[:k]
        return [(int(row), float(scores[row])) for row in rows[order]]

    def document_frequency(self, term: str) -> int:
        """Return how many papers have a word, in any of the forms that share its stem."""
        if term not in self._frequency:
            stems = self._stemmer.stems([term])[term]
            if len(stems) > 1:
                query, value = "SELECT count(*) FROM keywords WHERE keywords MATCH ?", _quoted(term)
            else:
                query, value = "SELECT papers FROM frequencies WHERE stem = ?", "".join(stems)
            found = self._db.execute(query, (value,)).fetchone()
            self._frequency[term] = int(found[0]) if found else 0
        return self._frequency[term]

    def rows_with(self, phrases: Sequence[str], most: int) -> list[int]:
        """Return the rows of up to `most` papers that have any of the phrases, word by word."""
        query = " OR ".join(map(_quoted, phrases))
        found = self._db.execute(
            "SELECT rowid FROM keywords WHERE keywords MATCH ? ORDER BY rowid LIMIT ?",
            (query, most),
        )
        return [row for (row,) in found]

    def _postings_of(self, term: str) -> Postings:
        """Return a term's papers and scores, kept for later rounds, which repeat most terms."""
        if term not in self._postings:
            if self._postings_kept > _POSTINGS_KEPT:
                self._postings.clear()
                self._postings_kept = 0
            rows, values = self._search(term)
            if rows.size and rows.max() >= self._size:
                raise sqlite3.DatabaseError("the keyword index and the papers disagree")
            self._postings[term] = rows, values
            self._postings_kept += len(rows)
        return self._postings[term]

    def _search(self, term: str) -> Postings:
        """Return the papers that have a term, with their BM25 (k1 = 1.2, b = 0.75, as in FTS5)."""
        frequency = self.document_frequency(term)
        # A word that most papers of a large corpus have tells little and takes long to look for.
        if not 0 < frequency <= max(self._papers / 2, _COMMON):
            return _NO_POSTINGS
        found = self._db.execute(
            f"SELECT rowid, -bm25(keywords, {TITLE_COUNTS}, 1.0) FROM keywords "
            "WHERE keywords MATCH ?",
            (_quoted(term),),
        ).fetchall()
        table = np.array(found, np.float64).reshape(-1, 2)
        return table[:, 0].astype(np.int64), table[:, 1] * self._idf_ratio(frequency)

    def _idf_ratio(self, frequency: int) -> float:
        """Return Lucene's idf, log(1 + odds), as a multiple of FTS5's, log(odds).

        FTS5's is nothing for a word that half of the papers have, which leaves no words in a small
        corpus; Lucene's also ranks a little better.
        """
        odds = (self._papers - frequency + 0.5) / (frequency + 0.5)
        return math.log1p(odds) / max(math.log(odds), 1e-6)


def _quoted(term: str) -> str:
    """Return a term as an FTS5 string, in which nothing is an operator."""
    return '"' + term.replace("\0", " ").replace('"', '""') + '"'


class Stemmer:
    """Finds the stems of words with FTS5's own tokenizer, and keeps them for later rounds.

    Without `stems` a word's stem is the word itself, in lower case and without accents.
    """

    def __init__(self, *, stems: bool) -> None:
        self._tokenizer = _ENGLISH_STEMS if stems else _WORDS
        self._known: dict[str, tuple[str, ...]] = {}

    def stems(self, words: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the stems of each word, in order: one, but for a few words none or several."""
        wanted = list(dict.fromkeys(words))
        if len(self._known) > _STEMS_KEPT:
            self._known.clear()
        unknown = [word for word in wanted if word not in self._known]
        if unknown:
            self._known.update(zip(unknown, _tokenized(unknown, self._tokenizer), strict=True))
        return {word: self._known[word] for word in wanted}


def _tokenized(texts: list[str], tokenizer: str) -> list[tuple[str, ...]]:
    db = sqlite3.connect(":memory:")
    db.execute(f"CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='{tokenizer}')")
    db.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(texts, 'instance')")
    db.executemany(
        "INSERT INTO texts (rowid, text) VALUES (?, ?)",
        # FTS5 reads a text to its first NUL.
        enumerate(text.replace("\0", " ") for text in texts),
    )
    found: list[list[tuple[int, str]]] = [[] for _ in texts]
    for stem, row, offset in db.execute("SELECT term, doc, offset FROM stems"):
        found[row].append((offset, stem))
    db.close()
    return [tuple(stem for _, stem in sorted(stems)) for stems in found]


def longest_word(text: str) -> str | None:
    """Return a text's longest word, None if it has no words."""
    return max(words_of(text), key=len, default=None)


def words_of(text: str) -> list[str]:
    """Return a text's words in lower case, in order."""
    return _WORD.findall(text.lower())


def write_frequencies(db: sqlite3.Connection) -> None:
    """Count in how many papers each stem of a papers file is, in place of any counts before."""
    with db:
        db.execute("DELETE FROM frequencies")
        db.execute("INSERT INTO frequencies SELECT term, doc FROM terms")
