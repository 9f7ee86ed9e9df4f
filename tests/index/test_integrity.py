"""The status of a store."""

import pytest
from stores import HashEmbedder, build_hint, corpus_of

from qa.errors import StoreMismatch, StoreMissing
from qa.index.build import build
from qa.index.integrity import store_status


@pytest.fixture
def embedder():
    return HashEmbedder()


def test_status_counts_from_every_side(tmp_path, embedder):
    store = tmp_path / "store"
    corpus = corpus_of(tmp_path / "corpus", range(12))
    build(store, corpus, embedder)
    status = store_status(store, corpus, fingerprint=embedder.fingerprint)
    assert status.manifest is not None
    assert status.papers == status.vectors == status.cached == status.manifest.papers == 12
    assert 0 < status.cache_bytes < status.disk_bytes
    assert status.problem is None
    assert status.writer is None
    corpus = corpus_of(tmp_path / "corpus", range(13))
    status = store_status(store, corpus, fingerprint=embedder.fingerprint)
    assert isinstance(status.problem, StoreMismatch)
    assert "corpus has changed" in str(status.problem)
    assert status.problem.hint == build_hint(corpus)


def test_status_of_nothing_says_what_to_do(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    status = store_status(tmp_path / "store", corpus, fingerprint=embedder.fingerprint)
    assert isinstance(status.problem, StoreMissing)
    assert (status.manifest, status.papers, status.disk_bytes) == (None, 0, 0)
    assert status.problem.hint == build_hint(corpus)
