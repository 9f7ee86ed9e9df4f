"""`--verbose`: what happens to a question is told, truly, on stderr, in lines that fit."""

import io
import math
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from chat_server import ChatServer, Status
from rich.cells import cell_len
from rich.console import Console
from scripted_model import LabelModel

from qa.answering.events import Learned, Ranked, ReadingOver, RoundRead, Scored
from qa.answering.reading import Limits
from qa.cli.display.progress import Display
from qa.cli.display.verbose import VerboseLog
from qa.config import configured
from qa.library.opening import open_library
from qa.progress import Progress
from qa.retrieval.stopping import next_round, papers_left

BACKPROP = "which papers train without backprop?"
BREAD = "How long should sourdough bread prove before it goes into the oven?"


@pytest.fixture
def server(seeds):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        yield server


def events_of(question, limits=Limits()):  # noqa: B008 - frozen
    heard = []
    with open_library(configured()) as library:
        answer = library.ask(question, limits=limits, on_event=heard.append)
    return heard, answer


def told(events, *, width=80, answer=None):
    """What a terminal of this width is shown, as lines."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    log = VerboseLog(console)
    for event in events:
        log.log(event)
    if answer:
        log.sum_up(answer)
    return out.getvalue().splitlines()


def under(label, lines):
    """What stands behind the label, wherever it comes."""
    return [line[12:] for line in lines if line.startswith(f"  {label} ")]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_each_round_is_told_with_queries_papers_verdicts_lessons_and_patience(server):
    events, answer = events_of(BACKPROP)
    lines = told(events, answer=answer)
    rounds = answer.coverage.rounds
    heads = [line for line in lines if line.startswith("Round ")]
    assert [int(re.match(r"Round (\d+): \d+ papers?,", line)[1]) for line in heads] == [
        *range(1, rounds + 1)
    ]
    assert under("embedded", lines) == ["train without backprop"]
    assert under("words", lines) == ["train, backprop"]
    for label in ("terms", "vector", "patience"):
        assert len(under(label, lines)) == rounds
    assert len(re.findall(r"^   \d\.\d\d  (?:yes|partly|no) ", "\n".join(lines), re.MULTILINE)) == (
        answer.coverage.read
    )
    assert "Reading ends: reading on turned up nothing more." in lines


def test_a_paper_read_is_told_with_score_verdict_and_the_sentences_that_prove_it(server):
    events, _ = events_of(BACKPROP, Limits(quick=True))
    [event] = of(RoundRead, events)
    rows = [line for line in told([event], width=200) if re.match(r"   \d\.\d\d ", line)]
    for row, paper, verdict in zip(rows, event.papers, event.judged.verdicts, strict=True):
        proof = ",".join(map(str, verdict.sentences))
        assert row.split()[:2] == [f"{event.search.score(paper.id):.2f}", verdict.relevance.value]
        assert row.endswith(f"{proof:6}  {paper.title}")


def test_what_was_learned_is_the_difference_between_two_queries(server):
    events, _ = events_of(BACKPROP)
    for event in of(Learned, events):
        lines = " ".join(line.strip() for line in told([event]))
        rose = re.findall(r"(\S+) \+(\d\.\d\d)", lines)
        fell = re.findall(r"(\S+) -(\d\.\d\d)", lines)
        assert rose
        before = event.before.moved.terms
        if not event.before.history:
            before = {term: weight / 2 for term, weight in before.items()}
        for term, change in [*rose, *((term, f"-{change}") for term, change in fell)]:
            now = event.search.moved.terms.get(term, 0.0)
            assert now - before.get(term, 0.0) == pytest.approx(float(change), abs=0.006)
        turned = int(re.search(r"turned by (\d+)°", lines)[1])
        cosine = float(event.before.moved.vector @ event.search.moved.vector)
        assert turned == round(math.degrees(math.acos(cosine)))


def test_patience_told_is_the_patience_there_is(server):
    events, _ = events_of(BACKPROP)
    for event in of(Learned, events):
        [line] = under("patience", told([event]))
        left = math.ceil(papers_left(event.search.history))
        assert line.startswith(f"{left} more" if left > 0 else "used up")
        assert event.upcoming == next_round(event.search.history, event.search.last)
        assert (f"{event.upcoming} are read next" in line) == (event.upcoming > 0)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(), "reading on turned up nothing more"),
        (Limits(papers=12), "stopped at the limit; there may be more"),
        (Limits(quick=True), "stopped at the limit; there may be more"),
    ],
)
def test_why_reading_ends_is_told(server, limits, why):
    events, _ = events_of(BACKPROP, limits)
    assert f"Reading ends: {why}." in told(events)


def test_verdicts_kept_from_before_are_told_and_cost_nothing(server):
    events_of(BACKPROP, Limits(quick=True))
    again, _ = events_of(BACKPROP, Limits(quick=True))
    [head] = [line for line in told(again) if line.startswith("Round")]
    assert head.startswith("Round 1: 10 papers, 10 judged before, ")
    assert "call" not in head


def test_a_server_that_fails_in_the_second_round_shows_as_the_reason(server, qa):
    model = LabelModel()
    server.model = lambda body: model(body) if len(server.bodies) <= 2 else Status(400, "no more")
    done = qa("ask", BACKPROP, "--verbose")
    assert "unjudged" in done.stderr
    assert "Reading ends: the model failed; there may be more." in done.stderr


def test_without_a_model_both_rankings_the_cut_and_its_reason_are_told(seeds):
    events, answer = events_of(BACKPROP)
    lines = told(events)
    [event] = of(Scored, events)
    blind, ranking = event.search.pseudo, event.search.ranking
    titles = {paper.id: paper.title for paper in event.papers}
    rows = [line for line in lines if re.match(r"   \d\.\d\d ", line)]
    first = dict(zip(blind.first.ids, blind.first.scores, strict=True))
    for row, id_, score in zip(rows, ranking.ids[:10], ranking.scores[:10], strict=False):
        assert row.split()[:2] == [f"{first[id_]:.2f}", f"{score:.2f}"]
        assert titles[id_].startswith(row[27:].rstrip("…"))
    assert sum(row[15:25].strip() == "true" for row in rows) == blind.assumed_relevant
    [cut] = under("cut", told(events, width=200))
    assert cut.startswith(f"{len(answer.papers)} papers down to ")
    assert under("answers", lines) == [
        f"likely: the best similarity is {event.search.similarity:.2f}, at least 0.3"
    ]


def test_without_a_model_it_is_told_why_the_corpus_does_not_answer(seeds):
    events, _ = events_of(BREAD)
    lines = told(events)
    [why] = under("answers", told(events, width=200))
    assert why.startswith("no: the best similarity is 0.")
    assert "sourdough" in why
    assert under("cut", lines) == ["no paper is listed"]


def test_time_and_tokens_are_summed_up_by_stage(server):
    _, answer = events_of(BACKPROP)
    took = answer.seconds
    assert took.total >= took.rank + took.judge + took.write
    lines = told([], answer=answer)
    assert re.match(r"rank \d+\.\d\d s, judge \d+\.\d\d s, write ", under("time", lines)[0])
    judging = answer.usage.by_kind["judge"]
    sent, received = judging["prompt_tokens"], judging["completion_tokens"]
    told_of = f"{judging['calls']} calls, {sent:,} tokens sent, {received:,} received"
    assert under("judge", lines) == [told_of]


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("question", [BACKPROP, "reading " * 60 + "?"])
def test_no_line_is_wider_than_the_terminal(server, question, width):
    events, answer = events_of(question, Limits(papers=20))
    assert max(cell_len(line) for line in told(events, width=width, answer=answer)) <= width


def test_no_title_or_term_steers_the_terminal(server):
    events, _ = events_of(BACKPROP, Limits(quick=True))
    [event] = of(RoundRead, events)
    hostile = [replace(paper, title="\x1b[2J\u202eevil\nline") for paper in event.papers]
    lines = told([event.model_copy(update={"papers": tuple(hostile)})])
    assert "\x1b" not in "".join(lines)
    assert lines[-1].endswith("evil line")


def test_verbose_goes_to_stderr_and_changes_nothing_on_stdout(server, qa):
    plain, verbose = qa("ask", BACKPROP), qa("ask", BACKPROP, "--verbose")
    calls = r"\d+ calls?, [\d,]+ tokens"
    assert re.sub(calls, "", plain.stdout) == re.sub(calls, "", verbose.stdout)
    assert "Round 1: " in verbose.stderr
    assert "Round 1: " not in plain.stderr


def test_verbose_leaves_json_alone(server, qa):
    done = qa("ask", BACKPROP, "--verbose", "--json", "--quick")
    assert done.stdout.startswith("{")
    assert "Round 1: 10 papers" in done.stderr


def test_a_streamed_answer_is_not_broken_into_on_a_terminal(server):
    shown = on_a_terminal("ask", BACKPROP, "--verbose")
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown).replace("\r\n", "\n")
    narrated, _, rest = text.partition("These papers qualify:\n")
    assert "Round 1: 10 papers" in narrated
    assert "Reading ends" in narrated
    answer, _, _ = rest.partition("\n\n")
    assert len(re.findall(r"\[\d+\]", answer)) == 25
    assert not re.search(r"Round|patience|Ranked|Reading", answer)


def on_a_terminal(*words):
    """What a terminal of 80 columns gets from a command, stdout and stderr together."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "qa", *words],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm-256color"},
    ):
        os.close(terminal)
        pieces = []
        try:
            while piece := os.read(controller, 65536):
                pieces.append(piece)
        except OSError:  # how Linux says that the terminal has been closed
            pass
    os.close(controller)
    return b"".join(pieces).decode()


