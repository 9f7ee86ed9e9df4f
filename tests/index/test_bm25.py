"""Keyword scores, and how words are counted."""

import math

import pytest
from stores import HashEmbedder, built, corpus_of, entry, write_corpus

from qa.corpus.papers import paper_id


@pytest.fixture
def embedder():
    return HashEmbedder()


def test_scores_are_bm25_with_lucene_s_idf(tmp_path, embedder):
    entries = [
        ("Clay and clay", "Two ovens of clay."),
        ("Sand in dunes", "A dune."),
        ("Ice in seas", "A glacier."),
    ]
    corpus = write_corpus(tmp_path / "corpus", [(t, f"{a} {entry(9)[1]}") for t, a in entries])
    with built(tmp_path / "store", corpus, embedder) as generation:
        ((found, score),) = generation.keyword({"clay": 1.0}, 9)
        papers = generation.papers(generation.ids())
    lengths = {p.id: len(f"{p.title} {p.abstract}".split()) for p in papers}
    assert found == paper_id("Clay and clay")
    often = 2 * 2 + 1  # words in the title count double
    length = lengths[found] / (sum(lengths.values()) / 3)
    idf = math.log1p((3 - 1 + 0.5) / (1 + 0.5))
    assert score == pytest.approx(idf * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * length)))


def test_keyword_scores_add_up_with_their_weights(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(30))
    with built(tmp_path / "store", corpus, embedder) as generation:
        one = dict(generation.keyword({"robots": 1.0}, 99))
        two = dict(generation.keyword({"photon": 1.0}, 99))
        both = dict(generation.keyword({"robots": 2.0, "photon": -0.5}, 99))
    assert set(both) == set(one) | set(two)
    for found, score in both.items():
        assert score == pytest.approx(2 * one.get(found, 0) - 0.5 * two.get(found, 0))


@pytest.mark.parametrize(
    "term",
    ['"', "'", "a OR b", "NEAR(x y)", "title:x", "*", "-", "", "\0", "(", "{x}:y", "😀", "^"],
)
def test_no_keyword_is_an_operator(tmp_path, embedder, term):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.keyword({term: 1.0}, 5) == []
        assert generation.document_frequency(term) == 0


def test_words_are_counted_by_stem(tmp_path, embedder):
    abstract = entry(0)[1]
    entries = [
        ("Training graphs", f"{abstract} We train and trained trainers."),
        entry(1),
        entry(2),
    ]
    corpus = write_corpus(tmp_path / "corpus", entries)
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.document_frequency("trains") == 1
        assert generation.document_frequency("studies") == 3
