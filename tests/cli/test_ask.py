"""`ask`, from the words on the command line to what is printed, on the real seeds."""

import json
import os
import re

import pytest
from chat_server import ChatServer, Hang, Reply, Status
from scripted_model import LabelModel, labelled

from qa.config import Config
from qa.corpus.papers import title_key

BACKPROP = "which papers train without backprop?"


def good_titles(question):
    entry = labelled()[question]
    return {title_key(title) for title in entry["relevant"] + entry["partial"]}


def titles_in(stdout):
    return re.findall(r"^ *\[\d+\] (.*)$", stdout, re.MULTILINE)


@pytest.fixture
def server(seeds):
    with ChatServer(model=LabelModel(), models=["scripted"]) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        yield server


def test_without_a_model_eight_of_the_first_ten_papers_are_right(seeds, qa):
    done = qa("ask", BACKPROP)
    assert done.exit_code == 0, done.stderr
    first = [title_key(title) for title in titles_in(done.stdout)[:10]]
    assert len(first) == 10
    assert len(set(first) & good_titles(BACKPROP)) >= 8


def test_without_a_model_it_says_so_and_how_to_get_one(seeds, qa):
    done = qa("ask", BACKPROP)
    assert "No chat model has read them." in done.stdout
    assert "OPENAI_API_KEY" in done.stderr


def test_json_is_one_document_whose_quotes_are_the_abstracts_own(seeds, qa):
    done = qa("ask", BACKPROP, "--json")
    document = json.loads(done.stdout)
    assert document["outcome"] == "nearest"
    assert document["model"] is None
    assert document["papers"]
    for paper in document["papers"]:
        shown = json.loads(qa("show", paper["id"], "--json").stdout)
        assert paper["evidence"]
        for evidence in paper["evidence"]:
            assert shown["abstract"][evidence["start"] : evidence["end"]] == evidence["text"]


def test_without_a_model_no_judgement_and_no_reading_is_claimed(seeds, qa):
    document = json.loads(qa("ask", BACKPROP, "--json").stdout)
    assert {paper["relevance"] for paper in document["papers"]} == {None}
    kinds = [paper["likelihood"] for paper in document["papers"]]
    assert sorted(kinds) == kinds  # likely before possible
    assert set(kinds) == {"likely", "possible"}
    counts = {"read": 0, "relevant": 0, "partly": 0, "unjudged": 0, "rounds": 0, "stopped": None}
    assert {name: document["coverage"][name] for name in counts} == counts


def test_a_search_judges_nothing(seeds, qa):
    papers = json.loads(qa("search", BACKPROP, "--json").stdout)["papers"]
    assert {(paper["relevance"], paper["likelihood"]) for paper in papers} == {(None, None)}


def test_what_a_judge_refused_is_named_with_its_verdict(server, qa):
    question = "which papers study lichens?"
    document = json.loads(qa("ask", question, "--exhaustive", "--json").stdout)
    assert document["outcome"] == "not_in_corpus"
    assert [paper["relevance"] for paper in document["nearest"]] == ["no"] * 3


def test_verdicts_that_cannot_be_kept_are_told_and_cost_no_answer(server, seeds, qa, tmp_path):
    cache = Config.from_env(os.environ).cache
    (cache / "verdicts.sqlite").write_bytes(b"this is no database" * 100)
    document = json.loads(qa("ask", BACKPROP, "--json").stdout)
    assert document["outcome"] == "answered"
    [warning] = [w for w in document["warnings"] if w["kind"] == "verdict_cache"]
    assert "verdicts.sqlite" in warning["detail"]


def test_off_topic_question_ends_with_code_3(seeds, qa):
    done = qa("ask", "How long should sourdough bread prove before it goes into the oven?")
    assert done.exit_code == 3
    assert "By score alone no paper stands out; a chat model could tell." in done.stdout
    assert "does not say" not in done.stdout
    assert "\nNearest:\n" in done.stdout


def test_with_a_model_every_paper_that_qualifies_is_listed(server, qa):
    done = qa("ask", BACKPROP, "--json")
    document = json.loads(done.stdout)
    found = {title_key(p["title"]) for p in document["papers"] if p["relevance"] == "yes"}
    assert found == {title_key(title) for title in labelled()[BACKPROP]["relevant"]}
    assert document["model"] == "scripted"
    assert document["warnings"] == []
    coverage = document["coverage"]
    assert (coverage["corpus"], coverage["stopped"]) == (558, "dry")
    assert coverage["relevant"] == 19
    assert coverage["read"] == len(set(server.model.judged))
    assert document["usage"]["calls"] == len(server.requests) - 1  # one listed the models


def test_asking_again_pays_for_the_answer_alone(server, qa):
    qa("ask", BACKPROP)
    asked = len(server.bodies)
    done = qa("ask", BACKPROP)
    assert done.exit_code == 0
    assert len(server.bodies) == asked + 1
    qa("ask", BACKPROP, "--no-cache")
    assert len(server.bodies) > asked + 5


def test_every_citation_leads_to_a_numbered_paper(server, qa):
    done = qa("ask", BACKPROP)
    answer, _, papers = done.stdout.partition("\n\n")
    cited = set(re.findall(r"\[(\d+)\]", answer))
    numbered = set(re.findall(r"^ *\[(\d+)\]", papers, re.MULTILINE))
    assert cited
    assert cited <= numbered


def test_question_that_nothing_answers_ends_with_code_3_and_the_nearest(server, qa):
    done = qa("ask", "How does equilibrium propagation compute its weight updates?")
    assert done.exit_code == 3
    assert "The corpus does not say." in done.stdout
    assert "Nearest, but no answer:" in done.stdout


