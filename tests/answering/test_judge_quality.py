import pytest
from fakes import papers

from qa.answering.evaluate import Question
from qa.answering.events import RoundRead
from qa.answering.judge import Judged
from qa.answering.judge_quality import JudgeRecord
from qa.answering.results import Coverage
from qa.llm.messages import Usage
from qa.retrieval.query import Query
from qa.retrieval.relevance import Verdict
from qa.retrieval.search import Ranking, Search

QUESTION = Question("q", "set", "which?", frozenset({"a", "b"}), frozenset({"p"}))


def read(*verdicts, cached=0):
    query = Query(None, {})
    return RoundRead(
        coverage=Coverage(9, 9),
        search=Search("which?", query, query, Ranking()),
        papers=tuple(papers(len(verdicts))),
        judged=Judged(verdicts, Usage(calls=1, prompt_tokens=400), cached),
        seconds=2.0,
    )


def test_verdicts_are_compared_with_the_labels():
    record = JudgeRecord(lambda paper_id: paper_id)
    said = [("a", "yes", 0.8), ("b", "no", 0.4), ("x", "partly", 0.6), ("y", "no", 0.0)]
    record.add(QUESTION, read(*(Verdict(i, r, (), p) for i, r, p in said)))
    record.add(QUESTION, read(Verdict("p", "yes"), Verdict("z", None), cached=2))
    record.add(QUESTION, "another event")
    quality = record.quality()
    assert quality.papers == 4
    assert (quality.precision, quality.recall, quality.agreement) == (0.5, 0.5, 0.5)
    assert quality.calibration == pytest.approx((0.2**2 + 0.6**2 + 0.6**2) / 4)
    assert (quality.seconds, quality.tokens) == (0.5, 100)


def test_without_any_verdict_nothing_is_measured():
    quality = JudgeRecord(lambda paper_id: paper_id).quality()
    assert quality.papers == 0
    assert quality.precision is quality.seconds is quality.calibration is None
