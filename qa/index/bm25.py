"""Stems: what FTS5's tokenizer makes of words, by FTS5 itself, so that words mean the same here."""

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from re import compile as pattern

import numpy as np
from numpy.typing import NDArray

from qa.index.embedding_cache import STORED

TITLE_COUNTS = 2  # a word in the title counts as twice in the abstract
_WORD = pattern(r"[^\W_]+")
_REMEMBERED = 100_000  # words


class Stemmer:
    """Tells the stems of words, and remembers them: rounds of reading repeat most of theirs."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def stems(self, words: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return for each word its stems in order: hardly ever another number of them than one."""
        wanted = list(dict.fromkeys(words))
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        fresh = [word for word in wanted if word not in self._known]
        if fresh:
            self._known.update(zip(fresh, _tokenized(fresh), strict=True))
        return {word: self._known[word] for word in wanted}


def _tokenized(texts: list[str]) -> list[tuple[str, ...]]:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61')")
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


def count_terms(texts: Iterable[tuple[str, str]], stemmer: Stemmer) -> list[dict[str, int]]:
    """Return for each (title, abstract) how often it has each word, forms of a stem together.

    A stem goes by the form that is most frequent in all the texts; title words count as
    TITLE_COUNTS.
    """
    words = [(words_of(title), words_of(abstract)) for title, abstract in texts]
    forms = Counter(word for pair in words for part in pair for word in part)
    name: dict[tuple[str, ...], str] = {}  # by stem
    named: dict[str, str] = {}  # by form
    stems = stemmer.stems(forms)
    for word, _ in forms.most_common():
        named[word] = name.setdefault(stems[word] or (word,), word)
    counts = []
    for title, abstract in words:
        count: defaultdict[str, int] = defaultdict(int)
        for part, weight in ((title, TITLE_COUNTS), (abstract, 1)):
            for word in part:
                count[named[word]] += weight
        counts.append(dict(count))
    return counts


def longest_word(text: str) -> str | None:
    """Return a text's longest word, if it has any."""
    return max(words_of(text), key=len, default=None)


def words_of(text: str) -> list[str]:
    """Return a text's words in lower case, in order."""
    return _WORD.findall(text.lower())


Lengths = NDArray[np.int32]
FloatArray = NDArray[np.float32]

SUMMARY_SCHEMA = """
CREATE VIRTUAL TABLE terms USING fts5vocab(keywords, 'row');
CREATE VIRTUAL TABLE instances USING fts5vocab(keywords, 'instance');
CREATE TABLE frequencies (stem TEXT PRIMARY KEY, papers INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
_SAMPLE = 1000  # papers: enough for a mean within a hundredth of the whole corpus's


def write_summary(db: sqlite3.Connection) -> None:
    """Write the summary of all that a papers file holds, instead of any before."""
    with db:
        db.execute("DELETE FROM frequencies")
        db.execute("INSERT INTO frequencies SELECT term, doc FROM terms")
        facts = {"lengths": _count_lengths(db).tobytes(), "mean": _compute_mean(db).tobytes()}
        db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())


def stem_frequency(db: sqlite3.Connection, stem: str) -> int:
    """Return how many papers have a stem."""
    found = db.execute("SELECT papers FROM frequencies WHERE stem = ?", (stem,)).fetchone()
    return int(found[0]) if found else 0


def paper_lengths(db: sqlite3.Connection) -> Lengths:
    """Return how many words each paper has, by its row number; 0 where there is none."""
    return np.frombuffer(_fact(db, "lengths"), "<i4")


def mean_vector(db: sqlite3.Connection) -> FloatArray:
    """Return the mean of the papers' vectors (d,), of an even sample where there are many."""
    return np.frombuffer(_fact(db, "mean"), "<f4")


def _fact(db: sqlite3.Connection, name: str) -> bytes:
    found = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise sqlite3.DatabaseError(f"{name} are missing")
    return bytes(found[0])


def _count_lengths(db: sqlite3.Connection) -> Lengths:
    (last,) = db.execute("SELECT coalesce(max(n), 0) FROM papers").fetchone()
    found = np.zeros(last + 1, "<i4")
    for row, sizes in db.execute("SELECT id, sz FROM keywords_docsize"):
        found[row] = sum(_varints(sizes))
    return found


def _varints(content: bytes) -> Iterator[int]:
    """Yield the whole numbers in SQLite's form of them: seven bits a byte, the highest first."""
    value = 0
    for byte in content:
        value = value << 7 | byte & 127
        if byte < 128:
            yield value
            value = 0


def _compute_mean(db: sqlite3.Connection) -> FloatArray:
    (papers,) = db.execute("SELECT count(*) FROM papers").fetchone()
    step = -(-papers // _SAMPLE) or 1
    numbers = (n for (n,) in db.execute("SELECT n FROM papers ORDER BY n").fetchall())
    sample = islice(numbers, 0, None, step)
    query = "SELECT spans, vectors FROM sentences WHERE n = ?"
    found = (db.execute(query, (n,)).fetchone() for n in sample)
    rows = [np.frombuffer(vectors, STORED).reshape(len(s) // 8 + 1, -1)[0] for s, vectors in found]
    return np.asarray(np.stack(rows).mean(axis=0, dtype=np.float64), "<f4")


_COMMON = 10_000  # papers
_CACHED = 4_000_000  # postings kept in memory: 48 MB
_K1, _B = 1.2, 0.75  # BM25's parameters, as FTS5 has them

Postings = tuple[NDArray[np.int64], NDArray[np.float64]]  # row numbers, scores
_NOTHING: Postings = (np.empty(0, np.int64), np.empty(0, np.float64))


class KeywordIndex:
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
        return paper_lengths(self._db).astype(np.float64)

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
            count = stem_frequency(self._db, stems[0]) if stems else 0
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