def test_progress_events_of_a_question_come_in_order(server):
    events, answer = events_of(BACKPROP)
    kinds = [type(event) for event in events if type(event) in (Ranked, RoundRead, Learned)]
    assert kinds == [Ranked, *[RoundRead, Learned] * answer.coverage.rounds]
    assert len(of(ReadingOver, events)) == 1


def test_without_verbose_nothing_is_narrated(seeds, capsys):
    with Display(stream=True, verbose=False) as display:
        for event in events_of(BACKPROP)[0]:
            display.event(event)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress("fetching the model", 0, None, "bytes"), "Fetching the model\n"),
        (Progress("fetching it", 0, 90_000, "bytes"), "Fetching it: 0 of 90,000 bytes"),
        (Progress("reading", 1200, None, "records"), "Reading: 1,200 records"),
        (Progress("no model: it has no OK", 0, None, "bytes"), "No model: it has no OK\n"),
    ],
)
def test_progress_without_a_figure_shows_none(progress, shown):
    screen = io.StringIO()
    with Display(stream=False, verbose=False) as display:
        display.err = Console(file=screen, force_terminal=True, color_system=None, width=80)
        display.work(progress)
    assert shown.strip() in screen.getvalue()
    assert (": 0" in screen.getvalue()) == (": 0" in shown)
