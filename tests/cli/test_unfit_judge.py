"""What a user gets from a chat model that cannot judge."""

import json
import random
import re

import pytest
from chat_server import ChatServer, Reply, Status
from judges import ANSWERING
from scripted_model import LabelModel, labelled

from qa.answering.entrance_test import tasks

QUESTION = "which papers train without backprop?"
QUESTIONS = [QUESTION, "which papers forecast future values of a time series?"]
KEYS = re.compile(r"^\[(P\d+)\]", re.MULTILINE)


class Judging:
    """Judges each paper by a function, and counts the papers outside of the entrance test."""

    def __init__(self, says):
        self._says = says
        self.read = 0

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        if "Judge these" not in prompt:
            return "A sentence. [1]"
        keys = KEYS.findall(prompt)
        asked = re.search(r"^Question: (.*)$", prompt, re.MULTILINE)[1]
        self.read += 0 if asked in ANSWERING else len(keys)
        entries = [{"key": key, "relevance": self._says(asked), "sentences": []} for key in keys]
        for entry in entries:
            entry["sentences"] = [] if entry["relevance"] == "no" else [1]
        return json.dumps({"papers": entries})


def tossing(seed):
    chance = random.Random(seed)
    return lambda _: chance.choice(["yes", "no"])


def always_yes(_):
    return "yes"


def passes_the_test_then_always_yes(body, model=Judging(always_yes)):  # noqa: B008
    prompt = body["messages"][-1]["content"]
    asked = re.search(r"^Question: (.*)$", prompt, re.MULTILINE)[1]
    return LabelModel()(body) if asked in ANSWERING else model(body)


def prose(_):
    return "I would rather not say which of these papers are relevant."


@pytest.fixture
def server(seeds):
    seeds.delenv("QA_TRUST_JUDGE")
    with ChatServer() as running:
        seeds.setenv("OPENAI_BASE_URL", running.url)
        seeds.setenv("QA_MODEL", "scripted")
        yield running


def asked(qa, question, *options):
    done = qa("ask", question, "--json", *options)
    return done, json.loads(done.stdout)


def kinds(answer):
    return [warning["kind"] for warning in answer["warnings"]]


@pytest.mark.parametrize(
    "model",
    [
        Judging(always_yes),
        Judging(tossing(1)),
        Judging(tossing(2)),
        prose,
        passes_the_test_then_always_yes,
    ],
    ids=["always-yes", "coin", "another coin", "prose", "always-yes beside the test"],
)
def test_a_model_that_cannot_judge_is_not_believed(server, qa, model):
    server.model = model
    for question in QUESTIONS:
        done, answer = asked(qa, question)
        assert done.exit_code == 0
        assert kinds(answer) == ["unreliable_judge"]
        assert answer["outcome"] == "nearest"
        assert answer["model"] is None
        assert answer["coverage"]["read"] == 0
        assert answer["papers"]
        assert {paper["relevance"] for paper in answer["papers"]} == {None}
    assert getattr(model, "read", 0) <= 60


def test_the_figures_and_what_decides_instead_are_told(server, qa):
    server.model = Judging(always_yes)
    done, answer = asked(qa, QUESTION)
    (warning,) = answer["warnings"]
    assert "yes to 8 of 8 test abstracts that have nothing to do" in warning["detail"]
    assert "by score" in warning["detail"]
    assert "unreliable_judge" in done.stderr or "8 of 8" in done.stderr


def test_a_doubtful_judge_is_a_failure_where_that_is_asked_for(server, qa):
    server.model = Judging(always_yes)
    assert qa("ask", QUESTION, "--strict").exit_code == 1


def test_a_strong_judge_pays_for_the_first_question_alone_and_is_told_so(server, qa):
    server.model = LabelModel()
    first, answer = asked(qa, QUESTION)
    assert first.stderr.count("Testing the judge once: 24 short abstracts") == 1
    assert answer["outcome"] == "answered"
    assert answer["warnings"] == []
    calls = len(server.bodies)
    second, answer = asked(qa, QUESTIONS[1])
    assert "Testing" not in second.stderr
    assert answer["usage"]["calls"] == len(server.bodies) - calls
    assert not any(task.question in json.dumps(server.bodies[calls:]) for task in tasks())


