"""A corpus of papers in LlamaIndex programs: as a retriever, a query engine, or built from them.

`PaperRetriever` goes wherever LlamaIndex takes a retriever, `PaperQueryEngine` wherever it takes a
query engine and into an agent's tools, and `build` makes a corpus of any reader's Documents.

The query engine answers as `qa.ask` does. The retriever ranks as `qa.ask` does without a chat
model: once by the question, then again with the best papers of that ranking taken as relevant
(pseudo relevance feedback). `qa.search` gives the first of these rankings. With `read` the
retriever gives the papers that the chat model of `qa.ask` judges relevant.
"""

from qa.llama_index.build import build
from qa.llama_index.query_engine import PaperQueryEngine
from qa.llama_index.retriever import PaperRetriever

__all__ = ["PaperQueryEngine", "PaperRetriever", "build"]
