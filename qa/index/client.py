"""Chroma by way of its public client: on a server, or in a folder whose engine is not known."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.index.engine import Faults, FloatArray, Hits
from qa.index.server import close_client

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI


class Client:
    """A collection of vectors by way of a client; `faults` translates what it raises."""

    def __init__(
        self, client: "ClientAPI", name: str, faults: Faults, most: int | None = None
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
        faults: Faults,
        hnsw: Mapping[str, Any],
        *,
        most: int | None = None,
    ) -> "Client":
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
        cls, client: "ClientAPI", name: str, faults: Faults, hnsw: Mapping[str, Any]
    ) -> "Client":
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
