"""Checks of a store: whether searches find its papers, and its status."""

import random
from dataclasses import dataclass
from pathlib import Path

from qa.corpus.papers import Paper
from qa.corpus.readers.corpus import Corpus
from qa.errors import StoreDamaged, StoreError, StoreMismatch
from qa.index.bm25 import longest_word
from qa.index.chroma_server import ChromaServer
from qa.index.embedding.base import FloatArray
from qa.index.embedding_cache import EmbeddingCache
from qa.index.generation import Generation
from qa.index.layout import REBUILD, StoreLayout, naming_corpus, reading_errors, size_on_disk
from qa.index.locks import LockHolder, is_locked, lock_holder
from qa.index.manifest import Manifest

_SAMPLE = 32  # papers that are searched for
_MISSES_ALLOWED = 1  # of them: the search is approximate, though hardly ever for ten hits


def verify(generation: Generation) -> None:
    """Ask for a sample of papers by their own vectors and words; raises StoreDamaged."""
    ids = generation.ids()
    sample = random.Random(0).sample(ids, min(_SAMPLE, len(ids)))  # noqa: S311 (no secret)
    vectors = generation.vectors(sample)
    papers = generation.papers(sample)
    lost = [paper_id for paper_id in sample if not _found(generation, paper_id, vectors)]
    without_words = [paper.id for paper in papers if not _indexed(generation, paper)]
    if len(papers) < len(sample) or len(lost) > _MISSES_ALLOWED or without_words:
        some = ", ".join([*lost, *without_words][:3])
        raise StoreDamaged(
            f"The store in {generation.folder} does not find papers that it holds ({some}).",
            hint=REBUILD,
        )


def _found(generation: Generation, paper_id: str, vectors: dict[str, FloatArray]) -> bool:
    """Return whether a search by a paper's vector finds it, or else ten papers that are as near.

    Others can be as near: the vector of an abstract in several chunks is the mean of theirs, and
    papers can have the same text.
    """
    if paper_id not in vectors:
        return False
    vector = vectors[paper_id][0]
    hits = generation.nearest(vector, 10)
    own = generation.nearest(vector, 1, only=[paper_id])
    return bool(own) and (paper_id in dict(hits) or own[0][1] <= hits[-1][1] + 1e-4)


def _indexed(generation: Generation, paper: Paper) -> bool:
    word = longest_word(f"{paper.title} {paper.abstract}")
    return word is None or generation.document_frequency(word) > 0


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Counts from every part of a store, and what is wrong with it."""

    folder: Path
    manifest: Manifest | None  # None: nothing can be opened
    papers: int  # rows of papers
    vectors: int  # that Chroma can be asked for
    cached: int  # chunks in the embedding cache
    cache_bytes: int
    disk_bytes: int  # of everything, the cache among it
    writer: LockHolder | None  # a rebuild that is running
    problem: StoreError | None  # None: the store is complete and up to date


def store_status(
    store: Path, corpus: Corpus, *, fingerprint: str, server: ChromaServer | None = None
) -> StoreStatus:
    """Return the state of a store for the settings of a question; a problem is not raised."""
    layout = StoreLayout.of(store, corpus.path)
    manifest, papers, vectors = None, 0, 0
    problem: StoreError | None = None
    try:
        opened = Generation.open(
            store, corpus.path, fingerprint=fingerprint, server=server, thorough=True
        )
        with opened as generation:
            manifest, papers = generation.manifest, generation.paper_count
            vectors = generation.vector_count()
            with naming_corpus(corpus.path):
                verify(generation)
                if generation.corpus_changed(corpus):
                    message = "The corpus has changed since the store was built."
                    raise StoreMismatch(message, hint=REBUILD)
    except StoreError as exc:
        problem = exc
    cached, cache_bytes = _cache(layout)
    return StoreStatus(
        folder=layout.folder,
        manifest=manifest,
        papers=papers,
        vectors=vectors,
        cached=cached,
        cache_bytes=cache_bytes,
        disk_bytes=size_on_disk(layout.folder),
        writer=lock_holder(layout) if is_locked(layout) else None,
        problem=problem,
    )


def _cache(layout: StoreLayout) -> tuple[int, int]:
    if not layout.cache.exists():
        return 0, 0
    try:
        with reading_errors(layout.cache):
            return EmbeddingCache.count(layout.cache), layout.cache.stat().st_size
    except StoreError:
        return 0, 0
