"""A process that rebuilds or asks a store: `python store_worker.py WHAT STORE CORPUS SECONDS`."""

import sys
import time
from pathlib import Path

from stores import HashEmbedder, content, opened

from qa.corpus.readers.corpus import read_corpus
from qa.errors import StoreLocked
from qa.index.build import build


def rebuild(store, corpus, until):
    """Rebuild from nothing again and again; only the lock may refuse."""
    rounds = 0
    while rounds == 0 or time.monotonic() < until:
        try:
            build(store, read_corpus(corpus), HashEmbedder(), force=True, wait=0)
        except StoreLocked as locked:
            assert "process" in str(locked)  # noqa: PT017 (this is no test function)
        rounds += 1
    return rounds


def ask(store, corpus, until):
    """Open the store and ask for everything in it, again and again."""
    rounds = 0
    while rounds == 0 or time.monotonic() < until:
        with opened(store, read_corpus(corpus), HashEmbedder()) as generation:
            assert len(content(generation)) == generation.paper_count
        rounds += 1
    return rounds


if __name__ == "__main__":
    what, store, corpus, seconds = sys.argv[1:]
    work = {"rebuild": rebuild, "ask": ask}[what]
    print("ready", flush=True)
    print(work(Path(store), Path(corpus), time.monotonic() + float(seconds)))
