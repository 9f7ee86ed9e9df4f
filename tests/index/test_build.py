import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from local_model import minilm
from stores import (
    HashEmbedder,
    build_hint,
    built,
    content,
    corpus_of,
    entry,
    opened,
    write_corpus,
)

from qa.corpus.papers import paper_id
from qa.corpus.readers.corpus import read_corpus
from qa.errors import CorpusError, StoreMismatch, StoreMissing
from qa.index.build import build
from qa.index.checksums import checksums
from qa.index.generation import Generation
from qa.index.integrity import store_status
from qa.index.manifest import Manifest


@pytest.fixture
def embedder():
    return HashEmbedder()


def id_of(number):
    return paper_id(entry(number)[0])


def test_every_paper_is_found_by_its_vector_its_words_and_its_id(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(60))
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.paper_count == len(content(generation)) == 60
        for number in range(60):
            title, abstract = entry(number)
            assert generation.keyword({f"number{number}part0": 1.0}, 5)[0][0] == id_of(number)
            (paper,) = generation.papers([id_of(number)])
            assert (paper.title, paper.abstract) == (title, abstract)
            assert paper.sources == ("papers.txt",)


def test_vectors_are_the_abstract_and_then_its_sentences(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(5))
    with built(tmp_path / "store", corpus, embedder) as generation:
        (paper,) = generation.papers([id_of(3)])
        vectors = generation.vectors([paper.id])[paper.id]
    assert vectors.dtype == np.float32
    assert len(vectors) == 1 + len(paper.sentences) == 5
    expected = embedder.embed(
        [f"{paper.title}. {paper.abstract}", *(s.text for s in paper.sentences)]
    )
    assert np.abs(vectors - expected).max() < 1e-3


def test_sentences_keep_their_places(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    with built(tmp_path / "store", corpus, embedder) as generation:
        for paper in generation.papers(generation.ids()):
            for sentence in paper.sentences:
                assert paper.abstract[sentence.start : sentence.end] == sentence.text


def test_a_long_abstract_is_one_paper_with_several_chunks(tmp_path, embedder):
    entries = [entry(0, sentences=60), entry(1), entry(2)]
    corpus = write_corpus(tmp_path / "corpus", entries)
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.manifest.chunks > generation.paper_count == 3
        (paper,) = generation.papers([id_of(0)])
        vectors = generation.vectors([paper.id])[paper.id]
        assert len(vectors) == 61
        expected = embedder.embed([sentence.text for sentence in paper.sentences])
        assert np.abs(vectors[1:] - expected).max() < 1e-3
        assert generation.nearest(vectors[0], 1)[0][0] == paper.id
        assert len(generation.nearest(vectors[0], 3)) == 3  # each paper once


def test_nearest_gives_cosines_best_first(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(30))
    query = embedder.embed(["speech with noise and signal"])[0]
    with built(tmp_path / "store", corpus, embedder) as generation:
        hits = generation.nearest(query, 30)
        vectors = generation.vectors([found for found, _ in hits])
    assert len(hits) == 30
    cosines = [cosine for _, cosine in hits]
    assert cosines == sorted(cosines, reverse=True)
    for found, cosine in hits:
        assert cosine == pytest.approx(float(vectors[found][0] @ query), abs=2e-3)


def test_asking_for_more_papers_than_there_are_gives_all(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(4))
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert len(generation.nearest(embedder.embed(["graphs"])[0], 1000)) == 4
        assert generation.nearest(embedder.embed(["graphs"])[0], 0) == []


def test_only_the_named_papers_are_chosen_from(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(30))
    some = [id_of(number) for number in (3, 7, 20)]
    with built(tmp_path / "store", corpus, embedder) as generation:
        near = generation.nearest(embedder.embed(["graphs"])[0], 10, only=some)
        words = generation.keyword({"study": 1.0}, 10, only=some)
        assert generation.nearest(embedder.embed(["graphs"])[0], 10, only=[]) == []
    assert {found for found, _ in near} == {found for found, _ in words} == set(some)


def test_rebuild_of_the_same_corpus_changes_nothing(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(20))
    first = build(tmp_path / "store", corpus, embedder)
    again = build(tmp_path / "store", read_corpus(corpus.path), embedder)
    assert (first.new, first.unchanged, first.embedded) == (20, 0, 20)
    assert (again.new, again.unchanged, again.embedded) == (0, 20, 0)
    assert again.generation == first.generation


@pytest.mark.parametrize("count", [10, 100])  # a fifth of the papers, and few of them
def test_rebuild_takes_new_changed_and_removed_papers(tmp_path, embedder, count):
    store = tmp_path / "store"
    build(store, corpus_of(tmp_path / "corpus", range(count)), embedder)
    corpus = corpus_of(tmp_path / "corpus", range(2, count + 3), revised={4, 5})
    embedder.passages = 0
    report = build(store, corpus, embedder)
    counts = (report.new, report.changed, report.removed, report.unchanged)
    assert counts == (3, 2, 2, count - 4)
    assert report.embedded == embedder.passages == 5
    with opened(store, corpus, embedder) as grown:
        found = content(grown)
        words = grown.keyword({"study": 1.0, "graphs": 2.0, "number1part1": 1.0}, 5)
    with built(tmp_path / "fresh", corpus, HashEmbedder()) as fresh:
        assert content(fresh) == found
        assert [score for _, score in words] == pytest.approx(
            [score for _, score in fresh.keyword({"study": 1.0, "graphs": 2.0}, 5)]
        )


def test_many_small_changes_end_in_the_same_store(tmp_path, embedder):
    store = tmp_path / "store"
    for step in range(8):
        numbers = [n for n in range(120) if (n * 7 + step) % 60]
        corpus = corpus_of(tmp_path / "corpus", numbers, revised={step, step + 50})
        build(store, corpus, embedder)
    with (
        opened(store, corpus, embedder) as grown,
        built(tmp_path / "s2", corpus, embedder) as fresh,
    ):
        assert content(grown) == content(fresh)


def test_a_file_that_was_only_touched_is_no_change(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(5))
    with built(tmp_path / "store", corpus, embedder) as generation:
        (corpus.path / "papers.txt").touch()
        assert not generation.corpus_changed(read_corpus(corpus.path))
        corpus = corpus_of(tmp_path / "corpus", [0, 1, 2, 3, 6])  # as many bytes, same second
        assert generation.corpus_changed(corpus)


def test_force_takes_nothing_from_the_generation_before(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(5))
    first = build(tmp_path / "store", corpus, embedder)
    forced = build(tmp_path / "store", corpus, embedder, force=True)
    assert forced.generation != first.generation
    assert (forced.new, forced.unchanged, forced.embedded) == (5, 0, 0)


def test_an_interrupted_rebuild_goes_on_where_it_stopped(tmp_path):
    corpus = corpus_of(tmp_path / "corpus", range(300))
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "store", corpus, HashEmbedder(fail_after=256))
    rest = HashEmbedder()
    report = build(tmp_path / "store", corpus, rest)
    assert report.papers == 300
    assert report.embedded == rest.passages == 300 - 256


