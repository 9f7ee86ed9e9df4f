"""The JSON schemas that the judge's reply is held to."""

from collections.abc import Mapping
from typing import Any

from qa.corpus.papers import Paper

MOST_SENTENCES = 3  # that prove a verdict; prompts/judge.system.txt asks for one to three


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    names = list(properties)
    return {
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": False,
    }


# What every server with strict schemas understands; never changes, so that servers can keep it.
SCHEMA = _object(
    {
        "papers": {
            "type": "array",
            "items": _object(
                {
                    "key": {"type": "string"},
                    "relevance": {"type": "string", "enum": ["yes", "partly", "no"]},
                    "sentences": {"type": "array", "items": {"type": "integer"}},
                }
            ),
        }
    }
)


def exact_schema(papers: Mapping[str, Paper]) -> dict[str, Any]:
    """The schema for these papers, by key, that leaves nothing but the verdicts open.

    Every reply under it is a usable verdict on each paper: small models need no more than an
    opinion. It takes a server that knows the whole of JSON Schema, as llama.cpp's grammars do.
    """
    entries = [_entry(key, len(paper.sentences)) for key, paper in papers.items()]
    count = len(entries)
    listed = {"type": "array", "prefixItems": entries, "minItems": count, "maxItems": count}
    return _object({"papers": listed})


def _entry(key: str, sentences: int) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": sentences}
    proof = {"type": "array", "items": number, "minItems": 1, "maxItems": MOST_SENTENCES}
    name = {"type": "string", "const": key}
    relevant = {"key": name, "relevance": {"enum": ["yes", "partly"]}, "sentences": proof}
    nothing = {"type": "array", "items": number, "maxItems": 0}
    irrelevant = {"key": name, "relevance": {"enum": ["no"]}, "sentences": nothing}
    return {"anyOf": [_object(relevant), _object(irrelevant)]}