@pytest.mark.parametrize("how", ["option", "variable"])
def test_whoever_trusts_the_judge_is_spared_the_test(server, seeds, qa, how):
    server.model = Judging(always_yes)
    if how == "variable":
        seeds.setenv("QA_TRUST_JUDGE", "1")
    _, answer = asked(qa, QUESTION, "--quick", *(["--trust-judge"] if how == "option" else []))
    assert answer["coverage"]["relevant"] == 10
    assert "unreliable_judge" not in kinds(answer)
    assert not any(task.question in json.dumps(server.bodies) for task in tasks())


def test_a_trust_that_is_neither_yes_nor_no_is_a_wrong_setting(seeds, qa):
    seeds.setenv("QA_TRUST_JUDGE", "perhaps")
    done = qa("ask", QUESTION)
    assert done.exit_code == 1
    assert "QA_TRUST_JUDGE" in done.stderr


def test_another_model_is_tested_anew(server, qa):
    server.model = LabelModel()
    asked(qa, QUESTION)
    done, _ = asked(qa, QUESTION, "--model", "another")
    assert "Testing the judge once" in done.stderr


def test_status_shows_what_the_test_brought(server, qa):
    assert "not tested yet" in qa("status").stdout
    server.model = Judging(always_yes)
    asked(qa, QUESTION)
    assert "not fit to judge: it said yes to 8 of 8" in qa("status").stdout


def test_a_server_that_fails_in_the_test_is_no_verdict_on_the_model(server, qa):
    server.model = lambda _: Status(401, "bad key")
    done, answer = asked(qa, QUESTION)
    assert done.exit_code == 1
    assert kinds(answer) == ["model_failed"]
    assert "not tested yet" in qa("status").stdout


class YesNoModel(LabelModel):
    """Says yes to all in JSON, and gives what answers a higher probability of "Yes"."""

    of_right, of_wrong = (-0.1, -2.5), (-1.0, -0.5)  # logarithms for Yes and No

    def __call__(self, body):
        if not body.get("logprobs"):
            return Judging(always_yes)(body)
        prompt = body["messages"][-1]["content"]
        question = re.search(r"^Question: (.*)$", prompt, re.MULTILINE)[1]
        title = re.search(r"^Title: (.*)$", prompt, re.MULTILINE)[1]
        relevant = labelled().get(question, {}).get("relevant", [ANSWERING.get(question)])
        yes, no = self.logarithms(question, title in relevant)
        top = [{"token": "Yes", "logprob": yes}, {"token": "No", "logprob": no}]
        logprobs = {"content": [{**top[0], "top_logprobs": top}]}
        return Reply("Yes", finish="length", logprobs=logprobs)

    def logarithms(self, _question, is_right):
        return self.of_right if is_right else self.of_wrong


def test_a_model_that_says_yes_to_all_may_judge_by_its_probabilities(server, qa):
    server.model = YesNoModel()
    _, answer = asked(qa, QUESTION)
    assert "unreliable_judge" not in kinds(answer)
    assert answer["outcome"] == "answered"
    labels = labelled()[QUESTION]
    found = {paper["title"] for paper in answer["papers"]}
    assert len(found & set(labels["relevant"])) >= 0.9 * len(labels["relevant"])
    assert len(found) < 40
    assert all(paper["evidence"] for paper in answer["papers"])
    assert "its probabilities count" in qa("status").stdout


class DecliningModel(YesNoModel):
    """Judges like its base, and writes that the corpus does not say."""

    def __call__(self, body):
        if body.get("stream"):
            return "NOT IN CORPUS: the abstracts do not say."
        return super().__call__(body)


def test_a_small_model_that_declines_does_not_overrule_its_own_judgements(server, qa):
    server.model = DecliningModel()
    _, answer = asked(qa, QUESTION)
    assert answer["outcome"] == "answered"
    assert kinds(answer) == ["writer_replaced"]
    assert "its own judgements speak for these papers" in answer["warnings"][0]["detail"]
    assert "“" in answer["answer"]
    assert answer["papers"]


class SubjectModel(YesNoModel):
    """Passes the test, and gives every paper of the corpus the same probability."""

    def logarithms(self, question, is_right):
        return super().logarithms(question, is_right) if question in ANSWERING else (-0.2, -1.7)


def test_probabilities_that_are_alike_far_down_are_not_believed(server, qa):
    """The low scores of papers from far down must not say "no" in the model's place."""
    server.model = SubjectModel()
    _, answer = asked(qa, QUESTION)
    assert kinds(answer) == ["unreliable_judge"]
    assert "also to 8 of 8 ranked far down" in answer["warnings"][0]["detail"]
    assert answer["outcome"] == "nearest"
