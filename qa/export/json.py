"""An answer as JSON, and any document as strict JSON."""

import json
from dataclasses import asdict
from typing import Any

from qa.answering.results import Answer
from qa.answering.wording import source_name


def answer_json(answer: Answer, corpus: str) -> str:
    """Return the answer as one JSON document; docs/json.md lists its fields."""
    return dump(answer_document(answer, corpus))


def answer_document(answer: Answer, corpus: str) -> dict[str, Any]:
    """Return the answer as a document for JSON; `corpus` is the corpus's name, before sources."""
    document = asdict(answer)
    document["seconds"] = {k: round(v, 3) for k, v in document["seconds"].items()}
    for paper in document["papers"] + document["nearest"]:
        paper["source"] = source_name(corpus, paper["source"])
    return document


def dump(document: object) -> str:
    """Return the document as strict JSON: no NaN, no halves of surrogate pairs."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    return text.encode("utf-8", "replace").decode()
