"""Corpora as files: folders, archives, encodings, and what cannot be read."""

import bz2
import gzip
import hashlib
import json
import lzma
import zipfile
from dataclasses import asdict
from pathlib import Path

import paths
import pytest

from qa.config import bundled
from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.corpus import READER_VERSION, read_corpus
from qa.errors import Action, CorpusError, Hint

BIB = "@article{a, title = {Title of %s}, abstract = {We measure %s.}, year = 2020}\n"
RIS = "TY  - JOUR\nTI  - Título\nAB  - Wir prüfen “das” \u2013 und mehr.\nER  - \n"


def bib(what):
    return (BIB % (what, what)).encode()


def titles(path, **options):
    return [entry.title for entry in read_corpus(path, **options).records()]


def test_folder_is_read_in_sorted_order_with_its_folders(tmp_path):
    for name in ("b/z.bib", "b/a.bib", "a.bib", "c.bib"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bib(name))
    corpus = read_corpus(tmp_path)
    assert [file.name for file in corpus.files] == ["a.bib", "b/a.bib", "b/z.bib", "c.bib"]
    assert [entry.source for entry in corpus.records()] == [file.name for file in corpus.files]


def test_files_tell_when_they_change(tmp_path):
    path = tmp_path / "a.bib"
    path.write_bytes(bib("x"))
    before = read_corpus(tmp_path).files
    assert before == read_corpus(tmp_path).files
    path.write_bytes(bib("xy"))
    assert before != read_corpus(tmp_path).files


def test_hidden_files_and_caches_are_passed_over_silently(tmp_path):
    for name in (".git/a.bib", "__pycache__/a.bib", ".DS_Store", "__MACOSX/a.bib", "Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bib("x"))
    (tmp_path / "a.bib").write_bytes(bib("y"))
    assert titles(tmp_path) == ["Title of y"]


def test_other_files_of_a_folder_are_listed_with_the_reason(tmp_path):
    (tmp_path / "a.bib").write_bytes(bib("y"))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7\n\x00\xff")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    (tmp_path / "d.bin").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "e.py").write_text("print(1)\n", encoding="utf-8")
    (tmp_path / "f.txt").write_text("", encoding="utf-8")
    (tmp_path / "g.xml").write_text("<?xml version='1.0'?><a/>", encoding="utf-8")
    (tmp_path / "readme.md").write_text("# Papers\n\nThis folder has papers.\n", encoding="utf-8")
    entries = list(read_corpus(tmp_path).records())
    assert isinstance(entries.pop(0), Record)
    assert {entry.source: entry.reason for entry in entries} == {
        "b.pdf": "it is a PDF that cannot be read: damaged",
        "c.png": "it is an image",
        "d.bin": "it is not text",
        "e.py": "it is in no format that papers come in",
        "f.txt": "it is empty",
        "g.xml": "it is XML of an unknown kind, <a>",
        "readme.md": "it is in no format that papers come in",
    }
    assert {entry.where for entry in entries} == {"whole file"}
    assert "ocrmypdf" in next(entry.why for entry in entries if entry.source == "c.png")


@pytest.mark.parametrize(
    ("suffix", "squeeze"), [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_compressed_file_is_read_whatever_its_name(tmp_path, suffix, squeeze):
    for name in (f"a.bib{suffix}", "plain-name"):
        (tmp_path / name).write_bytes(squeeze(bib("x")))
    assert titles(tmp_path) == ["Title of x", "Title of x"]


def test_archive_is_read_file_by_file(tmp_path):
    path = tmp_path / "papers.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.bib", bib("b"))
        archive.writestr("a/c.bib.gz", gzip.compress(bib("c")))
        archive.writestr("a/d.pdf", b"%PDF-1.4")
        archive.writestr("__MACOSX/b.bib", bib("no"))
    entries = list(read_corpus(path).records())
    assert [(entry.source, isinstance(entry, Record)) for entry in entries] == [
        ("papers.zip/a/c.bib.gz", True),
        ("papers.zip/a/d.pdf", False),
        ("papers.zip/b.bib", True),
    ]


def test_office_document_is_no_archive_of_papers(tmp_path):
    path = tmp_path / "notes.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("a.bib", bib("a"))
    with pytest.raises(CorpusError, match="it is a Word document"):
        titles(path)


def test_archive_that_breaks_off_keeps_what_came_before(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(f'{{"title": "T{n}", "abstract": "A{n * 7919}"}}\n' for n in range(9000))
    path.write_bytes(gzip.compress(lines.encode())[:-2000])
    *records, last = read_corpus(path).records()
    assert len(records) > 1000
    assert all(isinstance(record, Record) for record in records)
    assert isinstance(last, Skipped)
    assert last.reason.startswith("damaged: ")
    assert last.where == f"after {len(records)} entries"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n ", "it is empty"),
        (b"\x00\x01\x02" * 500, "it is not text"),
        (b"%PDF-1.5", "it is a PDF that cannot be read: damaged. Repair it: `qpdf"),
        (b"Rar!\x1a\x07", "it is a RAR archive. Unpack it: `unrar x FILE`."),
        (b"<html><body>", "it is a web page. Open it in a browser and print it to PDF."),
        (b"{\\rtf1 text}", "it is an RTF document. Save it as PDF: `soffice"),
        (b"PAR1...", "it is a Parquet file. Write it as CSV: `duckdb"),
        (b"\x1f\x8b\x08 cut off", "damaged"),
        (b"PK\x03\x04 cut off", "damaged"),
        (b"{broken", "no format"),
    ],
)
def test_single_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path, content, words):
    path = tmp_path / "corpus.x"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=words) as error:
        titles(path)
    assert str(path) in str(error.value)


