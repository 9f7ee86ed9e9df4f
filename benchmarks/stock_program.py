"""The program that LlamaIndex's own guide leads to: VectorStoreIndex, HuggingFaceEmbedding, Chroma.

It stands in for what a user would have without this project, and is kept as the guide writes it:
default chunker, default batch size, persistent Chroma, no chat model (the retriever answers, with
titles). `versus_stock.py` runs it in an environment of its own; nothing of the project is imported.

    stock_program.py build CORPUS.jsonl FOLDER --weights MODEL_FOLDER
    stock_program.py ask "question" FOLDER --weights MODEL_FOLDER
"""

# mypy: disable-error-code="import-untyped, import-not-found"
# Two of these packages belong to the stock program's environment, never to the project's.

import argparse
import json
from pathlib import Path

import chromadb
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore


def build(corpus: Path, folder: Path, weights: Path) -> int:
    """Embed every paper of a JSON-lines corpus into the folder; return the number of vectors."""
    with corpus.open(encoding="utf-8") as lines:
        papers = [json.loads(line) for line in lines]
    documents = [Document(text=p["text"], metadata={"title": p["title"]}) for p in papers]
    collection = chromadb.PersistentClient(str(folder)).create_collection("papers")
    VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(
            vector_store=ChromaVectorStore(chroma_collection=collection)
        ),
        embed_model=HuggingFaceEmbedding(model_name=str(weights)),
    )
    return collection.count()


def ask(question: str, folder: Path, weights: Path) -> list[str]:
    """Return the titles of the ten nearest papers."""
    collection = chromadb.PersistentClient(str(folder)).get_collection("papers")
    index = VectorStoreIndex.from_vector_store(
        ChromaVectorStore(chroma_collection=collection),
        embed_model=HuggingFaceEmbedding(model_name=str(weights)),
    )
    found = index.as_retriever(similarity_top_k=10).retrieve(question)
    return [str(node.metadata["title"]) for node in found]


def main() -> None:
    """Build or ask, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, first in (("build", "corpus"), ("ask", "question")):
        command = commands.add_parser(name)
        command.add_argument(first)
        command.add_argument("folder", type=Path)
        command.add_argument("--weights", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "build":
        print(json.dumps({"vectors": build(Path(given.corpus), given.folder, given.weights)}))
    else:
        print(json.dumps({"titles": ask(given.question, given.folder, given.weights)}))


if __name__ == "__main__":
    main()
