"""Embedding papers: their chunks' vectors, out of the cache where it has them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from qa.chunks import Chunk, split_paper
from qa.embedding import Embedder, Passage
from qa.papers import Paper
from qa.store.cache import STORED, EmbeddingCache, Half, cache_key
from qa.store.papers_db import Row, paper_digest


class PaperEmbedder:
    """Turns papers into rows, and counts the chunks that really had to be embedded."""

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self.embedded = 0

    def rows(self, papers: Sequence[Paper]) -> Iterator[Row]:
        """Yield each paper with its vectors; when the first comes, all are in the cache."""
        chunks = {paper.id: split_paper(paper) for paper in papers}
        passages = {
            chunk.id: Passage(chunk.text, chunk.spans)
            for parts in chunks.values()
            for chunk in parts
        }
        keys = {
            chunk: cache_key(self._embedder.fingerprint, passage)
            for chunk, passage in passages.items()
        }
        vectors = self._vectors({keys[chunk]: passage for chunk, passage in passages.items()})
        for paper in papers:
            parts = chunks[paper.id]
            yield Row(
                paper=paper,
                digest=paper_digest(paper),
                chunks=tuple((c.id, c.number, c.start, c.end, keys[c.id]) for c in parts),
                vectors=_joined(paper, parts, [vectors[keys[c.id]] for c in parts]),
            )

    def _vectors(self, passages: dict[bytes, Passage]) -> dict[bytes, Half]:
        found = self._cache.get(list(passages))
        missing = [key for key in passages if key not in found]
        if missing:
            arrays = self._embedder.embed_passages([passages[key] for key in missing])
            fresh = {key: array.astype(STORED) for key, array in zip(missing, arrays, strict=True)}
            self._cache.put(fresh)
            self.embedded += len(fresh)
            found |= fresh
        return found


def _joined(paper: Paper, chunks: Iterable[Chunk], arrays: Sequence[Half]) -> Half:
    """Return the vectors of abstract and sentences; what stands in two chunks gets their mean."""
    joined = np.zeros((1 + len(paper.sentences), arrays[0].shape[1]), np.float32)
    for chunk, array in zip(chunks, arrays, strict=True):
        joined[[0, *chunk.sentences]] += array
    lengths = np.linalg.norm(joined, axis=1, keepdims=True)
    half: Half = (joined / np.maximum(lengths, 1e-12)).astype(STORED)
    return half
