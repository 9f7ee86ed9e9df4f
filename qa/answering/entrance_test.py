"""The entrance test: is a chat model fit to judge, which way of asking suits it, and its line.

The file beside this module has eight questions of different fields. Each is put to the judge with
three abstracts: one answers, one only shares the subject, which is what weak models take for an
answer, and one has nothing to do with it. That one answers another question of the test, so that
no abstract is a "yes" by itself. The code that judges papers judges these.

A model whose verdicts separate the kinds judges in batches. One that says "yes" to nearly
everything may still give a higher probability to what answers: then the probabilities count. A
model that passes neither way is not believed.
"""

import asyncio
import hashlib
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from statistics import fmean

from qa.answering.judge import Judge, Judged
from qa.answering.probability_judge import Calibration, log_odds
from qa.answering.verdict_cache import connect
from qa.corpus.papers import Paper, Record, as_paper
from qa.errors import ChatError
from qa.llm.messages import Usage
from qa.retrieval.relevance import Relevance, Verdict

FILE = Path(__file__).with_name("entrance_test.json")
VERSION = 1  # to be raised when the questions, or what a result means, change
ABSTRACTS = 24
TOKENS = 8_000  # about what the test takes of a model that passes by its verdicts
ANSWERS, SHARES, UNRELATED = KINDS = ("answers", "shares", "unrelated")
DISTANCE = 3  # an unrelated abstract is the answer to the question so many places on

# A wrong verdict counts 1; "partly" and no usable verdict count a half. A judge that errs on a
# tenth of the papers fails once in a hundred times, and one that tosses a coin passes as rarely;
# whoever passes by a few verdicts takes the test twice.
MOST_WRONG = 6.0
SEPARATED = 0.375  # the least difference between the shares of "yes" to ANSWERS and to SHARES
CLEARLY = 3.0  # wrong: up to here the other way of asking is not needed

# The least share of pairs, of an abstract that answers and one that does not, which the
# probabilities put in the right order. By chance it is a half, give or take 0.15.
ORDERED_SHARES, ORDERED_UNRELATED = 0.75, 0.85

_RESULTS = "CREATE TABLE IF NOT EXISTS entrance_tests (key BLOB PRIMARY KEY, result TEXT NOT NULL)"


class Way(StrEnum):
    """How a model is asked for its judgements."""

    VERDICTS = "verdicts"  # as JSON, with the proving sentences
    PROBABILITIES = "probabilities"  # of the first token, one paper a call


@dataclass(frozen=True, slots=True)
class Task:
    """A question of the test, and its abstracts by kind."""

    question: str
    papers: dict[str, Paper]


@dataclass(frozen=True, slots=True)
class Yeses:
    """How many abstracts of each kind a judge said "yes" to; "partly" counts a half."""

    answers: float
    shares: float
    unrelated: float
    unusable: int  # abstracts without a usable verdict; each counts a half as well
    each: int  # abstracts of a kind

    @property
    def wrong(self) -> float:
        """Return how many verdicts are wrong."""
        return self.each - self.answers + self.shares + self.unrelated

    @property
    def separate(self) -> bool:
        """Return whether the verdicts tell what answers from the rest."""
        told_apart = self.answers - self.shares >= SEPARATED * self.each
        return told_apart and self.wrong <= MOST_WRONG

    def describe(self) -> str:
        """Return the figures, to follow the model's name."""
        if self.unusable > self.each:
            return f"gave no usable verdict on {self.unusable} of {3 * self.each} test abstracts"
        return (
            f"said yes to {self.unrelated:g} of {self.each} test abstracts that have nothing to do "
            f"with the question, to {self.shares:g} of {self.each} that only share its subject, "
            f"and to {self.answers:g} of {self.each} that answer it"
        )


@dataclass(frozen=True, slots=True)
class LogOdds:
    """The log-odds of "yes", for the abstracts of each kind."""

    answers: tuple[float, ...]
    shares: tuple[float, ...]
    unrelated: tuple[float, ...]

    @property
    def ordered(self) -> tuple[float, float]:
        """Return the shares of pairs in the right order, with SHARES and with UNRELATED."""
        return _ordered(self.answers, self.shares), _ordered(self.answers, self.unrelated)

    @property
    def separate(self) -> bool:
        """Return whether the probabilities tell what answers from the rest."""
        shares, unrelated = self.ordered
        return shares >= ORDERED_SHARES and unrelated >= ORDERED_UNRELATED

    @property
    def line(self) -> float:
        """Return the log-odds half-way between what answers and what only shares the subject."""
        return (fmean(self.answers) + fmean(self.shares)) / 2

    @property
    def wrong(self) -> int:
        """Return how many abstracts are on the wrong side of the line."""
        above = sum(value >= self.line for value in self.shares + self.unrelated)
        return above + sum(value < self.line for value in self.answers)

    def describe(self) -> str:
        """Return the figures, to follow the model's name."""
        shares, unrelated = self.ordered
        return (
            "gives a higher probability of yes to what answers than to what only shares the "
            f"subject in {shares:.0%} of pairs, than to what has nothing to do with the question "
            f"in {unrelated:.0%}"
        )


