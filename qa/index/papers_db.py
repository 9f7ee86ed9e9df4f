"""The SQLite file of a generation: papers, their chunks, sentences, words and keyword index."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qa.corpus.papers import Paper, title_key
from qa.corpus.sentences import Sentence
from qa.index import bm25
from qa.index.embedding.base import FloatArray, normalised
from qa.index.embedding_cache import STORED, Bits, Half, unpack_rows

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE papers (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest BLOB NOT NULL,
  title TEXT NOT NULL, abstract TEXT NOT NULL, sources TEXT NOT NULL, authors TEXT NOT NULL,
  year INTEGER, venue TEXT, doi TEXT, arxiv_id TEXT, url TEXT, keywords TEXT NOT NULL,
  other_titles TEXT NOT NULL DEFAULT '[]');
CREATE TABLE chunks (
  id TEXT PRIMARY KEY, n INTEGER NOT NULL, number INTEGER NOT NULL,
  start INTEGER NOT NULL, "end" INTEGER NOT NULL, key BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX chunks_by_paper ON chunks (n);
CREATE TABLE sentences (n INTEGER PRIMARY KEY, spans BLOB NOT NULL, vectors BLOB NOT NULL);
CREATE TABLE words (n INTEGER PRIMARY KEY, vectors BLOB NOT NULL);
CREATE TABLE strays (id TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
# Earlier versions of the program made no such column.
_ADD_OTHER_TITLES = "ALTER TABLE papers ADD COLUMN other_titles TEXT NOT NULL DEFAULT '[]'"
_LISTS = ("sources", "authors", "keywords", "other_titles")
_FIELDS = (
    "id", "title", "abstract", "sources", "authors", "year", "venue", "doi", "arxiv_id", "url",
    "keywords", "other_titles",
)  # fmt: skip
COLUMNS = ", ".join(f'"{name}"' for name in _FIELDS)
_SPAN = 8  # bytes of a sentence's place: two integers of 4
_MEAN_SAMPLE = 1000  # papers: enough for a mean within a hundredth of the whole corpus's
_VECTORS_KEPT = 2000  # papers whose vectors stay in memory: 30 MB
_IDS_AT_ONCE = 500  # in one query; SQLite takes no more than 999 values in old versions


@dataclass(frozen=True, slots=True)
class Row:
    """All that is stored of one paper."""

    paper: Paper
    digest: bytes
    chunks: tuple[tuple[str, int, int, int, bytes], ...]  # id, number, start, end, cache key
    vectors: Half  # row 0 the whole abstract, row i the i-th sentence
    words: Bits  # a row for each word of a chunk


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk as it goes into Chroma."""

    id: str
    paper_id: str
    year: int | None
    key: bytes  # of its vectors in the cache

    @property
    def metadata(self) -> dict[str, str | int]:
        """What Chroma stores beside its vector, which may not be None."""
        year = {} if self.year is None else {"year": self.year}
        return {"paper": self.paper_id, **year}


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a papers file holds."""

    papers: int
    chunks: int
    sentences: int
    unreachable: int  # chunks that no query of Chroma's index finds


def paper_digest(paper: Paper) -> bytes:
    """Return a digest of everything about a paper."""
    # Without other titles it is the digest that earlier versions made.
    names = _FIELDS if paper.other_titles else _FIELDS[:-1]
    fields = [getattr(paper, name) for name in names]
    return hashlib.sha256(json.dumps(fields).encode()).digest()[:16]


def values(paper: Paper) -> list[object]:
    """Return a paper's fields as SQLite keeps them, in the order of its columns."""
    return [
        json.dumps(getattr(paper, name)) if name in _LISTS else getattr(paper, name)
        for name in _FIELDS
    ]


def paper_of(row: Sequence[object]) -> Paper:
    """Return the paper whose `values` a row holds."""
    fields = dict(zip(_FIELDS, row, strict=True))
    lists = {name: tuple(json.loads(str(fields[name]))) for name in _LISTS}
    return Paper(**(fields | lists))  # type: ignore[arg-type]


