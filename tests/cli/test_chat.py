"""`qa chat`: a conversation along a script, and in a terminal."""

import contextlib
import json
import os
import re
from pathlib import Path

import paths
import pytest
from chat_server import ChatServer, Events, Hang, Reply, Status
from scripted_model import LabelModel
from terminal import CTRL_C, CTRL_D, READY, UP, Terminal

from qa.answering.followup import Interpretation, Turn
from qa.cli.chat import COMMANDS, save
from qa.errors import ConfigError
from qa.library.functions import open_corpus

PAGE = (paths.DOCS / "conversation.md").read_text(encoding="utf-8")
FIRST = "which papers train without backprop?"
FOLLOW_UP = "and which of those release code?"
WHOLE = "which papers that train without backprop release code?"
WITH_CODE = {
    "Forward Learning of Graph Neural Networks",
    "Forward Only Learning for Orthogonal Neural Networks of any Depth",
}
_JUDGED = re.compile(r"^\[(P\d+)\] .*\n((?:\(\d+\) .*\n?)+)", re.MULTILINE)


class TalkModel:
    """Judges the first question by its labels and whether code is released by the words."""

    def __init__(self):
        self.understood = json.dumps({"question": WHOLE, "scope": "last_answer"})
        self.writes = None  # a behaviour in place of the next answer
        self._labels = LabelModel()

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        if "Next question: " in prompt:
            return self.understood
        if "Judge these" in prompt:
            return self._code(prompt) if "release code" in prompt else self._labels(body)
        if self.writes:
            behaviour, self.writes = self.writes, None
            return behaviour
        return self._labels(body)

    def _code(self, prompt):
        entries = []
        for key, sentences in _JUDGED.findall(prompt):
            numbers = [int(n) for n in re.findall(r"^\((\d+)\) .*github", sentences, re.MULTILINE)]
            relevance = "yes" if numbers else "no"
            entries.append({"key": key, "relevance": relevance, "sentences": numbers})
        return json.dumps({"papers": entries})


@pytest.fixture
def server(seeds):
    with ChatServer(model=TalkModel(), models=["scripted"]) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        yield server


@pytest.fixture
def talk(qa):
    """Run a script: the exit code, stdout in its parts by line of the script, and stderr."""

    def run(*lines, options=()):
        done = qa("chat", *options, stdin="".join(f"{line}\n" for line in lines))
        _, *parts = re.split(r"^> .*\n", done.stdout, flags=re.MULTILINE)
        return done, parts

    return run


def titles(text):
    return set(re.findall(r"^ *\[\d+\] (.*)$", text, re.MULTILINE))


def test_follow_up_without_a_model_is_asked_of_the_last_papers(seeds, talk):
    done, (first, second) = talk(FIRST, FOLLOW_UP)
    assert done.exit_code == 0, done.stderr
    asked = len(titles(first))
    assert second.startswith(f"Asked of these {asked} papers: which papers release code?\n")
    assert titles(second) >= WITH_CODE
    assert titles(second) < titles(first)
    assert f"nearest by score, of {asked} (the papers of the last answer)" in second
    assert "/wider asks all 558 papers." in done.stderr


def test_follow_up_with_a_model_reads_every_paper_of_the_last_answer(server, talk):
    done, (first, second) = talk(FIRST, FOLLOW_UP)
    assert done.exit_code == 0, done.stderr
    papers = titles(first)
    assert second.startswith(f"Asked of these {len(papers)} papers: {WHOLE}\n")
    assert WITH_CODE <= titles(second) < papers
    read = f"Read {len(papers)} of {len(papers)} papers (the papers of the last answer)"
    assert f"{read}: {len(titles(second))} answer (every paper was read)." in second
    assert "/wider" in done.stderr


def test_understanding_counts_among_the_calls(server, talk):
    _, (_, second) = talk(FIRST, FOLLOW_UP)
    asked = [b["messages"][-1]["content"] for b in server.bodies]
    follow_up = [i for i, prompt in enumerate(asked) if "Next question: " in prompt]
    assert len(follow_up) == 1
    assert f"scripted: {len(asked) - follow_up[0]} calls" in second


def test_model_that_cannot_understand_leaves_it_to_the_rules(server, talk):
    server.model.understood = Reply("Gladly!")
    done, (_, second) = talk(FIRST, FOLLOW_UP)
    assert done.exit_code == 0
    assert "papers: which papers release code?\n" in second
    assert titles(second) >= WITH_CODE


def test_wider_asks_the_whole_corpus(seeds, talk):
    _, (first, _, third) = talk(FIRST, FOLLOW_UP, "/wider")
    assert third.startswith("Asked: which papers train without backprop, and release code?\n")
    assert titles(third) - titles(first)
    assert "nearest by score, of 558" in third


