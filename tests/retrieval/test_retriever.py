"""The retriever on a small store, with vectors of hashed words."""

import pytest
from stores import HashEmbedder, built, write_corpus

from qa.corpus.filters import Filters
from qa.retrieval.retriever import Retriever

GOES_ON = " The rest of this text says more of the same in many words, so that it is long enough."
PAPERS = [
    (f"Networks of kind {n}", f"We train a network of kind {n} on many images.{GOES_ON}")
    for n in range(12)
] + [
    ("Small models", f"We compare DeiT with others on many images.{GOES_ON}"),
    (
        "Language models",
        f"We ask GPT2. The RAG pipeline finds what is new.{GOES_ON}",
    ),
    ("Old cloth", f"We study how a rag is woven from cotton.{GOES_ON}"),
]


@pytest.fixture
def retriever(tmp_path):
    embedder = HashEmbedder()
    corpus = write_corpus(tmp_path / "papers", PAPERS)
    with built(tmp_path / "store", corpus, embedder) as generation:
        yield Retriever(generation, embedder)


def listed(retriever, question):
    search = retriever.rank_unjudged(question)
    papers = retriever.papers(search.ranking.ids[: search.ranking.listed])
    return [paper.title for paper in papers]


@pytest.mark.parametrize(
    "question", ["DeiT", "which papers mention DeiT?", "which papers use DeiT?"]
)
def test_a_name_decides_the_list(retriever, question):
    assert listed(retriever, question) == ["Small models"]


def test_a_name_is_found_however_it_is_written_and_in_its_case(retriever):
    assert listed(retriever, "which papers use GPT-2?") == ["Language models"]
    assert listed(retriever, "which papers use RAG?") == ["Language models"]


def test_a_search_has_papers_with_the_name_first(retriever):
    search = retriever.rank("training of DeiT on images by a network")
    assert retriever.papers(search.ranking.ids[:1])[0].title == "Small models"


def test_a_name_that_no_paper_has_is_told(retriever):
    search = retriever.rank_unjudged("which papers use BERT5?")
    assert search.missing == ("BERT5",)


def test_a_question_for_all_that_pass_lists_them_all(tmp_path):
    embedder = HashEmbedder()
    corpus = write_corpus(tmp_path / "papers", PAPERS)
    with built(tmp_path / "store", corpus, embedder) as generation:
        some = Retriever(generation, embedder, Filters(sources=("papers.txt",)))
        search = some.rank_unjudged("which papers are there?")
    assert search.ranking.listed == search.ranking.likely == len(PAPERS)
