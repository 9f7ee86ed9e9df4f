"""The stores of a folder are listed with what they are of, and removed when nobody uses them."""

import shutil

import pytest
from stores import HashEmbedder, corpus_of, opened, write_corpus

from qa.errors import CorpusError, StoreLocked
from qa.index.build import build
from qa.index.layout import StoreLayout
from qa.index.locks import writer_lock
from qa.index.stores import remove_leftovers, remove_store, stores_of


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def built_corpus(tmp_path, store, name, papers):
    corpus = corpus_of(tmp_path / name, range(papers))
    build(store, corpus, HashEmbedder())
    return corpus


def test_stores_are_listed_with_what_they_are_of(tmp_path, store):
    first = built_corpus(tmp_path, store, "a", 3)
    second = built_corpus(tmp_path, store, "b", 4)
    (store / "notes-of-the-user").mkdir()
    shutil.rmtree(second.path)
    found = list(stores_of(store))
    assert [(s.corpus, s.papers, s.corpus_exists, s.abandoned) for s in found] == [
        (first.path, 3, True, False),
        (second.path, 4, False, True),
    ]
    assert all(s.disk_bytes > 10_000 and s.last_used is not None for s in found)


def test_there_are_no_stores_in_a_folder_that_is_not_there(tmp_path):
    assert list(stores_of(tmp_path / "nowhere")) == []


def test_opening_a_store_is_using_it(tmp_path, store):
    corpus = built_corpus(tmp_path, store, "a", 3)
    (before,) = stores_of(store)
    opened(store, corpus, HashEmbedder()).close()
    (after,) = stores_of(store)
    assert after.last_used > before.last_used


def test_a_store_with_a_damaged_manifest_is_still_known(tmp_path, store):
    corpus = built_corpus(tmp_path, store, "a", 3)
    (manifest,) = store.glob("*/g-*/manifest.json")
    manifest.write_text("{")
    (found,) = stores_of(store)
    assert (found.corpus, found.papers, found.abandoned) == (corpus.path, None, False)
    (origin,) = store.glob("*/origin.json")
    origin.write_text(origin.read_text().replace("/a", "/b"))  # it does not fit the folder's name
    (found,) = stores_of(store)
    assert (found.corpus, found.abandoned) == (None, False)


def test_the_users_column_names_outlive_a_damaged_manifest(tmp_path, store):
    from qa.corpus.readers.corpus import read_corpus
    from qa.index.manifest import known_columns

    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "papers.csv").write_text(f"Name,Abstract\nA title,{'A long sentence. ' * 20}\n")
    build(store, read_corpus(folder, {"title": "Name"}), HashEmbedder())
    (manifest,) = store.glob("*/g-*/manifest.json")
    manifest.write_text("{")
    assert known_columns(store, folder) == {"title": "Name"}


def test_a_removed_store_is_gone_and_the_corpus_stays(tmp_path, store):
    corpus = built_corpus(tmp_path, store, "a", 3)
    other = built_corpus(tmp_path, store, "b", 3)
    remove_store(StoreLayout.of(store, corpus.path).folder)
    assert [found.corpus for found in stores_of(store)] == [other.path]
    assert len(list(store.iterdir())) == 1
    assert list(corpus.path.iterdir())
    assert build(store, corpus, HashEmbedder()).new == 3


def test_a_store_in_use_is_not_removed(tmp_path, store):
    corpus = built_corpus(tmp_path, store, "a", 3)
    layout = StoreLayout.of(store, corpus.path)
    with opened(store, corpus, HashEmbedder()) as generation:
        with pytest.raises(StoreLocked):
            remove_store(layout.folder)
        assert generation.paper_count == 3
    with writer_lock(layout, wait=None, waiting=None), pytest.raises(StoreLocked):
        remove_store(layout.folder)
    opened(store, corpus, HashEmbedder()).close()  # it has lost nothing


def test_a_link_among_the_stores_is_passed_over(tmp_path, store):
    corpus = built_corpus(tmp_path, store, "a", 3)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = StoreLayout.of(store, corpus.path).folder
    (elsewhere / folder.name).symlink_to(folder)
    assert list(stores_of(elsewhere)) == []


def test_a_failed_first_build_leaves_nothing(tmp_path, store):
    corpus = write_corpus(tmp_path / "empty", [])
    with pytest.raises(CorpusError):
        build(store, corpus, HashEmbedder())
    assert list(store.iterdir()) == []


def test_an_interrupted_first_build_keeps_what_was_embedded(tmp_path, store):
    corpus = corpus_of(tmp_path / "a", range(300))
    with pytest.raises(KeyboardInterrupt):
        build(store, corpus, HashEmbedder(fail_after=200))
    (found,) = stores_of(store)
    assert (found.corpus, found.papers, found.abandoned) == (corpus.path, None, False)
    assert not list(store.glob("*/g-*"))
    assert build(store, corpus, HashEmbedder()).embedded < 300


def test_what_a_killed_build_left_is_removed_at_the_next_opening(tmp_path, store):
    corpus = built_corpus(tmp_path, store, "a", 3)
    layout = StoreLayout.of(store, corpus.path)
    left = layout.generation("g-20200101-000000-abcdef")
    left.mkdir()
    (left / "papers.sqlite").write_bytes(b"half")
    with writer_lock(layout, wait=None, waiting=None):
        remove_leftovers(layout)  # another process is building: it may be its own
    assert left.exists()
    remove_leftovers(layout)
    assert not left.exists()
    opened(store, corpus, HashEmbedder()).close()
