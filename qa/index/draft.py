"""A draft: a generation being written, from nothing or as a copy of its base with the changes."""

import hashlib
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from qa.corpus.chunks import CHUNKER_VERSION
from qa.corpus.readers.corpus import Corpus
from qa.index.cache import EmbeddingCache
from qa.index.changes import Changes
from qa.index.corpus_state import CorpusState, reader_fingerprint
from qa.index.embed import PaperEmbedder
from qa.index.embedding.embedder import Embedder
from qa.index.generation import Generation
from qa.index.layout import Layout
from qa.index.manifest import FORMAT, Manifest
from qa.index.merging import Merged
from qa.index.papers_db import ChunkRow, PapersWriter
from qa.index.seal import sums
from qa.index.server import ChromaServer
from qa.index.server_collections import note_collection
from qa.index.skipped import SkippedEntries
from qa.index.vectors_writer import VectorsWriter, copy_folder
from qa.progress import Listener, Progress

_BATCH = 128  # papers; what was embedded is durable after each batch


@dataclass(frozen=True, slots=True)
class Means:
    """What a generation is made with."""

    layout: Layout
    embedder: Embedder
    cache: EmbeddingCache
    server: ChromaServer | None
    listener: Listener


class Draft:
    """The parts of one generation, until its manifest says that they are complete."""

    def __init__(self, folder: Path, means: Means, base: Generation | None) -> None:
        """Start in an empty folder; a base must have its vectors in its folder too."""
        self.folder = folder
        self._means = means
        self._base = base
        if base is not None:
            shutil.copyfile(base.folder / "papers.sqlite", folder / "papers.sqlite")
            copy_folder(base.folder / "chroma", folder / "chroma")
        self._papers = PapersWriter(folder / "papers.sqlite")
        self._gone: list[str] = []  # chunks
        self._added: set[str] = set()  # papers

    def take(self, merged: Merged, changes: Changes) -> int:
        """Bring the papers up to date; returns how many chunks had to be embedded."""
        ids = list(merged.digests())
        if self._base is not None:
            self._gone = self._papers.remove([*changes.removed, *changes.changed])
            touched = {*changes.new, *changes.changed}
            ids = [paper_id for paper_id in ids if paper_id in touched]
        self._added = set(ids)
        embedder = PaperEmbedder(self._means.embedder, self._means.cache)
        self._says("embedding", 0, len(ids), "papers")
        # A batch is written by a thread while the model is at the next.
        with ThreadPoolExecutor(1) as writer:
            writing: Future[None] | None = None
            for rows in embedder.rows(merged.papers(ids, size=_BATCH)):
                if writing is not None:
                    writing.result()
                writing = writer.submit(self._papers.add, rows)
                self._says("embedding", embedder.papers, len(ids), "papers")
            if writing is not None:
                writing.result()
        return embedder.embedded

    def index(self) -> tuple[int, str | None]:
        """Bring the vectors up to date; returns the manifest's `patched` and `collection`."""
        rows = [row for row in self._papers.chunks() if row.paper_id in self._added]
        if self._means.server is not None:
            return 0, self._index_on_server(self._means.server, rows)
        if self._base is None:
            with closing(VectorsWriter.create(self.folder / "chroma", rows=len(rows))) as writer:
                self._fill(writer, rows)
                self._keep_strays(writer)
            return 0, None
        operations = len(self._gone) + len(rows)
        if operations:
            patch = VectorsWriter.patch(self.folder / "chroma", operations=operations)
            with closing(patch) as writer:
                self._fill(writer, rows, gone=self._gone)
                self._keep_strays(writer)
        return self._base.manifest.patched + operations, None

    def _index_on_server(self, server: ChromaServer, rows: Sequence[ChunkRow]) -> str:
        """Fill the collection named by its content; another machine may have done so already."""
        content = hashlib.sha256(f"{FORMAT} {self._means.embedder.fingerprint}".encode())
        for row in rows:
            content.update(row.id.encode() + row.key)
        name = f"qa-{content.hexdigest()[:24]}"
        note_collection(self._means.layout, name)
        with closing(VectorsWriter.on_server(server, name, rows=len(rows))) as writer:
            there = writer.ids()
            missing = [row for row in rows if row.id not in there]
            self._fill(writer, missing, gone=sorted(there - {row.id for row in rows}))
            self._keep_strays(writer)
        return name

    def _fill(
        self, writer: VectorsWriter, rows: Sequence[ChunkRow], *, gone: Sequence[str] = ()
    ) -> None:
        writer.delete(gone)
        for part in writer.batches(len(rows)):
            some = rows[part]
            found = self._means.cache.get([row.key for row in some])
            vectors = np.array([found[row.key].rows[0] for row in some], np.float32)
            writer.upsert([row.id for row in some], vectors, [row.metadata for row in some])
            self._says("indexing", part.stop, len(rows), "vectors")

    def _keep_strays(self, writer: VectorsWriter) -> None:
        keys = {row.id: row.key for row in self._papers.chunks()}
        strays = writer.strays(list(keys))
        found = self._means.cache.get([keys[chunk] for chunk in strays])
        self._papers.set_strays({chunk: found[keys[chunk]].rows[0] for chunk in strays})

    def finish(self, corpus: Corpus, state: CorpusState, skipped: SkippedEntries) -> Manifest:
        """Index the vectors and write the manifest; then it can be opened."""
        patched, collection = self.index()
        counts = self._papers.counts()
        self._papers.finish()
        embedder = self._means.embedder
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
            skipped=skipped.total,
            patched=patched,
            strays=counts.strays,
            collection=collection,
            sums=sums(self.folder),
            columns=dict(corpus.columns),
        )
        skipped.write(self.folder)
        state.write(self.folder)
        manifest.write(self.folder)
        return manifest

    def close(self) -> None:
        """Let go of the files of a draft that failed."""
        self._papers.close()

    def _says(self, stage: str, done: int, total: int, unit: str) -> None:
        self._means.listener(Progress(stage, done, total, unit))
