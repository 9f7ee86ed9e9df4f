"""The real MiniLM for tests, from the cache that `ask` itself uses; fetched if need be."""

import functools
import os

from qa.config import Config
from qa.index.embedding import open_embedder
from qa.index.embedding.base import LOCAL_MODEL


@functools.cache
def minilm():
    cache = Config.from_env(os.environ).cache
    return open_embedder(LOCAL_MODEL, api_key=None, base_url=None, cache=cache)
