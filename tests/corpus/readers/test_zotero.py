"""Zotero's database, also while Zotero has it open."""

import gzip
import shutil
import sqlite3

import pytest
from zotero_files import ZoteroFile

from qa.corpus.papers import Record, as_paper
from qa.corpus.readers.corpus import read_corpus
from qa.errors import CorpusError


@pytest.fixture
def library(tmp_path):
    return ZoteroFile(tmp_path / "zotero.sqlite")


def papers(path):
    return list(read_corpus(path).records())


def test_item_has_its_fields_collections_and_tags(library):
    library.add(
        title="Snails on walls",
        abstractNote="Snails climb walls at night.",
        date="2013-05-02 2 May 2013",
        publicationTitle="Malacology of Walls",
        DOI="10.5555/Snail.1",
        url="https://example.org/snails",
        authors=[("Eva", "Škriňa"), ("", "Snail Group")],
        editors=[("Ed", "Itor")],
        tags=["to read", "snails"],
        collections=["Molluscs/Walls", "Thesis"],
    )
    (snails,) = papers(library.close())
    assert snails == Record(
        title="Snails on walls",
        abstract="Snails climb walls at night.",
        source="zotero.sqlite",
        authors=("Eva Škriňa", "Snail Group"),
        year=2013,
        venue="Malacology of Walls",
        doi="10.5555/snail.1",
        url="https://example.org/snails",
        keywords=("snails", "to read"),
        groups=("Molluscs/Walls", "Thesis", "#snails", "#to read"),
    )
    assert as_paper(snails).sources == (
        "zotero.sqlite",
        "zotero.sqlite/Molluscs/Walls",
        "zotero.sqlite/Thesis",
        "zotero.sqlite/#snails",
        "zotero.sqlite/#to read",
    )


def test_notes_attachments_feeds_and_the_trash_are_no_papers(library):
    library.add(title="Kept")
    library.add("attachment", title="kept.pdf")
    library.add("note")
    library.add("annotation")
    library.add(title="In the trash", deleted=True)
    library.add(title="From a feed", library=2)
    assert [paper.title for paper in papers(library.close())] == ["Kept"]


def test_preprint_has_the_number_that_zotero_keeps_in_other_fields(library):
    library.add("preprint", title="A", archiveID="arXiv:2401.00001", repository="arXiv")
    library.add("preprint", title="B", extra="arXiv:2401.00002 [cs.CL]\nDOI: 10.5555/b")
    first, second = papers(library.close())
    assert (first.arxiv_id, first.venue) == ("2401.00001", "arXiv")
    assert (second.arxiv_id, second.doi) == ("2401.00002", "10.5555/b")


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_database_is_read_while_zotero_has_it_locked(library, mode):
    library.add(title="Before")
    path = library.close()
    zotero = sqlite3.connect(path, isolation_level=None)
    zotero.execute(f"PRAGMA journal_mode={mode}")
    zotero.execute("PRAGMA locking_mode=EXCLUSIVE")
    zotero.execute("INSERT INTO items VALUES (99, 4, 1, 'KEY99')")
    zotero.execute("BEGIN EXCLUSIVE")
    zotero.execute("DELETE FROM items")
    try:
        found = [e.title if isinstance(e, Record) else e.reason for e in papers(path)]
    finally:
        zotero.execute("ROLLBACK")
        zotero.close()
    assert found == ["Before", "no title"]


def test_database_in_an_archive_is_read(library, tmp_path):
    library.add(title="Packed")
    path = library.close()
    packed = tmp_path / "a" / "zotero.sqlite.gz"
    packed.parent.mkdir()
    with path.open("rb") as content, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(content, target)
    assert [paper.title for paper in papers(packed)] == ["Packed"]


def test_bytes_that_are_no_text_do_not_stop_the_reading(library):
    library.add(title="Kept")
    library.db.execute("UPDATE itemDataValues SET value = CAST(x'4b65d5' AS TEXT)")
    assert [paper.title for paper in papers(library.close())] == ["Ke\ufffd"]


def test_databases_of_other_programs_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE papers (title)")
    db.close()
    with pytest.raises(CorpusError, match=r"not Zotero's. Export its table: `sqlite3"):
        papers(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorpusError, match="cannot be read"):
        papers(path)


def test_collections_and_tags_are_sources(library):
    library.add(title="A", collections=["Molluscs/Walls"])
    library.add(title="B", tags=["to read"])
    found = [as_paper(record) for record in papers(library.close())]
    for text, title in (("molluscs", "A"), ("#to read", "B")):
        assert [p.title for p in found if any(text in s.lower() for s in p.sources)] == [title]
