"""Vectors of chunks in Chroma: embedded in a generation's folder, or on a Chroma server."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from qa.errors import StoreDamaged, StoreError
from qa.index.client import Client, persistent_client
from qa.index.engine import COLLECTION, Engine, FloatArray, Hits
from qa.index.faults import MEND
from qa.index.server import ChromaServer

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
            return _probed(Engine.opened(folder, lambda: _damage(folder)), dimension, reachable)
        except (ImportError, AttributeError, TypeError):  # another Chroma than the one we know
            client = Client(persistent_client(folder), COLLECTION, lambda: _damage(folder))
            return _probed(client, dimension, reachable)


def open_collection(server: ChromaServer, name: str) -> Vectors:
    """Return the vectors in a collection on a server; raises StoreError, StoreDamaged."""
    return Client(server.connect(), name, server.faults, server.most)


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