def test_table_without_a_known_column_is_an_error_that_says_which_to_name(tmp_path):
    path = tmp_path / "my papers.csv"
    path.write_text("title,foo\nTides,They rise.\n", encoding="utf-8")
    with pytest.raises(CorpusError) as error:
        titles(path)
    assert str(error.value).endswith("no column for the abstract among title, foo.")
    assert error.value.hint == Hint(Action.NAME_COLUMN, path, "abstract")


def test_missing_path_and_empty_folder_are_errors_with_the_next_step(tmp_path):
    for path, words in ((tmp_path / "no", "There is no corpus"), (tmp_path, "no files")):
        with pytest.raises(CorpusError, match=words) as error:
            read_corpus(path)
        assert str(error.value).endswith("Name another file or folder.")


def test_unknown_field_of_columns_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="There is no field titel"):
        read_corpus(tmp_path, {"titel": "x"})


@pytest.mark.parametrize(
    ("codec", "note"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-32", ""),
        ("utf-16-le", "UTF-16-LE without a byte order mark"),
        ("utf-16-be", "UTF-16-BE without a byte order mark"),
        ("cp1252", "Windows-1252 where it is not UTF-8"),
    ],
)
def test_encoding_is_found_and_told_when_it_is_a_guess(tmp_path, codec, note):
    path = tmp_path / "a.ris"
    path.write_bytes(RIS.encode(codec))
    notes = []
    (record,) = read_corpus(path).records(lambda file, words: notes.append((file, words)))
    assert (record.title, record.abstract) == ("Título", "Wir prüfen “das” \u2013 und mehr.")
    assert [file for file, _ in notes] == (["a.ris"] if note else [])
    assert all(note in words for _, words in notes)


def test_guess_far_into_a_file_is_told_once(tmp_path):
    path = tmp_path / "a.ris"
    good = "TY  - JOUR\nTI  - Käfer\nAB  - Käfer krabbeln.\nER  - \n".encode()
    path.write_bytes(good * 6000 + good.decode().encode("latin-1") * 2)
    notes = []
    records = list(read_corpus(path).records(lambda _, words: notes.append(words)))
    assert {record.abstract for record in records} == {"Käfer krabbeln."}
    assert len(records) == 6002
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "Мы показываем, что нейронные сети можно обучать быстрее, чем раньше. " * 20),
        ("gb18030", "我们提出了一种新的方法来训练深度神经网络。实验结果表明该方法优于现有。" * 20),
    ],
)
def test_other_scripts_are_guessed(tmp_path, codec, text):
    path = tmp_path / "a.csv"
    path.write_bytes(f'title,abstract\n{text[:9]},"{text}"\n'.encode(codec))
    (record,) = read_corpus(path).records()
    assert record.abstract == text.strip()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_line_ends(tmp_path, newline):
    path = tmp_path / "a.ris"
    path.write_bytes((RIS * 2).replace("\n", newline).encode())
    assert len(titles(path)) == 2


def test_content_counts_more_than_the_name(tmp_path):
    (tmp_path / "a.ris").write_bytes(bib("x"))
    (tmp_path / "b.txt").write_text(RIS, encoding="utf-8")
    (tmp_path / "c.bib").write_text('[{"title": "J", "abstract": "K"}]', encoding="utf-8")
    (tmp_path / "d").write_text("Title;Abstract\nS;T\n", encoding="utf-8")
    assert titles(tmp_path) == ["Title of x", "Título", "J", "S"]


def test_table_without_abstracts_says_which_columns_it_has(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Title,Year,DOI\nA title,2020,10.1/x\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no column for the abstract among Title, Year, DOI"):
        titles(path)


def test_link_to_nowhere_is_no_file(tmp_path):
    (tmp_path / "a.bib").write_bytes(bib("x"))
    (tmp_path / "b.bib").symlink_to(Path("nowhere"))
    assert titles(tmp_path) == ["Title of x"]


def test_other_records_have_another_version():
    """A change of what is read must raise READER_VERSION: a store skips files read by the same.

    The wording of why an entry is skipped does not count.
    """
    corpora = (bundled("seeds"), paths.CORPORA)
    entries = [asdict(entry) for path in corpora for entry in read_corpus(path).records()]
    for entry in entries:
        entry.pop("reason", None)
        entry.pop("advice", None)
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    assert (READER_VERSION, digest[:16]) == (2, "5c4c18e5d37bb01b")
