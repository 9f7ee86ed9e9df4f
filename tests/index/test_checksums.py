"""Files that are not as they were written are known before Chroma's engine reads them."""

import json
import os
import shutil
import subprocess
import sys

import paths
import pytest
from stores import HashEmbedder, content, corpus_of, opened

from qa.errors import StoreDamaged
from qa.index.build import build
from qa.index.checksums import FileChecks
from qa.index.integrity import store_status

PAPERS = 30
# Ends by a signal where Chroma's engine crashes, with 1 and a line where the store is refused.
OPEN = """
import sys
from pathlib import Path
from stores import HashEmbedder, content, opened
from qa.corpus.readers.corpus import read_corpus
from qa.errors import StoreDamaged
try:
    with opened(Path(sys.argv[1]), read_corpus(Path(sys.argv[2])), HashEmbedder()) as generation:
        print(len(content(generation)))
except StoreDamaged as error:
    sys.exit(f"damaged: {error}")
"""
FILES = [
    *("papers.sqlite", "manifest.json", "reading.json", "chroma.sqlite3", "data_level0.bin"),
    *("header.bin", "index_metadata.pickle", "length.bin", "link_lists.bin"),
]
HARMLESS = {"corpus.json", "intact.json"}  # only save work: without them it is done again


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    build(folder / "store", corpus_of(folder / "corpus", range(PAPERS)), HashEmbedder())
    return folder


@pytest.fixture
def store(sound, tmp_path):
    shutil.copytree(sound / "store", tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def corpus(sound):
    return corpus_of(sound / "corpus", range(PAPERS))


def file_of(store, name):
    (path,) = store.glob(f"*/g-*/**/{name}")
    return path


def flip(path, place):
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a careful program may do


def damages(path):
    size = path.stat().st_size
    yield "start", lambda: flip(path, min(20, size - 1))
    yield "middle", lambda: flip(path, size // 2)
    yield "end", lambda: flip(path, max(0, size - 20))
    yield "half", lambda: os.truncate(path, size // 2)


def check(store, corpus, name, kind):
    """Damage the file of a store in use; it is refused or as before, and a rebuild mends it."""
    embedder = HashEmbedder()
    with opened(store, corpus, embedder) as generation:
        before = content(generation)
    dict(damages(file_of(store, name)))[kind]()
    where = os.pathsep.join([str(paths.ROOT), str(paths.SUPPORT)])
    asked = subprocess.run(
        [sys.executable, "-c", OPEN, store, corpus.path],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": where},
    )
    told = asked.stderr.startswith("damaged: ") and asked.stderr.count("\n") == 1
    # Of Chroma's database most pages are free: nobody reads what is in them.
    harmless = name in HARMLESS or (name == "chroma.sqlite3" and kind in {"middle", "end"})
    assert (asked.returncode == 1 and told) or (harmless and asked.stdout == f"{PAPERS}\n")
    status = store_status(store, corpus, fingerprint=embedder.fingerprint)
    assert (status.problem is None) == (asked.returncode == 0)
    assert build(store, corpus, embedder).embedded == 0
    with opened(store, corpus, embedder) as generation:
        assert content(generation) == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [("data_level0.bin", "middle"), ("chroma.sqlite3", "start"), ("header.bin", "end")],
)
def test_damage_that_would_crash_the_engine_is_told_and_mended(store, corpus, name, kind):
    check(store, corpus, name, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["start", "middle", "end", "half"])
@pytest.mark.parametrize("name", [*FILES, *sorted(HARMLESS)])
def test_any_damage_is_told_and_mended(store, corpus, name, kind):
    if not file_of(store, name).stat().st_size:
        pytest.skip("the file is empty")
    check(store, corpus, name, kind)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["start", "half"])
def test_no_damaged_file_is_opened(store, corpus, name, kind):
    path = file_of(store, name)
    if not path.stat().st_size:
        pytest.skip("the file is empty")
    dict(damages(path))[kind]()
    with pytest.raises(StoreDamaged):
        opened(store, corpus, HashEmbedder())


def test_a_store_in_use_is_not_read_again(store, corpus):
    with opened(store, corpus, HashEmbedder()) as generation:
        folder, sums = generation.folder, generation.manifest.sums
    wrong = dict.fromkeys(sums, "of no file")
    FileChecks(folder, wrong).check(thorough=False)
    with pytest.raises(StoreDamaged):
        FileChecks(folder, wrong).check(thorough=True)


def test_a_copy_is_read_once(store, corpus):
    with opened(store, corpus, HashEmbedder()) as generation:
        folder, sums = generation.folder, generation.manifest.sums
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    wrong = dict.fromkeys(sums, "of no file")
    with pytest.raises(StoreDamaged):
        FileChecks(copy, wrong).check(thorough=False)
    checks = FileChecks(copy, sums)
    assert not checks.check(thorough=False)
    checks.note()
    FileChecks(copy, wrong).check(thorough=False)


def test_a_store_of_an_earlier_version_opens(store, corpus):
    """Its manifest has neither its own checksum nor that of Chroma's database."""
    path = file_of(store, "manifest.json")
    fields = json.loads(path.read_text())
    del fields["checksum"], fields["sums"]["chroma/chroma.sqlite3"], fields["sums"]["reading.json"]
    path.write_text(json.dumps(fields))
    file_of(store, "intact.json").unlink()
    without = FileChecks(path.parent, fields["sums"])
    assert without.check(thorough=False)  # Chroma's engine opens it in a process of its own first
    with opened(store, corpus, HashEmbedder()) as generation:
        assert len(content(generation)) == PAPERS
    without.note()
    assert not without.check(thorough=False)
    database = file_of(store, "chroma.sqlite3")
    os.truncate(database, database.stat().st_size // 2)
    with pytest.raises(StoreDamaged):
        opened(store, corpus, HashEmbedder())


def test_an_engine_that_crashes_takes_only_its_own_process(store, corpus):
    """An earlier version's store whose checksums say nothing about the index."""
    path = file_of(store, "manifest.json")
    fields = json.loads(path.read_text())
    del fields["checksum"]
    fields["sums"] = {}
    path.write_text(json.dumps(fields))
    index = file_of(store, "data_level0.bin")
    flip(index, index.stat().st_size // 2)
    header = file_of(store, "header.bin")
    flip(header, header.stat().st_size // 2)
    with pytest.raises(StoreDamaged):
        opened(store, corpus, HashEmbedder())
