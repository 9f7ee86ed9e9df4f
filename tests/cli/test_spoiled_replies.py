"""`ask` when 30 % of the model's replies are spoiled: the right papers, or a clear line."""

import json
import zlib
from collections import Counter

import pytest
from chat_server import ChatServer, Events, Hang, Raw, Reply, Reset, Status
from scripted_model import LabelModel, labelled

from qa.corpus.papers import title_key

QUESTION = "which papers estimate how far away things are from a single photo?"
SHARE = 0.3
PROSE = "I think that the first and the third paper look promising."

FAULTS = {
    "401": Status(401, "bad key"),
    "404": Status(404, "no such model"),
    "429 with Retry-After": Status(429, "slow down", headers={"Retry-After": "0"}),
    "429 without": Status(429, "slow down"),
    "500": Status(500, "oops"),
    "body cut off": Raw(b'{"choices": [', promised=500),
    "not JSON": Raw(b"<html>proxy error</html>", content_type="text/html"),
    "reset": Reset(),
    "stream cut off": Events(["The ", "papers"], end="cut"),
    "stream stalls": Events(["The ", "papers"], end="stall"),
    "hang": Hang(),
    "empty": Reply(""),
    "prose": Reply(PROSE),
    "refusal": Reply(None, message={"refusal": "I cannot help with that."}),
    "length": Reply('{"papers": [{"key": "P1", "rel', finish="length"),
    "context overflow": Status(
        400, "maximum context length exceeded", error={"code": "context_length_exceeded"}
    ),
    "unknown keys": Reply(
        json.dumps({"papers": [{"key": "P77", "relevance": "yes", "sentences": [1]}]})
    ),
    "sentences that are not there": Reply(
        json.dumps({"papers": [{"key": "P1", "relevance": "yes", "sentences": [99]}]})
    ),
}


class Spoiled:
    """The labels' model, with a share of its replies replaced by a fault.

    Which ones, the prompt and the number of its try decide: calls may come in any order.
    """

    def __init__(self, fault, seed):
        self._model, self._fault, self._seed = LabelModel(), fault, seed
        self._tries = Counter()

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        self._tries[prompt] += 1
        number = zlib.crc32(f"{self._seed} {self._tries[prompt]} {prompt}".encode())
        return self._fault if number < SHARE * 2**32 else self._model(body)


@pytest.mark.parametrize("name", FAULTS)
def test_spoiled_replies_end_in_the_right_papers_or_a_clear_line(seeds, qa, name):
    seeds.setenv("QA_TIMEOUT", "3")
    seeds.setenv("QA_MODEL", "scripted")
    right = {title_key(title) for title in labelled()[QUESTION]["relevant"]}
    for seed in range(2):
        with ChatServer(model=Spoiled(FAULTS[name], seed)) as server:
            seeds.setenv("OPENAI_BASE_URL", server.url)
            done = qa("ask", QUESTION, "--json", "--no-cache")
        assert done.exit_code in {0, 1, 3}
        assert "Traceback" not in done.output
        if not done.stdout:
            assert done.exit_code == 1
            assert 1 <= len(done.stderr.strip().splitlines()) <= 2
            continue
        document = json.loads(done.stdout)
        listed = {title_key(p["title"]) for p in document["papers"] if p["relevance"] == "yes"}
        assert listed <= right or document["coverage"]["stopped"] == "failed"
        if listed != right:  # then the answer says what is missing
            kinds = {warning["kind"] for warning in document["warnings"]}
            assert kinds & {"unjudged", "reading_failed"}


def test_json_in_a_code_fence_is_no_fault(seeds, qa):
    model = LabelModel()

    def fenced(body):
        text = model(body)
        return f"```json\n{text}\n```" if text.startswith("{") else text

    with ChatServer(model=fenced, models=["scripted"]) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        document = json.loads(qa("ask", QUESTION, "--json").stdout)
    assert document["coverage"]["unjudged"] == 0
    assert document["coverage"]["relevant"] == 3


@pytest.mark.parametrize("refused", ["response_format", "stream_options", "json_schema"])
def test_server_that_refuses_a_parameter_is_asked_without_it(seeds, qa, refused):
    model = LabelModel()

    def choosy(body):
        asked = json.dumps(body.get("response_format", {}))
        if refused in body or (refused == "json_schema" and "json_schema" in asked):
            return Status(400, f"Unsupported parameter: {refused}", error={"param": refused})
        return model(body)

    with ChatServer(model=choosy, models=["scripted"]) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        done = qa("ask", QUESTION, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["coverage"]["relevant"] == 3
