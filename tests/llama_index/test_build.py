"""`build`: a corpus of Documents, built and asked, and the files that its papers are kept in."""

import os
from dataclasses import replace

import paths
import pytest
from llama_index.core import SimpleDirectoryReader
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from small_corpus import SMALL

import qa
from qa.corpus.papers import Record, paper_id
from qa.corpus.readers.corpus import read_corpus
from qa.errors import CorpusError, StoreError, UsageError
from qa.llama_index.build import build, corpus_folder, write_papers
from qa.llama_index.documents import LoadedText, import_documents
from qa.llama_index.retriever import PaperRetriever

BREAD = "how is sourdough bread fermented?"
CORPORA = paths.CORPORA
TITLE = "Lichens on Northern Walls"
ABSTRACT = "We surveyed forty churches for ten years. Growth was 0.4 mm a year."


def only(text, metadata=None, columns=None):
    """The one paper of one document."""
    taken = import_documents([LoadedText(text, metadata or {})], columns)
    assert taken.skipped == ()
    (paper,) = taken.papers
    return paper


def documents():
    return [
        Document(text=abstract, metadata={"title": title, "authors": ["Ada Moss"], "year": 2020})
        for title, abstract in SMALL.items()
    ]


def test_documents_become_a_library(environment):
    with build(documents(), "gardens") as library:
        assert {paper.title for paper in library.papers()} == set(SMALL)
        assert library.papers()[0].authors == ("Ada Moss",)
        (found,) = PaperRetriever(library, similarity_top_k=1).retrieve(BREAD)
    assert found.node_id == paper_id("Sourdough Fermentation at Low Temperature")


def test_documents_are_asked_by_the_command_too(environment, qa):
    with build(documents(), "gardens") as library:
        corpus = library.config.corpus
    done = qa("ask", BREAD, "--corpus", corpus)
    assert done.exit_code == 0
    assert "Sourdough Fermentation at Low Temperature" in done.stdout
    assert "changed" not in done.stderr


def test_building_again_takes_in_what_changed(environment):
    notices = []
    with build(documents(), on_notice=notices.append) as library:
        before = {paper.title: paper.id for paper in library.papers()}
    more = [
        *reversed(documents()),
        Document(text="Tulips were sold.", metadata={"title": "Tulips"}),
    ]
    with build(more, on_notice=notices.append) as library:
        after = {paper.title: paper.id for paper in library.papers()}
    with build(more[:-1], on_notice=notices.append):
        pass
    assert before.items() < after.items()
    first, second, third = (line for line in notices if line.startswith("Vector store"))
    assert "3 papers (3 new, 0 changed, 0 removed, 0 unchanged)" in first
    assert "4 papers (1 new, 0 changed, 0 removed, 3 unchanged)" in second
    assert "3 papers (0 new, 0 changed, 1 removed, 3 unchanged)" in third


def test_what_a_directory_reader_loads_is_taken_as_the_folder_would_be(environment, small_corpus):
    (small_corpus / "note.md").write_text("# Roofs\n\n## Abstract\n\nMoss grows on roofs.\n")
    loaded = SimpleDirectoryReader(small_corpus).load_data()
    with build(loaded) as library, qa.open_corpus(small_corpus) as folder:
        told = {(paper.id, paper.abstract) for paper in library.papers()}
        assert told == {(paper.id, paper.abstract) for paper in folder.papers()}
        assert len(told) == 4


def test_any_iterable_of_documents_or_of_nodes_will_do(environment):
    nodes = SentenceSplitter(chunk_size=40, chunk_overlap=0).get_nodes_from_documents(
        [
            Document(
                text=" ".join(SMALL.values()), metadata={"file_path": "all.pdf", "page_label": "1"}
            )
        ]
    )
    assert len(nodes) > 2
    with build(iter(nodes)) as library:
        assert len(library.papers()) == len(nodes)


def test_own_metadata_are_named_by_columns(environment):
    loaded = [Document(text=SMALL[title], metadata={"headline": title}) for title in SMALL]
    with build(loaded, columns={"title": "headline"}) as library:
        assert {paper.title for paper in library.papers()} == set(SMALL)


def test_documents_without_text_are_told_of_and_left_out(environment):
    notices = []
    scan = Document(text="", metadata={"file_name": "scan.pdf"})
    with build([scan, *documents()], on_notice=notices.append) as library:
        assert len(library.papers()) == 3
    assert notices[0] == "1 skipped, no text: scan.pdf"


