"""Writes a generation, from nothing or as a copy of an earlier one with the changes."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from qa.corpus.chunking import CHUNKER_VERSION, Chunk, split_paper
from qa.corpus.papers import Paper
from qa.corpus.readers.corpus import Corpus
from qa.index.checksums import checksums
from qa.index.chroma import VectorsWriter, copy_folder
from qa.index.chroma_server import ChromaServer, note_collection
from qa.index.dedupe import MergedPapers
from qa.index.embedding.base import Embedder, Passage, normalised
from qa.index.embedding_cache import STORED, Embedded, EmbeddingCache, Half, cache_key, pack_signs
from qa.index.generation import Generation
from qa.index.layout import StoreLayout
from qa.index.manifest import FORMAT, CorpusState, Manifest, reader_fingerprint
from qa.index.papers_db import ChunkRow, PapersReader, PapersWriter, Row, paper_digest
from qa.index.reading_report import ReadingReport
from qa.progress import Progress, ProgressListener

_BATCH = 128  # papers; what was embedded is in the cache after each batch
_PASSAGES = 128  # embedded at once; the vectors of one's words take 200 kB until they are packed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Changes:
    """The ids of papers by what became of them since the generation before."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int

    @classmethod
    def between(cls, before: dict[str, bytes], after: dict[str, bytes]) -> "Changes":
        """Compare two sets of papers by their digests."""
        return cls(
            new=tuple(key for key in after if key not in before),
            changed=tuple(key for key in after if before.get(key, after[key]) != after[key]),
            removed=tuple(key for key in before if key not in after),
            unchanged=sum(before.get(key) == after[key] for key in after),
        )

    @property
    def operations(self) -> int:
        """How many papers must be put in or taken out."""
        return len(self.new) + 2 * len(self.changed) + len(self.removed)


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a generation is built with."""

    layout: StoreLayout
    embedder: Embedder
    cache: EmbeddingCache
    server: ChromaServer | None
    progress: ProgressListener


class GenerationWriter:
    """The parts of one generation, until its manifest says that they are complete."""

    def __init__(
        self, folder: Path, context: BuildContext, base: Generation | None, *, stems: bool
    ) -> None:
        """Start in an empty folder, with a copy of `base`, whose vectors must be in a folder.

        `stems` tells whether the keyword index is to cut words to their stems, as that of `base`.
        """
        self.folder = folder
        self._context = context
        self._base = base
        if base is not None:
            shutil.copyfile(base.folder / "papers.sqlite", folder / "papers.sqlite")
            copy_folder(base.folder / "chroma", folder / "chroma")
        self._papers = PapersWriter(folder / "papers.sqlite", stems=stems)
        self._stems = stems
        self._removed: list[str] = []  # chunk ids
        self._added: set[str] = set()  # paper ids

    def update_papers(self, merged: MergedPapers, changes: Changes) -> int:
        """Embed and write the papers that changed; return how many chunks had to be embedded."""
        ids = list(merged.digests())
        if self._base is not None:
            self._removed = self._papers.remove([*changes.removed, *changes.changed])
            touched = {*changes.new, *changes.changed}
            ids = [paper_id for paper_id in ids if paper_id in touched]
        self._added = set(ids)
        embedder = PaperEmbedder(self._context.embedder, self._context.cache)
        self._report("embedding", 0, len(ids), "papers")
        # A batch is written by a thread while the model is at the next.
        with ThreadPoolExecutor(1) as writer:
            writing: Future[None] | None = None
            for rows in embedder.rows(merged.papers(ids, size=_BATCH)):
                if writing is not None:
                    writing.result()
                writing = writer.submit(self._papers.add, rows)
                self._report("embedding", embedder.papers, len(ids), "papers")
            if writing is not None:
                writing.result()
        return embedder.embedded

    def _update_vectors(self) -> tuple[int, str | None]:
        """Bring Chroma up to date; return `patched` and `collection` for the manifest."""
        rows = [row for row in self._papers.chunks() if row.paper_id in self._added]
        if self._context.server is not None:
            return 0, self._index_on_server(self._context.server, rows)
        if self._base is None:
            with closing(VectorsWriter.create(self.folder / "chroma", rows=len(rows))) as writer:
                self._fill(writer, rows)
                self._keep_unreachable(writer)
            return 0, None
        operations = len(self._removed) + len(rows)
        if operations:
            patch = VectorsWriter.patch(self.folder / "chroma", operations=operations)
            with closing(patch) as writer:
                self._fill(writer, rows, removed=self._removed)
                self._keep_unreachable(writer)
        return self._base.manifest.patched + operations, None

    def _index_on_server(self, server: ChromaServer, rows: Sequence[ChunkRow]) -> str:
        """Fill the collection that is named after its content; return the name.

        Another machine may have filled it already.
        """
        content = hashlib.sha256(f"{FORMAT} {self._context.embedder.fingerprint}".encode())
        for row in rows:
            content.update(row.id.encode() + row.key)
        name = f"qa-{content.hexdigest()[:24]}"
        note_collection(self._context.layout, name)
        with closing(VectorsWriter.on_server(server, name, rows=len(rows))) as writer:
            there = writer.ids()
            missing = [row for row in rows if row.id not in there]
            self._fill(writer, missing, removed=sorted(there - {row.id for row in rows}))
            self._keep_unreachable(writer)
        return name

    def _fill(
        self, writer: VectorsWriter, rows: Sequence[ChunkRow], *, removed: Sequence[str] = ()
    ) -> None:
        writer.delete(removed)
        for part in writer.batches(len(rows)):
            some = rows[part]
            vectors = np.array(self._vectors(some), np.float32)
            writer.upsert([row.id for row in some], vectors, [row.metadata for row in some])
            self._report("indexing", part.stop, len(rows), "vectors")

    def _keep_unreachable(self, writer: VectorsWriter) -> None:
        rows = {row.id: row for row in self._papers.chunks()}
        chunks = writer.unreachable(list(rows))
        vectors = self._vectors([rows[chunk] for chunk in chunks])
        self._papers.set_unreachable(dict(zip(chunks, vectors, strict=True)))

    def _vectors(self, rows: Sequence[ChunkRow]) -> list[Half]:
        """Return the vectors of chunks; those that a damaged cache has lost are embedded again."""
        cache = self._context.cache
        found = cache.get([row.key for row in rows])
        lost = {row.paper_id for row in rows if row.key not in found}
        if lost:
            with closing(PapersReader(self.folder / "papers.sqlite")) as reader:
                papers = reader.papers(list(lost))
            for _ in PaperEmbedder(self._context.embedder, cache).rows([papers]):
                pass  # they are in the cache now
            found = cache.get([row.key for row in rows])
        return [found[row.key].rows[0] for row in rows]

    def finish(self, corpus: Corpus, state: CorpusState, reading: ReadingReport) -> Manifest:
        """Index the vectors and write the manifest: then the generation can be opened."""
        patched, collection = self._update_vectors()
        counts = self._papers.counts()
        self._papers.finish()
        reading.write(self.folder)
        embedder = self._context.embedder
        manifest = Manifest(
            format=FORMAT,
            generation=self.folder.name,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
            corpus=str(corpus.path.resolve()),
            corpus_digest=state.digest,
            embedding=embedder.name,
            dimension=embedder.dimension,
            fingerprint=embedder.fingerprint,
            reader=reader_fingerprint(corpus),
            chunker=CHUNKER_VERSION,
            papers=counts.papers,
            chunks=counts.chunks,
            sentences=counts.sentences,
            skipped=reading.skips,
            patched=patched,
            strays=counts.unreachable,
            stems=self._stems,
            collection=collection,
            sums=checksums(self.folder),
            columns=dict(corpus.columns),
        )
        state.write(self.folder)
        manifest.write(self.folder)
        return manifest

    def close(self) -> None:
        """Close the files, also of a generation that was not finished."""
        self._papers.close()

    def _report(self, stage: str, done: int, total: int, unit: str) -> None:
        self._context.progress(Progress(stage, done, total, unit))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Papers cut into chunks, and the chunks' keys in the embedding cache."""

    papers: Sequence[Paper]
    chunks: Mapping[str, tuple[Chunk, ...]]  # by paper id
    keys: Mapping[str, bytes]  # by chunk id
    passages: Mapping[bytes, Passage]  # by key


