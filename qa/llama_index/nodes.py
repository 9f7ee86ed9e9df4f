"""Papers as LlamaIndex's nodes: whole abstracts, or the sentences that speak for them."""

from collections.abc import Iterable
from typing import Any

from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

from qa.answering.results import Evidence, ListedPaper
from qa.corpus.papers import Paper

_FOR_MODELS = {"title", "year", "venue"}  # what a chat model is shown before the text
_FOR_EMBEDDING = {"title"}


def paper_nodes(listed: Iterable[ListedPaper], papers: Iterable[Paper]) -> list[NodeWithScore]:
    """A node for each paper, under the paper's id, its text the abstract.

    The metadata hold what is known of the paper, and as `evidence` the sentences that speak for
    it: `node.text[start:end] == text` for each.
    """
    return [
        NodeWithScore(node=_paper_node(entry, paper), score=entry.score)
        for entry, paper in zip(listed, papers, strict=True)
    ]


def sentence_nodes(listed: Iterable[ListedPaper], papers: Iterable[Paper]) -> list[NodeWithScore]:
    """A node for each sentence that speaks for a paper, under `paper id:sentence number`.

    Its source is the paper, `start_char_idx` and `end_char_idx` its place in the abstract.
    """
    return [
        NodeWithScore(node=_sentence_node(evidence, entry, paper), score=entry.score)
        for entry, paper in zip(listed, papers, strict=True)
        for evidence in entry.evidence
    ]


def _paper_node(entry: ListedPaper, paper: Paper) -> TextNode:
    evidence = [
        {"sentence": e.sentence, "text": e.text, "start": e.start, "end": e.end}
        for e in entry.evidence
    ]
    return _node(
        paper.id,
        paper.abstract,
        {**_metadata(entry, paper), "evidence": evidence},
        (0, len(paper.abstract)),
    )


def _sentence_node(evidence: Evidence, entry: ListedPaper, paper: Paper) -> TextNode:
    node = _node(
        f"{paper.id}:{evidence.sentence}",
        evidence.text,
        {**_metadata(entry, paper), "sentence": evidence.sentence},
        (evidence.start, evidence.end),
    )
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=paper.id)
    return node


def _metadata(entry: ListedPaper, paper: Paper) -> dict[str, Any]:
    """What is known of the paper; what is not has no key."""
    told = {
        "paper_id": paper.id,
        "title": paper.title,
        "authors": list(paper.authors),
        "year": paper.year,
        "venue": paper.venue,
        "doi": paper.doi,
        "url": entry.url,
        "source": entry.source,
        # Where no verdict was asked for, there is none.
        "relevance": str(entry.relevance) if entry.relevance else None,
    }
    return {key: value for key, value in told.items() if value}


def _node(id_: str, text: str, metadata: dict[str, Any], place: tuple[int, int]) -> TextNode:
    start, end = place
    return TextNode(
        id_=id_,
        text=text,
        start_char_idx=start,
        end_char_idx=end,
        metadata=metadata,
        excluded_llm_metadata_keys=[key for key in metadata if key not in _FOR_MODELS],
        excluded_embed_metadata_keys=[key for key in metadata if key not in _FOR_EMBEDDING],
    )