def test_documents_with_odd_metadata_are_told_of_and_left_out(environment):
    notices = []
    held = {}
    held["self"] = held
    odd = Document(text="Moss grows.", metadata={"title": "Moss", "authors": held})
    with build([odd, *documents()], on_notice=notices.append) as library:
        assert len(library.papers()) == 3
    assert notices[0] == "1 skipped, metadata that cannot be read: document 1"


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ("papers/", UsageError, "'papers/' is no list of Documents. Open papers' files with"),
        (Document(text="x"), UsageError, "no list of Documents, but of type llama_index"),
        (7, UsageError, "no list of Documents, but of type int. Give"),
        (
            ["a text"],
            UsageError,
            "Document 1 is of type str. Give a list of Llama",
        ),
        ([Document(text="x"), {"text": "y"}], UsageError, "Document 2 is of type dict"),
        ([], CorpusError, "no papers in these documents"),
        ([Document(text=" ")], CorpusError, "no papers in these documents"),
    ],
)
def test_what_is_no_document_is_one_clear_line(environment, given, error, told):
    with pytest.raises(error, match=told):
        build(given, on_notice=print)


def test_a_failed_build_leaves_the_corpus_before_as_it_was(environment):
    with build(documents(), "gardens") as library:
        corpus = library.config.corpus
    before = (corpus / "documents.jsonl").read_bytes()
    with pytest.raises(CorpusError):
        build([], "gardens")
    assert (corpus / "documents.jsonl").read_bytes() == before


def test_build_is_a_name_of_the_package(environment):
    assert qa.build is build


def test_written_papers_are_read_back_as_they_were(tmp_path):
    records = [r for r in read_corpus(CORPORA).records() if isinstance(r, Record)]
    write_papers(tmp_path / "all", records)
    again = [r for r in read_corpus(tmp_path / "all").records() if isinstance(r, Record)]

    def told(entries, suffix=""):
        return {replace(entry, source=entry.source + suffix, groups=()) for entry in entries}

    assert told(again) == told(records, ".jsonl")


def test_papers_are_kept_under_the_files_they_come_from(tmp_path):
    taken = import_documents(
        [
            LoadedText(ABSTRACT, {"title": TITLE, "file_path": "/a/b/walls: 1.pdf"}),
            LoadedText(ABSTRACT, {"title": "Moss", "file_name": ".moss.md"}),
            LoadedText(ABSTRACT, {"title": "Fern", "url": "https://example.org/fern"}),
            LoadedText(ABSTRACT, {"title": "Fungi", "file_name": "Moss.MD"}),
        ]
    )
    write_papers(tmp_path, taken.papers)
    assert {r.title: r.source for r in read_corpus(tmp_path).records()} == {
        TITLE: "walls_ 1.pdf.jsonl",
        "Moss": "moss.md.jsonl",
        "Fern": "documents.jsonl",
        "Fungi": "moss.md.jsonl",
    }


@pytest.mark.parametrize("letter", ["a", "ü", "研", "😀"])
def test_long_names_that_begin_alike_are_files_of_their_own(tmp_path, letter):
    names = [f"{letter * 100}{letter * 50}{end}.pdf" for end in ("1", "2")]
    loaded = (
        LoadedText(ABSTRACT, {"title": f"{TITLE} {n}", "file_name": name})
        for n, name in enumerate(names)
    )
    write_papers(tmp_path, import_documents(loaded).papers)
    files = [path.name for path in tmp_path.iterdir()]
    assert len(files) == 2
    assert max(len(os.fsencode(name)) for name in files) <= 210
    assert len(list(read_corpus(tmp_path).records())) == 2


def test_a_name_of_dots_is_no_hidden_file(tmp_path):
    write_papers(tmp_path, [only(ABSTRACT, {"title": TITLE, "file_name": ".."})])
    assert [path.name for path in tmp_path.iterdir()] == ["documents.jsonl"]


def test_the_same_papers_in_another_order_leave_the_files_be(tmp_path):
    papers = [only(ABSTRACT, {"title": TITLE}), only(ABSTRACT, {"title": "Moss"})]
    write_papers(tmp_path, papers)
    path = tmp_path / "documents.jsonl"
    before = path.stat().st_ino
    write_papers(tmp_path, reversed(papers))
    assert path.stat().st_ino == before
    write_papers(tmp_path, papers[:1])
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_what_is_no_more_is_taken_away_and_nothing_else(tmp_path):
    (tmp_path / "old.pdf.jsonl").write_text("{}")
    (tmp_path / "documents.jsonl.17.new").write_text("{")
    (tmp_path / "diary.txt").write_text("mine")
    write_papers(tmp_path, [only(ABSTRACT, {"title": TITLE})])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diary.txt", "documents.jsonl"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "documents").write_text("a file")
    with pytest.raises(StoreError, match="could not be written"):
        write_papers(corpus_folder(tmp_path, "x"), [only(ABSTRACT, {"title": TITLE})])


@pytest.mark.parametrize("name", ["", "../secrets", "a/b", ".hidden", "con\n", "x" * 81])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a corpus"):
        corpus_folder(tmp_path, name)
