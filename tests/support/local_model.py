"""The real MiniLM for tests, from the cache that `ask` itself uses; fetched if need be."""

import functools
import os

from qa.config import LOCAL_EMBEDDING, Config
from qa.index.embedding import open_embedder


@functools.cache
def minilm():
    cache = Config.from_env(os.environ).cache
    return open_embedder(LOCAL_EMBEDDING, api_key=None, base_url=None, cache=cache)