def test_quick_reads_one_round(server, qa):
    document = json.loads(qa("ask", BACKPROP, "--quick", "--json").stdout)
    assert (document["coverage"]["rounds"], document["coverage"]["stopped"]) == (1, "limit")


def test_limit_is_kept(server, qa):
    document = json.loads(qa("ask", BACKPROP, "--limit", "13", "--json").stdout)
    assert (document["coverage"]["read"], document["coverage"]["stopped"]) == (13, "limit")


def test_exhaustive_reads_every_paper_once(server, qa):
    document = json.loads(qa("ask", BACKPROP, "--exhaustive", "--json").stdout)
    assert (document["coverage"]["read"], document["coverage"]["stopped"]) == (558, "exhausted")
    assert len(server.model.judged) == 558


def test_token_budget_stops_the_reading(server, qa):
    document = json.loads(qa("ask", BACKPROP, "--max-tokens-total", "100", "--json").stdout)
    assert document["coverage"]["stopped"] == "limit"
    usage = document["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] <= 100


def test_failing_writer_does_not_lose_what_was_read(server, qa):
    server.model = Failing(server.model, Status(400, "no writing today"))
    done = qa("ask", BACKPROP)
    assert done.exit_code == 1
    assert len(titles_in(done.stdout)) >= 19
    assert "No answer was written:" in done.stderr


def test_an_answer_cut_off_says_so_in_one_sentence(server, qa):
    server.model = Failing(server.model, Reply("Mono-Forward wins [1].", finish="length"))
    done = qa("ask", BACKPROP)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == (
        "Warning: The answer is not complete: The model scripted reached its output limit."
        " Ask for less, or set a QA_MODEL with longer replies."
    )


def test_many_warnings_are_listed_in_part_and_in_json_counted(server, qa):
    text = "".join(f"- It gains {n}.5% [1].\n" for n in range(1200, 1230))
    server.model = Failing(server.model, Reply(text + "- It is slow.\n" * 30))
    done = qa("ask", BACKPROP)
    lines = done.stderr.strip().splitlines()
    assert "(!60)" in done.stdout
    assert [line.split()[0] for line in lines[:19]] == [f"(!{n})" for n in range(1, 20)]
    assert lines[19:] == [
        "No paper is cited for 25 more sentences.",
        "… and 16 more: ask … --json lists all.",
    ]
    done = qa("ask", BACKPROP, "--json")
    assert len(json.loads(done.stdout)["warnings"]) == 60
    assert done.stderr.strip() == "60 warnings: the document lists them."


def test_server_that_fails_while_reading_leaves_what_was_read(server, qa):
    server.model = FailingLater(server.model, 6, Status(401, "key expired"))
    done = qa("ask", BACKPROP)
    assert done.exit_code == 1
    assert titles_in(done.stdout)
    assert "Reading stopped early:" in done.stderr


class Failing:
    """A scripted model that judges, but cannot write."""

    def __init__(self, model, behaviour):
        self._model, self._behaviour = model, behaviour

    def __call__(self, body):
        judging = "Judge these" in body["messages"][-1]["content"]
        return self._model(body) if judging else self._behaviour


class FailingLater:
    """A scripted model whose server breaks after some calls."""

    def __init__(self, model, calls, behaviour):
        self._model, self._left, self._behaviour = model, calls, behaviour

    def __call__(self, body):
        self._left -= 1
        return self._model(body) if self._left >= 0 else self._behaviour


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Status(401, "bad key"), "OPENAI_API_KEY"),
        (Status(404, "no such model"), "QA_MODEL"),
        (Hang(), "QA_TIMEOUT"),
    ],
)
def test_server_that_cannot_be_asked_is_one_clear_line_beside_the_papers_by_score(
    server, seeds, qa, behaviour, said
):
    if isinstance(behaviour, Hang):
        seeds.setenv("QA_TIMEOUT", "0.5")
    seeds.setenv("QA_MODEL", "scripted")
    server.model = lambda _: behaviour
    done = qa("ask", BACKPROP)
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "nearest by score" in done.stdout


def test_model_that_cannot_judge_still_answers_from_the_best_by_score(server, qa):
    server.model = lambda _: Reply("I like papers. [1]")
    done = qa("ask", BACKPROP, "--json")
    document = json.loads(done.stdout)
    assert document["outcome"] == "nearest"
    assert document["coverage"]["read"] == 0
    assert {paper["relevance"] for paper in document["papers"]} == {None}
    assert all(paper["likelihood"] for paper in document["papers"])
    assert "I like papers" not in document["answer"]
    assert [warning["kind"] for warning in document["warnings"]] == ["model_failed"]
    assert document["usage"]["calls"]
    assert done.exit_code == 1


def test_no_server_at_all_leaves_the_papers_by_score(seeds, qa):
    unasked = json.loads(qa("ask", BACKPROP, "--json", "--model", "none").stdout)
    seeds.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    done = qa("ask", BACKPROP, "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert "127.0.0.1:9" in done.stderr
    for field in ("papers", "coverage", "outcome", "answer"):
        assert document[field] == unasked[field]


def test_strict_turns_any_warning_into_code_1(server, qa):
    server.model = Failing(server.model, Reply("Mono-Forward wins [99]."))
    assert qa("ask", BACKPROP).exit_code == 0
    done = qa("ask", BACKPROP, "--strict")
    assert done.exit_code == 1
    assert "[99?]" in done.stdout
    assert "99" in done.stderr
