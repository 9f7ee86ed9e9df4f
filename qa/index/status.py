"""Status: what a store holds, counted from each side, and what to do if the sides disagree."""

from dataclasses import dataclass
from pathlib import Path

from qa.config import rebuild_command
from qa.corpus.readers.corpus import Corpus
from qa.errors import StoreError
from qa.index.cache import EmbeddingCache
from qa.index.faults import advising, reading
from qa.index.generation import Generation
from qa.index.layout import Layout, size_on_disk
from qa.index.lock import Holder, holder, is_locked
from qa.index.manifest import Manifest
from qa.index.server import ChromaServer
from qa.index.verify import verify


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Counts from every part of a store, and a verdict in words."""

    folder: Path
    manifest: Manifest | None  # None: nothing can be opened
    papers: int  # rows of papers
    vectors: int  # that Chroma can be asked for
    cached: int  # chunks in the embedding cache
    cache_bytes: int
    disk_bytes: int  # of everything, the cache among it
    corpus_changed: bool
    writer: Holder | None  # a rebuild that is running
    verdict: str  # one line
    sound: bool  # nothing needs to be done


def store_status(
    store: Path, corpus: Corpus, *, fingerprint: str, server: ChromaServer | None = None
) -> StoreStatus:
    """Look into a store with the settings that a question would use; never raises for its state."""
    layout = Layout.of(store, corpus.path)
    manifest, papers, vectors, changed = None, 0, 0, False
    try:
        opened = Generation.open(store, corpus.path, fingerprint=fingerprint, server=server)
        with opened as generation:
            manifest, papers = generation.manifest, generation.paper_count
            vectors = generation.vector_count()
            changed = generation.corpus_changed(corpus)
            with advising(corpus.path):
                verify(generation)
        verdict = _changed(corpus) if changed else "The store is complete and up to date."
    except StoreError as exc:
        verdict = str(exc)
    cached, cache_bytes = _cache(layout)
    return StoreStatus(
        folder=layout.folder,
        manifest=manifest,
        papers=papers,
        vectors=vectors,
        cached=cached,
        cache_bytes=cache_bytes,
        disk_bytes=size_on_disk(layout.folder),
        corpus_changed=changed,
        writer=holder(layout) if is_locked(layout) else None,
        verdict=verdict,
        sound=verdict.startswith("The store is complete"),
    )


def _changed(corpus: Corpus) -> str:
    command = rebuild_command(corpus.path)
    return f"The corpus has changed since the store was built. Bring it up to date with: {command}"


def _cache(layout: Layout) -> tuple[int, int]:
    if not layout.cache.exists():
        return 0, 0
    try:
        with reading(layout.cache):
            return EmbeddingCache.count(layout.cache), layout.cache.stat().st_size
    except StoreError:
        return 0, 0
