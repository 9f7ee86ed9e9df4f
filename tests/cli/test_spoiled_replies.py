"""`ask` when some of the model's replies are spoiled: which papers, warnings and exit code."""

import json
import zlib
from collections import Counter

import pytest
from chat_server import ChatServer, Events, Hang, Raw, Reply, Reset, Status
from scripted_model import LabelModel, labelled

from qa.corpus.papers import title_key

QUESTION = "which papers estimate how far away things are from a single photo?"
SHARE = 0.3  # of prompts that get a spoiled reply
RIGHT = {title_key(title) for title in labelled()[QUESTION]["relevant"]}
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


# What ends the reading at once, and what stderr or the document then says of it.
STOPS_READING = {
    "401": "set OPENAI_API_KEY",
    "404": "has no model 'scripted'",
    "stream stalls": "set QA_TIMEOUT",
    "hang": "set QA_TIMEOUT",
}

# Verdicts that no second try betters.
BAD_VERDICTS = [
    "not JSON",
    "empty",
    "prose",
    "refusal",
    "length",
    "unknown keys",
    "sentences that are not there",
]

# How it ends when the reply that writes the answer is spoiled: exit code and kinds of warnings.
WRITTEN_AT_LAST = (0, set())  # by a second try
WRITING_ENDS = {
    "401": (1, {"writing_failed"}),
    "404": (1, {"writing_failed"}),
    "429 with Retry-After": WRITTEN_AT_LAST,
    "429 without": WRITTEN_AT_LAST,
    "500": WRITTEN_AT_LAST,
    "body cut off": WRITTEN_AT_LAST,
    "not JSON": (1, {"writing_failed"}),
    "reset": WRITTEN_AT_LAST,
    "stream cut off": (1, {"partial_answer", "uncited_sentence"}),
    "stream stalls": (1, {"partial_answer", "uncited_sentence"}),
    "hang": (1, {"writing_failed"}),
    "empty": (1, {"writing_failed"}),
    "prose": (0, {"writer_replaced"}),
    "refusal": (1, {"writing_failed"}),
    "length": (1, {"partial_answer", "uncited_sentence", "unsupported_number"}),
    "context overflow": WRITTEN_AT_LAST,
    "unknown keys": (0, {"unsupported_number"}),
    "sentences that are not there": (0, {"unsupported_number", "unknown_citation"}),
}


class Spoiled:
    """The labels' model, with some replies replaced by a fault: where `spoils(prompt, try)`."""

    def __init__(self, fault, spoils):
        self.labels, self.spoiled = LabelModel(), 0
        self._fault, self._spoils, self._tries = fault, spoils, Counter()

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        self._tries[prompt] += 1
        if self._spoils(prompt, self._tries[prompt]):
            self.spoiled += 1
            return self._fault
        return self.labels(body)


def is_judging(prompt):
    return "Judge these" in prompt


def is_judging_no_right_paper(prompt):
    return is_judging(prompt) and not any(
        title in prompt for title in labelled()[QUESTION]["relevant"]
    )


def is_chosen(prompt):
    """Whether it is one of the spoiled prompts: the same ones in whatever order they come."""
    return zlib.crc32(prompt.encode()) < SHARE * 2**32


@pytest.fixture
def asked(seeds, qa):
    """Ask a model with some replies spoiled: the command's end, its document, and the model."""
    seeds.setenv("QA_TIMEOUT", "3")
    seeds.setenv("QA_MODEL", "scripted")

    def ask(name, spoils):
        model = Spoiled(FAULTS[name], spoils)
        with ChatServer(model=model) as server:
            seeds.setenv("OPENAI_BASE_URL", server.url)
            done = qa("ask", QUESTION, "--json", "--no-cache")
        assert model.spoiled
        return done, json.loads(done.stdout), model

    return ask


def listed(document):
    return {title_key(p["title"]) for p in document["papers"] if p["relevance"] == "yes"}


def kinds(document):
    return {warning["kind"] for warning in document["warnings"]}


def most_of_them_slow(names, quick):
    """The names as parameters, all but the first `quick` of them only in the long runs."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if place >= quick else [])
        for place, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    "name", most_of_them_slow([name for name in FAULTS if name not in STOPS_READING], 5)
)
def test_a_verdict_spoiled_once_is_asked_for_again(asked, name):
    done, document, _ = asked(
        name, lambda prompt, nth: is_judging(prompt) and is_chosen(prompt) and nth == 1
    )
    assert done.exit_code == 0
    assert listed(document) == RIGHT
    assert document["coverage"]["unjudged"] == 0
    assert document["warnings"] == []


@pytest.mark.parametrize("name", most_of_them_slow(STOPS_READING, 3))
def test_a_server_that_gives_no_verdict_ends_the_reading_and_what_was_read_is_kept(asked, name):
    done, document, _ = asked(name, lambda prompt, _: is_judging_no_right_paper(prompt))
    assert done.exit_code == 1
    assert document["coverage"]["stopped"] == "failed"
    assert kinds(document) == {"reading_failed", "unjudged"}
    assert STOPS_READING[name] in document["warnings"][0]["detail"]
    assert listed(document) == RIGHT


@pytest.mark.parametrize("name", most_of_them_slow(BAD_VERDICTS, 3))
def test_papers_whose_verdict_is_always_spoiled_are_counted_as_unjudged(asked, name):
    done, document, model = asked(
        name, lambda prompt, _: is_judging_no_right_paper(prompt) and is_chosen(prompt)
    )
    assert done.exit_code == 0
    assert kinds(document) == {"unjudged"}
    coverage = document["coverage"]
    judged = coverage["read"] - coverage["unjudged"]
    assert len(set(model.labels.judged)) == judged < coverage["read"]
    assert listed(document) == RIGHT


@pytest.mark.parametrize("name", most_of_them_slow(FAULTS, 9))
def test_a_spoiled_answer_is_told_and_its_papers_are_listed(asked, name):
    code, warned = WRITING_ENDS[name]
    done, document, _ = asked(name, lambda prompt, nth: not is_judging(prompt) and nth == 1)
    assert done.exit_code == code
    assert kinds(document) == warned
    assert listed(document) == RIGHT
    if not warned:
        assert document["answer"].startswith("These papers qualify:")


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
