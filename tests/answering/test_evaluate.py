import asyncio
import json

import paths
import pytest
from fakes import papers

from qa.answering.evaluate import (
    EvaluationError,
    GoldJudge,
    Question,
    average_precision,
    changes,
    check_labels,
    load_questions,
    load_result,
)
from qa.corpus.papers import Record, title_key
from qa.corpus.readers.corpus import read_corpus

KEYS = [title_key(paper.title) for paper in papers(200)]


def question(relevant=(0,), partial=(), type_="set"):
    return Question(
        "q1",
        type_,
        "which?",
        frozenset(KEYS[i] for i in relevant),
        frozenset(KEYS[i] for i in partial),
    )


def verdicts(judge, count=200):
    judged = asyncio.run(judge.judge("which?", papers(count)))
    return [verdict.relevance for verdict in judged.verdicts]


def test_gold_judge_says_what_the_labels_say():
    told = verdicts(GoldJudge(question(relevant=(0, 2), partial=(1,))), 4)
    assert told == ["yes", "partly", "yes", "no"]


def test_gold_judge_errs_on_about_the_share_asked_for_and_always_the_same():
    judge = GoldJudge(question(), flip=0.1)
    wrong = sum(
        (verdict == "yes") != (number == 0) for number, verdict in enumerate(verdicts(judge))
    )
    assert 8 <= wrong <= 35
    assert verdicts(judge) == verdicts(GoldJudge(question(), flip=0.1))
    assert verdicts(judge) != verdicts(GoldJudge(question(), flip=0.1, seed=1))


def test_average_precision_is_one_when_the_relevant_come_first():
    assert average_precision(question(relevant=(0, 1)), KEYS[:5]) == 1.0


def test_average_precision_leaves_partial_papers_out():
    labelled = question(relevant=(0, 1), partial=(3,))
    assert average_precision(labelled, [KEYS[3], KEYS[0], KEYS[1]]) == 1.0


def test_average_precision_counts_missing_papers_as_zero():
    assert average_precision(question(relevant=(0, 1)), [KEYS[5], KEYS[0]]) == 0.25


def write(tmp_path, *entries):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in entries))
    return path


def test_bad_line_is_named(tmp_path):
    good = {"id": "1", "type": "none", "question": "who?"}
    for bad in ("{", "[]", '{"type": "set"}', '{"type": "odd", "question": "q"}'):
        with pytest.raises(EvaluationError, match="line 2"):
            load_questions(write(tmp_path, good, bad))


def test_empty_or_missing_file_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="no questions"):
        load_questions(write(tmp_path, ""))
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_questions(tmp_path / "none.jsonl")


def test_labels_of_another_corpus_are_refused():
    check_labels([question(relevant=(0,))], ["Paper 0"])
    with pytest.raises(EvaluationError, match="--corpus"):
        check_labels([question(relevant=(0, 1))], ["Paper 0"])


def test_result_that_is_none_cannot_be_compared_with(tmp_path):
    for text in ("", "[]", '{"summary": 1, "questions": []}'):
        path = tmp_path / "result.json"
        path.write_text(text)
        with pytest.raises(EvaluationError, match="result"):
            load_result(path)


@pytest.mark.slow
def test_gold_judge_on_the_seeds_reaches_what_the_readme_says(seeds, qa):
    done = qa("eval", "tests/seed_questions.jsonl", "--judge", "gold", "--json")
    means = json.loads(done.stdout)["summary"]
    assert means["set"]["recall"] >= 0.98
    assert means["set"]["read"] <= 80
    assert means["fact"]["recall"] == 1
    assert means["fact"]["read"] <= 25
    assert means["none"]["abstained"] == 1


def test_no_model_on_the_seeds_reaches_what_the_readme_says(seeds, qa):
    done = qa("eval", "tests/seed_questions.jsonl", "--no-model", "--json")
    document = json.loads(done.stdout)
    means = document["summary"]
    assert means["set"]["map"] >= 0.60
    assert means["set"]["f1"] >= 0.55
    assert means["fact"]["recall"] == 1
    answerable = [q for q in document["questions"] if q["type"] != "none"]
    assert not any(q["abstained"] for q in answerable)
    off_topic = [q for q in document["questions"] if q["id"] in {"n01", "n04"}]
    assert all(q["abstained"] for q in off_topic)


def test_comparison_names_the_questions_that_changed(seeds, qa, tmp_path):
    questions = tmp_path / "questions.jsonl"
    lines = (paths.TESTS / "seed_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions.write_text("\n".join(lines[:3]), encoding="utf-8")
    earlier = tmp_path / "gold.json"
    earlier.write_text(qa("eval", questions, "--judge", "gold", "--json").stdout)
    same = qa("eval", questions, "--judge", "gold", "--compare", earlier)
    assert "0 of 3 questions changed" in same.stdout
    other = qa("eval", questions, "--no-model", "--compare", earlier)
    assert "s01: 1.00 →" in other.stdout


def test_changes_leave_out_questions_that_only_one_result_has():
    assert changes({"questions": [{"id": "x", "f1": 1.0, "abstained": False}]}, []) == []


@pytest.mark.parametrize("name", ["seeds.jsonl", "seeds-blind.jsonl"])
def test_the_labels_of_the_benchmarks_name_bundled_papers(name):
    entries = read_corpus(paths.ROOT / "seeds").records()
    titles = [entry.title for entry in entries if isinstance(entry, Record)]
    check_labels(load_questions(paths.ROOT / "benchmarks/questions" / name), titles)
