"""Vectors of chunks in Chroma: in a generation's folder, or on a Chroma server."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from qa.errors import StoreDamaged, StoreError
from qa.index.chroma_engine import COLLECTION, EngineCollection, ErrorTranslator, Hits
from qa.index.chroma_server import ChromaServer, close_client
from qa.index.embedding.base import FloatArray
from qa.index.layout import REBUILD

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI

# ef_search=1000: at Chroma's default a query for hundreds of chunks misses one in twenty.
_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 1000}
_GROUP = 10_000  # vectors after which Chroma writes its index to disk
_BATCH = 1_000  # vectors in one request; below the limit of any Chroma
_PROBED = 100  # chunks that the first query asks for
_TRIAL = """
import sys
sys.path[:] = sys.argv[4:]
from pathlib import Path
from qa.errors import StoreError
from qa.index.chroma import open_folder

try:
    open_folder(Path(sys.argv[1]), dimension=int(sys.argv[2]), reachable=int(sys.argv[3]))
except StoreError:
    pass  # the same is raised to whoever opens it next
"""
_TRIAL_SECONDS = 120.0

# Chroma's engine has one class for all errors. These words of it are no damage of the files; it
# writes a line into its database whenever that is opened, also for queries alone.
_NO_DAMAGE = {
    "readonly database": "Chroma must be allowed to write there. Allow this user to, or name "
    "another folder in QA_STORE.",
    "disk is full": "the disk is full. Free some space and ask again.",
    "database is locked": "many processes are opening them. Ask again.",
}


class Vectors(Protocol):
    """The vectors of one generation, opened for queries."""

    @property
    def max_records(self) -> int | None:
        """How many results one query may ask for; None: as many as there are vectors."""

    def count(self) -> int:
        """Return how many vectors can be queried."""

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks, of all or of the ids in `only`."""

    def close(self) -> None:
        """Close files or connections."""


def open_folder(folder: Path, *, dimension: int, reachable: int) -> Vectors:
    """Return the vectors of a generation's Chroma folder, of which queries find `reachable`.

    Raises StoreDamaged, StoreError.
    """
    if not (folder / "chroma.sqlite3").is_file():
        raise StoreDamaged(f"{folder} holds no vectors.", hint=REBUILD)
    translate = partial(_reading_errors, folder)
    with translate():
        try:
            return _probed(EngineCollection(folder, translate), dimension, reachable)
        except (ImportError, AttributeError, TypeError):  # another Chroma than the one we know
            client = ClientCollection(persistent_client(folder), COLLECTION, translate)
            return _probed(client, dimension, reachable)


def try_folder(folder: Path, *, dimension: int, reachable: int) -> None:
    """Open a folder in a process of its own, which a crash of Chroma's engine ends, not ours.

    Raises StoreDamaged if it crashes or does not end.
    """
    try:
        tried = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _TRIAL, str(folder), str(dimension), str(reachable), *sys.path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TRIAL_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise StoreDamaged(f"{folder} cannot be opened.", hint=REBUILD) from exc
    if tried.returncode:
        message = f"Chroma crashes when it opens {folder}."
        raise StoreDamaged(message, hint=REBUILD)


def open_collection(server: ChromaServer, name: str) -> Vectors:
    """Return the vectors of a collection on a server; raises StoreError, StoreDamaged."""
    return ClientCollection(
        server.connect(), name, server.translate_errors, max_records=server.max_records
    )


def _probed(vectors: Vectors, dimension: int, reachable: int) -> Vectors:
    """Ask a first query, which loads the index and raises StoreDamaged where it is cut off."""
    direction = np.full(dimension, dimension**-0.5, np.float32)
    k = min(_PROBED, reachable)
    if len(vectors.query(direction, k, only=None)[0]) < k:
        raise StoreDamaged("The index of the vectors is lost or cut off.", hint=REBUILD)
    return vectors


def persistent_client(folder: Path) -> "ClientAPI":
    """Return a client of a Chroma folder, which is made if it is not there."""
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings=settings)


