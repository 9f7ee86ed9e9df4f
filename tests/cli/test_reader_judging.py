"""The reader overrules the model, or is the judge, in `qa chat` and in Python."""

import json

import pytest
from chat_server import ChatServer

from qa.errors import UsageError
from qa.library.functions import open_corpus

QUESTION = "what was compared on balconies, in bread or in cities?"
TOMATOES = "Growing Tomatoes on Balconies"
BREAD = "Sourdough Fermentation at Low Temperature"
LANES = "Bicycle Lanes and Commuting"


@pytest.fixture
def talk(environment, small_corpus, qa):
    """Run a script without a model; stdout in its parts by line of the script."""
    environment.setenv("QA_CORPUS", str(small_corpus))
    environment.setenv("QA_MODEL", "none")

    def run(*lines):
        done = qa("chat", stdin="".join(f"{line}\n" for line in lines))
        return done, done.stdout.split("\n> ")

    return run


@pytest.fixture
def library(environment, small_corpus):
    environment.setenv("QA_MODEL", "none")
    with open_corpus(small_corpus) as opened:
        yield opened


def ids(library):
    return {paper.title: paper.id for paper in library.papers()}


def test_with_no_model_the_reader_is_the_judge(talk):
    done, parts = talk(QUESTION, "/judge", "y", "p", "n")
    assert done.exit_code == 0, done.stderr
    judged = parts[1]
    assert judged.count("Does it answer?") == 3
    assert "2 judged: 1 yes, 1 partly" in judged
    assert "All papers are judged." in judged
    assert "In part:" in judged
    assert "You judged 3 of 3 papers: 1 answers, 1 in part." in judged


def test_a_verdict_can_be_taken_back_and_enough_ends(talk):
    _, parts = talk(f"/judge {QUESTION}", "y", "u", "x", "q", "/papers")
    assert parts[0].count("0 judged: 0 yes") == 2
    assert "You judged" not in parts[0]


def test_the_end_of_the_input_is_enough(talk):
    done, _ = talk(f"/judge {QUESTION}", "y")
    assert done.exit_code == 0
    assert "You judged 1 of 3 papers" in done.stdout


def test_one_paper_of_the_list_is_overruled_by_its_number(talk):
    _, parts = talk(QUESTION, "/no 1", "/yes 1")
    first = parts[0].split("[1] ")[1].split("\n")[0]
    assert first not in parts[1].split("You judged")[0]
    assert "You judged 1 of 3 papers: 0 answer." in parts[1]
    assert "You judged 2 of 3 papers: 1 answers." in parts[2]


def test_a_number_that_is_missing_or_not_listed_is_one_line(talk):
    done, _ = talk("/yes 1", QUESTION, "/no", "/partly 9")
    assert "No question has been answered yet." in done.stderr
    assert "Say which paper, by its number: /no 1" in done.stderr
    assert "The last list has no [9]" in done.stderr


def test_no_abbreviation_gives_a_verdict(talk):
    done, _ = talk(QUESTION, "/n", "/ye 1", "/par 1")
    assert "is forgotten" in done.stderr  # /new
    assert done.stderr.count("There is no /") == 2
    assert "You judged" not in done.stdout


def test_verdicts_survive_a_rebuild_and_the_end_of_the_program(library, small_corpus, qa):
    library.overrule(QUESTION, ids(library)[BREAD], "yes")
    library.close()
    qa("rebuild", small_corpus, "--force")
    qa("cache", "--clear")
    with open_corpus(small_corpus) as again:
        assert again.overruled(QUESTION) == {ids(again)[BREAD]: "yes"}
        answer = again.ask(QUESTION)
    assert answer.papers[0].title == BREAD
    assert answer.papers[0].by_reader
    assert answer.outcome == "answered"
    assert (answer.coverage.read, answer.coverage.by_reader) == (1, 1)


def test_what_is_no_verdict_or_no_paper_is_refused(library):
    with pytest.raises(UsageError, match="yes, partly or no"):
        library.overrule(QUESTION, ids(library)[BREAD], "perhaps")
    with pytest.raises(UsageError, match="No paper"):
        library.overrule(QUESTION, "0" * 12, "yes")


def test_the_next_paper_is_one_that_was_not_judged(library):
    first = library.next_to_judge(QUESTION)
    library.overrule(QUESTION, first.paper.id, "no")
    second = library.next_to_judge(QUESTION)
    assert second.paper.id != first.paper.id
    assert library.undo_overrule(QUESTION) == first.paper.id
    assert library.next_to_judge(QUESTION).paper.id == first.paper.id
    for paper_id in ids(library).values():
        library.overrule(QUESTION, paper_id, "no")
    assert library.next_to_judge(QUESTION) is None


def verdicts_no(body):
    prompt = body["messages"][-1]["content"]
    if "Judge these" not in prompt:
        return "It says so [1]."
    keys = [line[1:3] for line in prompt.splitlines() if line.startswith("[P")]
    return json.dumps(
        {"papers": [{"key": key, "relevance": "no", "sentences": []} for key in keys]}
    )


def test_the_reader_counts_above_the_model_and_costs_it_nothing(environment, small_corpus):
    with ChatServer(model=verdicts_no) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        with open_corpus(small_corpus, model="scripted") as library:
            library.overrule(QUESTION, ids(library)[LANES], "yes")
            answer = library.ask(QUESTION)
    assert [paper.title for paper in answer.papers] == [LANES]
    assert answer.coverage.read == 3
    judging = server.bodies[0]["messages"][-1]["content"]
    assert LANES not in judging
    assert TOMATOES in judging