def test_wider_with_a_model_asks_the_question_as_it_was_understood(server, talk):
    server.model.understood = json.dumps(
        {"question": "which papers release sources?", "scope": "last_answer"}
    )
    _, (_, _, third) = talk(FIRST, FOLLOW_UP, "/wider")
    assert third.startswith("Asked: which papers release sources?\n")
    assert "of 558 papers" in third


def test_nothing_among_the_last_papers_says_so_and_how_to_go_beyond(seeds, talk):
    done, (first, second) = talk(FIRST, "which of those use spiking neural networks?")
    assert "By score alone no paper stands out" in second
    assert "The corpus does not say" not in second
    assert "Nearest:" in second
    assert titles(second) <= titles(first)
    assert "/wider asks all 558 papers." in done.stderr
    assert done.exit_code == 0


def test_those_are_still_the_papers_found_before_when_nothing_was(seeds, talk):
    lines = (FIRST, "which of those use spiking neural networks?", "which of those release code?")
    _, (first, _, third) = talk(*lines)
    assert f"of {len(titles(first))} (the papers of an earlier answer)" in third
    assert titles(third) >= WITH_CODE


def test_a_paper_is_asked_by_its_number(seeds, talk):
    _, (first, second) = talk(FIRST, "what does [2] measure?")
    (title,) = re.findall(r"^ \[2\] (.*)$", first, re.MULTILINE)
    assert titles(second) == {title}
    assert second.startswith("Asked of [2]: what does “")
    assert re.findall(r"^ *\[(\d+)\]", second, re.MULTILINE) == ["2"]
    assert "1 paper is nearest by score, of 1 ([2])" in second


def test_a_number_stays_with_its_paper_while_it_is_asked_about(server, talk):
    _, (first, second, third, fourth) = talk(FIRST, "is [3] or [20] for graphs?", "/show 3", "/p")
    assert set(re.findall(r"\[(\d+)\]", second)) == {"3", "20"}
    assert third.startswith(re.search(r"^ \[3\] (.*)$", first, re.MULTILINE)[1])
    assert titles(fourth) == titles(first)


def test_a_new_subject_is_asked_of_the_whole_corpus(seeds, talk):
    _, (_, second) = talk(FIRST, "which papers prune networks?")
    assert "Asked" not in second
    assert "nearest by score, of 558" in second


def test_filters_hold_for_the_whole_conversation(seeds, talk):
    source = ("--source", "003_fc69a704332cb9d0.txt")
    done, (first, second) = talk(FIRST, FOLLOW_UP, options=source)
    assert "(source 003_fc69a704332cb9d0.txt)" in first
    assert "(the papers of the last answer, source 003_fc69a704332cb9d0.txt)" in second
    assert "/wider asks every paper that passes the filter." in done.stderr


def test_filters_that_nothing_passes_are_told(seeds, talk):
    done, (first,) = talk(FIRST, options=("--year", "2023"))
    assert "None of 558 papers passes" in first
    assert "No paper of this corpus has a known year." in done.stderr


def test_every_command_is_in_the_docs():
    assert [name for name in COMMANDS if f"`{name}" not in PAGE] == []


def test_new_forgets_what_was_asked(seeds, talk):
    _, (_, _, third) = talk(FIRST, "/new", FOLLOW_UP)
    assert "Asked" not in third
    assert "of 558" in third


def test_papers_are_listed_again(seeds, talk):
    _, (first, second) = talk(FIRST, "/papers")
    assert second == first


def test_show_prints_the_abstract_with_its_evidence_marked(seeds, talk):
    _, (first, second) = talk(FIRST, "/show 1")
    title, quote = re.search(r"^ \[1\] (.*)\n +“(.*)”$", first, re.MULTILINE).groups()
    assert second.startswith(f"{title}\n")
    assert f"**{quote}**" in second
    assert "seeds/" in second


MISUSE = {
    "/show": "/show 1",
    "/show me": "/show 1",
    "/show 99": "no [99]: its papers are [1] to [",
    "/save": "/save answers.md",
    "/wider": "whole corpus already",
    "/s": "/s may be /show or /save",
    "/": "There is no /.",
    "/frobnicate": "There is no /frobnicate. /help",
    "what does [99] measure?": "no [99]",
    "x" * 2001: "2,001 characters",
}


def test_misuse_is_one_line_and_the_conversation_goes_on(seeds, talk):
    done, parts = talk(FIRST, *MISUSE, FOLLOW_UP)
    assert done.exit_code == 1
    *errors, hint = done.stderr.splitlines()
    for error, said in zip(errors, MISUSE.values(), strict=True):
        assert error.startswith("Error: ")
        assert said in error
    assert hint.startswith("/wider")
    assert titles(parts[-1]) >= WITH_CODE


