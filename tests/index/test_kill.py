"""SIGKILL at random moments of a rebuild: the store answers, and the next rebuild completes it.

In full: `python tests/index/test_kill.py 200`.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import paths
import pytest
from stores import HashEmbedder, content, corpus_of, opened

from qa.errors import StoreMissing
from qa.index.build import build
from qa.index.integrity import store_status

PAPERS = 300
BUILD = """
import sys
from pathlib import Path
from stores import HashEmbedder
from qa.corpus.readers.corpus import read_corpus
from qa.index.build import build
import chromadb, llama_index.core.node_parser, filelock  # imported before the clock starts
print("ready", flush=True)
sys.stdin.readline()
corpus, force = read_corpus(Path(sys.argv[2])), sys.argv[3] == "force"
build(Path(sys.argv[1]), corpus, HashEmbedder(), force=force)
"""


def start_build(store, corpus, how):
    here = paths.SUPPORT
    path = os.pathsep.join([str(paths.ROOT), str(here)])
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, store, corpus.path, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    return process


def seconds_of_a_build(folder):
    """Measure how long a rebuild takes that nobody kills: the moments to choose from."""
    corpus = corpus_of(folder / "measured", range(PAPERS))
    process = start_build(folder / "measured store", corpus, "force")
    began = time.perf_counter()
    process.communicate()
    return time.perf_counter() - began


def kill_once(folder, number, *, after):
    """Kill a rebuild after so many seconds; returns whether it was killed before its end."""
    store = folder / "store"
    size = PAPERS - 10 * (number % 5)
    corpus = corpus_of(folder / "corpus", range(size), revised={number})
    process = start_build(store, corpus, "force" if number % 3 == 0 else "change")
    try:
        process.wait(after)
        killed = False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        killed = True
    process.stdin.close()
    process.stdout.close()
    check(store, corpus, size)
    return killed


def check(store, corpus, size):
    """The store answers as it is, whole; a rebuild makes it what the corpus is."""
    embedder = HashEmbedder()
    try:
        with opened(store, corpus, embedder) as generation:
            assert len(content(generation)) == generation.paper_count
    except StoreMissing:
        assert not list(store.glob("*/CURRENT"))
    report = build(store, corpus, embedder)
    with opened(store, corpus, embedder) as generation:
        found = content(generation)
        assert len(found) == report.papers == size
        assert generation.vector_count() == report.chunks
        assert len(list(generation.folder.parent.glob("g-*"))) == 1
    assert store_status(store, corpus, fingerprint=embedder.fingerprint).problem is None


def kill_many(folder, chance, count):
    """Kill so many rebuilds of one store at random moments; returns how many were still at it."""
    longest = seconds_of_a_build(folder)
    return sum(kill_once(folder, n, after=chance.uniform(0, longest)) for n in range(count))


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_a_rebuild_can_be_killed_at_any_moment(tmp_path, kills):
    assert kill_many(tmp_path, random.Random(5), kills)


if __name__ == "__main__":
    total = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        killed = kill_many(Path(name), random.Random(), total)
    print(f"{total} of {total} answered and were completed; {killed} were killed before their end")
