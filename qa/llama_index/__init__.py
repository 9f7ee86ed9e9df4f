"""The same retrieval and answers for people's own LlamaIndex programs.

`PaperRetriever` goes wherever LlamaIndex takes a retriever, `PaperQueryEngine` wherever it takes a
query engine and into an agent's tools, and `build` makes a corpus of any reader's Documents.
"""

from qa.llama_index.build import build
from qa.llama_index.query_engine import PaperQueryEngine
from qa.llama_index.retriever import PaperRetriever

__all__ = ["PaperQueryEngine", "PaperRetriever", "build"]