def _titles(title: str, others: Sequence[str]) -> str:
    """Return all titles of a paper as one text: a search for any of them finds it."""
    return " ".join((title, *others))


def _has_other_titles(db: sqlite3.Connection) -> bool:
    names = {name for _, name, *_ in db.execute("PRAGMA table_info(papers)")}
    return "other_titles" in names


class PapersWriter:
    """Adds papers to and removes them from a file that is not published yet."""

    def __init__(self, path: Path, *, stems: bool) -> None:
        """Open or begin the file; its keyword index is made of stems or of whole words."""
        fresh = not path.exists()
        # Threads take turns in writing.
        self.db = sqlite3.connect(path, check_same_thread=False)
        # No journal: a generation that is not finished is removed.
        self.db.execute("PRAGMA journal_mode=OFF")
        self.db.execute("PRAGMA synchronous=OFF")
        if fresh:
            self.db.executescript(_SCHEMA + bm25.schema(stems=stems))
        elif not _has_other_titles(self.db):
            self.db.execute(_ADD_OTHER_TITLES)

    def add(self, rows: Iterable[Row]) -> None:
        """Add papers that are not here yet."""
        marks = ", ".join("?" * (len(_FIELDS) + 1))
        with self.db:
            for row in rows:
                n = self.db.execute(
                    f"INSERT INTO papers (digest, {COLUMNS}) VALUES ({marks})",
                    [row.digest, *values(row.paper)],
                ).lastrowid
                self._add_parts(n, row)

    def _add_parts(self, n: int | None, row: Row) -> None:
        paper = row.paper
        self.db.execute(
            "INSERT INTO keywords (rowid, title, abstract) VALUES (?, ?, ?)",
            (n, _titles(paper.title, paper.other_titles), paper.abstract),
        )
        self.db.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
            [(chunk[0], n, *chunk[1:]) for chunk in row.chunks],
        )
        spans = np.array([(s.start, s.end) for s in paper.sentences], "<i4")
        vectors = row.vectors.astype(STORED, copy=False)
        self.db.execute(
            "INSERT INTO sentences VALUES (?, ?, ?)", (n, spans.tobytes(), vectors.tobytes())
        )
        self.db.execute("INSERT INTO words VALUES (?, ?)", (n, row.words.tobytes()))

    def remove(self, ids: Iterable[str]) -> list[str]:
        """Remove papers; returns the ids of the chunks that they had."""
        gone: list[str] = []
        with self.db:
            for paper_id in ids:
                found = "SELECT n, title, other_titles, abstract FROM papers WHERE id = ?"
                n, title, others, abstract = self.db.execute(found, (paper_id,)).fetchone()
                chunks = self.db.execute("SELECT id FROM chunks WHERE n = ?", (n,))
                gone.extend(chunk for (chunk,) in chunks)
                # FTS5 keeps no copy of the text: it needs the text to find what to remove.
                self.db.execute(
                    "INSERT INTO keywords (keywords, rowid, title, abstract) "
                    "VALUES ('delete', ?, ?, ?)",
                    (n, _titles(title, json.loads(others)), abstract),
                )
                for table in ("papers", "chunks", "sentences", "words"):
                    self.db.execute(f"DELETE FROM {table} WHERE n = ?", (n,))
        return gone

    def chunks(self) -> Iterator[ChunkRow]:
        """Yield every chunk, in the papers' order."""
        query = (
            "SELECT chunks.id, papers.id, papers.year, chunks.key "
            "FROM chunks JOIN papers USING (n) ORDER BY n, number"
        )
        return (ChunkRow(*row) for row in self.db.execute(query))

    def set_unreachable(self, vectors: Mapping[str, Half]) -> None:
        """Keep the vectors of those chunks that no query of Chroma's index finds."""
        with self.db:
            self.db.execute("DELETE FROM strays")
            self.db.executemany(
                "INSERT INTO strays VALUES (?, ?)",
                [(chunk, vector.astype(STORED).tobytes()) for chunk, vector in vectors.items()],
            )

    def counts(self) -> Counts:
        """Return how much there is."""
        bytes_of_spans = "SELECT coalesce(sum(length(spans)), 0) FROM sentences"
        return Counts(
            papers=self._number("SELECT count(*) FROM papers"),
            chunks=self._number("SELECT count(*) FROM chunks"),
            sentences=self._number(bytes_of_spans) // _SPAN,
            unreachable=self._number("SELECT count(*) FROM strays"),
        )

    def _number(self, query: str) -> int:
        (number,) = self.db.execute(query).fetchone()
        return int(number)

    def finish(self) -> None:
        """Merge the parts of the keyword index, add counts and the mean vector, close the file."""
        with self.db:
            self.db.execute("INSERT INTO keywords (keywords) VALUES ('optimize')")
            self.db.execute("DELETE FROM facts")
            self.db.execute("INSERT INTO facts VALUES ('mean', ?)", (self._mean_vector(),))
        bm25.write_frequencies(self.db)
        self.db.close()

    def _mean_vector(self) -> bytes:
        """Return the mean of the papers' vectors, of an even sample where there are many."""
        numbers = [n for (n,) in self.db.execute("SELECT n FROM papers ORDER BY n")]
        step = -(-len(numbers) // _MEAN_SAMPLE) or 1
        vectors = []
        for n in numbers[::step]:
            query = "SELECT spans, vectors FROM sentences WHERE n = ?"
            spans, data = self.db.execute(query, (n,)).fetchone()
            rows = np.frombuffer(data, STORED).reshape(len(spans) // _SPAN + 1, -1)
            vectors.append(rows[0])
        mean: bytes = np.stack(vectors).mean(axis=0, dtype=np.float64).astype("<f4").tobytes()
        return mean

    def close(self) -> None:
        """Close the file."""
        self.db.close()


class PapersReader:
    """Reads papers, sentence vectors and counts from a finished file, which never changes."""

    def __init__(self, path: Path) -> None:
        # "immutable": no locks and no journal, so that a read-only disk is enough.
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self.db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._vectors: dict[str, FloatArray] = {}
        self._other_titles = "other_titles" if _has_other_titles(self.db) else "'[]'"

    def count(self) -> int:
        """Return how many papers there are."""
        (count,) = self.db.execute("SELECT count(*) FROM papers").fetchone()
        return int(count)

    def digests(self) -> dict[str, bytes]:
        """Return the digest of every paper here, by id."""
        return dict(self.db.execute("SELECT id, digest FROM papers"))

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Return papers with their sentences, in the order of ids; unknown ids are left out."""
        found = {}
        columns = f"{COLUMNS}, spans".replace('"other_titles"', self._other_titles)
        for row in self._of(ids, f"SELECT {columns} FROM papers JOIN sentences USING (n)"):
            paper = paper_of(row[:-1])
            # The sentences as they were when their vectors were made.
            vars(paper)["sentences"] = _sentences(paper.text, row[-1])
            found[paper.id] = paper
        return [found[paper_id] for paper_id in ids if paper_id in found]

    def vectors(self, ids: Sequence[str]) -> dict[str, FloatArray]:
        """Return each paper's vectors: row 0 the whole abstract, row i its i-th sentence."""
        fresh = [paper_id for paper_id in ids if paper_id not in self._vectors]
        if len(self._vectors) + len(fresh) > _VECTORS_KEPT:
            self._vectors.clear()
            fresh = list(ids)
        # The rounds of a question have most of their candidates in common.
        self._vectors.update(self._fetched(fresh))
        return {paper_id: self._vectors[paper_id] for paper_id in ids if paper_id in self._vectors}

    def _fetched(self, ids: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
        columns = f"id, length(spans) / {_SPAN} + 1, vectors"
        for paper_id, rows, data in self._of(
            ids, f"SELECT {columns} FROM papers JOIN sentences USING (n)"
        ):
            vectors = np.frombuffer(data, STORED).reshape(rows, -1).astype(np.float32)
            vectors.flags.writeable = False
            yield paper_id, vectors

    def words(self, ids: Sequence[str], *, dimension: int) -> dict[str, Bits]:
        """Return the signs of the vectors of each paper's words, as bits."""
        query = "SELECT id, vectors FROM papers JOIN words USING (n)"
        return {paper_id: unpack_rows(data, dimension) for paper_id, data in self._of(ids, query)}

    def texts(self, ids: Sequence[str]) -> list[str]:
        """Return title and abstract of each paper, in the order of ids."""
        rows = self._of(ids, "SELECT id, title || ' ' || abstract FROM papers")
        found: dict[str, str] = dict(rows)
        return [found[paper_id] for paper_id in ids]

    def abstract_vectors(self, ids: Sequence[str], *, dimension: int) -> FloatArray:
        """Return the vectors of whole abstracts (n, d), in the order of ids."""
        size = STORED.itemsize * dimension
        query = f"SELECT id, substr(vectors, 1, {size}) FROM papers JOIN sentences USING (n)"
        found: dict[str, bytes] = dict(self._of(ids, query))
        joined = b"".join(found[paper_id] for paper_id in ids)
        return np.frombuffer(joined, STORED).astype(np.float32).reshape(len(ids), dimension)

    def mean_vector(self) -> FloatArray:
        """Return the mean of the papers' vectors (d,), of an even sample where there are many."""
        found = self.db.execute("SELECT value FROM facts WHERE name = 'mean'").fetchone()
        if found is None:
            raise sqlite3.DatabaseError("the mean vector is missing")
        return np.frombuffer(bytes(found[0]), "<f4")

    def ids(self, numbers: Sequence[int]) -> list[str]:
        """Return the ids of papers given by their row numbers, in that order."""
        found: dict[int, str] = {}
        for some in _slices(numbers):
            query = f"SELECT n, id FROM papers WHERE n IN ({_marks(some)})"
            found.update(self.db.execute(query, some))
        return [found[n] for n in numbers]

    def numbers(self, ids: Iterable[str]) -> list[int]:
        """Return the row numbers of papers, in no particular order."""
        return [n for (n,) in self._of(list(ids), "SELECT n FROM papers")]

    def has_title(self, title: str) -> bool:
        """Tell whether a paper has this title, whatever its case and punctuation."""
        wanted = title_key(title)
        rows = self.db.execute(f"SELECT title, {self._other_titles} FROM papers")
        return any(
            title_key(known) == wanted
            for title, others in rows
            for known in (title, *(json.loads(others) if others != "[]" else ()))
        )

    def all_ids(self) -> list[str]:
        """Return the ids of all papers, in a fixed order."""
        return [paper_id for (paper_id,) in self.db.execute("SELECT id FROM papers ORDER BY n")]

    def chunk_ids(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of all chunks of these papers."""
        query = "SELECT chunks.id FROM papers JOIN chunks USING (n)"
        return [chunk for (chunk,) in self._of(list(ids), query, column="papers.id")]

    def unreachable(self) -> tuple[list[str], FloatArray]:
        """Return ids and unit vectors (n, d) of chunks that no query of Chroma's index finds."""
        rows = self.db.execute("SELECT id, vector FROM strays ORDER BY id").fetchall()
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), STORED).astype(np.float32)
        vectors = vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 1)
        return [chunk for chunk, _ in rows], normalised(vectors)

    def cache_keys(self) -> Iterator[bytes]:
        """Yield every chunk's key in the embedding cache."""
        return (key for (key,) in self.db.execute("SELECT key FROM chunks"))

    def _of(
        self, ids: Sequence[str], query: str, *, column: str = "id"
    ) -> Iterator[tuple[Any, ...]]:
        for some in _slices(ids):
            yield from self.db.execute(f"{query} WHERE {column} IN ({_marks(some)})", some)

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def _sentences(text: str, spans: bytes) -> tuple[Sentence, ...]:
    places = np.frombuffer(spans, "<i4").reshape(-1, 2).tolist()
    return tuple(
        Sentence(number, text[start:end], start, end)
        for number, (start, end) in enumerate(places, start=1)
    )


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _IDS_AT_ONCE):
        yield items[start : start + _IDS_AT_ONCE]


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))
