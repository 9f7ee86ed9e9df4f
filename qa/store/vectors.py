"""Vectors of chunks in Chroma: embedded in a generation's folder, or on a Chroma server."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qa.errors import StoreDamaged, StoreError
from qa.store.faults import MEND
from qa.store.server import ChromaServer, close_client

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb import Collection

FloatArray = NDArray[np.float32]
Faults = Callable[[], contextlib.AbstractContextManager[None]]
Hits = tuple[list[str], list[float]]  # chunk ids, cosine distances; nearest first

_NAME = "chunks"
_TENANT, _DATABASE = "default_tenant", "default_database"
# ef_search=1000: at Chroma's default a query for hundreds of chunks misses one in twenty.
_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 1000}
_GROUP = 10_000  # vectors after which Chroma writes its index to disk
_BATCH = 1_000  # below the limit of any Chroma


class Vectors(Protocol):
    """The vectors of one generation, opened for asking."""

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
            return _probed(_Engine(folder), dimension, reachable)
        except (ImportError, AttributeError, TypeError):  # another Chroma than the one we know
            client = _Client(_persistent(folder), _NAME, lambda: _damage(folder))
            return _probed(client, dimension, reachable)


def open_collection(server: ChromaServer, name: str) -> Vectors:
    """Return the vectors in a collection on a server; raises StoreError, StoreDamaged."""
    return _Client(server.connect(), name, server.faults)


def _probed(vectors: Vectors, dimension: int, reachable: int) -> Vectors:
    """Ask a first question, which loads the index and shows whether it is there."""
    direction = np.full(dimension, dimension**-0.5, np.float32)
    k = min(100, reachable)
    if len(vectors.query(direction, k, only=None)[0]) < k:
        raise StoreDamaged(f"The index of the vectors is lost or cut off. {MEND}")
    return vectors


class _Engine:
    """Chroma's own engine, asked without the client around it.

    Importing the client takes 0.6 s, most of it for telemetry, servers and embedding functions
    that a question never uses; the engine takes 0.05 s. The client is the fallback, and a test
    holds both to the same answers.
    """

    def __init__(self, folder: Path) -> None:
        import chromadb_rust_bindings as engine  # type: ignore[import-untyped]

        config = engine.SqliteDBConfig(
            hash_type=engine.MigrationHash.MD5,
            migration_mode=engine.MigrationMode.Validate,
            url=str(folder / "chroma.sqlite3"),
        )
        self._engine: Any = engine.Bindings(
            allow_reset=False, sqlite_db_config=config, persist_path=str(folder), hnsw_cache_size=8
        )
        self._folder = folder
        self._id = str(self._engine.get_collection(_NAME, _TENANT, _DATABASE).id)

    def count(self) -> int:
        with _damage(self._folder):
            return int(self._engine.count(self._id, _TENANT, _DATABASE))

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        ids = None if only is None else list(only)
        with _damage(self._folder):
            found = self._engine.query(
                self._id, ids, [vector.tolist()], k, None, None, ["distances"], _TENANT, _DATABASE
            )
        return found.ids[0], found.distances[0]

    def close(self) -> None:
        self._engine = None


class _Client:
    """Vectors by way of Chroma's public client; `faults` translates what it raises."""

    def __init__(self, client: "ClientAPI", name: str, faults: Faults) -> None:
        self._client = client
        self._faults = faults
        try:
            with faults():
                self._collection = client.get_collection(name, embedding_function=None)
        except BaseException:
            self.close()
            raise

    def count(self) -> int:
        with self._faults():
            return self._collection.count()

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        with self._faults():
            found = self._collection.query(
                query_embeddings=vector[None, :],
                n_results=k,
                ids=None if only is None else list(only),
                include=["distances"],
            )
        distances = found["distances"]
        return found["ids"][0], [float(distance) for distance in distances[0]] if distances else []

    def close(self) -> None:
        close_client(self._client)


class VectorsWriter:
    """Puts vectors into, and takes them out of, one collection that nobody asks yet."""

    def __init__(self, client: "ClientAPI", collection: "Collection") -> None:
        self._client = client
        self.collection = collection

    @classmethod
    def create(cls, folder: Path, *, rows: int) -> "VectorsWriter":
        """Make a folder's collection, for so many vectors."""
        client = _persistent(folder)
        return cls(client, _create(client, _NAME, rows))

    @classmethod
    def on_server(cls, server: ChromaServer, name: str, *, rows: int) -> "VectorsWriter":
        """Make or find a server's collection, for so many vectors."""
        client = server.connect()
        return cls(client, _create(client, name, rows))

    @classmethod
    def patch(cls, folder: Path, *, operations: int) -> "VectorsWriter":
        """Open the collection of a copied folder for so many upserts and deletions."""
        client = _persistent(folder)
        collection = client.get_collection(_NAME, embedding_function=None)
        with warnings.catch_warnings():  # Chroma warns of what it wrote itself
            warnings.simplefilter("ignore", DeprecationWarning)
            collection.modify(configuration={"hnsw": {"sync_threshold": max(2, operations)}})
        return cls(client, collection)

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[dict[str, Any]]
    ) -> None:
        """Store vectors under their ids, instead of any that were there; at most a batch."""
        self.collection.upsert(ids=list(ids), embeddings=vectors, metadatas=list(metadatas))

    def ids(self) -> set[str]:
        """Return the ids of all vectors that are there."""
        found: set[str] = set()
        while part := self.collection.get(limit=_GROUP, offset=len(found), include=[])["ids"]:
            found.update(part)
        return found

    def strays(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that no query finds, however many results it asks for.

        Building its graph of neighbours, HNSW cuts a few vectors off: four in a thousand have
        been seen. They are as good as lost unless the caller compares them itself.
        """
        first = self.collection.get(limit=1, include=["embeddings"])["embeddings"]
        if first is None or not len(first):
            return list(ids)
        found = self.collection.query(
            query_embeddings=np.asarray(first, np.float32), n_results=len(ids), include=[]
        )
        reached = set(found["ids"][0])
        return [chunk for chunk in ids if chunk not in reached]

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        for part in batches(len(ids)):
            self.collection.delete(ids=list(ids[part]))

    def close(self) -> None:
        """Let go of the files, so that a fresh reader sees all of it."""
        close_client(self._client)


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


def _create(client: "ClientAPI", name: str, rows: int) -> "Collection":
    group = rows // max(1, -(-rows // _GROUP))  # the smallest that `batches` makes
    configuration: Any = {"hnsw": {**_HNSW, "sync_threshold": max(2, group)}}
    return client.get_or_create_collection(
        name, embedding_function=None, configuration=configuration
    )


def _persistent(folder: Path) -> "ClientAPI":
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings=settings)


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
        raise StoreDamaged(f"The vectors in {folder} cannot be read ({exc}). {MEND}") from exc
