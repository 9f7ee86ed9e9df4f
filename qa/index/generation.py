"""A generation, opened for search: nearest vectors, keywords, filters, and the papers' texts."""

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np

from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.corpus.readers.corpus import Corpus
from qa.corpus.words import folded
from qa.errors import StoreDamaged, StoreMissing
from qa.index.bm25 import KeywordIndex
from qa.index.checksums import FileChecks
from qa.index.chroma import Vectors, open_collection, open_folder, try_folder
from qa.index.chroma_server import ChromaServer
from qa.index.embedding.base import FloatArray
from qa.index.embedding_cache import Bits
from qa.index.layout import REBUILD, StoreLayout, naming_corpus, reading_errors
from qa.index.locks import Lease
from qa.index.manifest import CorpusState, Manifest
from qa.index.papers_db import PapersReader

# Attempts to open: an attempt fails if a rebuild is published and removes the old one meanwhile.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """The papers that pass a filter, in the generation's order.

    Chroma gets the list of chunks: with 20,000 papers that is three times as fast as its own
    `where`, which also cannot look for a part of a name.
    """

    ids: tuple[str, ...]
    rows: tuple[int, ...]  # numbers in the papers file
    chunks: tuple[str, ...]  # ids in Chroma

    def __len__(self) -> int:
        return len(self.ids)


def select(db: sqlite3.Connection, filters: Filters, corpus: str) -> Selection:
    """Return the papers that pass the filters.

    A source filter is compared with "corpus/file", so `corpus` is the name of the corpus.
    """
    below = f"{corpus}/"
    wanted = {
        "authors": _list_has(filters.authors),
        "venue": _has(filters.venues),
        "sources": _list_has(filters.sources, below),
    }
    for column, test in wanted.items():
        db.create_function(f"wanted_{column}", 1, test, deterministic=True)
    conditions = " AND ".join(_conditions(filters)) or "1"
    values: list[int | str] = [year for span in filters.years for year in span]
    if filters.ids:
        values.append(json.dumps(filters.ids))
    query = f"SELECT n, id FROM papers WHERE {conditions} ORDER BY n"
    papers = db.execute(query, values).fetchall()
    chosen = {n for n, _ in papers}
    chunks = db.execute("SELECT n, id FROM chunks")
    return Selection(
        ids=tuple(paper_id for _, paper_id in papers),
        rows=tuple(n for n, _ in papers),
        chunks=tuple(chunk for n, chunk in chunks if n in chosen),
    )


def _conditions(filters: Filters) -> Iterator[str]:
    if filters.years:
        yield "(" + " OR ".join("year BETWEEN ? AND ?" for _ in filters.years) + ")"
    if filters.ids:
        yield "id IN (SELECT value FROM json_each(?))"
    kinds = {"authors": filters.authors, "venue": filters.venues, "sources": filters.sources}
    yield from (f"wanted_{column}({column})" for column, parts in kinds.items() if parts)


def _has(parts: tuple[str, ...]) -> Callable[[str | None], bool]:
    """Return a test of whether a name has one of the parts; the name may be NULL."""
    wanted = tuple(map(folded, parts))

    @cache  # many papers share a venue or a file
    def test(name: str | None) -> bool:
        return name is not None and any(part in folded(name) for part in wanted)

    return test


def _list_has(parts: tuple[str, ...], below: str = "") -> Callable[[str], bool]:
    """Return the same test for a JSON list of names, each with `below` before it."""
    test = _has(parts)
    return lambda names: any(test(below + name) for name in json.loads(names))


Only = Selection | Collection[str]  # the papers to choose from, or their ids


class Generation:
    """One finished state of a store; a rebuild neither changes nor removes it while it is open."""

    def __init__(
        self, folder: Path, manifest: Manifest, papers: PapersReader, vectors: Vectors
    ) -> None:
        """Take parts that `open` or `at` has opened."""
        self.folder = folder
        self.manifest = manifest
        self._papers = papers
        self._vectors = vectors
        self._lock = threading.Lock()  # SQLite's connection serves one thread at a time
        self._closing = ExitStack()
        with reading_errors(folder / "papers.sqlite"):
            self._keywords = KeywordIndex(papers.db, stems=manifest.stems)
            self._unreachable, self._unreachable_vectors = papers.unreachable()
            self._mean_vector = papers.mean_vector()
            self.paper_count = papers.count()

    @classmethod
    def open(
        cls,
        store: Path,
        corpus: Path,
        *,
        fingerprint: str,
        server: ChromaServer | None = None,
        thorough: bool = False,
    ) -> "Generation":
        """Return the live generation of a corpus; `thorough`: see `FileChecks.check`.

        Raises StoreMissing, StoreMismatch (another embedding model than `fingerprint`, another
        format, vectors elsewhere than on `server`), StoreDamaged, StoreError.
        """
        with naming_corpus(corpus):
            folder, lease = _live(StoreLayout.of(store, corpus), corpus)
            return cls._opened(folder, lease, fingerprint, server, thorough=thorough)

    @classmethod
    def at(
        cls, folder: Path, *, fingerprint: str, server: ChromaServer | None = None
    ) -> "Generation":
        """Return the generation in a folder, live or not; raises as `open` does."""
        return cls._opened(folder, Lease(folder), fingerprint, server, thorough=False)

    @classmethod
    def _opened(
        cls,
        folder: Path,
        lease: Lease,
        fingerprint: str,
        server: ChromaServer | None,
        *,
        thorough: bool,
    ) -> "Generation":
        with ExitStack() as opened:
            opened.callback(lease.close)
            with reading_errors(folder / "manifest.json"):
                manifest = Manifest.read(folder)
            manifest.check(fingerprint=fingerprint, on_server=server is not None)
            files = FileChecks(folder, manifest.sums)
            doubtful = files.check(thorough=thorough)
            with reading_errors(folder / "papers.sqlite"):
                papers = PapersReader(folder / "papers.sqlite")
                opened.callback(papers.close)
            vectors = _vectors(folder, manifest, server, try_first=doubtful)
            opened.callback(vectors.close)
            generation = cls(folder, manifest, papers, vectors)
            generation._check_counts()
            files.note()
            generation._closing = opened.pop_all()
            return generation

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let one thread at a time read the papers file, and translate errors."""
        with self._lock, naming_corpus(Path(self.manifest.corpus)), reading_errors(self.folder):
            yield

    def _check_counts(self) -> None:
        papers, vectors = self.paper_count, self._vectors.count()
        if (papers, vectors) != (self.manifest.papers, self.manifest.chunks):
            raise StoreDamaged(
                f"The store in {self.folder} should hold {self.manifest.papers} papers and "
                f"{self.manifest.chunks} vectors, but holds {papers} and {vectors}.",
                hint=REBUILD,
            )
        if len(self.ids()) != papers:
            raise StoreDamaged(f"The papers in {self.folder} are garbled.", hint=REBUILD)

    def nearest(
        self, vector: FloatArray, k: int, *, only: Only | None = None
    ) -> list[tuple[str, float]]:
        """Return the k papers whose best chunk is nearest, with its cosine, best first."""
        total = self.paper_count if only is None else len(only)
        k = min(k, total)
        if k < 1:
            return []
        among = None if only is None else self._chunks_of(only)
        chunks = self.manifest.chunks if among is None else len(among)
        limit = min(chunks, self._vectors.max_records or chunks)
        # So many chunks hold k papers if papers have equally many, and some more; else ask again.
        asked = min(limit, k + k * (chunks - total) // total + 10)
        while True:
            with naming_corpus(Path(self.manifest.corpus)):
                hits = zip(*self._vectors.query(vector, asked, only=among), strict=True)
            cosines = [(chunk, 1.0 - distance) for chunk, distance in hits]
            cosines += self._unreachable_cosines(vector, among)
            best: dict[str, float] = {}
            for chunk, cosine in sorted(cosines, key=_by_cosine):
                best.setdefault(chunk.rpartition(":")[0], cosine)
            if len(best) >= k or asked >= limit:
                return list(best.items())[:k]
            asked = min(limit, 2 * asked)

    def _unreachable_cosines(
        self, vector: FloatArray, among: Collection[str] | None
    ) -> list[tuple[str, float]]:
        """Return the cosines of the chunks that no query of Chroma's index finds."""
        if not self._unreachable:
            return []
        cosines = self._unreachable_vectors @ (vector / max(float(np.linalg.norm(vector)), 1e-12))
        allowed = set(self._unreachable if among is None else among)
        pairs = zip(self._unreachable, cosines.tolist(), strict=True)
        return [(chunk, cosine) for chunk, cosine in pairs if chunk in allowed]

    def select(self, filters: Filters) -> Selection:
        """Return the papers that pass the filters, for the argument `only`."""
        with self._reading():
            return select(self._papers.db, filters, Path(self.manifest.corpus).name)

    def _chunks_of(self, only: Only) -> Sequence[str]:
        if isinstance(only, Selection):
            return only.chunks
        with self._reading():
            return self._papers.chunk_ids(only)

    def keyword(
        self, terms: Mapping[str, float], k: int, *, only: Only | None = None
    ) -> list[tuple[str, float]]:
        """Return the k papers with the highest sum of weight x BM25 over the terms, best first.

        Papers with none of the terms are never among them.
        """
        with self._reading():
            rows = self._rows_of(only)
            best = self._keywords.best(terms, k, only=rows)
            ids = self._papers.ids([row for row, _ in best])
        return [(paper_id, score) for paper_id, (_, score) in zip(ids, best, strict=True)]

    def with_phrase(self, phrases: Sequence[str], most: int) -> list[str]:
        """Return the ids of up to `most` papers that have any of the phrases, in stems."""
        with self._reading():
            return self._papers.ids(self._keywords.rows_with(phrases, most))

    def _rows_of(self, only: Only | None) -> Sequence[int] | None:
        if only is None:
            return None
        if isinstance(only, Selection):
            return only.rows
        return self._papers.numbers(only)

    def vectors(self, ids: Sequence[str]) -> dict[str, FloatArray]:
        """Return (1 + sentences, dimension) per paper: row 0 the abstract, row i a sentence."""
        with self._reading():
            return self._papers.vectors(ids)

    def abstract_vectors(self, ids: Sequence[str]) -> FloatArray:
        """Return the vectors of whole abstracts (n, d), in the order of ids."""
        with self._reading():
            return self._papers.abstract_vectors(ids, dimension=self.manifest.dimension)

    def texts(self, ids: Sequence[str]) -> list[str]:
        """Return title and abstract of each paper as one text, in the order of ids."""
        with self._reading():
            return self._papers.texts(ids)

    def words(self, ids: Sequence[str]) -> dict[str, Bits]:
        """Return (words, dimension / 8) per paper: the signs of its words' vectors, as bits.

        There are none if the embedding model does not see words within their text.
        """
        with self._reading():
            return self._papers.words(ids, dimension=self.manifest.dimension)

    def mean_vector(self) -> FloatArray:
        """Return the mean of the papers' vectors (d,), of an even sample where there are many."""
        return self._mean_vector

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Return papers in the order of ids; unknown ids are left out."""
        with self._reading():
            return self._papers.papers(ids)

    def has_title(self, title: str) -> bool:
        """Tell whether a paper has this title, whatever its case and punctuation."""
        with self._reading():
            return self._papers.has_title(title)

    def ids(self) -> list[str]:
        """Return the ids of all papers, in a fixed order."""
        with self._reading():
            return self._papers.all_ids()

    def digests(self) -> dict[str, bytes]:
        """Return the digest of every paper, by id."""
        with self._reading():
            return self._papers.digests()

    def vector_count(self) -> int:
        """Return how many vectors Chroma can be asked for."""
        return self._vectors.count()

    def corpus_changed(self, corpus: Corpus) -> bool:
        """Return whether the corpus has changed since; only files with a new date are read."""
        recorded = self.manifest.corpus_digest
        known = CorpusState.read(self.folder)
        if known and known.digest != recorded:
            known = None  # its file is damaged
        with reading_errors(corpus.path):
            return CorpusState.of(corpus, known).digest != recorded

    def cache_keys(self) -> list[bytes]:
        """Return the keys in the embedding cache of all that this generation uses."""
        with self._reading():
            return list(self._papers.cache_keys())

    def document_frequency(self, term: str) -> int:
        """Return how many papers have a word, in any form that shares its stem."""
        with self._reading():
            return self._keywords.document_frequency(term)

    def close(self) -> None:
        """Close all files and release the lease."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _live(layout: StoreLayout, corpus: Path) -> tuple[Path, Lease]:
    """Return the folder of a store's live generation, and a lease on it."""
    for attempt in range(_ATTEMPTS):
        with reading_errors(layout.folder):
            name = layout.live()
        if name is None:
            raise StoreMissing(f"There is no store for {corpus} yet.", hint=REBUILD)
        folder = layout.generation(name)
        try:
            return folder, Lease(folder)
        except FileNotFoundError as exc:
            if attempt == _ATTEMPTS - 1 or layout.live() == name:
                raise StoreDamaged(f"{folder} is missing or cut off.", hint=REBUILD) from exc
    raise AssertionError  # the last attempt raises


def _by_cosine(hit: tuple[str, float]) -> tuple[float, str]:
    return -hit[1], hit[0]


def _vectors(
    folder: Path, manifest: Manifest, server: ChromaServer | None, *, try_first: bool
) -> Vectors:
    if server is not None and manifest.collection is not None:
        return open_collection(server, manifest.collection)
    reachable = manifest.chunks - manifest.strays
    if try_first:
        try_folder(folder / "chroma", dimension=manifest.dimension, reachable=reachable)
    return open_folder(folder / "chroma", dimension=manifest.dimension, reachable=reachable)
