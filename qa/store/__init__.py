"""The vector store: a corpus's papers, keywords and vectors, built once and asked ever after."""

from qa.store.build import BuildReport, build
from qa.store.generation import Generation
from qa.store.lock import Holder
from qa.store.selection import Selection
from qa.store.server import ChromaServer
from qa.store.status import StoreStatus, store_status

__all__ = [
    "BuildReport",
    "ChromaServer",
    "Generation",
    "Holder",
    "Selection",
    "StoreStatus",
    "build",
    "store_status",
]
