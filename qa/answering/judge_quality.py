"""How well a judge judges: its verdicts on the papers that it read, against the labels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

from qa.answering.evaluate import Question
from qa.answering.events import RoundRead
from qa.llm.messages import Usage
from qa.retrieval.relevance import Relevance


@dataclass(frozen=True, slots=True)
class JudgeQuality:
    """The measures; those without anything to measure are None."""

    papers: int  # read and labelled; "partial" ones and those without a usable verdict left out
    precision: float | None  # share of relevant papers among those that the judge took
    recall: float | None  # share of the relevant papers read that it took
    agreement: float | None  # share of papers on which it agrees with the label
    calibration: float | None  # mean of (probability - truth)^2: Brier score, 0.25 is a coin's
    seconds: float | None  # a paper that was asked about, several at a time
    tokens: float | None  # the same


@dataclass(slots=True)
class JudgeRecord:
    """Collects what a judge says of papers; give `add` every event of the pipeline."""

    key_of: Callable[[str], str]  # a paper's title key by its id
    _verdicts: list[tuple[bool, bool, float | None]] = field(default_factory=list)
    _asked: int = 0  # papers that cost something
    _seconds: float = 0.0
    _usage: Usage = field(default_factory=Usage)

    def add(self, question: Question, event: object) -> None:
        """Take the verdicts of a round; other events do not count."""
        if not isinstance(event, RoundRead):
            return
        for verdict in event.judged.verdicts:
            key = self.key_of(verdict.paper_id)
            if verdict.relevance is None or verdict.by_reader or key in question.partial:
                continue
            taken = verdict.relevance != Relevance.NO
            self._verdicts.append((taken, key in question.relevant, verdict.probability))
        asked = len(event.papers) - event.judged.cached
        if asked:
            self._asked += asked
            self._seconds += event.seconds
            self._usage += event.judged.usage

    def quality(self) -> JudgeQuality:
        """Return the measures of all verdicts so far."""
        taken = [truth for said, truth, _ in self._verdicts if said]
        relevant = [said for said, truth, _ in self._verdicts if truth]
        squares = [(p - truth) ** 2 for _, truth, p in self._verdicts if p is not None]
        return JudgeQuality(
            papers=len(self._verdicts),
            precision=fmean(taken) if taken else None,
            recall=fmean(relevant) if relevant else None,
            agreement=_mean([said == truth for said, truth, _ in self._verdicts]),
            calibration=_mean(squares),
            seconds=self._seconds / self._asked if self._asked else None,
            tokens=self._usage.total_tokens / self._asked if self._asked else None,
        )


def _mean(values: list[bool] | list[float]) -> float | None:
    return fmean(values) if values else None
