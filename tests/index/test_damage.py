"""A store whose files are damaged, missing or not to be written says so, and a rebuild mends it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys

import paths
import pytest
from stores import HashEmbedder, build_hint, content, corpus_of, opened

from qa.config import error_text
from qa.errors import StoreDamaged, StoreError, StoreMismatch
from qa.index.build import build
from qa.index.chroma import VectorsWriter
from qa.index.integrity import store_status


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def corpus(tmp_path, store):
    corpus = corpus_of(tmp_path / "corpus", range(40))
    build(store, corpus, HashEmbedder())
    return corpus


def live(store):
    (current,) = store.glob("*/CURRENT")
    return current.parent / current.read_text().strip()


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path):
    content = bytearray(path.read_bytes())
    content[: len(content) // 2] = os.urandom(len(content) // 2)
    path.write_bytes(content)


def vacate(path):
    path.write_bytes(b"")


def index_folder(generation):
    (folder,) = (path for path in (generation / "chroma").iterdir() if path.is_dir())
    return folder


def drop_rows(generation):
    with sqlite3.connect(generation / "papers.sqlite") as db:
        db.execute("DELETE FROM papers WHERE n < 5")
    db.close()


DAMAGES = {
    "manifest cut off": lambda g: cut_off(g / "manifest.json"),
    "manifest empty": lambda g: vacate(g / "manifest.json"),
    "manifest gone": lambda g: (g / "manifest.json").unlink(),
    "manifest of another shape": lambda g: (g / "manifest.json").write_text("[1]"),
    "lease gone": lambda g: (g / "LEASE").unlink(),
    "papers cut off": lambda g: cut_off(g / "papers.sqlite"),
    "papers garbled": lambda g: garble(g / "papers.sqlite"),
    "papers empty": lambda g: vacate(g / "papers.sqlite"),
    "papers gone": lambda g: (g / "papers.sqlite").unlink(),
    "papers lost": drop_rows,
    "vectors gone": lambda g: shutil.rmtree(g / "chroma"),
    "vectors' database gone": lambda g: (g / "chroma" / "chroma.sqlite3").unlink(),
    "vectors' database cut off": lambda g: cut_off(g / "chroma" / "chroma.sqlite3"),
    "vectors' database garbled": lambda g: garble(g / "chroma" / "chroma.sqlite3"),
    "vectors' database empty": lambda g: vacate(g / "chroma" / "chroma.sqlite3"),
    "vectors' index gone": lambda g: shutil.rmtree(index_folder(g)),
    "vectors' index empty": lambda g: [vacate(p) for p in index_folder(g).iterdir()],
    "vectors' index garbled": lambda g: [garble(p) for p in index_folder(g).iterdir()],
    "CURRENT empty": lambda g: vacate(g.parent / "CURRENT"),
    "CURRENT garbled": lambda g: (g.parent / "CURRENT").write_bytes(b"\xff\xfe g-../../etc"),
    "generation gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_with_the_way_out_and_a_rebuild_mends_it(store, corpus, damage):
    DAMAGES[damage](live(store))
    embedder = HashEmbedder()
    with pytest.raises(StoreDamaged) as caught, opened(store, corpus, embedder) as generation:
        content(generation)
    assert caught.value.hint == build_hint(corpus)
    assert "\n" not in str(caught.value)
    status = store_status(store, corpus, fingerprint=embedder.fingerprint)
    assert status.problem is not None
    assert status.problem.hint == build_hint(corpus)
    report = build(store, corpus, embedder)
    assert (report.papers, report.embedded) == (40, 0)  # what was embedded is not lost
    with opened(store, corpus, embedder) as generation:
        assert len(content(generation)) == 40


def test_a_damaged_embedding_cache_is_set_aside(store, corpus, tmp_path):
    (cache,) = store.glob("*/embeddings.sqlite")
    garble(cache)
    grown = corpus_of(tmp_path / "corpus", range(41))
    embedder = HashEmbedder()
    assert build(store, grown, embedder).papers == 41
    with opened(store, corpus, embedder) as generation:
        assert len(content(generation)) == 41
    assert build(store, grown, embedder, force=True).embedded == 40


def flip(path, at):
    """Change one byte, which no database notices."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x55]))


