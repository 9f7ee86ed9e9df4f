"""All stores of a store folder: what they are of, what they take, and how they are removed."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qa.errors import StoreError, StoreLocked
from qa.index.chroma_server import ChromaServer, remove_old_collections
from qa.index.embedding_cache import EmbeddingCache
from qa.index.layout import StoreLayout, remove_tree, size_on_disk, writing_errors
from qa.index.locks import withdraw_lease, writer_lock
from qa.index.manifest import Manifest, Origin


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """One corpus's store, as `qa corpora` lists it."""

    folder: Path
    corpus: Path | None  # None: nothing that can be read names it
    corpus_exists: bool
    finished: bool  # whether a build was completed
    papers: int | None  # None: it is not finished, or its manifest cannot be read
    disk_bytes: int
    last_used: datetime | None  # UTC: when it was last opened or built

    @property
    def abandoned(self) -> bool:
        """Whether its corpus is gone; or it is not known, and there is nothing to ask."""
        return not (self.corpus_exists if self.corpus else self.finished)


def stores_of(store: Path) -> Iterator[StoreSummary]:
    """Yield every store in a folder of stores, ordered by name; anything else is passed over."""
    try:
        folders = sorted(store.iterdir())
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StoreError(f"{store} cannot be read: {exc.strerror}.") from exc
    for folder in folders:
        layout = StoreLayout(folder)
        if layout.is_store():
            yield _summary(layout)


def _summary(layout: StoreLayout) -> StoreSummary:
    try:
        name = layout.live()
        manifest = Manifest.read(layout.generation(name)) if name else None
    except (StoreError, OSError):
        manifest = None
    corpus = Path(manifest.corpus) if manifest else Origin.read(layout).corpus
    return StoreSummary(
        folder=layout.folder,
        corpus=corpus,
        corpus_exists=corpus is not None and _exists(corpus),
        finished=layout.current.exists(),
        papers=manifest.papers if manifest else None,
        disk_bytes=size_on_disk(layout.folder),
        last_used=_last_used(layout),
    )


def _exists(corpus: Path) -> bool:
    """Return whether the corpus is there; one that we may not look at may well be."""
    try:
        corpus.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _last_used(layout: StoreLayout) -> datetime | None:
    """Return when anything was last written: opening a generation writes a note into it."""
    times = []
    for path in [*layout.folder.glob("*"), *layout.folder.glob("g-*/*")]:
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # it is being removed
            continue
    return datetime.fromtimestamp(max(times), UTC) if times else None


def remove_store(folder: Path, server: ChromaServer | None = None) -> None:
    """Remove a store, on `server` too; raises StoreLocked if a process writes or reads it."""
    layout = StoreLayout(folder)
    with writing_errors(folder), writer_lock(layout, wait=0, waiting=None):
        live = _live(layout)
        # The live one last: without its lease it cannot be opened any more.
        for name in sorted(layout.generations(), key=lambda name: name == live):
            if not withdraw_lease(layout.generation(name)):
                raise StoreLocked(
                    f"Another process is asking the store in {folder}. End that process first."
                )
        if server is not None:
            remove_old_collections(layout, server, kept=0)
        layout.current.unlink(missing_ok=True)  # first: what is left must not look complete
        shutil.rmtree(folder, ignore_errors=os.name == "nt")  # Windows keeps the open LOCK


def remove_unused(layout: StoreLayout) -> None:
    """Remove generations that are neither live nor being read, and files half written.

    The caller holds the store's lock.
    """
    live = _live(layout)
    for name in layout.generations():
        folder = layout.generation(name)
        if name != live and withdraw_lease(folder):
            remove_tree(folder)
    for path in layout.folder.glob("*.new"):
        path.unlink(missing_ok=True)


def remove_leftovers(layout: StoreLayout) -> None:
    """Remove what a killed build has left, unless another one is running."""
    if len(list(layout.generations())) > 1:
        with suppress(StoreError, OSError), writer_lock(layout, wait=0, waiting=None):
            remove_unused(layout)


def remove_if_empty(layout: StoreLayout) -> None:
    """Remove the folder of a store for which nothing was built or embedded yet.

    The caller holds the store's lock.
    """
    with suppress(sqlite3.Error, OSError):
        embedded = EmbeddingCache.count(layout.cache) if layout.cache.exists() else 0
        if not embedded and not layout.current.exists():
            shutil.rmtree(layout.folder, ignore_errors=os.name == "nt")


def _live(layout: StoreLayout) -> str | None:
    """Return the name of the live generation, None without one."""
    try:
        return layout.live()
    except StoreError:
        return None
