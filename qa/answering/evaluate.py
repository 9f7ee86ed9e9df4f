"""Scores answers against labelled questions: what retrieval finds and what a model loses."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from qa.answering.events import Finished
from qa.answering.judge import Judged
from qa.corpus.papers import Paper, title_key
from qa.errors import QAError
from qa.retrieval.relevance import Relevance, Verdict

TYPES = ("set", "fact", "explain", "none")
MEASURES = ("recall", "precision", "f1", "map", "read", "calls", "tokens", "abstained", "seconds")


class EvaluationError(QAError):
    """A question file cannot be used."""


@dataclass(frozen=True, slots=True)
class Question:
    """A labelled question; papers are known by their titles' keys.

    `partial` papers count neither for nor against an answer that lists them.
    """

    id: str
    type: str  # set, fact, explain or none
    question: str
    relevant: frozenset[str]
    partial: frozenset[str]


@dataclass(frozen=True, slots=True)
class Score:
    """One question's measures; those that have no meaning for its type are None."""

    id: str
    type: str
    recall: float | None
    precision: float | None
    f1: float | None
    map: float | None  # average precision of this question; its mean over questions is the MAP
    read: int
    calls: int
    tokens: int
    abstained: bool
    seconds: float
    missed: tuple[str, ...] = ()  # ids of relevant papers that the answer does not list
    expected: float | None = None  # the recall that the estimate expects
    interval: tuple[int, int] | None = None  # what the estimate says of the number of answers
    truth: int | None = None  # how many papers the judge would call an answer

    @property
    def holds(self) -> bool | None:
        """Return whether the interval holds the truth; None where there is no estimate."""
        if self.interval is None or self.truth is None:
            return None
        return self.interval[0] <= self.truth <= self.interval[1]


def load_questions(path: Path) -> list[Question]:
    """Return the questions of a JSON-lines file; raises EvaluationError, which names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        why = getattr(exc, "strerror", None) or "it is not UTF-8 text"
        raise EvaluationError(f"The question file {path} cannot be read: {why}.") from exc
    questions = [
        _question(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    if not questions:
        raise EvaluationError(f"The question file {path} has no questions.")
    return questions


def _question(path: Path, number: int, line: str) -> Question:
    try:
        entry = json.loads(line)
        question = Question(
            id=str(entry.get("id", number)),
            type=entry["type"],
            question=entry["question"],
            relevant=frozenset(map(title_key, entry.get("relevant", []))),
            partial=frozenset(map(title_key, entry.get("partial", []))),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise EvaluationError(
            f'{path}, line {number}: expected {{"id", "type", "question", "relevant", "partial"}} '
            f"as one JSON object ({exc!r})."
        ) from exc
    if question.type not in TYPES or not question.question.strip():
        raise EvaluationError(
            f"{path}, line {number}: the type must be one of {', '.join(TYPES)}, "
            "and the question not empty."
        )
    return question


def check_labels(questions: Iterable[Question], titles: Iterable[str]) -> None:
    """Raise EvaluationError if a label names a paper that the corpus does not have."""
    known = set(map(title_key, titles))
    for question in questions:
        unknown = (question.relevant | question.partial) - known
        if unknown:
            raise EvaluationError(
                f"Question {question.id} names {len(unknown)} papers that the corpus does not "
                "have. Is --corpus the collection that the questions were labelled on?"
            )


class GoldJudge:
    """A judge that knows the labels, and errs on a share of the papers where that is asked for."""

    def __init__(self, question: Question, *, flip: float = 0.0, seed: int = 0) -> None:
        self._question = question
        self._flip = flip
        self._seed = seed

    async def judge(self, question: str, papers: Sequence[Paper]) -> Judged:  # noqa: ARG002
        """Return the labels' verdicts, in the order of the papers."""
        return Judged(tuple(Verdict(paper.id, self._relevance(paper)) for paper in papers))

    def count(self, papers: Iterable[Paper]) -> int:
        """Return how many of the papers this judge calls an answer."""
        return sum(self._relevance(paper) == Relevance.YES for paper in papers)

    def _relevance(self, paper: Paper) -> Relevance:
        key = title_key(paper.title)
        if key in self._question.partial:
            return Relevance.PARTLY
        truth = key in self._question.relevant
        return Relevance.YES if truth != self._errs(paper) else Relevance.NO

    def _errs(self, paper: Paper) -> bool:
        """Return whether this verdict is flipped: chosen by a hash, so that runs repeat."""
        text = f"{self._seed}/{self._question.id}/{paper.id}"
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
        return draw < self._flip


