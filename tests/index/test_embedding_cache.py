"""Single words' vectors: made where the model sees words in their text, kept, and ranked by."""

import re
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from stores import HashEmbedder, built, corpus_of, entry

from qa.corpus.papers import paper_id
from qa.index.build import build
from qa.index.embedding_cache import EmbeddingCache, pack_signs
from qa.retrieval.retriever import Retriever


def id_of(number):
    return paper_id(entry(number)[0])


@pytest.fixture
def embedder():
    return HashEmbedder()


class WordEmbedder(HashEmbedder):
    """A hash embedder that also sees words within their text."""

    def embed_passages(self, passages):
        rows = super().embed_passages(passages)
        words = [self.embed([p.text[a:b] for a, b in p.words]) for p in passages]
        return [np.concatenate(pair) for pair in zip(rows, words, strict=True)]


def test_the_signs_of_its_words_vectors_are_kept_of_a_paper(tmp_path):
    embedder = WordEmbedder()
    corpus = corpus_of(tmp_path / "corpus", range(3))
    with built(tmp_path / "store", corpus, embedder) as generation:
        kept = generation.words([id_of(1)])[id_of(1)]
    text = " ".join(entry(1)).lower()
    signs = {bytes(np.packbits(embedder.embed([word])[0] > 0)) for word in re.findall(r"\w+", text)}
    assert {bytes(row) for row in kept} <= signs
    assert bytes(np.packbits(embedder.embed(["speech"])[0] > 0)) in {bytes(row) for row in kept}
    assert 0 < len(kept) < len(set(text.split()))  # "we", "with" and the like are not among them


def test_a_model_that_does_not_see_words_leaves_none(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.words([id_of(1)])[id_of(1)].shape == (0, embedder.dimension // 8)


def test_words_come_out_of_the_cache_as_they_went_in(tmp_path):
    embedder = WordEmbedder()
    corpus = corpus_of(tmp_path / "corpus", range(5))
    with built(tmp_path / "store", corpus, embedder) as generation:
        before = generation.words(generation.ids())
    embedder.passages = 0
    with built(tmp_path / "store", corpus, embedder, force=True) as generation:
        after = generation.words(generation.ids())
    assert embedder.passages == 0
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[id_], after[id_]) for id_ in before)


def test_a_cache_of_an_earlier_version_is_forgotten(tmp_path, embedder):
    path = tmp_path / "embeddings.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE passages (key BLOB PRIMARY KEY, rows, crc, data)")
        db.execute("INSERT INTO passages VALUES (x'00', 1, 0, x'0000')")
    cache = EmbeddingCache(path)
    assert cache.get([b"\0"]) == {}
    cache.close()
    assert EmbeddingCache.count(path) == 0


def test_a_word_that_comes_back_gets_the_mean_of_its_vectors():
    rows = np.array([[1, -2] * 4, [5, 5] * 4, [-3, 1] * 4], np.float32)
    kept = pack_signs(["a", "b", "a"], rows)
    assert np.unpackbits(kept, axis=1).tolist() == [[0] * 8, [1] * 8]
    assert pack_signs([], rows[:0]).shape == (0, 1)


def ranked(tmp_path, embedder, question):
    corpus = corpus_of(tmp_path / "corpus", range(40))
    with built(tmp_path / type(embedder).__name__, corpus, embedder) as generation:
        return Retriever(generation, embedder).rank(question).ranking


def test_the_first_ranking_takes_words_into_account_where_there_are_vectors_of_them(tmp_path):
    question = "robots with noise and number3part2"
    with_words, without = (ranked(tmp_path, e(), question) for e in (WordEmbedder, HashEmbedder))
    assert with_words.ids[0] == without.ids[0] == id_of(3)
    assert set(with_words.ids) == set(without.ids)
    assert with_words.scores != without.scores


def test_a_question_of_stop_words_alone_is_ranked_too(tmp_path):
    assert ranked(tmp_path, WordEmbedder(), "what is this about?").ids


def test_a_forced_rebuild_can_embed_everything_anew(tmp_path):
    corpus = corpus_of(tmp_path / "corpus", range(5))
    store = tmp_path / "store"
    build(store, corpus, HashEmbedder())
    assert build(store, corpus, HashEmbedder(), force=True, cached=False).embedded == 5
    assert build(store, corpus, HashEmbedder(), force=True).embedded == 0
