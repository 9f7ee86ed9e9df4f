"""`ask` from end to end against a real llama.cpp server: the wire is real, the answers nonsense."""

import json

import pytest
from llama_server import ALIAS, llama_server

QUESTION = "which lanes made people cycle?"


@pytest.fixture(scope="module")
def url():
    with llama_server(context=2048, most_tokens=128) as running:
        yield running


@pytest.mark.slow
def test_real_server_judges_under_the_schema_and_writes(url, environment, small_corpus, qa):
    environment.setenv("QA_CORPUS", str(small_corpus))
    environment.setenv("OPENAI_BASE_URL", url)
    done = qa("ask", QUESTION, "--quick", "--json")
    assert "Traceback" not in done.output
    document = json.loads(done.stdout)
    assert document["model"] == ALIAS
    coverage = document["coverage"]
    assert (coverage["corpus"], coverage["read"], coverage["rounds"]) == (3, 3, 1)
    judged = coverage["relevant"] + coverage["partly"] + coverage["unjudged"]
    assert 0 <= judged <= 3
    assert document["usage"]["calls"] >= 1
    assert document["usage"]["completion_tokens"] > 0
    for paper in document["papers"]:
        assert paper["evidence"]
