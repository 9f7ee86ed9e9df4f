import os
import subprocess
import sys

import paths
import pytest
from stores import HashEmbedder, build_hint, content, corpus_of, opened

from qa.errors import StoreLocked
from qa.index.build import build
from qa.index.integrity import store_status
from qa.index.layout import StoreLayout
from qa.index.locks import lock_holder, writer_lock

WORKER = paths.SUPPORT / "store_worker.py"
HOLD = """
import sys
from pathlib import Path
from qa.index.layout import StoreLayout
from qa.index.locks import writer_lock
with writer_lock(StoreLayout(Path(sys.argv[1])), wait=0, waiting=None):
    print("held", flush=True)
    sys.stdin.read()
"""


def worker(*words):
    path = os.pathsep.join([str(paths.ROOT), str(WORKER.parent)])
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def corpus(tmp_path):
    return corpus_of(tmp_path / "corpus", range(10))


@pytest.fixture
def other(store, corpus):
    """Another process that holds the lock."""
    layout = StoreLayout.of(store, corpus.path)
    layout.folder.mkdir(parents=True)
    process = worker("-c", HOLD, layout.folder)
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_rebuild_says_who_holds_the_store(store, corpus, other):
    with pytest.raises(StoreLocked, match=rf"process {other.pid}, since \d{{4}}-") as locked:
        build(store, corpus, HashEmbedder(), wait=0)
    assert locked.value.hint == build_hint(corpus)
    status = store_status(store, corpus, fingerprint="x")
    assert status.writer is not None
    assert status.writer.pid == other.pid


def test_a_second_rebuild_waits_and_tells_for_whom(store, corpus, other):
    heard = []

    def waiting(who):
        heard.append(who.pid)
        other.stdin.close()  # lets it end

    report = build(store, corpus, HashEmbedder(), waiting=waiting)
    assert report.papers == 10
    assert heard == [other.pid]


def test_a_killed_holder_holds_nothing(store, corpus, other):
    other.kill()
    other.wait()
    assert build(store, corpus, HashEmbedder(), wait=0).papers == 10
    assert lock_holder(StoreLayout.of(store, corpus.path)) is None
    assert store_status(store, corpus, fingerprint="x").writer is None


def test_the_lock_is_given_back_after_an_error(store, corpus):
    layout = StoreLayout.of(store, corpus.path)
    with pytest.raises(ZeroDivisionError), writer_lock(layout, wait=0, waiting=None):
        raise ZeroDivisionError
    with writer_lock(layout, wait=0, waiting=None):
        pass


@pytest.mark.slow
def test_processes_rebuild_and_ask_at_once(store, tmp_path):
    seconds = float(os.environ.get("QA_TEST_SECONDS", "4"))
    corpus = corpus_of(tmp_path / "corpus", range(50))
    build(store, corpus, HashEmbedder())
    jobs = ["rebuild", "rebuild", "ask", "ask"]
    workers = [worker(WORKER, job, store, corpus.path, seconds) for job in jobs]
    for process in workers:
        said, complaint = process.communicate()
        assert process.returncode == 0, complaint
        assert complaint == ""
        assert int(said.split()[1]) >= 1
    with opened(store, corpus, HashEmbedder()) as generation:
        assert len(content(generation)) == 50
        folder = generation.folder.parent
    build(store, corpus, HashEmbedder())
    assert len(list(folder.glob("g-*"))) == 1
