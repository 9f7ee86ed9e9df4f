"""A corpus in another language: what a rebuild says of it, and how its words are looked for."""

from pathlib import Path

import paths
import pytest
from stores import HashEmbedder, built, corpus_of

from qa.corpus.readers.corpus import read_corpus
from qa.index.build import build

GERMAN = paths.TESTS / "fixtures" / "german"


def found(generation, word):
    papers = generation.papers([paper for paper, _ in generation.keyword({word: 1.0}, 9)])
    return sorted(paper.title for paper in papers)


def test_rebuild_says_which_language_and_which_setting_helps(tmp_path):
    embedder = HashEmbedder()
    embedder.name = "all-MiniLM-L6-v2"
    (note,) = build(tmp_path / "store", read_corpus(GERMAN), embedder).notes
    assert "100% of the papers are not in English, most of these in German" in note
    assert "QA_EMBED_MODEL" in note


def test_model_of_the_user_s_choice_is_not_advised_against(tmp_path):
    (note,) = build(tmp_path / "store", read_corpus(GERMAN), HashEmbedder()).notes
    assert "QA_EMBED_MODEL" not in note


def test_words_of_another_language_are_not_cut_to_english_stems(tmp_path):
    with built(tmp_path / "store", read_corpus(GERMAN), HashEmbedder()) as generation:
        assert not generation.manifest.stems
        assert found(generation, "Messing") == ["Schallmessung an Glocken aus Messing"]
        assert found(generation, "MESSE") == ["Besucher einer Messe und ihre Wege"]
        assert found(generation, "dachern") == ["Das Wachstum von Moosen auf Dächern aus Ton"]


def test_english_is_stemmed_and_nothing_is_said(tmp_path):
    corpus = corpus_of(tmp_path / "corpus", range(6))
    assert build(tmp_path / "store", corpus, HashEmbedder()).notes == ()
    with built(tmp_path / "store", corpus, HashEmbedder()) as generation:
        assert generation.manifest.stems
        assert generation.document_frequency("papers") == 6


@pytest.mark.parametrize(("english", "stems"), [(5, False), (60, True)])
def test_the_index_changes_its_kind_with_the_corpus(tmp_path, english, stems):
    folder, embedder = tmp_path / "corpus", HashEmbedder()
    corpus_of(folder, range(60))
    with built(tmp_path / "store", read_corpus(folder), embedder) as generation:
        assert generation.manifest.stems
    text = (GERMAN / "arbeiten.bib").read_text(encoding="utf-8")
    Path(folder, "german.bib").write_text(text, encoding="utf-8")
    corpus_of(folder, range(english))
    with built(tmp_path / "store", read_corpus(folder), embedder) as generation:
        assert generation.manifest.stems is stems
        assert generation.document_frequency("studies") == (english if stems else 0)