@dataclass(frozen=True, slots=True)
class TestResult:
    """What the test has shown of a model, by the ways in which it was asked."""

    __test__ = False  # for pytest, where tests import it

    verdicts: Yeses | None = None
    log_odds: LogOdds | None = None  # None also where the server gives no probabilities

    @property
    def way(self) -> Way | None:
        """Return the way to ask the model; None: it is not fit to judge."""
        verdicts = self.verdicts if self.verdicts and self.verdicts.separate else None
        log_odds = self.log_odds if self.log_odds and self.log_odds.separate else None
        if verdicts and (log_odds is None or verdicts.wrong <= max(CLEARLY, log_odds.wrong)):
            return Way.VERDICTS
        return Way.PROBABILITIES if log_odds else None

    @property
    def calibration(self) -> Calibration:
        """Return where the model's "yes" begins."""
        return Calibration(self.log_odds.line if self.log_odds else 0.0)

    def describe(self) -> str:
        """Return the figures, to follow the model's name."""
        parts = (self.verdicts, self.log_odds)
        return ", and ".join(part.describe() for part in parts if part)


def unfit_text(model: str, result: TestResult) -> str:
    """Return why the model is not believed, in a sentence; empty if it is."""
    if result.way is not None:
        return ""
    return f"{model} is not fit to judge: in the entrance test it {result.describe()}."


@dataclass(frozen=True, slots=True)
class Examined:
    """What taking the test brought: no result where a call failed; and what it took."""

    result: TestResult | None
    usage: Usage = field(default_factory=Usage)
    failure: ChatError | None = None


@cache
def tasks() -> tuple[Task, ...]:
    """Return the questions of the test."""
    entries = json.loads(FILE.read_text(encoding="utf-8"))
    found = []
    for place, entry in enumerate(entries):
        other = entries[(place + DISTANCE) % len(entries)]
        of_kind = {ANSWERS: entry[ANSWERS], SHARES: entry[SHARES], UNRELATED: other[ANSWERS]}
        first = place % len(KINDS)  # no kind has always the same place
        order = KINDS[first:] + KINDS[:first]
        found.append(Task(entry["question"], {kind: _paper(**of_kind[kind]) for kind in order}))
    return tuple(found)


def _paper(title: str, abstract: str) -> Paper:
    return as_paper(Record(title=title, abstract=abstract, source=FILE.name))


async def examine(
    verdicts: Judge,
    probabilities: Judge,
    *,
    probabilities_first: bool,
    on_done: Callable[[int], None] = lambda _: None,
) -> Examined:
    """Test a model by one way of asking, and by the other where the first does not settle it.

    `probabilities_first` is for models that run here, whose replies take longer than prompts: only
    one that does very well is then asked for verdicts. `on_done` is called with the number of
    abstracts judged so far.
    """
    asked: dict[Way, Sequence[Judged]] = {}
    again: Sequence[Judged] = ()
    try:
        if probabilities_first:
            asked[Way.PROBABILITIES] = await _judged(probabilities, on_done)
            log_odds = _log_odds(asked[Way.PROBABILITIES])
            if log_odds is None or log_odds.wrong <= CLEARLY:
                asked[Way.VERDICTS] = await _judged(verdicts, on_done)
        else:
            asked[Way.VERDICTS] = await _judged(verdicts, on_done)
            yeses = _yeses(asked[Way.VERDICTS])
            if not yeses.separate or yeses.wrong > CLEARLY:
                asked[Way.PROBABILITIES] = await _judged(probabilities, on_done)
        result = TestResult(
            _yeses(asked[Way.VERDICTS]) if Way.VERDICTS in asked else None,
            _log_odds(asked.get(Way.PROBABILITIES, ())),
        )
        if result.way is Way.VERDICTS and result.verdicts and result.verdicts.wrong > CLEARLY:
            # It may have passed by luck: the worse of two times counts.
            again = await _judged(verdicts, on_done)
            worse = max(result.verdicts, _yeses(again), key=lambda yeses: yeses.wrong)
            result = replace(result, verdicts=worse)
    except ChatError as exc:
        return Examined(None, _usage(*asked.values()), exc)
    return Examined(result, _usage(*asked.values(), again))


async def _judged(judge: Judge, on_done: Callable[[int], None]) -> Sequence[Judged]:
    """Return what the judge says of each task; raises ChatError if a call fails.

    The rest is left out where the first task brings no usable verdict.
    """
    done = 0

    async def judged(task: Task) -> Judged:
        nonlocal done
        part = await judge.judge(task.question, tuple(task.papers.values()))
        done += len(task.papers)
        on_done(done)
        return part

    parts = [await judged(tasks()[0])]
    if any(verdict.relevance for verdict in parts[0].verdicts):
        parts += await asyncio.gather(*map(judged, tasks()[1:]))
    failure = next((part.failure for part in parts if part.failure), None)
    if failure is not None:
        raise failure
    return parts


