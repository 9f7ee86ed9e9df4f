"""Writing vectors: a collection of Chroma filled, changed, and looked through for strays."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from qa.errors import StoreError
from qa.index.client import Client, persistent_client
from qa.index.engine import COLLECTION, Engine, FloatArray, Hits
from qa.index.server import ChromaServer

# ef_search=1000: at Chroma's default a query for hundreds of chunks misses one in twenty.
_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 1000}
_GROUP = 10_000  # vectors after which Chroma writes its index to disk
_BATCH = 1_000  # below the limit of any Chroma


class Collection(Protocol):
    """Vectors that can be changed, in a folder or on a server."""

    @property
    def most(self) -> int | None:
        """How many vectors one request may bring or ask for; None: no limit of interest."""

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store vectors under their ids, instead of any that were there."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""

    def ids(self, *, limit: int, offset: int) -> list[str]:
        """Return the ids of some of the vectors, in a fixed order."""

    def any_vector(self) -> FloatArray:
        """Return one of the vectors (d,)."""

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks."""

    def close(self) -> None:
        """Let go of files or connections."""


class VectorsWriter:
    """Puts vectors into, and takes them out of, one collection that nobody asks yet."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @classmethod
    def create(cls, folder: Path, *, rows: int) -> "VectorsWriter":
        """Make a folder's collection, for so many vectors."""
        return cls(_in_folder(folder, _made_for(rows), fresh=True))

    @classmethod
    def on_server(cls, server: ChromaServer, name: str, *, rows: int) -> "VectorsWriter":
        """Make or find a server's collection, for so many vectors."""
        hnsw = _made_for(rows)
        return cls(Client.made(server.connect(), name, server.faults, hnsw, most=server.most))

    @classmethod
    def patch(cls, folder: Path, *, operations: int) -> "VectorsWriter":
        """Open the collection of a copied folder for so many upserts and deletions."""
        return cls(_in_folder(folder, {"sync_threshold": max(2, operations)}, fresh=False))

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store vectors under their ids, instead of any that were there; at most a batch."""
        self._collection.upsert(ids, vectors, metadatas)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        for part in self.batches(len(ids)):
            self._collection.delete(ids[part])

    def ids(self) -> set[str]:
        """Return the ids of all vectors that are there."""
        found: set[str] = set()
        limit = self._collection.most or _GROUP
        while part := self._collection.ids(limit=limit, offset=len(found)):
            found.update(part)
        return found

    def strays(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that no query finds, however many results it asks for.

        Building its graph of neighbours, HNSW cuts a few vectors off: four in a thousand have
        been seen. They are as good as lost unless the caller compares them itself. A server that
        limits its results cannot be asked for this; the one that does has another kind of index.
        """
        if self._collection.most is not None:
            return []
        found, _ = self._collection.query(self._collection.any_vector(), len(ids), only=None)
        reached = set(found)
        return [chunk for chunk in ids if chunk not in reached]

    def batches(self, rows: int) -> Iterator[slice]:
        """Yield slices of rows of which each can be written at once; together they are all."""
        return batches(rows, min(_BATCH, self._collection.most or _BATCH))

    def close(self) -> None:
        """Let go of the files, so that a fresh reader sees all of it."""
        self._collection.close()


def _in_folder(folder: Path, hnsw: Mapping[str, Any], *, fresh: bool) -> Collection:
    """Make a folder's collection, or open it and set it anew."""
    faults = partial(_faults, folder)
    with faults():
        try:
            return (Engine.made if fresh else Engine.changed)(folder, faults, hnsw)
        except (ImportError, AttributeError, TypeError):  # another Chroma than the one we know
            way = Client.made if fresh else Client.changed
            return way(persistent_client(folder), COLLECTION, faults, hnsw)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder of vectors that may be asked, or just be opened, at the same time."""
    database = "chroma.sqlite3"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(f"{database}*"))
    # Opening writes a line into it: a plain copy could catch it half written.
    with (
        contextlib.closing(sqlite3.connect(source / database)) as asked,
        contextlib.closing(sqlite3.connect(target / database)) as copy,
    ):
        asked.backup(copy)


def batches(rows: int, most: int = _BATCH) -> Iterator[slice]:
    """Yield slices that together are all rows: groups of nearly the same size, cut into batches.

    Chroma looks after each batch whether so many came since its index was last written that it
    should write it again. What comes after the last writing, every reader must index anew, which
    takes a second for a thousand vectors; so the last batch must be one that completes a group.
    """
    for group in _evenly(0, rows, _GROUP):
        yield from _evenly(group.start, group.stop, most)


def _evenly(start: int, stop: int, most: int) -> Iterator[slice]:
    parts = -(-(stop - start) // most)
    bounds = [start + (stop - start) * part // parts for part in range(parts + 1)] if parts else []
    return (slice(a, b) for a, b in pairwise(bounds))


def _made_for(rows: int) -> dict[str, Any]:
    """Return how a collection for so many vectors is indexed."""
    group = rows // max(1, -(-rows // _GROUP))  # the smallest that `batches` makes
    return {**_HNSW, "sync_threshold": max(2, group)}


@contextlib.contextmanager
def _faults(folder: Path) -> Iterator[None]:
    """Translate what Chroma raises when it cannot write: it has no errors to tell apart."""
    try:
        yield
    except (StoreError, OSError, KeyboardInterrupt):
        raise
    except BaseException as exc:  # a panic of the engine is no Exception
        if not isinstance(exc, Exception) and "Panic" not in type(exc).__name__:
            raise
        raise StoreError(
            f"Chroma could not write the vectors in {folder} ({exc}). Check that the disk has "
            "space; what was embedded so far is kept. Then go on with: qa rebuild"
        ) from exc