class PaperEmbedder:
    """Makes rows of papers; counts the papers, and the chunks that were not in the cache."""

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self.papers = 0
        self.embedded = 0

    def rows(self, batches: Iterable[Sequence[Paper]]) -> Iterator[Iterator[Row]]:
        """Yield the papers of each batch with their vectors, which then are in the cache too.

        While the model embeds one batch, a thread takes the next from `batches` and cuts it.
        """
        for batch in _ahead(map(self._chunked, batches)):
            vectors = self._vectors(batch.passages)
            self.papers += len(batch.papers)
            yield map(partial(_row, batch, vectors), batch.papers)

    def _chunked(self, papers: Sequence[Paper]) -> _Batch:
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
        return _Batch(papers, chunks, keys, by_key)

    def _vectors(self, passages: Mapping[bytes, Passage]) -> dict[bytes, Embedded]:
        found = {
            key: embedded
            for key, embedded in self._cache.get(list(passages)).items()
            if len(embedded.rows) == 1 + len(passages[key].spans)
        }
        missing = [key for key in passages if key not in found]
        if missing:
            fresh = {
                key: embedded
                for start in range(0, len(missing), _PASSAGES)
                for key, embedded in self._embedded(missing[start : start + _PASSAGES], passages)
            }
            self._cache.put(fresh)
            self.embedded += len(fresh)
            found |= fresh
        return found

    def _embedded(
        self, keys: Sequence[bytes], passages: Mapping[bytes, Passage]
    ) -> Iterator[tuple[bytes, Embedded]]:
        """Yield what to keep of each passage; only some models have vectors of single words."""
        arrays = self._embedder.embed_passages([passages[key] for key in keys])
        for key, array in zip(keys, arrays, strict=True):
            passage = passages[key]
            rows = 1 + len(passage.spans)
            words = [passage.text[start:end].lower() for start, end in passage.words]
            bits = pack_signs(words[: len(array) - rows], array[rows:])
            yield key, Embedded(array[:rows].astype(STORED), bits)


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items; a thread gets the next one while the caller works on the one before."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _row(batch: _Batch, vectors: Mapping[bytes, Embedded], paper: Paper) -> Row:
    chunks = batch.chunks[paper.id]
    return Row(
        paper=paper,
        digest=paper_digest(paper),
        chunks=tuple((c.id, c.number, c.start, c.end, batch.keys[c.id]) for c in chunks),
        vectors=_joined(paper, chunks, [vectors[batch.keys[c.id]].rows for c in chunks]),
        words=np.concatenate([vectors[batch.keys[c.id]].words for c in chunks]),
    )


def _joined(paper: Paper, chunks: Iterable[Chunk], arrays: Sequence[Half]) -> Half:
    """Return the vectors of abstract and sentences; a sentence of two chunks gets their mean."""
    joined = np.zeros((1 + len(paper.sentences), arrays[0].shape[1]), np.float32)
    for chunk, array in zip(chunks, arrays, strict=True):
        joined[[0, *chunk.sentences]] += array
    half: Half = normalised(joined).astype(STORED)
    return half
