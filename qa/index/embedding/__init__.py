"""Texts to vectors, by a model on this machine or by an OpenAI-compatible server."""

from pathlib import Path

from qa.index.embedding.base import LOCAL_MODEL, Embedder, FloatArray, Passage
from qa.progress import ProgressListener, ignore_progress

__all__ = ["LOCAL_MODEL", "Embedder", "FloatArray", "Passage", "open_embedder"]


def open_embedder(
    name: str,
    *,
    api_key: str | None,
    base_url: str | None,
    cache: Path,
    progress: ProgressListener = ignore_progress,
) -> Embedder:
    """Return the embedding model called `name`; any name but the local one is a server's.

    Nothing is loaded, fetched or asked before the first text. Raises EmbeddingError.
    """
    if name.casefold() == LOCAL_MODEL.casefold():
        from qa.index.embedding.minilm import MiniLM

        return MiniLM(cache, progress)
    from qa.index.embedding.openai import OpenAIEmbedder

    return OpenAIEmbedder(name, api_key=api_key, base_url=base_url)