def test_a_failed_rebuild_leaves_the_old_store_and_no_rubbish(tmp_path, embedder):
    store = tmp_path / "store"
    corpus = corpus_of(tmp_path / "corpus", range(5))
    before = build(store, corpus, embedder)
    grown = corpus_of(tmp_path / "corpus", range(9))
    with pytest.raises(KeyboardInterrupt):
        build(store, grown, HashEmbedder(fail_after=0))
    with opened(store, corpus, embedder) as generation:
        assert generation.manifest.generation == before.generation
        assert [path.name for path in generation.folder.parent.glob("g-*")] == [before.generation]
        assert len(content(generation)) == 5


def test_a_reader_keeps_answering_during_and_after_rebuilds(tmp_path, embedder):
    store = tmp_path / "store"
    corpus = corpus_of(tmp_path / "corpus", range(20))
    with built(store, corpus, embedder) as reader:
        before = content(reader)
        for size in (25, 30, 60):
            corpus = corpus_of(tmp_path / "corpus", range(size))
            build(store, corpus, embedder)
            assert content(reader) == before
        assert reader.folder.exists()
    build(store, corpus, embedder)
    assert not reader.folder.exists()


def test_another_embedding_model_is_refused_and_built_on_request(tmp_path, embedder):
    store = tmp_path / "store"
    corpus = corpus_of(tmp_path / "corpus", range(5))
    build(store, corpus, embedder)
    other = HashEmbedder(version=2)
    with pytest.raises(StoreMismatch, match="another embedding model") as refused:
        opened(store, corpus, other)
    assert refused.value.hint == build_hint(corpus)
    assert build(store, corpus, other).embedded == 5
    opened(store, corpus, other).close()
    back = HashEmbedder()
    assert build(store, corpus, back).embedded == 0  # paid for once


def test_vectors_that_no_generation_needs_any_more_are_dropped(tmp_path, embedder):
    store = tmp_path / "store"
    for step in range(5):
        corpus = corpus_of(tmp_path / "corpus", range(10 * step, 10 * step + 10))
        build(store, corpus, embedder)
    status = store_status(store, corpus, fingerprint=embedder.fingerprint)
    assert status.cached == 30


