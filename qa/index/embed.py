"""Embedding papers: their chunks' vectors, out of the cache where it has them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from qa.corpus.chunks import Chunk, fits_one_chunk, split_paper
from qa.corpus.papers import Paper
from qa.index.cache import STORED, Embedded, EmbeddingCache, Half, cache_key
from qa.index.embedding.embedder import Embedder, Passage
from qa.index.papers_db import Row, paper_digest
from qa.index.word_bits import packed

T = TypeVar("T")
_AT_ONCE = 128  # chunks; all the vectors of one's words take 200 kB until they are packed
_WARM_UP = 4  # batches whose short papers are embedded while the splitter is being imported


@dataclass(frozen=True, slots=True)
class _Cut:
    """Papers cut into chunks, and what the cache knows the chunks by."""

    papers: Sequence[Paper]
    chunks: Mapping[str, tuple[Chunk, ...]]  # by paper id
    keys: Mapping[str, bytes]  # by chunk id
    passages: Mapping[bytes, Passage]  # by key


class PaperEmbedder:
    """Turns papers into rows; counts them, and the chunks that really had to be embedded."""

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self.papers = 0
        self.embedded = 0

    def rows(self, batches: Iterable[Sequence[Paper]]) -> Iterator[Iterator[Row]]:
        """Yield the papers of each batch with their vectors, which then are in the cache too.

        While the model is at one batch, a thread takes the next from `batches` and cuts it.
        """
        for cut in _ahead(self._cuts(iter(batches))):
            vectors = self._vectors(cut.passages)
            self.papers += len(cut.papers)
            if cut.papers:
                yield map(partial(_row, cut, vectors), cut.papers)

    def _cuts(self, batches: Iterator[Sequence[Paper]]) -> Iterator[_Cut]:
        """Yield the batches cut, but first, without papers, chunks that take no splitter.

        Importing that takes a second, which is nearly free while the model has something to do.
        """
        first = list(islice(batches, _WARM_UP))
        papers = [paper for batch in first for paper in batch]
        short = [paper for paper in papers if fits_one_chunk(paper)]
        if len(short) < len(papers):
            yield replace(self._cut(short), papers=())
        yield from map(self._cut, chain(first, batches))

    def _cut(self, papers: Sequence[Paper]) -> _Cut:
        chunks = {paper.id: split_paper(paper) for paper in papers}
        passages = {
            chunk.id: Passage(chunk.text, chunk.spans, chunk.words)
            for parts in chunks.values()
            for chunk in parts
        }
        keys = {
            chunk: cache_key(self._embedder.fingerprint, passage)
            for chunk, passage in passages.items()
        }
        by_key = {keys[chunk]: passage for chunk, passage in passages.items()}
        return _Cut(papers, chunks, keys, by_key)

    def _vectors(self, passages: Mapping[bytes, Passage]) -> dict[bytes, Embedded]:
        found = self._cache.get(list(passages))
        missing = [key for key in passages if key not in found]
        if missing:
            fresh = {
                key: embedded
                for start in range(0, len(missing), _AT_ONCE)
                for key, embedded in self._embedded(missing[start : start + _AT_ONCE], passages)
            }
            self._cache.put(fresh)
            self.embedded += len(fresh)
            found |= fresh
        return found

    def _embedded(
        self, keys: Sequence[bytes], passages: Mapping[bytes, Passage]
    ) -> Iterator[tuple[bytes, Embedded]]:
        """Yield what to keep of the passages; only some models have vectors of single words."""
        arrays = self._embedder.embed_passages([passages[key] for key in keys])
        for key, array in zip(keys, arrays, strict=True):
            passage = passages[key]
            rows = 1 + len(passage.spans)
            words = [passage.text[start:end].lower() for start, end in passage.words]
            bits = packed(words[: len(array) - rows], array[rows:])
            yield key, Embedded(array[:rows].astype(STORED), bits)


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items, each got by a thread while the caller is busy with the one before."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _row(cut: _Cut, vectors: Mapping[bytes, Embedded], paper: Paper) -> Row:
    chunks = cut.chunks[paper.id]
    return Row(
        paper=paper,
        digest=paper_digest(paper),
        chunks=tuple((c.id, c.number, c.start, c.end, cut.keys[c.id]) for c in chunks),
        vectors=_joined(paper, chunks, [vectors[cut.keys[c.id]].rows for c in chunks]),
        words=np.concatenate([vectors[cut.keys[c.id]].words for c in chunks]),
    )


def _joined(paper: Paper, chunks: Iterable[Chunk], arrays: Sequence[Half]) -> Half:
    """Return the vectors of abstract and sentences; what stands in two chunks gets their mean."""
    joined = np.zeros((1 + len(paper.sentences), arrays[0].shape[1]), np.float32)
    for chunk, array in zip(chunks, arrays, strict=True):
        joined[[0, *chunk.sentences]] += array
    lengths = np.linalg.norm(joined, axis=1, keepdims=True)
    half: Half = (joined / np.maximum(lengths, 1e-12)).astype(STORED)
    return half
