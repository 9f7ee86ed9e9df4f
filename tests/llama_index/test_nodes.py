"""Papers as LlamaIndex's nodes: what they hold, and where their evidence is in the text."""

from llama_index.core.schema import MetadataMode

from qa.llama_index.retriever import PaperRetriever

BACKPROP = "which papers train without backprop?"
BREAD = "how is sourdough bread fermented?"


def test_a_node_is_a_paper_under_its_id(small):
    nodes = PaperRetriever(small, similarity_top_k=2).retrieve(BREAD)
    assert len(nodes) == 2
    node = nodes[0].node
    (paper,) = small.papers_with(node.node_id)
    assert node.text == paper.abstract
    assert (node.start_char_idx, node.end_char_idx) == (0, len(paper.abstract))
    assert node.metadata["title"] == "Sourdough Fermentation at Low Temperature"
    assert node.metadata["source"] == "page.txt"


def test_evidence_stands_in_the_text_where_it_says(library):
    for found in PaperRetriever(library).retrieve(BACKPROP):
        for evidence in found.metadata["evidence"]:
            assert found.text[evidence["start"] : evidence["end"]] == evidence["text"]


def test_a_chat_model_is_shown_the_title_and_the_abstract_and_nothing_else(small):
    node = PaperRetriever(small).retrieve(BREAD)[0].node
    title, abstract = node.metadata["title"], node.text
    assert node.get_content(MetadataMode.LLM) == f"title: {title}\n\n{abstract}"
    assert node.get_content(MetadataMode.EMBED) == f"title: {title}\n\n{abstract}"


def test_sentences_are_nodes_that_know_their_paper_and_place(small):
    retriever = PaperRetriever(small, granularity="sentence", similarity_top_k=1)
    (found,) = retriever.retrieve(BREAD)
    (paper,) = small.papers_with(found.node.ref_doc_id)
    start, end = found.node.start_char_idx, found.node.end_char_idx
    assert paper.abstract[start:end] == found.text
    assert found.node_id == f"{paper.id}:{found.metadata['sentence']}"
    assert found.metadata["title"] == paper.title
