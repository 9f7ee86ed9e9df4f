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
    coverage = document["coverage"]
    assert coverage["corpus"] == 3
    if document["model"] is None:  # none of its verdicts could be used
        assert [warning["kind"] for warning in document["warnings"]][:1] == ["model_failed"]
    else:
        assert (document["model"], coverage["read"], coverage["rounds"]) == (ALIAS, 3, 1)
    judged = coverage["relevant"] + coverage["partly"] + coverage["unjudged"]
    assert 0 <= judged <= 3
    assert document["usage"]["calls"] >= 1
    assert document["usage"]["completion_tokens"] > 0
