"""Writing vectors: a collection of Chroma filled, changed, and looked through for strays."""

import contextlib
import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.errors import StoreError
from qa.store.server import ChromaServer, close_client
from qa.store.vectors import COLLECTION, Faults, FloatArray, persistent_client

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI

# ef_search=1000: at Chroma's default a query for hundreds of chunks misses one in twenty.
_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 1000}
_GROUP = 10_000  # vectors after which Chroma writes its index to disk
_BATCH = 1_000  # below the limit of any Chroma


class VectorsWriter:
    """Puts vectors into, and takes them out of, one collection that nobody asks yet."""

    def __init__(self, client: "ClientAPI", collection: "Collection", faults: Faults) -> None:
        self._client = client
        self._collection = collection
        self._faults = faults

    @classmethod
    def create(cls, folder: Path, *, rows: int) -> "VectorsWriter":
        """Make a folder's collection, for so many vectors."""
        with _faults(folder):
            client = persistent_client(folder)
            return cls(client, _made(client, COLLECTION, rows), lambda: _faults(folder))

    @classmethod
    def on_server(cls, server: ChromaServer, name: str, *, rows: int) -> "VectorsWriter":
        """Make or find a server's collection, for so many vectors."""
        client = server.connect()
        with server.faults():
            return cls(client, _made(client, name, rows), server.faults)

    @classmethod
    def patch(cls, folder: Path, *, operations: int) -> "VectorsWriter":
        """Open the collection of a copied folder for so many upserts and deletions."""
        with _faults(folder):
            client = persistent_client(folder)
            collection = client.get_collection(COLLECTION, embedding_function=None)
            with warnings.catch_warnings():  # Chroma warns of what it wrote itself
                warnings.simplefilter("ignore", DeprecationWarning)
                collection.modify(configuration={"hnsw": {"sync_threshold": max(2, operations)}})
            return cls(client, collection, lambda: _faults(folder))

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[dict[str, Any]]
    ) -> None:
        """Store vectors under their ids, instead of any that were there; at most a batch."""
        with self._faults():
            self._collection.upsert(ids=list(ids), embeddings=vectors, metadatas=list(metadatas))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        with self._faults():
            for part in batches(len(ids)):
                self._collection.delete(ids=list(ids[part]))

    def ids(self) -> set[str]:
        """Return the ids of all vectors that are there."""
        found: set[str] = set()
        with self._faults():
            while part := self._collection.get(limit=_GROUP, offset=len(found), include=[])["ids"]:
                found.update(part)
        return found

    def strays(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that no query finds, however many results it asks for.

        Building its graph of neighbours, HNSW cuts a few vectors off: four in a thousand have
        been seen. They are as good as lost unless the caller compares them itself.
        """
        with self._faults():
            first = self._collection.get(limit=1, include=["embeddings"])["embeddings"]
            query = np.asarray(first, np.float32)
            found = self._collection.query(query_embeddings=query, n_results=len(ids), include=[])
        reached = set(found["ids"][0])
        return [chunk for chunk in ids if chunk not in reached]

    def close(self) -> None:
        """Let go of the files, so that a fresh reader sees all of it."""
        close_client(self._client)


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


def batches(rows: int) -> Iterator[slice]:
    """Yield slices that together are all rows: groups of nearly the same size, cut into batches.

    Chroma looks after each batch whether so many came since its index was last written that it
    should write it again. What comes after the last writing, every reader must index anew, which
    takes a second for a thousand vectors; so the last batch must be one that completes a group.
    """
    for group in _evenly(0, rows, _GROUP):
        yield from _evenly(group.start, group.stop, _BATCH)


def _evenly(start: int, stop: int, most: int) -> Iterator[slice]:
    parts = -(-(stop - start) // most)
    bounds = [start + (stop - start) * part // parts for part in range(parts + 1)] if parts else []
    return (slice(a, b) for a, b in pairwise(bounds))


def _made(client: "ClientAPI", name: str, rows: int) -> "Collection":
    group = rows // max(1, -(-rows // _GROUP))  # the smallest that `batches` makes
    configuration: Any = {"hnsw": {**_HNSW, "sync_threshold": max(2, group)}}
    try:
        return client.get_or_create_collection(
            name, embedding_function=None, configuration=configuration
        )
    except BaseException:
        close_client(client)
        raise


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
            "space, then run qa rebuild again; what was embedded so far is kept."
        ) from exc
