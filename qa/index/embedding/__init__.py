"""Embedding models: MiniLM on this machine, or a model on an OpenAI-compatible server."""

from pathlib import Path

from qa.config import LOCAL_EMBEDDING
from qa.index.embedding.base import Embedder
from qa.progress import ProgressListener, ignore_progress


def open_embedder(
    name: str,
    *,
    api_key: str | None,
    base_url: str | None,
    cache: Path,
    progress: ProgressListener = ignore_progress,
) -> Embedder:
    """Return the embedding model called `name`; any name but LOCAL_EMBEDDING is on a server.

    Nothing is loaded or downloaded before the first text is embedded. Raises EmbeddingError.
    """
    if name.casefold() == LOCAL_EMBEDDING.casefold():
        from qa.index.embedding.minilm import MiniLM

        return MiniLM(cache, progress)
    from qa.index.embedding.openai import OpenAIEmbedder

    return OpenAIEmbedder(name, api_key=api_key, base_url=base_url)
