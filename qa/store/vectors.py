"""Vectors of chunks in Chroma: embedded in a generation's folder, or on a Chroma server."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qa.errors import StoreDamaged, StoreError
from qa.store.faults import MEND
from qa.store.server import ChromaServer, close_client

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

FloatArray = NDArray[np.float32]
Faults = Callable[[], contextlib.AbstractContextManager[None]]
Hits = tuple[list[str], list[float]]  # chunk ids, cosine distances; nearest first

COLLECTION = "chunks"  # its name in every folder
# Chroma writes a line into its database whenever that is opened, even if only to be asked.
_NOT_DAMAGED = {
    "readonly database": "Chroma must be allowed to write there. Allow this user to, or name "
    "another folder in QA_STORE.",
    "disk is full": "the disk is full. Free some space and ask again.",
    "database is locked": "many processes are opening them. Ask again.",
}
_TENANT, _DATABASE = "default_tenant", "default_database"


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
            client = _Client(persistent_client(folder), COLLECTION, lambda: _damage(folder))
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
        self._id = str(self._engine.get_collection(COLLECTION, _TENANT, _DATABASE).id)

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


def persistent_client(folder: Path) -> "ClientAPI":
    """Return a client of a Chroma folder, made if it is not there."""
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
        for sign, advice in _NOT_DAMAGED.items():
            if sign in str(exc):
                raise StoreError(f"The vectors in {folder} cannot be opened: {advice}") from exc
        raise StoreDamaged(f"The vectors in {folder} cannot be read ({exc}). {MEND}") from exc
