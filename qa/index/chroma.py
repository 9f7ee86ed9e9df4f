"""Vectors of chunks in Chroma: embedded in a generation's folder, or on a Chroma server."""

import contextlib
import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from qa.errors import StoreDamaged, StoreError
from qa.index.chroma_engine import COLLECTION, EngineCollection, ErrorTranslator, FloatArray, Hits
from qa.index.chroma_server import ChromaServer, close_client
from qa.index.file_errors import MEND

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI


# Chroma writes a line into its database whenever that is opened, even if only to be asked.
_NOT_DAMAGED = {
    "readonly database": "Chroma must be allowed to write there. Allow this user to, or name "
    "another folder in QA_STORE.",
    "disk is full": "the disk is full. Free some space and ask again.",
    "database is locked": "many processes are opening them. Ask again.",
}


class Vectors(Protocol):
    """The vectors of one generation, opened for asking."""

    @property
    def most(self) -> int | None:
        """How many results one query may ask for; None: as many as there are vectors."""

    def count(self) -> int:
        """Return how many vectors can be queried."""

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks, all or among the ids in `only`."""

    def close(self) -> None:
        """Let go of files or connections."""


def open_folder(folder: Path, *, dimension: int, reachable: int) -> Vectors:
    """Return the vectors in a generation's Chroma folder, ready to answer; raises StoreDamaged."""
    if not (folder / "chroma.sqlite3").is_file():
        raise StoreDamaged(f"{folder} holds no vectors. {MEND}")
    with _damage(folder):
        try:
            return _probed(
                EngineCollection.opened(folder, lambda: _damage(folder)), dimension, reachable
            )
        except (ImportError, AttributeError, TypeError):  # another Chroma than the one we know
            client = ClientCollection(
                persistent_client(folder), COLLECTION, lambda: _damage(folder)
            )
            return _probed(client, dimension, reachable)


def open_collection(server: ChromaServer, name: str) -> Vectors:
    """Return the vectors in a collection on a server; raises StoreError, StoreDamaged."""
    return ClientCollection(server.connect(), name, server.faults, server.most)


def _probed(vectors: Vectors, dimension: int, reachable: int) -> Vectors:
    """Ask a first question, which loads the index and shows whether it is there."""
    direction = np.full(dimension, dimension**-0.5, np.float32)
    k = min(100, reachable)
    if len(vectors.query(direction, k, only=None)[0]) < k:
        raise StoreDamaged(f"The index of the vectors is lost or cut off. {MEND}")
    return vectors


@contextlib.contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Translate what the engine raises: it has no errors of its own to tell apart."""
    try:
        yield
    except (StoreError, ImportError, AttributeError, TypeError, KeyboardInterrupt):
        raise
    except BaseException as exc:  # a panic of the engine is no Exception
        if not isinstance(exc, Exception) and "Panic" not in type(exc).__name__:
            raise
        for sign, advice in _NOT_DAMAGED.items():
            if sign in str(exc):
                raise StoreError(f"The vectors in {folder} cannot be opened: {advice}") from exc
        raise StoreDamaged(f"The vectors in {folder} cannot be read ({exc}). {MEND}") from exc


class ClientCollection:
    """A collection of vectors by way of a client; `faults` translates what it raises."""

    def __init__(
        self, client: "ClientAPI", name: str, faults: ErrorTranslator, most: int | None = None
    ) -> None:
        """Open a collection, and from then on own the client; `most`: see ChromaServer."""
        self._client = client
        self.most = most
        self._faults = faults
        try:
            with faults():
                self._collection: Collection = client.get_collection(name, embedding_function=None)
        except BaseException:
            self.close()
            raise

    @classmethod
    def made(
        cls,
        client: "ClientAPI",
        name: str,
        faults: ErrorTranslator,
        hnsw: Mapping[str, Any],
        *,
        most: int | None = None,
    ) -> "ClientCollection":
        """Make a collection, or open it if it is there."""
        configuration: Any = {"hnsw": dict(hnsw)}
        try:
            with faults():
                client.get_or_create_collection(
                    name, embedding_function=None, configuration=configuration
                )
        except BaseException:
            close_client(client)
            raise
        return cls(client, name, faults, most)

    @classmethod
    def changed(
        cls, client: "ClientAPI", name: str, faults: ErrorTranslator, hnsw: Mapping[str, Any]
    ) -> "ClientCollection":
        """Open a collection and set anew how it is indexed."""
        opened = cls(client, name, faults)
        configuration: Any = {"hnsw": dict(hnsw)}
        with faults(), warnings.catch_warnings():  # Chroma warns of what it wrote itself
            warnings.simplefilter("ignore", DeprecationWarning)
            opened._collection.modify(configuration=configuration)
        return opened

    def count(self) -> int:
        """Return how many vectors can be queried."""
        with self._faults():
            return self._collection.count()

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks, all or among the ids in `only`."""
        with self._faults():
            found = self._collection.query(
                query_embeddings=vector[None, :],
                n_results=k,
                ids=None if only is None else list(only),
                include=["distances"],
            )
        distances = found["distances"]
        return found["ids"][0], [float(distance) for distance in distances[0]] if distances else []

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store vectors under their ids, instead of any that were there."""
        with self._faults():
            self._collection.upsert(ids=list(ids), embeddings=vectors, metadatas=list(metadatas))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        with self._faults():
            self._collection.delete(ids=list(ids))

    def ids(self, *, limit: int, offset: int) -> list[str]:
        """Return the ids of some of the vectors, in a fixed order."""
        with self._faults():
            return list(self._collection.get(limit=limit, offset=offset, include=[])["ids"])

    def any_vector(self) -> FloatArray:
        """Return one of the vectors (d,)."""
        with self._faults():
            found = self._collection.get(limit=1, include=["embeddings"])["embeddings"]
        vector: FloatArray = np.asarray(found, np.float32)[0]
        return vector

    def close(self) -> None:
        """Let go of files or connections."""
        close_client(self._client)


def persistent_client(folder: Path) -> "ClientAPI":
    """Return a client of a Chroma folder, made if it is not there."""
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings=settings)


# ef_search=1000: at Chroma's default a query for hundreds of chunks misses one in twenty.
_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 1000}
_GROUP = 10_000  # vectors after which Chroma writes its index to disk
_BATCH = 1_000  # below the limit of any Chroma


class WritableCollection(Protocol):
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

    def __init__(self, collection: WritableCollection) -> None:
        self._collection = collection

    @classmethod
    def create(cls, folder: Path, *, rows: int) -> "VectorsWriter":
        """Make a folder's collection, for so many vectors."""
        return cls(_in_folder(folder, _made_for(rows), fresh=True))

    @classmethod
    def on_server(cls, server: ChromaServer, name: str, *, rows: int) -> "VectorsWriter":
        """Make or find a server's collection, for so many vectors."""
        hnsw = _made_for(rows)
        return cls(
            ClientCollection.made(server.connect(), name, server.faults, hnsw, most=server.most)
        )

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


def _in_folder(folder: Path, hnsw: Mapping[str, Any], *, fresh: bool) -> WritableCollection:
    """Make a folder's collection, or open it and set it anew."""
    faults = partial(_faults, folder)
    with faults():
        try:
            return (EngineCollection.made if fresh else EngineCollection.changed)(
                folder, faults, hnsw
            )
        except (ImportError, AttributeError, TypeError):  # another Chroma than the one we know
            way = ClientCollection.made if fresh else ClientCollection.changed
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
