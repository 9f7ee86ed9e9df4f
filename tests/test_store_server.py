import contextlib
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from store_parts import HashEmbedder, content, corpus_of, opened

from qa.errors import StoreDamaged, StoreError, StoreMismatch
from qa.store import ChromaServer, build, store_status
from qa.store.server import close_client

CHROMA = shutil.which("chroma", path=str(Path(sys.executable).parent)) or shutil.which("chroma")
pytestmark = pytest.mark.skipif(CHROMA is None, reason="no `chroma` command")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(folder, port):
    """A Chroma server of its own, until the block ends."""
    words = [CHROMA, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        answered = threading.Event()
        while not answered.wait(0.1) and process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{url}/api/v2/heartbeat", timeout=5).close()
                answered.set()
        yield ChromaServer(url)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("chroma"), free_port()) as server:
        yield server


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def embedder(request):
    return HashEmbedder(version=abs(hash(request.node.name)))  # collections of its own


def collections(server):
    client = server.connect()
    names = {collection.name for collection in client.list_collections()}
    close_client(client)
    return names


def test_vectors_live_on_the_server_alone(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(30))
    report = build(store, corpus, embedder, server=server)
    with opened(store, corpus, embedder, server=server) as generation:
        assert generation.manifest.collection in collections(server)
        assert not (generation.folder / "chroma").exists()
        on_server = content(generation)
    assert len(on_server) == report.papers == 30
    build(tmp_path / "store2", corpus, embedder)
    with opened(tmp_path / "store2", corpus, embedder) as generation:
        assert content(generation) == on_server


def test_the_server_gives_the_same_ranking_as_the_folder(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(30))
    build(store, corpus, embedder, server=server)
    build(tmp_path / "store2", corpus, embedder)
    query = embedder.embed(["speech noise"])[0]
    with (
        opened(store, corpus, embedder, server=server) as there,
        opened(tmp_path / "store2", corpus, embedder) as here,
    ):
        only = here.ids()[::3]
        for k, among in ((5, None), (30, None), (4, only)):
            ours, theirs = (g.nearest(query, k, only=among) for g in (here, there))
            assert dict(ours) == pytest.approx(dict(theirs), abs=1e-5)


def test_a_second_machine_finds_the_vectors_there(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(20))
    build(store, corpus, embedder, server=server)
    before = collections(server)
    heard = []
    build(tmp_path / "other", corpus, embedder, server=server, progress=heard.append)
    assert collections(server) == before
    assert "indexing" not in {progress.stage for progress in heard}
    with (
        opened(store, corpus, embedder, server=server) as one,
        opened(tmp_path / "other", corpus, embedder, server=server) as two,
    ):
        assert content(one) == content(two)


def test_a_half_filled_collection_is_completed(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(20))
    build(store, corpus, embedder, server=server)
    with opened(store, corpus, embedder, server=server) as generation:
        name = generation.manifest.collection
    client = server.connect()
    collection = client.get_collection(name, embedding_function=None)
    collection.delete(ids=collection.get(include=[])["ids"][:7])
    close_client(client)
    with pytest.raises(StoreDamaged, match="qa rebuild"):
        opened(store, corpus, embedder, server=server)
    build(store, corpus, embedder, server=server)
    with opened(store, corpus, embedder, server=server) as generation:
        assert len(content(generation)) == 20


def test_old_collections_go_but_the_last_one_stays(tmp_path, store, server, embedder):
    before = collections(server)
    for size in (10, 11, 12, 13):
        build(store, corpus_of(tmp_path / "corpus", range(size)), embedder, server=server)
    assert len(collections(server) - before) == 2


def test_a_server_that_is_down_is_told_and_comes_back(tmp_path, store, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(10))
    port = free_port()
    with running(tmp_path / "chroma", port) as server:
        build(store, corpus, embedder, server=server)
        generation = opened(store, corpus, embedder, server=server)
    query = embedder.embed(["graphs"])[0]
    with pytest.raises(StoreError, match=r"does not answer.*chroma run.*QA_CHROMA_URL"):
        opened(store, corpus, embedder, server=server)
    with pytest.raises(StoreError, match="does not answer"):
        generation.nearest(query, 3)
    with pytest.raises(StoreError, match="does not answer"):
        build(store, corpus, embedder, server=server)
    with running(tmp_path / "chroma", port):
        assert len(generation.nearest(query, 3)) == 3  # the same client, after a restart
        generation.close()
    with running(tmp_path / "empty", port):
        with pytest.raises(StoreDamaged, match=r"does not have.*qa rebuild"):
            opened(store, corpus, embedder, server=server)
        assert not store_status(
            store, corpus, fingerprint=embedder.fingerprint, server=server
        ).sound
        assert build(store, corpus, embedder, server=server).embedded == 0
        opened(store, corpus, embedder, server=server).close()


def test_turning_the_server_on_or_off_asks_for_a_rebuild(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(10))
    build(store, corpus, embedder)
    with pytest.raises(StoreMismatch, match=r"QA_CHROMA_URL.*qa rebuild"):
        opened(store, corpus, embedder, server=server)
    build(store, corpus, embedder, server=server)
    opened(store, corpus, embedder, server=server).close()
    with pytest.raises(StoreMismatch, match=r"QA_CHROMA_URL.*qa rebuild"):
        opened(store, corpus, embedder)
    assert build(store, corpus, embedder).embedded == 0
    opened(store, corpus, embedder).close()


@contextlib.contextmanager
def gate(code, seen):
    """A server that refuses everything with one status code and notes the headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers)
            self.send_error(code)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}"
        listener.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "advice"), [(401, "QA_CHROMA_TOKEN"), (403, "QA_CHROMA_TOKEN"), (404, "no Chroma")]
)
def test_a_server_that_refuses_is_told(tmp_path, store, embedder, code, advice):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    seen = []
    with gate(code, seen) as url, pytest.raises(StoreError, match=advice) as caught:
        build(store, corpus, embedder, server=ChromaServer(url, "secret"))
    assert seen[0]["Authorization"] == "Bearer secret"
    assert seen[0]["X-Chroma-Token"] == "secret"
    assert "secret" not in str(caught.value)


def test_the_token_is_not_shown():
    assert "secret" not in repr(ChromaServer("http://host", "secret"))
