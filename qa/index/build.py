"""Builds a corpus's store: reads the corpus, embeds what is new, and publishes a generation."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from qa.config import LOCAL_EMBEDDING
from qa.corpus.chunking import CHUNKER_VERSION
from qa.corpus.papers import Skipped
from qa.corpus.readers.corpus import Corpus
from qa.errors import CorpusError, StoreDamaged, StoreMismatch, StoreMissing
from qa.index.chroma_server import ChromaServer, remove_old_collections
from qa.index.dedupe import MergedPapers
from qa.index.embedding.base import Embedder
from qa.index.embedding_cache import EmbeddingCache
from qa.index.generation import Generation
from qa.index.generation_writer import BuildContext, Changes, GenerationWriter
from qa.index.integrity import verify
from qa.index.layout import StoreLayout, naming_corpus, remove_tree, writing_errors
from qa.index.locks import LockHolder, offer_lease, writer_lock
from qa.index.manifest import CorpusState, Manifest, Origin, reader_fingerprint
from qa.index.reading_report import Merged, ReadingReport
from qa.index.stores import remove_if_empty, remove_unused
from qa.progress import ProgressListener, ignore_progress

# The share of the vectors up to which a copy of the generation before is changed. Above it,
# indexing from nothing is as fast and leaves a better index.
_PATCH_SHARE = 0.2
# The share of papers in other languages from which on words are not cut to English stems.
OTHER_LANGUAGES = 0.2


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a rebuild found and did, in papers; new + changed + unchanged == papers."""

    generation: str
    new: int
    changed: int
    removed: int
    unchanged: int
    reading: ReadingReport  # what became of every entry; of a corpus as before, what did then
    embedded: int  # chunks that were not in the cache
    papers: int
    chunks: int
    sentences: int
    seconds: float

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The entries that are no papers."""
        return self.reading.skipped

    @property
    def merged(self) -> tuple[Merged, ...]:
        """The entries that were merged into a paper before them."""
        return self.reading.merged

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be guessed about the files."""
        return self.reading.notes


@dataclass(frozen=True, slots=True)
class _Job:
    """One rebuild."""

    corpus: Corpus
    context: BuildContext
    began: float  # time.perf_counter()

    def report(
        self, manifest: Manifest, changes: Changes, reading: ReadingReport, *, embedded: int
    ) -> BuildReport:
        return BuildReport(
            generation=manifest.generation,
            new=len(changes.new),
            changed=len(changes.changed),
            removed=len(changes.removed),
            unchanged=changes.unchanged,
            reading=reading,
            embedded=embedded,
            papers=manifest.papers,
            chunks=manifest.chunks,
            sentences=manifest.sentences,
            seconds=time.perf_counter() - self.began,
        )


def build(  # noqa: PLR0913 (each is a setting of its own)
    store: Path,
    corpus: Corpus,
    embedder: Embedder,
    *,
    server: ChromaServer | None = None,
    force: bool = False,
    cached: bool = True,
    wait: float | None = None,
    waiting: Callable[[LockHolder | None], None] | None = None,
    progress: ProgressListener = ignore_progress,
) -> BuildReport:
    """Bring a corpus's store up to date and return what was done.

    Only text whose vectors are not in the cache is embedded; all text unless `cached`. The
    generation before stays live until the new one is verified; with `force` nothing is copied from
    it. With a `server` the
    vectors go there. `wait` and `waiting`: see `writer_lock`. Raises StoreLocked, StoreError,
    CorpusError, EmbeddingError.
    """
    began = time.perf_counter()
    layout = StoreLayout.of(store, corpus.path)
    if server is not None:
        server.check()  # before hours of embedding
    with (
        naming_corpus(corpus.path),
        writing_errors(layout.folder),
        writer_lock(layout, wait=wait, waiting=waiting),
    ):
        remove_unused(layout)
        if Origin.read(layout).corpus is None:
            Origin(corpus.path.resolve(), {}).write(layout)
        try:
            with closing(EmbeddingCache(layout.cache, read=cached)) as cache:
                job = _Job(corpus, BuildContext(layout, embedder, cache, server, progress), began)
                with _base(job, force=force) as base:
                    report = _unchanged(job, base) or _build_generation(job, base)
                if cache.trouble:
                    reading = replace(report.reading, notes=(*report.notes, cache.trouble))
                    report = replace(report, reading=reading)
        except BaseException:
            remove_if_empty(layout)
            raise
        remove_unused(layout)
        Origin(corpus.path.resolve(), dict(corpus.columns)).write(layout)
        return report


@contextmanager
def _base(job: _Job, *, force: bool) -> Iterator[Generation | None]:
    """Yield the live generation if it is complete and its papers are chunked as they are now."""
    base = None if force else _complete(job)
    if base is None:
        yield None
        return
    with base:
        yield base if base.manifest.chunker == CHUNKER_VERSION else None


