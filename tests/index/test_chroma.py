"""Vectors in a Chroma folder: through the engine's private binding, or else through the client."""

import subprocess
import sys
from contextlib import nullcontext
from types import ModuleType

import pytest
from stores import HashEmbedder, built, content, corpus_of, opened

from qa.index.build import build
from qa.index.chroma import ClientCollection, VectorsWriter, persistent_client
from qa.index.chroma_engine import EngineCollection
from qa.index.chroma_server import close_client


@pytest.fixture
def embedder():
    return HashEmbedder()


def test_chunks_that_no_query_of_the_index_finds_are_compared_beside_it(
    tmp_path, embedder, monkeypatch
):
    corpus = corpus_of(tmp_path / "corpus", range(30))
    query = embedder.embed(["graphs with noise"])[0]
    with built(tmp_path / "store", corpus, embedder) as generation:
        whole = generation.nearest(query, 30)
    lost = [f"{paper}:1" for paper, _ in whole[::7]]
    query_of_the_engine = EngineCollection.query

    def blind(self, vector, k, *, only):
        hits = zip(*query_of_the_engine(self, vector, 30, only=only), strict=True)
        return tuple(zip(*[hit for hit in hits if hit[0] not in lost][:k], strict=True)) or ([], [])

    monkeypatch.setattr(VectorsWriter, "unreachable", lambda *_: lost)
    monkeypatch.setattr(EngineCollection, "query", blind)
    with built(tmp_path / "other", corpus, embedder) as generation:
        assert generation.manifest.strays == len(lost)
        found = generation.nearest(query, 30)
        some = generation.nearest(query, 9, only=[lost[0][:-2], whole[1][0]])
    assert dict(found) == pytest.approx(dict(whole), abs=1e-3)
    assert {paper for paper, _ in some} == {lost[0][:-2], whole[1][0]}


def test_the_engine_and_the_client_of_chroma_answer_alike(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(50))
    query = embedder.embed(["graphs with noise"])[0]
    with built(tmp_path / "store", corpus, embedder) as generation:
        folder = generation.folder / "chroma"
        ids = [chunk for chunk, *_ in generation._papers.db.execute("SELECT id FROM chunks")]
    engine = EngineCollection(folder, nullcontext)
    client = ClientCollection(persistent_client(folder), "chunks", nullcontext)
    for k, only in ((1, None), (10, None), (50, None), (5, ids[::4])):
        assert engine.query(query, k, only=only) == client.query(query, k, only=only)
    assert engine.count() == client.count() == 50
    engine.close()
    client.close()


def test_an_engine_that_we_do_not_know_is_asked_by_its_client(tmp_path, embedder, monkeypatch):
    corpus = corpus_of(tmp_path / "corpus", range(5))
    build(tmp_path / "store", corpus, embedder)
    client_of_chroma = persistent_client(tmp_path / "other")  # imports it, while it still can
    close_client(client_of_chroma)
    monkeypatch.setitem(sys.modules, "chromadb_rust_bindings", ModuleType("renamed"))
    with opened(tmp_path / "store", corpus, embedder) as generation:
        assert type(generation._vectors).__name__ == "ClientCollection"
        assert len(content(generation)) == 5


def test_asking_imports_neither_chroma_s_client_nor_llamaindex(tmp_path, embedder):
    """It fails where the binding has changed, so that every question pays for the client."""
    corpus = corpus_of(tmp_path / "corpus", range(5))
    build(tmp_path / "store", corpus, embedder)
    program = (
        "import sys\nfrom pathlib import Path\nfrom qa.index.generation import Generation\n"
        "with Generation.open(Path(sys.argv[1]), Path(sys.argv[2]), fingerprint=sys.argv[3]) as g:"
        "\n    g.nearest(g.vectors(g.ids()[:1])[g.ids()[0]][0], 3)\n    g.keyword({'x': 1.0}, 3)\n"
        "print([name for name in ('chromadb', 'llama_index.core') if name in sys.modules])"
    )
    words = [sys.executable, "-c", program, tmp_path / "store", corpus.path, embedder.fingerprint]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