def a_vector_of(generation):
    """Where in papers.sqlite a paper's vectors lie."""
    with sqlite3.connect(generation / "papers.sqlite") as db:
        (vectors,) = db.execute("SELECT vectors FROM sentences WHERE n = 7").fetchone()
    db.close()
    return (generation / "papers.sqlite").read_bytes().index(vectors[:40])


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("papers.sqlite", a_vector_of),
        ("data_level0.bin", lambda g: (index_folder(g) / "data_level0.bin").stat().st_size // 2),
    ],
)
def test_a_flipped_bit_is_noticed_and_mended(store, corpus, name, place):
    generation = live(store)
    flip(next(generation.rglob(name)), place(generation))
    embedder = HashEmbedder()
    status = store_status(store, corpus, fingerprint=embedder.fingerprint)
    assert name in str(status.problem)
    assert status.problem.hint == build_hint(corpus)
    report = build(store, corpus, embedder)
    assert (report.new, report.embedded) == (40, 0)
    assert store_status(store, corpus, fingerprint=embedder.fingerprint).problem is None


def test_a_damaged_row_of_the_cache_is_embedded_again(store, corpus):
    (cache,) = store.glob("*/embeddings.sqlite")
    with sqlite3.connect(cache) as db:
        (data,) = db.execute("SELECT data FROM chunks LIMIT 1").fetchone()
    db.close()
    flip(cache, cache.read_bytes().index(data[:40]) + 8)
    embedder = HashEmbedder()
    assert build(store, corpus, embedder, force=True).embedded == embedder.passages == 1
    assert build(store, corpus, embedder, force=True).embedded == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE chunks SET rows = rows + 1",
        "UPDATE chunks SET rows = 0",
        "UPDATE chunks SET rows = 'many'",
        "UPDATE chunks SET data = 17, words = ''",
        "UPDATE chunks SET crc = 0",
        "UPDATE chunks SET key = randomblob(16)",
        "DELETE FROM uses",
        "ALTER TABLE chunks RENAME COLUMN crc TO cyclic",
    ],
)
def test_whatever_is_wrong_in_the_cache_is_embedded_again(store, corpus, damage):
    with opened(store, corpus, HashEmbedder()) as generation:
        before = content(generation)
    (cache,) = store.glob("*/embeddings.sqlite")
    with sqlite3.connect(cache) as db:
        db.execute(damage)
    db.close()
    build(store, corpus, HashEmbedder(), force=True)
    with opened(store, corpus, HashEmbedder()) as generation:
        assert content(generation) == before
    assert build(store, corpus, HashEmbedder(), force=True).embedded == 0


def test_a_damaged_cache_is_told(store, corpus):
    (cache,) = store.glob("*/embeddings.sqlite")
    garble(cache)
    (note,) = build(store, corpus, HashEmbedder(), force=True).notes
    assert str(cache) in note
    assert build(store, corpus, HashEmbedder(), force=True).notes == ()


def test_vectors_that_a_damaged_cache_lost_since_are_embedded_for_a_patch(
    store, corpus, tmp_path, monkeypatch
):
    """Those of chunks that no query finds are taken from the cache once more."""
    monkeypatch.setattr(VectorsWriter, "unreachable", lambda _, ids: list(ids)[:2])
    (cache,) = store.glob("*/embeddings.sqlite")
    garble(cache)
    grown = corpus_of(tmp_path / "corpus", range(41))
    embedder = HashEmbedder()
    assert build(store, grown, embedder).new == 1
    assert embedder.passages == 3