def _of_kinds(parts: Sequence[Judged]) -> dict[str, list[Verdict | None]]:
    """Return the verdicts by kind; None for the tasks that were left out."""
    found: dict[str, list[Verdict | None]] = {kind: [] for kind in KINDS}
    for place, task in enumerate(tasks()):
        verdicts = parts[place].verdicts if place < len(parts) else (None,) * len(KINDS)
        for kind, verdict in zip(task.papers, verdicts, strict=True):
            found[kind].append(verdict)
    return found


def _yeses(parts: Sequence[Judged]) -> Yeses:
    found = _of_kinds(parts)
    weights = {Relevance.YES: 1.0, Relevance.PARTLY: 0.5, Relevance.NO: 0.0, None: 0.5}
    said = {kind: [v.relevance if v else None for v in found[kind]] for kind in KINDS}
    sums = {kind: sum(weights[relevance] for relevance in said[kind]) for kind in KINDS}
    return Yeses(
        **sums,
        unusable=sum(relevances.count(None) for relevances in said.values()),
        each=len(tasks()),
    )


def _log_odds(parts: Sequence[Judged]) -> LogOdds | None:
    """Return the log-odds by kind; None unless nearly every reply has told a probability."""
    found = {
        kind: tuple(log_odds(v.probability) for v in verdicts if v and v.probability is not None)
        for kind, verdicts in _of_kinds(parts).items()
    }
    if any(len(values) < len(tasks()) - 1 for values in found.values()):
        return None
    return LogOdds(**found)


def _usage(*asked: Sequence[Judged]) -> Usage:
    return sum((part.usage for parts in asked for part in parts), Usage())


def _ordered(high: Sequence[float], low: Sequence[float]) -> float:
    """Return the share of pairs in which the first value is higher: the area under the curve."""
    pairs = [(a > b) + (a == b) / 2 for a in high for b in low]
    return fmean(pairs) if pairs else 0.0


class TestResults:
    """The results of all models that were tested, in the file of verdicts."""

    __test__ = False

    def __init__(self, path: Path, judge: str) -> None:
        """Take the file and `judge`: model, server and prompts, in one text."""
        self._path = path
        text = f"entrance test {VERSION}\0{judge}"
        self._key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]

    def get(self) -> TestResult | None:
        """Return the kept result; None if there is none, or the file cannot be read."""
        if not self._path.exists():
            return None
        try:
            with closing(connect(self._path)) as db:
                db.execute(_RESULTS)
                query = "SELECT result FROM entrance_tests WHERE key = ?"
                row = db.execute(query, (self._key,)).fetchone()
            return _read(json.loads(row[0])) if row else None
        except (sqlite3.Error, OSError, ValueError, TypeError):
            return None

    def put(self, result: TestResult) -> None:
        """Keep the result. Where the file cannot be written, the next program tests again."""
        try:
            with closing(connect(self._path)) as db, db:
                db.execute(_RESULTS)
                row = (self._key, json.dumps(asdict(result)))
                db.execute("INSERT OR REPLACE INTO entrance_tests VALUES (?, ?)", row)
        except (sqlite3.Error, OSError):
            return


def _read(document: dict[str, dict[str, object] | None]) -> TestResult:
    verdicts, found = document["verdicts"], document["log_odds"]
    return TestResult(
        Yeses(**verdicts) if verdicts else None,  # type: ignore[arg-type] # as `put` wrote it
        LogOdds(**{kind: tuple(found[kind]) for kind in KINDS}) if found else None,  # type: ignore[arg-type]
    )


class EntranceTest:
    """The entrance test of one model, taken by the first question that needs it and kept.

    Questions that come at the same time, also from other threads, wait for its result.
    """

    def __init__(self, kept: TestResults) -> None:
        self._kept = kept
        self._result: TestResult | None = None
        self._running: Future[None] | None = None
        self._lock = threading.Lock()

    def known(self) -> TestResult | None:
        """Return the result if the test was taken, now or by an earlier program."""
        self._result = self._result or self._kept.get()
        return self._result

    async def result(self, take: Callable[[], Awaitable[Examined]]) -> Examined:
        """Return the result, which `take` brings if it is not known."""
        while True:
            with self._lock:
                if known := self.known():
                    return Examined(known)
                running, is_mine = self._running or Future(), self._running is None
                self._running = running
            if is_mine:
                break
            await asyncio.wrap_future(running)
        try:
            examined = await take()
            if examined.result is not None:
                self._result = examined.result
                self._kept.put(examined.result)
            return examined
        finally:
            with self._lock:
                self._running = None
            running.set_result(None)
