"""Chroma's own engine on a folder, without the client around it.

Importing the client takes 0.6 s, most of it for telemetry, servers and embedding functions that
nothing here uses; the engine takes 0.05 s. `client.py` is the fallback, and tests hold both to the
same answers and the same files.
"""

import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ErrorTranslator = Callable[[], contextlib.AbstractContextManager[None]]
Hits = tuple[list[str], list[float]]  # chunk ids, cosine distances; nearest first

COLLECTION = "chunks"  # its name in every folder
_PLACE = ("default_tenant", "default_database")
# What another version takes otherwise, it might get wrong without a word.
_WRITING = {
    "create_collection": "name configuration_json_str schema_str metadata get_or_create",
    "update_collection": "collection_id new_name new_metadata new_configuration_json_str",
    "upsert": "collection_id ids embeddings metadatas documents uris",
    "delete": "collection_id ids where where_document limit",
    "get": "collection_id ids where limit offset where_document include",
}


class EngineCollection:
    """The vectors in a folder; `faults` translates what the engine raises.

    Where Chroma's engine is another than the one known here, the three ways to one of these raise
    ImportError, AttributeError or TypeError.
    """

    most: int | None = None  # see ChromaServer

    def __init__(self, engine: Any, faults: ErrorTranslator) -> None:  # noqa: ANN401 (it has no types)
        """Take an engine that has the collection."""
        self._engine = engine
        self._faults = faults
        self._id = str(engine.get_collection(COLLECTION, *_PLACE).id)

    @classmethod
    def opened(cls, folder: Path, faults: ErrorTranslator) -> "EngineCollection":
        """Open the collection of a folder, to ask it."""
        return cls(_engine(folder, fresh=False), faults)

    @classmethod
    def made(
        cls, folder: Path, faults: ErrorTranslator, hnsw: Mapping[str, Any]
    ) -> "EngineCollection":
        """Make the collection of a new folder, to write."""
        _check_writing()
        folder.mkdir(parents=True)
        engine = _engine(folder, fresh=True)
        # "legacy": no function that makes vectors of texts is to be kept with it.
        engine.create_collection(COLLECTION, _settings(hnsw, function={"type": "legacy"}))
        return cls(engine, faults)

    @classmethod
    def changed(
        cls, folder: Path, faults: ErrorTranslator, hnsw: Mapping[str, Any]
    ) -> "EngineCollection":
        """Open the collection of a folder, to write, and set anew how it is indexed."""
        _check_writing()
        engine = _engine(folder, fresh=False)
        known = str(engine.get_collection(COLLECTION, *_PLACE).id)
        engine.update_collection(known, None, None, _settings(hnsw, function=None))
        return cls(engine, faults)

    def count(self) -> int:
        """Return how many vectors can be queried."""
        with self._faults():
            return int(self._engine.count(self._id, *_PLACE))

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks, all or among the ids in `only`."""
        ids = None if only is None else list(only)
        with self._faults():
            found = self._engine.query(
                self._id, ids, [vector.tolist()], k, None, None, ["distances"], *_PLACE
            )
        return found.ids[0], found.distances[0]

    def upsert(
        self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store vectors under their ids, instead of any that were there."""
        rows = vectors.tolist()
        with self._faults():
            self._engine.upsert(self._id, list(ids), rows, list(metadatas), None, None, *_PLACE)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        with self._faults():
            self._engine.delete(self._id, list(ids), None, None, None, *_PLACE)

    def ids(self, *, limit: int, offset: int) -> list[str]:
        """Return the ids of some of the vectors, in a fixed order."""
        with self._faults():
            found = self._engine.get(self._id, None, None, limit, offset, None, [], *_PLACE)
        return list(found.ids)

    def any_vector(self) -> FloatArray:
        """Return one of the vectors (d,)."""
        with self._faults():
            found = self._engine.get(self._id, None, None, 1, 0, None, ["embeddings"], *_PLACE)
        return np.asarray(found.embeddings[0], np.float32)

    def close(self) -> None:
        """Let go of the files."""
        self._engine = None


def _settings(hnsw: Mapping[str, Any], *, function: Mapping[str, str] | None) -> str:
    return json.dumps({"hnsw": hnsw, "spann": None, "embedding_function": function})


def _engine(folder: Path, *, fresh: bool) -> Any:  # noqa: ANN401 (it has no types)
    import chromadb_rust_bindings as engine  # type: ignore[import-untyped]

    mode = engine.MigrationMode
    config = engine.SqliteDBConfig(
        hash_type=engine.MigrationHash.MD5,
        migration_mode=mode.Apply if fresh else mode.Validate,
        url=str(folder / "chroma.sqlite3"),
    )
    return engine.Bindings(
        allow_reset=False, sqlite_db_config=config, persist_path=str(folder), hnsw_cache_size=8
    )


def _check_writing() -> None:
    """Raise TypeError unless the methods that write take what is known here."""
    from chromadb_rust_bindings import Bindings

    for name, known in _WRITING.items():
        words = re.findall(r"[(,] *(\w+)", getattr(Bindings, name).__text_signature__ or "")
        taken = [word for word in words if word not in {"tenant", "database"}]
        if taken != known.split():
            raise TypeError(f"{name} takes {', '.join(taken)}")