def test_commands_on_answers_need_one(seeds, talk):
    done, _ = talk("/papers", "/show 1", "/wider", "/save x.md")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == ["Error: No question has been answered yet."] * 4


@pytest.mark.parametrize("line", ["/quit", "/q", "Exit"])
def test_quit_ends(seeds, talk, line):
    done, parts = talk(line, FIRST)
    assert done.exit_code == 0
    assert parts == [""]


def test_empty_lines_do_nothing_and_no_line_at_all_ends(seeds, talk):
    done, parts = talk("", "   ", "\t")
    assert (done.exit_code, parts, done.stdout) == (0, [], "")


def test_help_lists_every_command(seeds, talk):
    _, (text,) = talk("/help")
    for command in COMMANDS:
        assert re.search(rf"^{command} ", text, re.MULTILINE)


def test_lines_in_any_encoding_are_taken(seeds, talk, qa):
    done = qa("chat", stdin=b"which papers prune \xff networks?\n\x00\n")
    assert done.exit_code == 0
    assert "> which papers prune \ufffd networks?" in done.stdout


def test_server_that_fails_is_one_line_and_the_papers_by_score(server, talk):
    server.model = lambda _: Status(401, "bad key")
    done, (first, *_) = talk(FIRST, "/papers")
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "OPENAI_API_KEY" in done.stderr
    assert titles(first)


def test_a_first_question_that_failed_leaves_nothing_to_list_or_save(seeds, talk, tmp_path):
    done, _ = talk("x" * 3000, "/papers", "/show 1", f"/save {tmp_path / 'x.md'}")
    _, *errors = (line for line in done.stderr.splitlines() if line.startswith("Error: "))
    assert errors == ["Error: No question has been answered yet."] * 3
    assert list(tmp_path.glob("x.md")) == []


def test_a_question_that_failed_is_not_saved_and_the_ones_before_are(server, talk, tmp_path):
    too_long = "x" * 3000
    done, _ = talk(FIRST, too_long, f"/save {tmp_path / 'x.md'}", "/new", "/show 1")
    assert "Wrote 1 question to" in done.stderr
    assert "No question has been answered since /new." in done.stderr
    assert too_long not in (tmp_path / "x.md").read_text(encoding="utf-8")


def test_a_conversation_is_written_as_markdown(seeds, talk, tmp_path):
    file = tmp_path / "my notes.md"
    done, _ = talk(FIRST, FOLLOW_UP, "/new", "which papers prune?", f"/save {file}")
    assert f"Wrote 3 questions to {file}" in done.stderr
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"^#+ .*$", text, re.MULTILINE) == [
        "# Questions to seeds",
        f"## {FIRST}",
        f"## {FOLLOW_UP}",
        "## which papers prune?",
    ]
    assert re.search(
        r"^\*Asked of these \d+ papers: which papers release code\?\*$", text, re.MULTILINE
    )
    assert "**Forward Learning of Graph Neural Networks**" in text
    assert "> “We release our code at https://github.com/facebookresearch/forwardgnn.”" in text
    assert re.search(r"^\*\d+ papers are nearest by score, of 558: .*\*$", text, re.MULTILINE)


def test_a_written_answer_keeps_its_citations(server, talk, tmp_path):
    file = tmp_path / "notes.md"
    talk(FIRST, f"/save {file}")
    text = file.read_text(encoding="utf-8")
    numbers = set(re.findall(r"qualifies \[(\d+)\]", text))
    assert numbers
    assert numbers == set(re.findall(r"^(\d+)\. \*\*", text, re.MULTILINE))