def score(
    question: Question, result: Finished, key_of: Callable[[str], str], truth: int | None = None
) -> Score:
    """Return the measures of one answer; `key_of` gives the title key of a paper id.

    `truth` is how many papers the judge would call an answer; without it the labels are the truth.
    """
    answer = result.answer
    listed = [paper.id for paper in answer.papers]
    found = [key_of(id_) for id_ in listed]
    found = [key for key in found if key not in question.partial]
    ranked = list(dict.fromkeys([*listed, *result.ranked]))
    usage, estimate = answer.usage, answer.coverage.estimate
    return Score(
        id=question.id,
        type=question.type,
        **_measures(question, found, [key_of(id_) for id_ in ranked]),
        read=answer.coverage.read,
        calls=usage.calls,
        tokens=usage.total_tokens,
        abstained=not answer.papers,
        seconds=answer.seconds.total,
        missed=tuple(sorted(question.relevant - set(found))),
        expected=estimate.recall if estimate else None,
        interval=(estimate.low, estimate.high) if estimate else None,
        truth=len(question.relevant) if truth is None else truth,
    )


def _measures(
    question: Question, found: Sequence[str], ranked: Sequence[str]
) -> dict[str, float | None]:
    if not question.relevant:
        return dict.fromkeys(("recall", "precision", "f1", "map"))
    hits = len(question.relevant.intersection(found))
    recall = hits / len(question.relevant)
    precision = hits / len(found) if found else 0.0
    total = recall + precision
    return {
        "recall": recall,
        "precision": precision,
        "f1": 2 * recall * precision / total if total else 0.0,
        "map": average_precision(question, ranked),
    }


def average_precision(question: Question, ranked: Iterable[str]) -> float:
    """Return the mean of the precision at each relevant paper; partial papers are left out."""
    hits, total = 0, 0.0
    places = (key for key in ranked if key not in question.partial)
    for place, key in enumerate(places, start=1):
        if key in question.relevant:
            hits += 1
            total += hits / place
    return total / len(question.relevant)


def summary(scores: Sequence[Score]) -> dict[str, dict[str, float | int | None]]:
    """Return means by question type and over all; a measure without values is None."""
    groups = {kind: [s for s in scores if s.type == kind] for kind in TYPES}
    groups["all"] = list(scores)
    return {kind: _means(group) for kind, group in groups.items() if group}


def _means(scores: Sequence[Score]) -> dict[str, float | int | None]:
    means: dict[str, float | int | None] = {"questions": len(scores)}
    for measure in MEASURES:
        values = [getattr(s, measure) for s in scores if getattr(s, measure) is not None]
        means[measure] = fmean(values) if values else None
    return means


def estimate_summary(scores: Sequence[Score]) -> dict[str, float | int | None] | None:
    """Return how good the estimates of what is left were; None if there were none.

    `held` is the share of the intervals that held the truth, `width` their median width as a share
    of the truth, `expected` and `found` the mean recall expected and found, both of questions that
    some paper answers.
    """
    estimated = [s for s in scores if s.interval and s.expected is not None]
    if not estimated:
        return None
    answered = [s for s in estimated if s.truth]
    return {
        "questions": len(estimated),
        "held": fmean(bool(s.holds) for s in estimated),
        "width": median((s.interval[1] - s.interval[0]) / s.truth for s in answered)  # type: ignore[index,operator] # both are there
        if answered
        else None,
        "expected": _mean([s.expected for s in answered if s.recall is not None]),
        "found": _mean([s.recall for s in answered if s.recall is not None]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    return fmean(value for value in values if value is not None) if values else None


def as_document(scores: Sequence[Score], **settings: str | None) -> dict[str, Any]:
    """Return the result as `--json` prints it and `--compare` reads it."""
    return {
        **settings,
        "summary": summary(scores),
        "estimate": estimate_summary(scores),
        "questions": [asdict(s) for s in scores],
    }


def load_result(path: Path) -> dict[str, Any]:
    """Return an earlier `--json` result; raises EvaluationError if the file has none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document["summary"], dict) and isinstance(document["questions"], list):
            return dict(document)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise EvaluationError(
            f"{path} is no result of `qa eval --json`, so there is nothing to compare with."
        ) from exc
    raise EvaluationError(f"{path} is no result of `qa eval --json`.")


def changes(earlier: dict[str, Any], scores: Sequence[Score]) -> list[tuple[str, float, float]]:
    """Return the questions whose F1 changed, as (id, before, now); for `none` the abstention."""
    before = {entry["id"]: _quality(entry) for entry in earlier["questions"]}
    now = {s.id: _quality(asdict(s)) for s in scores}
    return [(id_, before[id_], now[id_]) for id_ in now if before.get(id_, now[id_]) != now[id_]]


def _quality(entry: dict[str, Any]) -> float:
    return float(entry["abstained"]) if entry["f1"] is None else float(entry["f1"])