def test_no_store_yet_hints_at_a_rebuild(tmp_path, embedder):
    corpus = corpus_of(tmp_path / "corpus", range(5))
    with pytest.raises(StoreMissing) as missing:
        opened(tmp_path / "store", corpus, embedder)
    assert missing.value.hint == build_hint(corpus)


def test_a_corpus_without_papers_builds_nothing(tmp_path, embedder):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "papers.txt").write_text("nothing but a line\n")
    with pytest.raises(CorpusError, match="aper"):
        build(tmp_path / "store", read_corpus(folder), embedder)
    with pytest.raises(StoreMissing):
        Generation.open(tmp_path / "store", folder, fingerprint=embedder.fingerprint)


def test_a_store_of_the_real_model_finds_by_meaning(tmp_path):
    topics = {
        "Growing Tomatoes on Balconies": "Twelve tomato varieties were grown in pots on balconies.",
        "Low-Temperature Sourdough": "Bread dough was fermented in a refrigerator overnight.",
        "Bicycle Lanes and Commuting": "New cycling infrastructure changed how people go to work.",
    }
    filling = (
        " It took three years and much work of many people in several towns of the country." * 3
    )
    entries = [(title, text + filling) for title, text in topics.items()]
    corpus = write_corpus(tmp_path / "corpus", entries)
    model = minilm()
    with built(tmp_path / "store", corpus, model) as generation:
        for question, title in zip(
            ("vegetables at home", "baking", "traffic"), topics, strict=True
        ):
            ((best, cosine),) = generation.nearest(model.embed([question])[0], 1)
            assert generation.papers([best])[0].title == title
            assert 0.1 < cosine < 0.9
    assert build(tmp_path / "store", corpus, model, force=True).embedded == 0


def test_two_corpora_have_two_stores(tmp_path, embedder):
    one = corpus_of(tmp_path / "a" / "corpus", range(5))
    two = corpus_of(tmp_path / "b" / "corpus", range(5, 9))
    with (
        built(tmp_path / "s", one, embedder) as first,
        built(tmp_path / "s", two, embedder) as second,
    ):
        assert not set(first.ids()) & set(second.ids())


def test_papers_that_share_a_title_are_told_apart(tmp_path, embedder):
    entries = [("Editorial", entry(1)[1]), ("Editorial", entry(2)[1]), entry(3)]
    corpus = write_corpus(tmp_path / "corpus", entries)
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.paper_count == 3
        found = generation.papers(generation.ids())
        assert generation.has_title("EDITORIAL.")
        assert not generation.has_title("Editorials")
    assert {paper.abstract for paper in found} == {entry(n)[1] for n in (1, 2, 3)}


def test_a_paper_in_several_files_names_them_all(tmp_path, embedder):
    write_corpus(tmp_path / "corpus", [entry(n) for n in range(4)], name="one.txt")
    corpus = write_corpus(tmp_path / "corpus", [entry(n) for n in range(2, 6)], name="two.txt")
    with built(tmp_path / "store", corpus, embedder) as generation:
        assert generation.paper_count == 6
        (paper,) = generation.papers([id_of(2)])
    assert paper.sources == ("one.txt", "two.txt")


def test_progress_tells_stages_in_order(tmp_path, embedder):
    heard = []
    corpus = corpus_of(tmp_path / "corpus", range(5))
    build(tmp_path / "store", corpus, embedder, progress=heard.append)
    assert list(dict.fromkeys(p.stage for p in heard)) == ["reading", "embedding", "indexing"]
    assert heard[-1].done == heard[-1].total == 5


def test_store_of_an_earlier_version_without_other_titles_is_read_and_patched(tmp_path, embedder):
    numbers = range(30)
    corpus = corpus_of(tmp_path / "corpus", numbers)
    build(tmp_path / "store", corpus, embedder)
    with opened(tmp_path / "store", corpus, embedder) as generation:
        folder, before = generation.folder, generation.digests()
    with closing(sqlite3.connect(folder / "papers.sqlite")) as db:
        db.execute("ALTER TABLE papers DROP COLUMN other_titles")
    sums = checksums(folder)
    manifest = replace(Manifest.read(folder), sums=sums)
    manifest.write(folder)
    with opened(tmp_path / "store", corpus, embedder) as generation:
        assert generation.has_title(entry(3)[0])
        assert generation.digests() == before
    more = corpus_of(tmp_path / "corpus", range(31))
    report = build(tmp_path / "store", more, embedder)
    assert (report.new, report.unchanged) == (1, 30)
    with opened(tmp_path / "store", more, embedder) as generation:
        assert len(generation.papers(generation.ids())) == 31
