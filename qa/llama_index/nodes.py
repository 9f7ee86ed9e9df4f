"""Papers as LlamaIndex's nodes: whole abstracts, or their sentences of evidence."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

from qa.answering.results import Evidence, ListedPaper
from qa.corpus.papers import Paper

_KEYS_FOR_LLM = {"title", "year", "venue"}  # metadata that a chat model sees before the text
_KEYS_FOR_EMBEDDING = {"title"}


def paper_nodes(listed: Iterable[ListedPaper], papers: Iterable[Paper]) -> list[NodeWithScore]:
    """Return a node for each paper, under the paper's id, its text the abstract, else the title.

    The metadata hold what is known of the paper, and its sentences of evidence as `evidence`:
    `node.text[start:end] == text` for each.
    """
    return [
        NodeWithScore(node=_paper_node(entry, paper), score=entry.score)
        for entry, paper in zip(listed, papers, strict=True)
    ]


def sentence_nodes(listed: Iterable[ListedPaper], papers: Iterable[Paper]) -> list[NodeWithScore]:
    """Return a node for each sentence of evidence, under `paper id:sentence number`.

    Its source is the paper; `start_char_idx` and `end_char_idx` are its offsets in the abstract.
    """
    return [
        NodeWithScore(node=_sentence_node(evidence, entry, paper), score=entry.score)
        for entry, paper in zip(listed, papers, strict=True)
        for evidence in entry.evidence
    ]


def _paper_node(entry: ListedPaper, paper: Paper) -> TextNode:
    metadata = {**_metadata(entry, paper), "evidence": [asdict(e) for e in entry.evidence]}
    return _node(paper.id, paper.text, metadata, (0, len(paper.text)))


def _sentence_node(evidence: Evidence, entry: ListedPaper, paper: Paper) -> TextNode:
    metadata = {**_metadata(entry, paper), "sentence": evidence.sentence}
    id_ = f"{paper.id}:{evidence.sentence}"
    node = _node(id_, evidence.text, metadata, (evidence.start, evidence.end))
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=paper.id)
    return node


def _metadata(entry: ListedPaper, paper: Paper) -> dict[str, Any]:
    """Return what is known of the paper; what is not known has no key."""
    known = {
        "paper_id": paper.id,
        "title": paper.title,
        "authors": list(paper.authors),
        "year": paper.year,
        "venue": paper.venue,
        "doi": paper.doi,
        "url": entry.url,
        "source": entry.source,
        # A paper that no chat model has judged has no relevance.
        "relevance": str(entry.relevance) if entry.relevance else None,
        "title_only": paper.title_only,
    }
    return {key: value for key, value in known.items() if value}


def _node(id_: str, text: str, metadata: dict[str, Any], span: tuple[int, int]) -> TextNode:
    return TextNode(
        id_=id_,
        text=text,
        start_char_idx=span[0],
        end_char_idx=span[1],
        metadata=metadata,
        excluded_llm_metadata_keys=[key for key in metadata if key not in _KEYS_FOR_LLM],
        excluded_embed_metadata_keys=[key for key in metadata if key not in _KEYS_FOR_EMBEDDING],
    )
