"""The commands: what they print where, how they end, and what they say to misuse."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from chat_server import ChatServer, Hang
from small_corpus import SMALL

from qa import __version__
from qa.cli.exit_codes import error_line
from qa.config import configured
from qa.errors import Action, Hint, QAError, UsageError

QUESTION = "which lanes made people cycle?"
MOSS = "We study how moss grows on the roofs of old houses in the far north."


def run(*words, **more):
    """Run a command in a process of its own, as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "qa", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,
    )


def one_clear_line(done, *said, code=1):
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 2
    for words in said:
        assert words in done.stderr


@pytest.fixture
def small(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    return small_corpus


def test_first_ask_builds_the_store_and_answers(small, qa):
    done = qa("ask", QUESTION)
    assert done.exit_code == 0, done.output
    assert "Bicycle Lanes and Commuting" in done.stdout
    assert "3 papers" in done.stderr
    again = qa("ask", QUESTION)
    assert again.stdout == done.stdout
    assert "3 papers" not in again.stderr


def test_question_may_come_without_quotes_or_from_stdin(small, qa):
    words = qa("ask", *QUESTION.split(), "--json").stdout
    piped = qa("ask", "-", "--json", stdin=QUESTION + "\n").stdout
    assert json.loads(words)["question"] == json.loads(piped)["question"] == QUESTION


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_empty_question_is_wrong_usage(small, qa, question):
    one_clear_line(qa("ask", question), "empty", code=2)


def test_question_of_ten_thousand_characters_is_wrong_usage(small, qa):
    one_clear_line(qa("ask", "why " * 2500), "2,000", code=2)


def test_missing_question_and_unknown_option_are_wrong_usage(small, qa):
    assert qa("ask").exit_code == 2
    assert qa("ask", QUESTION, "--no-such").exit_code == 2
    one_clear_line(qa("ask", QUESTION, "--quick", "--exhaustive"), "--quick", code=2)


def test_missing_corpus_names_the_path(environment, qa, tmp_path):
    one_clear_line(qa("ask", QUESTION, "--corpus", tmp_path / "none"), "none", "Name another")


def test_empty_folder_and_empty_file_are_errors(environment, qa, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    one_clear_line(qa("ask", QUESTION, "--corpus", empty), "empty")
    (empty / "papers.txt").touch()
    one_clear_line(qa("ask", QUESTION, "--corpus", empty / "papers.txt"), "papers.txt")


def test_binary_file_is_an_error_that_names_it(environment, qa, tmp_path):
    path = tmp_path / "papers.bin"
    path.write_bytes(bytes(range(256)) * 50)
    one_clear_line(qa("ask", QUESTION, "--corpus", path), "papers.bin")


def test_file_without_a_recognisable_paper_is_an_error(environment, qa, tmp_path):
    path = tmp_path / "shopping.txt"
    path.write_text("milk\neggs\nbread\n")
    one_clear_line(qa("ask", QUESTION, "--corpus", path), "shopping.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_store_that_cannot_be_written_is_an_error(small, environment, qa, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    environment.setenv("QA_STORE", str(locked / "stores"))
    one_clear_line(qa("ask", QUESTION), "locked", "QA_STORE")


def test_store_below_a_file_is_an_error(small, environment, qa, tmp_path):
    (tmp_path / "file").touch()
    environment.setenv("QA_STORE", str(tmp_path / "file" / "stores"))
    one_clear_line(qa("rebuild"), "file")


def test_another_embedding_model_is_refused_with_the_command_that_fixes_it(small, environment, qa):
    qa("rebuild")
    environment.setenv("QA_EMBED_MODEL", "text-embedding-3-small")
    environment.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    environment.setenv("QA_MODEL", "none")
    one_clear_line(qa("ask", QUESTION), "qa rebuild")


def test_missing_model_file_is_told(small, environment, qa):
    one_clear_line(qa("ask", QUESTION, "--model", "tiny.gguf"), "no model file tiny.gguf")


def test_model_without_a_server_is_refused(small, qa):
    one_clear_line(qa("ask", QUESTION, "--model", "gpt-9"), "OPENAI_API_KEY")


def test_changed_corpus_is_noticed_and_taken_in(small, qa):
    qa("rebuild")
    assert "has changed" not in qa("ask", QUESTION).stderr
    title, abstract = (
        "Clay Ovens in the Alps",
        "We date clay ovens found in nine alpine valleys. " * 3,
    )
    (small / "more.txt").write_text(f"Subscribe{title}\n{abstract}\n", encoding="utf-8")
    assert "qa rebuild" in qa("ask", QUESTION).stderr
    done = qa("rebuild")
    assert "4 papers (1 new, 0 changed, 0 removed, 3 unchanged" in done.stdout
    assert title in qa("search", "clay ovens").stdout


def test_rebuild_of_several_corpora_tells_of_each(small, qa, tmp_path):
    done = qa("rebuild", small, small / "page.txt", "--json")
    assert [report["papers"] for report in json.loads(done.stdout)] == [3, 3]


def test_search_ranks_and_quotes(small, qa):
    done = qa("search", "tomato varieties", "-n", "2")
    assert done.exit_code == 0
    assert done.stdout.index("Tomatoes") < done.stdout.index("“")
    rows = json.loads(qa("search", "tomato varieties", "--json").stdout)["papers"]
    assert {row["title"] for row in rows} == set(SMALL)
    assert rows[0]["source"] == "papers/page.txt"


def test_show_finds_a_paper_by_the_start_of_its_id(small, qa):
    row = json.loads(qa("search", "tomato", "--json").stdout)["papers"][0]
    done = qa("show", row["id"][:6])
    assert row["title"] in done.stdout
    assert SMALL[row["title"]] in done.stdout


def test_an_unknown_id_is_an_error_that_names_the_corpus_and_where_ids_are(
    environment, qa, small_corpus
):
    qa("rebuild", small_corpus)
    elsewhere = qa("show", "zzz", "--corpus", small_corpus)
    one_clear_line(elsewhere, f"All ids: qa papers --corpus {small_corpus}")
    environment.setenv("QA_CORPUS", str(small_corpus))
    here = qa("show", "zzz")
    one_clear_line(here, f"No paper in {small_corpus} has")
    assert here.stderr.endswith("All ids: qa papers\n")


def test_advice_names_the_corpus_so_that_it_can_be_followed_as_it_stands(environment, qa, tmp_path):
    corpus = tmp_path / "my papers"
    corpus.mkdir()
    entries = "@article{a, title={Tides}, abstract={Tides rise.}}\n@article{b, title={None}}"
    (corpus / "a.bib").write_text(entries, encoding="utf-8")
    assert f"qa rebuild '{corpus}'" in qa("status", "--corpus", corpus).stdout
    assert f": qa status --skipped --corpus '{corpus}'" in qa("rebuild", corpus).stderr
    (corpus / "b.bib").write_text("@article{c, title={C}, abstract={More.}}", encoding="utf-8")
    asked = qa("ask", "which papers are about tides?", "--corpus", corpus)
    assert f"Take it in with: qa rebuild '{corpus}'\n" in asked.stderr
    environment.setenv("QA_CORPUS", str(corpus))
    assert "Take it in with: qa rebuild\n" in qa("search", "tides").stderr
    environment.setenv("QA_CHROMA_URL", "http://127.0.0.1:1")
    assert qa("search", "tides").stderr.endswith("Rebuild the store with: qa rebuild\n")
    environment.delenv("QA_CORPUS")
    named = qa("search", "tides", "--corpus", corpus)
    assert named.stderr.endswith(f"Rebuild the store with: qa rebuild '{corpus}'\n")


def test_a_format_that_there_is_not_is_told_the_formats(environment, qa):
    told = qa("ask", QUESTION, "--format", "xml").stderr.splitlines()[-1]
    formats = "bibtex, ris, csv, markdown, json, html"
    assert told == f"Error: Invalid value for '--format': 'xml' must be one of {formats}."


@pytest.mark.parametrize("form", [(), ("--json",), ("--format", "bibtex"), ("--model", "none")])
def test_only_who_may_want_a_written_answer_hears_how_to_get_one(seeds, qa, form):
    done = qa("ask", QUESTION, *form)
    assert ("For a written answer" in done.stderr) == (not form)


def test_status_counts_from_each_side(small, qa):
    missing = qa("status")
    assert missing.exit_code == 1
    assert "qa rebuild" in missing.stdout
    qa("rebuild")
    done = json.loads(qa("status", "--json").stdout)
    assert (done["papers"], done["rows"], done["vectors"]) == (3, 3, done["chunks"])
    assert done["sound"]


def test_cache_is_counted_and_cleared(small, qa):
    assert qa("cache").stdout.startswith("0 verdicts")
    assert "0 verdicts forgotten" in qa("cache", "--clear").stdout


def test_version_is_told_by_both_commands(qa):
    assert qa("--version").stdout.strip() == f"ask-papers {__version__}"
    assert qa("ask", "--version").stdout.strip() == f"ask-papers {__version__}"


def test_help_has_examples_and_fits_80_columns(qa):
    for words in ([], ["ask"], ["rebuild"], ["search"], ["papers"], ["show"], ["eval"]):
        done = qa(*words, "--help")
        assert done.exit_code == 0
        assert all(len(line) <= 80 for line in done.stdout.splitlines())
        assert not words or "\n  For example:\n\n    " in done.stdout


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("search",), ("ask", "--year"), ("ask", "--bogus", "why?")],
    ids=" ".join,
)
def test_wrong_usage_is_told_in_plain_lines(qa, words):
    done = qa(*words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert done.stderr.isascii()


def test_module_runs_like_the_command_and_writes_no_colour_into_a_pipe(small):
    done = run("search", "tomato")
    assert done.returncode == 0, done.stderr
    assert "Tomatoes" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_reader_that_closes_the_pipe_early_is_no_error(small):
    run("rebuild")
    command = f"{sys.executable} -m qa search tomato | head -c 10"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_interrupt_ends_with_130_and_breaks_nothing(small, environment):
    run("rebuild")
    judging = threading.Event()

    def model(_):
        judging.set()
        return Hang()

    with ChatServer(model=model, models=["slow"]) as server:
        environment.setenv("OPENAI_BASE_URL", server.url)
        process = subprocess.Popen(
            [sys.executable, "-m", "qa", "ask", QUESTION],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert judging.wait(60)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Interrupted" in stderr
    environment.setenv("QA_MODEL", "none")
    assert run("ask", QUESTION).returncode == 0


def test_corpus_of_one_short_paper_can_be_built_and_asked(environment, qa, tmp_path):
    (tmp_path / "moss.md").write_text(f"# A Paper on Moss\n\n{MOSS}\n")
    done = qa("rebuild", tmp_path / "moss.md")
    assert done.exit_code == 0, done.output
    assert "A Paper on Moss" in qa("search", "moss", "--corpus", tmp_path / "moss.md").stdout


def test_closed_pipe_is_no_error_for_scripts(small):
    run("rebuild")
    command = f"set -o pipefail; {sys.executable} -m qa ask {QUESTION!r} | head -c 1 > /dev/null"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_under_the_output_is_one_clear_line(small):
    run("rebuild")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "qa", "search", "tomato"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_in_another_encoding_does_not_fail(small):
    done = run("search", "tomato", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_missing_question_file_is_named_once(small, qa):
    done = qa("eval", "nowhere.jsonl")
    one_clear_line(done, "nowhere.jsonl")
    assert done.stderr.count("nowhere.jsonl") == 1


def test_one_paper_is_not_told_as_papers(environment, qa, tmp_path):
    (tmp_path / "one.md").write_text(f"# A Title of One\n\n{MOSS}\n")
    assert "Vector store: 1 paper (" in qa("rebuild", tmp_path / "one.md").stdout


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "class Wrapped: x = Interrupted()"])
@pytest.mark.parametrize("command", ["main", "ask_main"])
def test_ctrl_c_while_the_program_is_being_loaded_is_no_traceback(command, how):
    script = (
        "import sys\n"
        "class Interrupted:\n"
        "    def __set_name__(self, owner, name): raise KeyboardInterrupt\n"
        "class Interrupting:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        f"            {how}\n"
        "sys.meta_path.insert(0, Interrupting)\n"
        f"from qa.__main__ import {command} as begin\n"
        "begin()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (QAError("It is so."), "Error: It is so."),
        (
            QAError("No store.", hint=Hint(Action.REBUILD)),
            "Error: No store. Rebuild the store with: qa rebuild mine",
        ),
        (
            QAError("No title.", hint=Hint(Action.NAME_COLUMN, Path("a b.csv"), "title")),
            "Error: No title. Name the column with: qa rebuild 'a b.csv' --column title=NAME",
        ),
        (
            UsageError("max_tokens is 0.", parameter="max_tokens"),
            "Error: --max-tokens is 0.",
        ),
    ],
)
def test_an_error_ends_with_the_command_that_helps(environment, error, line):
    assert error_line(error, configured(Path("mine"))) == line


def test_a_piped_question_is_asked_without_a_dash(small, qa):
    piped = qa("ask", "--json", stdin=QUESTION + "\n")
    assert json.loads(piped.stdout)["question"] == QUESTION
    assert json.loads(qa("search", "--json", stdin=QUESTION).stdout)["question"] == QUESTION
    one_clear_line(qa("ask", stdin=" \n"), "empty", code=2)
    one_clear_line(qa("ask", stdin=b"\xff\xfe?"), "UTF-8", code=2)


def test_a_pipe_is_left_alone_where_the_question_is_given(small, qa):
    asked = qa("ask", QUESTION, "--json", stdin="another question")
    assert json.loads(asked.stdout)["question"] == QUESTION


@pytest.mark.parametrize(
    "words",
    [
        *(("ask", "q", "--corpus", ""), ("search", "q", "--corpus", " "), ("rebuild", "")),
        *(("papers", "--corpus", ""), ("corpora", "--remove", ""), ("eval", "")),
        *(("eval", "questions.jsonl", "--compare", ""), ("ask", "--file", "", "--json-lines", "")),
    ],
)
def test_an_empty_path_is_wrong_usage(small, qa, words):
    done = qa(*words)
    assert done.exit_code == 2
    assert "empty" in done.stderr
    assert "shell" in done.stderr
