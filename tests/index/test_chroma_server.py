import contextlib
import http.server
import json
import threading
import urllib.error
import urllib.request

import pytest
from chroma_process import CHROMA, free_port, running
from stores import HashEmbedder, build_hint, content, corpus_of, opened

from qa.errors import StoreDamaged, StoreError, StoreMismatch
from qa.index.build import build
from qa.index.chroma_server import ChromaServer, close_client
from qa.index.integrity import store_status

pytestmark = pytest.mark.skipif(CHROMA is None, reason="no `chroma` command")


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
    with pytest.raises(StoreDamaged) as caught:
        opened(store, corpus, embedder, server=server)
    assert caught.value.hint == build_hint(corpus)
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
        with pytest.raises(StoreDamaged, match=r"does not have") as caught:
            opened(store, corpus, embedder, server=server)
        assert caught.value.hint == build_hint(corpus)
        status = store_status(store, corpus, fingerprint=embedder.fingerprint, server=server)
        assert isinstance(status.problem, StoreDamaged)
        assert build(store, corpus, embedder, server=server).embedded == 0
        opened(store, corpus, embedder, server=server).close()


def test_turning_the_server_on_or_off_asks_for_a_rebuild(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(10))
    build(store, corpus, embedder)
    with pytest.raises(StoreMismatch, match=r"QA_CHROMA_URL is set") as refused:
        opened(store, corpus, embedder, server=server)
    assert refused.value.hint == build_hint(corpus)
    build(store, corpus, embedder, server=server)
    opened(store, corpus, embedder, server=server).close()
    with pytest.raises(StoreMismatch, match=r"QA_CHROMA_URL is not set") as refused:
        opened(store, corpus, embedder)
    assert refused.value.hint == build_hint(corpus)
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


def post(url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=5).close()


def test_vectors_go_to_the_tenant_and_database_that_are_named(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(10))
    post(f"{server.url}/api/v2/tenants", {"name": "our-group"})
    post(f"{server.url}/api/v2/tenants/our-group/databases", {"name": "papers"})
    theirs = ChromaServer(server.url, tenant="our-group", database="papers")
    build(store, corpus, embedder, server=theirs)
    with opened(store, corpus, embedder, server=theirs) as generation:
        assert len(content(generation)) == 10
        assert collections(theirs) == {generation.manifest.collection}
        assert generation.manifest.collection not in collections(server)
    with pytest.raises(StoreDamaged, match="does not have"):
        opened(store, corpus, embedder, server=server)


def test_a_tenant_that_is_not_there_is_told(tmp_path, store, server, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    nowhere = ChromaServer(server.url, tenant="nobody")
    with pytest.raises(StoreError, match=r"no tenant nobody with .*QA_CHROMA_TENANT"):
        build(store, corpus, embedder, server=nowhere)


@contextlib.contextmanager
def quota(server, most):
    """A way to a server that refuses requests for, or with, more than so many records."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = json.loads(body) if body else {}
            used = [asked.get("n_results"), asked.get("limit"), len(asked.get("ids") or ())]
            if max(number or 0 for number in used) > most:
                self.send_error(429, "quota exceeded")
                return
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(
                f"{server.url}{self.path}", body or None, headers, method=self.command
            )
            try:
                reply = urllib.request.urlopen(request, timeout=30)
            except urllib.error.HTTPError as error:
                reply = error
            with reply:
                said = reply.read()
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 (their names)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield ChromaServer(f"http://127.0.0.1:{listener.server_port}")
        listener.shutdown()
        thread.join()


def test_a_quota_like_that_of_chroma_cloud_is_kept(tmp_path, store, server, embedder, monkeypatch):
    corpus = corpus_of(tmp_path / "corpus", range(50))
    with quota(server, 20) as narrow:
        with pytest.raises(StoreError):
            build(store, corpus, embedder, server=narrow)
        monkeypatch.setattr(ChromaServer, "max_records", 20)
        build(store, corpus, embedder, server=narrow)
        with opened(store, corpus, embedder, server=narrow) as generation:
            assert len(content(generation)) == 50
            assert len(generation.nearest(embedder.embed(["graphs"])[0], 50)) == 20
        build(store, corpus_of(tmp_path / "corpus", range(1, 50)), embedder, server=narrow)


def test_chroma_cloud_s_quota_is_known():
    assert ChromaServer("https://api.trychroma.com").max_records == 300
    assert ChromaServer("https://europe-west1.gcp.trychroma.com:443").max_records == 300
    assert ChromaServer("https://trychroma.com.example.org").max_records is None
    assert ChromaServer("http://localhost:8000").max_records is None


def test_the_token_is_not_shown():
    assert "secret" not in repr(ChromaServer("http://host", "secret"))