def _complete(job: _Job) -> Generation | None:
    """Open the live generation; return None if there is none or anything is wrong with it."""
    context = job.context
    try:
        generation = Generation.open(
            context.layout.folder.parent,
            job.corpus.path,
            fingerprint=context.embedder.fingerprint,
            server=context.server,
            thorough=True,
        )
    except (StoreMissing, StoreMismatch, StoreDamaged):
        return None
    try:
        verify(generation)
    except StoreDamaged:
        generation.close()
        return None
    return generation


def _unchanged(job: _Job, base: Generation | None) -> BuildReport | None:
    """Return a report if the corpus's files, and how they are read, are the same as for `base`."""
    if base is None or base.manifest.reader != reader_fingerprint(job.corpus):
        return None
    state = CorpusState.of(job.corpus)
    if state.digest != base.manifest.corpus_digest:
        return None
    state.write(base.folder)
    no_changes = Changes((), (), (), base.manifest.papers)
    return job.report(base.manifest, no_changes, ReadingReport.read(base.folder), embedded=0)


def _build_generation(job: _Job, base: Generation | None) -> BuildReport:
    """Build and publish a new generation; where that fails, remove its folder."""
    context = job.context
    name = f"g-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"
    folder = context.layout.generation(name)
    folder.mkdir()
    try:
        with closing(MergedPapers(folder / "merged.sqlite")) as merged:
            report, keys = _fill(job, base, folder, merged)
    except BaseException:
        if _live(context.layout) != name:  # it may be interrupted right after it was published
            remove_tree(folder)
        raise
    context.cache.keep_used(keys)
    if context.server is not None:
        remove_old_collections(context.layout, context.server)
    return report


def _fill(
    job: _Job, base: Generation | None, folder: Path, merged: MergedPapers
) -> tuple[BuildReport, list[bytes]]:
    """Fill and publish a generation; return the report and the cache keys that it uses."""
    state = CorpusState.of(job.corpus)
    reading = merged.add_corpus(job.corpus, job.context.progress)
    after = merged.digests()
    if not after:
        raise CorpusError(_no_papers(job.corpus, reading))
    others = merged.other_languages()
    stems = sum(others.values()) < OTHER_LANGUAGES
    if not stems:
        reading = replace(
            reading, notes=(*reading.notes, _language_note(others, job.context.embedder))
        )
    changes = Changes.between(base.digests() if base else {}, after)
    base = _patchable(job, base, changes, stems=stems)
    with closing(GenerationWriter(folder, job.context, base, stems=stems)) as writer:
        embedded = writer.update_papers(merged, changes)
        merged.close()
        manifest = writer.finish(job.corpus, state, reading)
    keys = _publish(job.context, folder)
    return job.report(manifest, changes, reading, embedded=embedded), keys


def _language_note(others: Mapping[str, float], embedder: Embedder) -> str:
    """Return what a corpus in other languages than English means, and what helps."""
    language = next(iter(others))
    note = (
        f"{sum(others.values()):.0%} of the papers are not in English, most of these in {language}:"
        " words are looked for whole, not by their English stems"
    )
    if embedder.name != LOCAL_EMBEDDING:
        return f"{note}."
    return (
        f"{note}, and {LOCAL_EMBEDDING} knows English only. For a better ranking set QA_EMBED_MODEL"
        " to a multilingual model of an embedding server."
    )


def _no_papers(corpus: Corpus, reading: ReadingReport) -> str:
    why = f" {reading.skipped_line}" if reading.skips else ""
    return f"No paper was found in {corpus.path}.{why} Name another file or folder."


def _patchable(
    job: _Job, base: Generation | None, changes: Changes, *, stems: bool
) -> Generation | None:
    """Return the base if changing a copy of it is faster than indexing everything again."""
    if base is None or base.manifest.stems != stems or job.context.server is not None:
        return None
    chunks = changes.operations * base.manifest.chunks / base.manifest.papers
    few = chunks + base.manifest.patched <= _PATCH_SHARE * base.manifest.chunks
    return base if few else None


def _publish(context: BuildContext, folder: Path) -> list[bytes]:
    """Verify a finished generation and publish it; return the cache keys that it uses."""
    offer_lease(folder)
    fingerprint = context.embedder.fingerprint
    with Generation.at(folder, fingerprint=fingerprint, server=context.server) as generation:
        verify(generation)
        keys = generation.cache_keys()
    context.layout.publish(folder.name)
    return keys


def _live(layout: StoreLayout) -> str | None:
    try:
        return layout.live()
    except StoreDamaged:
        return None