def test_an_old_file_is_not_written_over_unless_asked(seeds, talk, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("mine")
    done, _ = talk(FIRST, f"/save {file}")
    assert file.read_text() == "mine"
    assert f"/save {file} --force" in done.stderr
    assert done.exit_code == 1
    talk(FIRST, f"/save {file} --force")
    assert FIRST in file.read_text(encoding="utf-8")


@contextlib.contextmanager
def small_disk():
    """Let no file of this process grow beyond 100 bytes; not around what pytest itself writes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def answered(seeds):
    """An open library and a turn of a conversation with it."""
    with open_corpus() as library:
        answer = library.ask(FIRST)
        yield [Turn(FIRST, Interpretation(FIRST, FIRST), answer)], library


@pytest.mark.parametrize("force", ["", " --force"])
def test_a_full_disk_leaves_no_half_file_and_the_old_one_whole(answered, tmp_path, force):
    old = tmp_path / "old.md"
    if force:
        old.write_text("mine")
    with pytest.raises(ConfigError, match="cannot be written"), small_disk():
        save(*answered, f"{old}{force}")
    assert {path.name: path.read_text() for path in tmp_path.glob("*.md")} == (
        {"old.md": "mine"} if force else {}
    )
    assert list(tmp_path.glob("*.new")) == []


def test_a_replaced_file_stays_where_its_link_leads_and_as_private_as_it_was(answered, tmp_path):
    file, link = tmp_path / "real.md", tmp_path / "link.md"
    file.write_text("mine")
    file.chmod(0o600)
    link.symlink_to(file)
    save(*answered, f"{link} --force")
    assert link.is_symlink()
    assert FIRST in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_device_is_written_to_and_not_replaced(answered):
    save(*answered, f"{os.devnull} --force")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("name", ["none/notes.md", ".", "~nobody-here/x.md"])
def test_what_cannot_be_written_is_one_line(seeds, talk, tmp_path, name):
    place = name if name.startswith("~") else f"{tmp_path}/{name}"
    done, _ = talk(FIRST, f"/save {place}", "/papers")
    assert len(re.findall("^Error: ", done.stderr, re.MULTILINE)) == 1
    assert done.exit_code == 1


def test_home_and_quotes_are_understood(seeds, talk, tmp_path):
    seeds.setenv("HOME", str(tmp_path))
    talk(FIRST, '/save "~/my notes.md"')
    assert (tmp_path / "my notes.md").exists()


@pytest.fixture
def terminal(seeds):
    with Terminal("chat") as terminal:
        terminal.wait(READY)
        yield terminal


def test_a_conversation_in_a_terminal(terminal):
    assert "558 papers, no chat model." in terminal.shown
    terminal.ask(FIRST)
    said = terminal.ask(FOLLOW_UP)
    assert "papers: which papers release code?" in said
    terminal.type("/sh\t 1\r")
    assert "Reducing Fine-Tuning Memory" in terminal.wait(READY)
    terminal.type("\r \r")
    terminal.wait(READY)
    terminal.wait(READY)
    terminal.type(CTRL_C)
    terminal.wait("Ctrl-D ends.")
    terminal.wait(READY)
    terminal.type(CTRL_D)
    assert terminal.end() == 0
    assert "Error:" not in terminal.shown


def test_earlier_lines_come_back_in_this_and_the_next_conversation(terminal, seeds):
    terminal.ask("/help")
    terminal.type(UP + "\r")
    assert "/papers" in terminal.wait(READY)
    terminal.type("/quit\r")
    assert terminal.end() == 0
    history = Path(os.environ["QA_CACHE"]) / "chat_history"
    assert history.stat().st_mode & 0o077 == 0
    with Terminal("chat") as again:
        again.wait(READY)
        again.type(UP + UP + "\r")
        assert "/papers" in again.wait(READY)


def test_history_that_cannot_be_kept_does_not_matter(seeds):
    (Path(os.environ["QA_CACHE"]) / "chat_history").mkdir()
    with Terminal("chat") as terminal:
        terminal.wait(READY)
        assert "/papers" in terminal.ask("/help")
        terminal.type(UP + "\r")
        assert "/papers" in terminal.wait(READY)
        terminal.type(CTRL_D)
        assert terminal.end() == 0


def test_ctrl_c_stops_the_writing_and_not_the_program(server):
    server.model.writes = Events(["These papers qualify:\n- FOTON does [1]. "], end="stall")
    with Terminal("chat") as terminal:
        terminal.wait(READY)
        terminal.type(f"{FIRST}\r")
        terminal.wait("FOTON")
        terminal.type(CTRL_C)
        terminal.wait("Stopped. What was read is kept.")
        terminal.wait(READY)
        assert "No question has been answered yet." in terminal.ask("/papers")
        assert "scripted: 1 call," in terminal.ask(FIRST)  # the verdicts were kept
        terminal.type(CTRL_D)
        assert terminal.end() == 0
        assert "Traceback" not in terminal.shown


def test_ctrl_c_stops_the_understanding_and_loses_nothing(server):
    with Terminal("chat") as terminal:
        terminal.wait(READY)
        terminal.ask(FIRST)
        server.model.understood = Hang()
        terminal.type(f"{FOLLOW_UP}\r")
        terminal.wait("Understanding")
        terminal.type(CTRL_C)
        terminal.wait("Stopped.")
        terminal.wait(READY)
        server.model.understood = "no"
        assert "papers: which papers release code?" in terminal.ask(FOLLOW_UP)
        terminal.type(CTRL_D)
        assert terminal.end() == 0
        assert "Traceback" not in terminal.shown
