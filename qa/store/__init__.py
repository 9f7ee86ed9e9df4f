"""The vector store: a corpus's papers, keywords and vectors, built once and asked ever after."""

from qa.store.build import BuildReport, build
from qa.store.columns import known_columns
from qa.store.generation import Generation
from qa.store.lock import Holder
from qa.store.selection import Selection
from qa.store.server import ChromaServer
from qa.store.skipped import SkippedEntries
from qa.store.status import StoreStatus, store_status

__all__ = [
    "BuildReport",
    "ChromaServer",
    "Generation",
    "Holder",
    "Selection",
    "SkippedEntries",
    "StoreStatus",
    "build",
    "known_columns",
    "store_status",
]
