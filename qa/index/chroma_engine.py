"""The vectors of a Chroma folder, asked through Chroma's engine without the client around it.

The engine's Python binding is private to Chroma. Importing it takes 0.05 s, importing the client
0.6 s, which would be half of the time that a question in a new process takes. `chroma.open_folder`
falls back on the client where the binding is not as it is used here.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from qa.index.embedding.base import FloatArray

ErrorTranslator = Callable[[], contextlib.AbstractContextManager[None]]
Hits = tuple[list[str], list[float]]  # chunk ids, cosine distances; nearest first

COLLECTION = "chunks"  # its name in every folder
_PLACE = ("default_tenant", "default_database")


class EngineCollection:
    """The vectors of a folder, opened for queries."""

    max_records: int | None = None  # see ChromaServer

    def __init__(self, folder: Path, translate_errors: ErrorTranslator) -> None:
        """Open a folder; `translate_errors` is around every later call of the engine.

        A binding that is not as it is used here raises ImportError, AttributeError or TypeError,
        now or at the first query.
        """
        import chromadb_rust_bindings as binding  # type: ignore[import-untyped]

        self._translate_errors = translate_errors
        database = binding.SqliteDBConfig(
            hash_type=binding.MigrationHash.MD5,
            migration_mode=binding.MigrationMode.Validate,
            url=str(folder / "chroma.sqlite3"),
        )
        self._engine = binding.Bindings(
            allow_reset=False,
            sqlite_db_config=database,
            persist_path=str(folder),
            hnsw_cache_size=8,
        )
        self._id = str(self._engine.get_collection(COLLECTION, *_PLACE).id)

    def count(self) -> int:
        """Return how many vectors can be queried."""
        with self._translate_errors():
            return int(self._engine.count(self._id, *_PLACE))

    def query(self, vector: FloatArray, k: int, *, only: Sequence[str] | None) -> Hits:
        """Return the k nearest chunks, of all or of the ids in `only`."""
        ids = None if only is None else list(only)
        with self._translate_errors():
            found = self._engine.query(
                self._id, ids, [vector.tolist()], k, None, None, ["distances"], *_PLACE
            )
        return found.ids[0], found.distances[0]

    def close(self) -> None:
        """Close the files."""
        self._engine = None
