import subprocess
import sys

import pytest

CUT = (
    "import re, sys\n"
    "from qa.corpus.chunking import sentence_splitter\n"
    "text = ' '.join(f'Sentence {n} says {\"much \" * (n % 7)}indeed.' for n in range(90))\n"
    "def sentences(text):\n    return re.findall(r'[^.]*[.] *', text)\n"
    "def cut(size):\n"
    "    return sentence_splitter(size, tokens=str.split, sentences=sentences)(text)\n"
)


def run(program):
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("size", [12, 50, 1000])
def test_chunks_are_those_of_the_whole_of_llamaindex(size):
    alone = run(f"{CUT}print(cut({size}))")
    assert alone == run(f"import llama_index.core\n{CUT}print(cut({size}))")
    assert alone.startswith("['Sentence 0 says indeed.")


def test_the_rest_of_llamaindex_is_not_imported():
    loaded = run(f"{CUT}cut(50)\ncut(70)\nprint(*sys.modules)").split()
    assert "llama_index_instrumentation" in loaded
    assert not {"sqlalchemy", "nltk"} & set(loaded)
    assert not [name for name in loaded if name.startswith("llama_index.core")]


@pytest.mark.parametrize(
    "wanted",
    [
        "from llama_index.core.base.base_retriever import BaseRetriever",
        "from llama_index.core.indices.vector_store import VectorStoreIndex",
        "import llama_index.core.query_engine",
        "from qa.llama_index.retriever import PaperRetriever",
    ],
)
def test_any_part_of_llamaindex_can_be_imported_afterwards(wanted):
    run(f"{CUT}before = cut(50)\n{wanted}\nassert cut(50) == before")


def test_llamaindex_is_whole_for_those_who_want_more_of_it():
    run(
        f"{CUT}cut(50)\n"
        "from llama_index.core import Document, VectorStoreIndex\n"
        "import llama_index.core.node_parser, llama_index.core.schema\n"
        "from llama_index.core.node_parser import SentenceSplitter\n"
        "assert SentenceSplitter is llama_index.core.node_parser.SentenceSplitter\n"
        "nodes = SentenceSplitter(tokenizer=str.split, chunking_tokenizer_fn=sentences)(\n"
        "    [Document(text=text)])\n"
        "assert type(nodes[0]) is llama_index.core.schema.TextNode\n"
        "assert isinstance(llama_index.core.global_handler, type(None))\n"
    )


@pytest.mark.parametrize("module", ["node_parser.text.sentence", "callbacks.base_handler"])
def test_a_llamaindex_that_is_built_otherwise_is_imported_whole(module):
    missing = f"sys.modules['llama_index.core.{module}'] = None\n"
    loaded = run(f"{CUT}{missing}assert cut(50)\nprint(*sys.modules)")
    assert "llama_index.core.indices" in loaded.split()