class ClientCollection:
    """A collection of vectors through Chroma's client; implements Vectors."""

    def __init__(
        self,
        client: "ClientAPI",
        name: str,
        translate_errors: ErrorTranslator,
        *,
        max_records: int | None = None,
        new: Mapping[str, Any] | None = None,
    ) -> None:
        """Open a collection; close the client with it.

        `translate_errors` is around every call of the client. With `new`, settings of the HNSW
        index, the collection is made if it is not there. `max_records`: see ChromaServer.
        """
        self.max_records = max_records
        self._client = client
        self._translate_errors = translate_errors
        try:
            with translate_errors():
                if new is not None:
                    settings: Any = {"hnsw": dict(new)}
                    client.get_or_create_collection(
                        name, embedding_function=None, configuration=settings
                    )
                self._collection: Collection = client.get_collection(name, embedding_function=None)
        except BaseException:
            self.close()
            raise

    def count(self) -> int:
        """Return how many vectors can be queried."""
        with self._translate_errors():
            return self._collection.count()

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks, of all or of the ids in `only`."""
        with self._translate_errors():
            found = self._collection.query(
                query_embeddings=vector[None, :],
                n_results=k,
                ids=None if only is None else list(only),
                include=["distances"],
            )
        distances = found["distances"]
        return found["ids"][0], [float(distance) for distance in distances[0]] if distances else []

    def close(self) -> None:
        """Close files or connections."""
        close_client(self._client)


class VectorsWriter(ClientCollection):
    """Adds vectors to and removes them from a collection that is not published yet."""

    @classmethod
    def create(cls, folder: Path, *, rows: int) -> "VectorsWriter":
        """Make a folder's collection for `rows` vectors."""
        translate = partial(_writing_errors, folder)
        with translate():
            client = persistent_client(folder)
        return cls(client, COLLECTION, translate, new=_index_settings(rows))

    @classmethod
    def on_server(cls, server: ChromaServer, name: str, *, rows: int) -> "VectorsWriter":
        """Make or open a server's collection for `rows` vectors."""
        return cls(
            server.connect(),
            name,
            server.translate_errors,
            max_records=server.max_records,
            new=_index_settings(rows),
        )

    @classmethod
    def patch(cls, folder: Path, *, operations: int) -> "VectorsWriter":
        """Open the collection of a copied folder for so many upserts and deletions."""
        translate = partial(_writing_errors, folder)
        with translate():
            client = persistent_client(folder)
        writer = cls(client, COLLECTION, translate)
        settings: Any = {"hnsw": {"sync_threshold": max(2, operations)}}
        try:
            with translate(), warnings.catch_warnings():
                # Chroma warns of settings that it has written itself.
                warnings.simplefilter("ignore", DeprecationWarning)
                writer._collection.modify(configuration=settings)
        except BaseException:
            writer.close()
            raise
        return writer

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store vectors (n, d) under their ids, in place of any that were there; one batch."""
        with self._translate_errors():
            self._collection.upsert(ids=list(ids), embeddings=vectors, metadatas=list(metadatas))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        for part in self.batches(len(ids)):
            with self._translate_errors():
                self._collection.delete(ids=list(ids[part]))

    def ids(self) -> set[str]:
        """Return the ids of all vectors that are there."""
        found: set[str] = set()
        limit = self.max_records or _GROUP
        with self._translate_errors():
            while part := self._collection.get(limit=limit, offset=len(found), include=[])["ids"]:
                found.update(part)
        return found

    def unreachable(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that no query finds, however many results it asks for.

        Building its graph of neighbours, HNSW cuts a few vectors off: four in a thousand have
        been seen. The caller must compare them with queries itself. A server that limits its
        results cannot be asked for this; the one that does has another kind of index.
        """
        if self.max_records is not None:
            return []
        with self._translate_errors():
            (any_vector,) = np.asarray(
                self._collection.get(limit=1, include=["embeddings"])["embeddings"], np.float32
            )
        reached = set(self.query(any_vector, len(ids), only=None)[0])
        return [chunk for chunk in ids if chunk not in reached]

    def batches(self, rows: int) -> Iterator[slice]:
        """Yield slices of rows, each for one request; together they are all rows.

        Chroma writes its index to disk after the batch that completes a group. Vectors that come
        later every reader must index anew when it opens the folder, which takes a second for a
        thousand. So groups are of nearly the same size, and the last batch completes one.
        """
        for group in _evenly(0, rows, _GROUP):
            yield from _evenly(group.start, group.stop, min(_BATCH, self.max_records or _BATCH))


def _evenly(start: int, stop: int, size: int) -> Iterator[slice]:
    """Cut a range into slices of nearly the same size, which is at most `size`."""
    parts = -(-(stop - start) // size)
    bounds = [start + (stop - start) * part // parts for part in range(parts + 1)] if parts else []
    return (slice(a, b) for a, b in pairwise(bounds))


def _index_settings(rows: int) -> dict[str, Any]:
    """Return the settings of the HNSW index for so many vectors."""
    group = rows // max(1, -(-rows // _GROUP))  # the smallest that `batches` makes
    return {**_HNSW, "sync_threshold": max(2, group)}


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder of vectors that other processes may have open."""
    database = "chroma.sqlite3"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(f"{database}*"))
    # Opening writes a line into it: a plain copy could have half of that.
    with (
        contextlib.closing(sqlite3.connect(source / database)) as original,
        contextlib.closing(sqlite3.connect(target / database)) as copy,
    ):
        original.backup(copy)


@contextlib.contextmanager
def _reading_errors(folder: Path) -> Iterator[None]:
    """Translate what Chroma raises where a folder is read."""
    try:
        yield
    except (StoreError, ImportError, AttributeError, TypeError):
        raise
    except BaseException as exc:
        if not _is_of_chroma(exc):
            raise
        for words, advice in _NO_DAMAGE.items():
            if words in str(exc):
                raise StoreError(f"The vectors in {folder} cannot be opened: {advice}") from exc
        message = f"The vectors in {folder} cannot be read ({exc})."
        raise StoreDamaged(message, hint=REBUILD) from exc


@contextlib.contextmanager
def _writing_errors(folder: Path) -> Iterator[None]:
    """Translate what Chroma raises where a folder is written."""
    try:
        yield
    except (StoreError, OSError):
        raise
    except BaseException as exc:
        if not _is_of_chroma(exc):
            raise
        raise StoreError(
            f"Chroma could not write the vectors in {folder} ({exc}). Check that the disk has "
            "space. What was embedded so far is kept.",
            hint=REBUILD,
        ) from exc


def _is_of_chroma(exc: BaseException) -> bool:
    """Return whether an error may be Chroma's; a panic of its engine is no Exception."""
    return isinstance(exc, Exception) or "Panic" in type(exc).__name__