def test_a_cache_damaged_within_is_set_aside_in_mid_build(store, corpus, tmp_path):
    (cache,) = store.glob("*/embeddings.sqlite")
    whole = bytearray(cache.read_bytes())
    whole[8192:] = os.urandom(len(whole) - 8192)  # the first pages are sound
    cache.write_bytes(whole)
    grown = corpus_of(tmp_path / "corpus", range(200))
    embedder = HashEmbedder()
    assert build(store, grown, embedder).papers == 200
    with opened(store, grown, embedder) as generation:
        assert len(content(generation)) == 200
    assert build(store, grown, embedder, force=True).embedded == 0


def test_an_error_names_the_corpus_in_the_command_that_mends_it(store, corpus):
    with opened(store, corpus, HashEmbedder()) as generation:
        generation._papers.close()  # as a database that has gone while it was asked
        with pytest.raises(StoreDamaged) as asked:
            generation.ids()
    assert error_text(asked.value).endswith(f" with: qa rebuild {corpus.path}")
    (live(store) / "manifest.json").write_text("{")
    with pytest.raises(StoreDamaged) as caught:
        opened(store, corpus, HashEmbedder())
    assert error_text(caught.value).endswith(f" with: qa rebuild {corpus.path}")
    status = store_status(store, corpus, fingerprint=HashEmbedder().fingerprint)
    assert error_text(status.problem) == error_text(caught.value)


def test_a_store_of_another_format_is_refused(store, corpus):
    path = live(store) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 999}))
    with pytest.raises(StoreMismatch, match=r"format 999") as refused:
        opened(store, corpus, HashEmbedder())
    assert refused.value.hint == build_hint(corpus)
    assert build(store, corpus, HashEmbedder()).papers == 40
    opened(store, corpus, HashEmbedder()).close()


def test_a_store_folder_that_cannot_be_made_is_told(tmp_path):
    corpus = corpus_of(tmp_path / "corpus", range(3))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="QA_STORE"):
        build(tmp_path / "file" / "store", corpus, HashEmbedder())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_folder_without_permission_is_told_and_still_answers(store, corpus, tmp_path):
    (folder,) = store.iterdir()
    grown = corpus_of(tmp_path / "corpus", range(41))
    folder.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="QA_STORE"):
            build(store, grown, HashEmbedder())
        with opened(store, corpus, HashEmbedder()) as generation:
            assert len(content(generation)) == 40
    finally:
        folder.chmod(0o700)
    assert build(store, grown, HashEmbedder()).papers == 41


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from stores import HashEmbedder
from qa.errors import StoreError
from qa.corpus.readers.corpus import read_corpus
from qa.index.build import build
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    build(Path({store!r}), read_corpus(Path({corpus!r})), HashEmbedder())
except StoreError as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.skipif(os.name == "nt", reason="file sizes cannot be limited there")
@pytest.mark.parametrize("limit", [0, 5_000, 50_000, 300_000])
def test_files_that_cannot_grow_are_told_and_the_old_store_answers(store, corpus, tmp_path, limit):
    grown = corpus_of(tmp_path / "corpus", range(400))
    program = FULL.format(
        tests=str(paths.SUPPORT), limit=limit, store=str(store), corpus=str(corpus.path)
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=paths.ROOT,
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1
    with opened(store, corpus, HashEmbedder()) as generation:
        assert len(content(generation)) == 40
    assert build(store, grown, HashEmbedder()).papers == 400


def test_a_folder_in_place_of_the_pointer_is_told_and_mended(store, corpus):
    (current,) = store.glob("*/CURRENT")
    current.unlink()
    current.mkdir()
    (current / "stray").touch()
    with pytest.raises(StoreDamaged) as caught:
        opened(store, corpus, HashEmbedder())
    assert caught.value.hint == build_hint(corpus)
    build(store, corpus, HashEmbedder())
    with opened(store, corpus, HashEmbedder()) as generation:
        assert generation.paper_count == 40
