"""`ask --file`: every question gets its line, whatever becomes of the others or of the run."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import paths
import pytest
from chat_server import ChatServer, Reply, Status
from gguf_files import LLAMA, gguf
from scripted_model import QUESTIONS, LabelModel, labelled

from qa.answering.reading import Limits
from qa.answering.verdict_cache import forget_verdicts
from qa.cli.answers_file import AnswersFile, AnswersFileError, questions_of_file
from qa.cli.ask import CommandOptions
from qa.cli.batch import MAX_FAILURES, settings_digest
from qa.config import configured
from qa.corpus.filters import EVERYTHING
from qa.errors import UsageError
from qa.library.chat_model import verdicts_path
from qa.library.functions import open_corpus
from qa.library.library import Library
from qa.library.opening import open_library
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.llama_cpp.model_file import ModelFile
from qa.llm.prompts import load_prompt
from qa.retrieval.query import LONGEST

TOMATOES, SOURDOUGH = "how much do tomatoes yield?", "how is sourdough fermented?"
LANES = "what do bicycle lanes change?"


@pytest.fixture
def here(environment, small_corpus, tmp_path):
    environment.setenv("QA_CORPUS", str(small_corpus))
    environment.chdir(tmp_path)
    (tmp_path / "questions.txt").write_text(
        f"# a reading list\n{TOMATOES}\n\n{SOURDOUGH}\n{LANES}\n", encoding="utf-8"
    )
    return tmp_path


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def lines_in(path):
    return lines_of(path.read_text(encoding="utf-8"))


def run(qa, *words):
    return qa("ask", "--file", "questions.txt", *words)


def test_each_question_gets_the_document_that_ask_prints(here, qa):
    done = run(qa)
    assert done.exit_code == 0
    found = {line["line"]: line for line in lines_of(done.stdout)}
    assert sorted(found) == [2, 4, 5]
    alone = json.loads(qa("ask", SOURDOUGH, "--json").stdout)
    line = found[4]
    assert line.keys() == {"id", "line", "settings"} | alone.keys()
    assert [line[key] for key in ("question", "papers")] == [alone["question"], alone["papers"]]
    assert "3 questions: " in done.stderr


def test_the_command_of_the_docs_answers_every_question(here, qa):
    page = (paths.DOCS / "many-questions.md").read_text(encoding="utf-8")
    words = re.search(r"^\$ ask (--file .*)$", page, re.MULTILINE)[1].split()
    assert qa("ask", *words).exit_code == 0
    assert [line["line"] for line in lines_in(here / "answers.jsonl")] == [2, 4, 5]


def test_questions_of_an_eval_file_keep_their_ids(seeds, qa):
    done = qa("ask", "--file", QUESTIONS)
    assert {line["id"] for line in lines_of(done.stdout)} == {q["id"] for q in labelled().values()}


def test_questions_come_from_stdin_too(here, qa):
    done = qa("ask", "--file", "-", stdin=f"{TOMATOES}\n")
    assert [line["question"] for line in lines_of(done.stdout)] == [TOMATOES]


def test_answers_that_are_there_are_not_asked_for_again(here, qa, environment):
    with ChatServer(model=LabelModel()) as server:
        words = ("--json-lines", "out.jsonl", "--model", "m")
        environment.setenv("OPENAI_BASE_URL", server.url)
        run(qa, *words)
        first, asked = (here / "out.jsonl").read_bytes(), len(server.requests)
        done = run(qa, *words)
        assert len(server.requests) == asked
    assert (here / "out.jsonl").read_bytes() == first
    assert "3 answered before" in done.stderr


def test_other_settings_are_asked_anew_and_nothing_is_lost(here, qa):
    run(qa, "--json-lines", "out.jsonl")
    run(qa, "--json-lines", "out.jsonl", "--limit", "1")
    lines = lines_in(here / "out.jsonl")
    assert len(lines) == 6
    assert len({line["settings"] for line in lines}) == 2


def test_answers_go_with_their_questions_to_other_lines(here, qa):
    run(qa, "--json-lines", "out.jsonl")
    (here / "questions.txt").write_text(f"{LANES}\nwhat is new?\n{TOMATOES}\n", encoding="utf-8")
    done = run(qa, "--json-lines", "out.jsonl")
    assert "2 answered before" in done.stderr
    found = {line["line"]: line["question"] for line in lines_in(here / "out.jsonl")}
    assert found == {1: LANES, 2: "what is new?", 3: TOMATOES, 4: SOURDOUGH}


def test_a_question_that_stands_twice_keeps_its_two_lines(here, qa):
    (here / "questions.txt").write_text(f"{TOMATOES}\n{TOMATOES}\n{LANES}\n", encoding="utf-8")
    run(qa, "--json-lines", "out.jsonl")
    first = (here / "out.jsonl").read_bytes()
    assert sorted(line["line"] for line in lines_of(first.decode())) == [1, 2, 3]
    for _ in range(2):
        assert "3 answered before" in run(qa, "--json-lines", "out.jsonl").stderr
        assert (here / "out.jsonl").read_bytes() == first


def test_a_question_that_comes_to_stand_twice_gets_a_second_line(here, qa):
    run(qa, "--json-lines", "out.jsonl")
    questions = f"{LANES}\n{TOMATOES}\n{SOURDOUGH}\n{TOMATOES}\n"
    (here / "questions.txt").write_text(questions, encoding="utf-8")
    for _ in range(2):
        assert "4 answered before" in run(qa, "--json-lines", "out.jsonl").stderr
        found = sorted((line["line"], line["question"]) for line in lines_in(here / "out.jsonl"))
        assert found == [(1, LANES), (2, TOMATOES), (3, SOURDOUGH), (4, TOMATOES)]


def test_a_question_with_half_a_surrogate_pair_is_answered_once(here, qa):
    (here / "questions.txt").write_text(
        '{"question": "what about \\ud800 tides?", "id": "\\udfff"}\n', encoding="utf-8"
    )
    run(qa, "--json-lines", "out.jsonl")
    first = (here / "out.jsonl").read_bytes()
    assert [line["question"] for line in lines_of(first.decode())] == ["what about ? tides?"]
    assert "1 answered before" in run(qa, "--json-lines", "out.jsonl").stderr
    assert (here / "out.jsonl").read_bytes() == first


def test_another_model_in_a_file_of_the_same_name_is_another_setting(here, qa):
    options = CommandOptions(
        Limits(), EVERYTHING, conditions=True, cached=True, refresh=False, strict=False
    )
    qa("rebuild")
    with open_library(configured(model="none")) as library:

        def settings(folder, values=LLAMA):
            file = ModelFile.find(str(gguf(here / folder / "model.gguf", values)))
            model = LocalModel(file)
            other = Library(library.config, library.generation, library.embedder, model)
            return settings_digest(options, other)

        assert settings("a") == settings("b")
        assert settings("c", {**LLAMA, "general.name": "other"}) != settings("a")


def test_other_prompts_are_other_settings(here, qa, environment):
    with ChatServer(model=LabelModel()) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        run(qa, "--json-lines", "out.jsonl", "--model", "m")
        prompt = load_prompt("answer.system", None).text
        (here / "prompts").mkdir()
        (here / "prompts" / "answer.system.txt").write_text(f"{prompt} Be brief.", encoding="utf-8")
        environment.setenv("QA_PROMPTS", str(here / "prompts"))
        assert "answered before" not in run(qa, "--json-lines", "out.jsonl", "--model", "m").stderr


def test_a_line_cut_off_by_a_kill_is_mended_and_asked_again(here, qa):
    run(qa, "--json-lines", "out.jsonl")
    whole = (here / "out.jsonl").read_bytes()
    (here / "out.jsonl").write_bytes(whole[:-40])
    done = run(qa, "--json-lines", "out.jsonl")
    assert "2 answered before" in done.stderr
    assert {line["line"] for line in lines_in(here / "out.jsonl")} == {2, 4, 5}


def test_a_bad_question_gets_its_error_and_the_rest_goes_on(here, qa):
    text = f"{TOMATOES}\n{'x' * (LONGEST + 1)}\n{SOURDOUGH}\n"
    (here / "questions.txt").write_text(text, encoding="utf-8")
    done = run(qa)
    assert done.exit_code == 1
    found = {line["line"]: line for line in lines_of(done.stdout)}
    assert "2,001 characters" in found[2]["error"]
    assert found[1]["papers"]
    assert found[3]["papers"]
    assert "1 failed" in done.stderr


def test_a_question_that_the_model_fails_on_is_asked_again_next_time(here, qa, environment):
    broken = threading.Event()

    def model(body):
        prompt = body["messages"][-1]["content"]
        if "sourdough" in prompt.split("Question:", 1)[1].split("\n")[0] and not broken.is_set():
            return Status(400, "scripted fault")
        return LabelModel()(body)

    with ChatServer(model=model) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        words = ("--json-lines", "out.jsonl", "--model", "m", "--jobs", "1")
        done = run(qa, *words)
        assert done.exit_code == 1
        failed = [line for line in lines_in(here / "out.jsonl") if line["warnings"]]
        assert [line["question"] for line in failed] == [SOURDOUGH]
        assert [warning["kind"] for warning in failed[0]["warnings"]] == ["model_failed"]
        broken.set()
        done = run(qa, *words)
    assert done.exit_code == 0
    lines = lines_in(here / "out.jsonl")
    assert sorted(line["line"] for line in lines) == [2, 4, 5]
    assert not any(line["warnings"] for line in lines)


def test_a_key_that_is_refused_stops_the_run_with_one_line(here, qa, environment):
    with ChatServer(model=lambda _: Status(401, "bad key")) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        environment.setenv("OPENAI_API_KEY", "sk-wrong")
        done = run(qa, "--json-lines", "out.jsonl", "--model", "m", "--jobs", "1")
        assert len(server.requests) < 3
    assert done.exit_code == 1
    assert (here / "out.jsonl").read_bytes() == b""
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "3 not asked" in done.stderr


def test_a_server_that_is_down_stops_the_run(here, qa, environment):
    questions = "\n".join(f"{TOMATOES} {n}" for n in range(50))
    (here / "questions.txt").write_text(questions, encoding="utf-8")
    environment.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    environment.setenv("QA_TIMEOUT", "5")
    done = run(qa, "--model", "m", "--jobs", "1")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) < 3
    assert "is it running?" in done.stderr


def test_a_model_that_always_fails_stops_the_run(here, qa, environment):
    questions = "\n".join(f"{TOMATOES} {n}" for n in range(50))
    (here / "questions.txt").write_text(questions, encoding="utf-8")
    with ChatServer(model=lambda _: Status(400, "scripted fault")) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        done = run(qa, "--model", "m", "--jobs", "1")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == MAX_FAILURES
    assert "Error: 10 questions failed in a row. The last: " in done.stderr


def test_a_model_that_judges_but_never_writes_stops_the_run(seeds, qa, tmp_path):
    def model(body):
        judging = "response_format" in body
        return LabelModel()(body) if judging else Status(400, "scripted fault")

    path = tmp_path / "questions.txt"
    path.write_text("\n".join(list(labelled())[:20]), encoding="utf-8")
    with ChatServer(model=model) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        done = qa("ask", "--file", path, "--model", "m", "--jobs", "1", "--quick")
    assert done.exit_code == 1
    assert "No answer was written" in done.stderr
    assert "not asked" in done.stderr


def test_a_log_hears_a_few_times_how_far_the_work_is(here, qa):
    questions = "\n".join(f"{TOMATOES} {n}" for n in range(25))
    (here / "questions.txt").write_text(questions, encoding="utf-8")
    told = run(qa).stderr.splitlines()
    assert [line for line in told if "of 25" in line] == [
        "10 of 25 questions.",
        "20 of 25 questions.",
    ]


def test_two_runs_do_not_write_one_file(here, qa, environment):
    run(qa, "--json-lines", "out.jsonl")
    before = sorted(here.iterdir())
    environment.setenv("QA_CACHE", str(here / "cache" / "other"))
    with AnswersFile.opened(here / "out.jsonl"):
        done = run(qa, "--json-lines", "out.jsonl")
    assert done.exit_code == 1
    assert "Another run is writing" in done.stderr
    assert sorted(here.iterdir()) == before


def test_a_file_that_was_rewritten_is_still_held(here, qa):
    run(qa, "--json-lines", "out.jsonl")
    with AnswersFile.opened(here / "out.jsonl") as file:
        file.rewrite(file.lines[:2])
        assert run(qa, "--json-lines", "out.jsonl").exit_code == 1
    assert len(lines_in(here / "out.jsonl")) == 2
    assert run(qa, "--json-lines", "out.jsonl").exit_code == 0


def test_of_many_runs_one_writes_at_a_time_though_each_rewrites(tmp_path):
    path, writing = tmp_path / "out.jsonl", threading.Lock()

    def work(number):
        done = 0
        while done < 20:
            try:
                with AnswersFile.opened(path) as file:
                    assert writing.acquire(blocking=False)
                    line = {"id": f"{number}.{done}", "question": "q?", "settings": "s"}
                    file.rewrite([*file.lines, line])
                    writing.release()
                    done += 1
            except AnswersFileError:
                pass
        return done

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) == len(lines_in(path)) == 80


def test_a_file_that_is_moved_meanwhile_is_begun_anew(tmp_path):
    path = tmp_path / "out.jsonl"
    line = {"id": "1", "question": "q?", "settings": "s"}
    with AnswersFile.opened(path) as file:
        file.add(line)
        path.rename(tmp_path / "kept.jsonl")
        file.add(line)
        with pytest.raises(AnswersFileError), AnswersFile.opened(path):
            pass
    assert lines_in(path) == lines_in(tmp_path / "kept.jsonl") == [line]


def test_the_questions_are_not_written_over(here, qa):
    (here / "q.jsonl").write_text(json.dumps({"question": TOMATOES}) + "\n", encoding="utf-8")
    before = (here / "q.jsonl").read_bytes()
    for words in (("--file", "q.jsonl"), ("--file", "questions.txt")):
        assert qa("ask", *words, "--json-lines", "q.jsonl").exit_code == 2
    assert (here / "q.jsonl").read_bytes() == before


def test_what_is_no_file_takes_no_answers(here, qa):
    done = run(qa, "--json-lines", here)
    assert done.exit_code == 2
    assert "is no file" in done.stderr


def test_a_file_of_something_else_is_left_alone(here, qa):
    (here / "notes.jsonl").write_text("my notes\n", encoding="utf-8")
    done = run(qa, "--json-lines", "notes.jsonl")
    assert done.exit_code == 2
    assert (here / "notes.jsonl").read_text(encoding="utf-8") == "my notes\n"


def test_a_file_of_something_else_nested_deeply_is_left_alone(here, qa):
    (here / "notes.jsonl").write_text("[" * 200_000 + "\n", encoding="utf-8")
    assert run(qa, "--json-lines", "notes.jsonl").exit_code == 2


def test_answers_that_cannot_be_written_are_told(here, qa):
    done = run(qa, "--json-lines", "nowhere/out.jsonl")
    assert done.exit_code == 1
    assert "nowhere/out.jsonl cannot be written" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("which?",), ("--json",), ("--format", "csv"), ("--verbose",)],
    ids=" ".join,
)
def test_what_does_not_go_with_a_file_is_wrong_usage(here, qa, words):
    assert run(qa, *words).exit_code == 2


@pytest.mark.parametrize("words", [("--json-lines", "o"), ("--jobs", "2")], ids=" ".join)
def test_what_goes_with_a_file_alone_is_wrong_usage_without(here, qa, words):
    assert qa("ask", TOMATOES, *words).exit_code == 2


def test_a_missing_file_of_questions_is_told(here, qa):
    done = qa("ask", "--file", "nowhere.txt")
    assert done.exit_code == 2
    assert "nowhere.txt cannot be read" in done.stderr


def test_strictly_a_doubtful_answer_counts_as_failed(here, qa, environment):
    with ChatServer(model=LabelModel()) as server:
        server.queue(Reply("no verdict"), Reply("no verdict"))
        environment.setenv("OPENAI_BASE_URL", server.url)
        done = run(qa, "--model", "m", "--jobs", "1", "--strict")
    assert done.exit_code == 1
    assert "0 answered, 2 not in the corpus, 1 failed" in done.stderr


def test_strictly_a_doubtful_answer_is_asked_again(here, qa, environment):
    with ChatServer(model=LabelModel()) as server:
        verdicts = {"papers": [{"key": "P1", "relevance": "no", "sentences": []}]}
        server.queue(Reply(json.dumps(verdicts)), Reply("no verdict"))
        environment.setenv("OPENAI_BASE_URL", server.url)
        words = ("--model", "m", "--jobs", "1", "--json-lines", "out.jsonl")
        assert run(qa, *words).exit_code == 0
        assert "3 answered before" in run(qa, *words).stderr
        done = run(qa, *words, "--strict")
    assert done.exit_code == 0
    assert "2 answered before" in done.stderr


def test_ctrl_c_keeps_what_is_answered(here):
    held, release = threading.Event(), threading.Event()

    def model(body):
        if "tomatoes" not in body["messages"][-1]["content"].split("Question:", 1)[1][:60]:
            held.set()
            assert release.wait(60)
        return LabelModel()(body)

    with ChatServer(model=model) as server:
        command = [sys.executable, "-m", "qa", "ask", "--file", "questions.txt"]
        command += ["--json-lines", "out.jsonl", "--jobs", "1", "--model", "m"]
        environment = os.environ | {"OPENAI_BASE_URL": server.url}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as run:
            assert held.wait(60)
            run.send_signal(signal.SIGINT)
            _, told = run.communicate(timeout=60)
        release.set()
    assert run.returncode == 130
    assert "Traceback" not in told
    assert "2 not asked" in told
    assert [line["question"] for line in lines_in(here / "out.jsonl")] == [TOMATOES]


@pytest.mark.parametrize("model", [pytest.param("m", marks=pytest.mark.slow), "none"])
def test_many_questions_at_once_are_answered_as_one_by_one(seeds, model):
    """Side by side in one event loop, and from threads; verdicts are kept meanwhile."""
    texts = list(labelled())[4:10]
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        with open_corpus(model=model) as library:
            alone = [library.ask(text, cached=False) for text in texts]

            async def together():
                return await asyncio.gather(*map(library.aask, texts))

            side_by_side = asyncio.run(together())
            forget_verdicts(verdicts_path(library.config))
            with ThreadPoolExecutor(10) as threads:
                threaded = list(threads.map(library.ask, texts))
    for answers in zip(alone, side_by_side, threaded, strict=True):
        first, *others = [(a.papers, a.answer, a.coverage, a.warnings) for a in answers]
        assert others == [first, first]


def test_lines_are_questions_unless_they_are_json():
    text = 'a?\n{ "question": "b?", "id": 7}\n{x} is what?\n'
    assert [(q.id, q.text) for q in questions_of_file(text)] == [
        ("1", "a?"),
        ("7", "b?"),
        ("3", "{x} is what?"),
    ]
    assert [(q.id, q.text) for q in questions_of_file('\ufeff{"question": " b? ", "id": 7}\n')] == [
        ("7", "b?")
    ]
    assert [(q.id, q.text) for q in questions_of_file('{"question": "a\u2028b?"}\r\n\r\n')] == [
        ("1", "a b?")
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"question": ""}', "empty"),
        ('{"question": 3}', "no question"),
        ("[1]", "no question"),
        ('{"question"', "not JSON"),
        pytest.param('{"question": ' + "[" * 200_000, "not JSON", id="deep"),
        ('{"question": "c?", "id": "a"}', "stands before"),
    ],
)
def test_a_line_that_cannot_be_asked_says_why(line, fault):
    first = '{"question": "a?", "id": "a"}'
    good, bad = questions_of_file(f"{first}\n{line}\n")
    assert good.fault is None
    assert fault in bad.fault
    assert bad.id != good.id


def test_a_file_without_questions_is_wrong_usage():
    with pytest.raises(UsageError, match="no question"):
        questions_of_file("# nothing\n\n")


def test_the_lock_is_given_back(tmp_path):
    for _ in range(2):
        with AnswersFile.opened(tmp_path / "out.jsonl"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
