"""What has been read for a question so far: the verdicts, round by round, and how far it may go."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from qa.answering.judge import Judged
from qa.answering.results import Coverage, Stopped
from qa.corpus.papers import Paper
from qa.errors import UsageError
from qa.llm.messages import Usage
from qa.retrieval.estimate import Estimate
from qa.retrieval.relevance import Relevance, Verdict
from qa.retrieval.search import Scope
from qa.retrieval.stopping import MOST_PAPERS, MOST_SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the reading may go."""

    papers: int | None = None  # read at most; None: until the stopping rule says so
    tokens: int | None = None  # read no further when this many would be passed
    quick: bool = False  # one round, no reading on
    exhaustive: bool = False  # every paper of the corpus
    recall: float | None = None  # until this share of the answers is found, by the estimate

    def __post_init__(self) -> None:
        """Raise UsageError for limits that leave nothing to read, or exclude each other."""
        if any(limit is not None and limit < 1 for limit in (self.papers, self.tokens)):
            raise UsageError("A limit of papers or tokens must be 1 or more.")
        if self.quick and self.exhaustive:
            raise UsageError("A reading is quick or exhaustive, not both.")
        if self.recall is not None and not 0 < self.recall <= 1:
            raise UsageError(f"The recall to reach is {self.recall}: give a share such as 0.95.")
        if self.recall is not None and (self.quick or self.exhaustive):
            raise UsageError("A reading to a recall is neither quick nor exhaustive.")

    @property
    def patient(self) -> bool:
        """Return whether the reading may take longer than a person waits."""
        return self.exhaustive or self.recall is not None or self.papers is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """One paper that was read: an entry of the reading log."""

    round: int  # from 1
    paper: Paper
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ReadingHistory:
    """The rounds of reading for one question, each the verdicts on the papers read in it."""

    rounds: tuple[tuple[Verdict, ...], ...] = ()
    usage: Usage = field(default_factory=Usage)

    def after(self, judged: Judged) -> "ReadingHistory":
        """Return the history with one more round."""
        return replace(
            self, rounds=(*self.rounds, judged.verdicts), usage=self.usage + judged.usage
        )

    def __iter__(self) -> Iterator[Verdict]:
        return (verdict for verdicts in self.rounds for verdict in verdicts)

    def __len__(self) -> int:
        return sum(len(verdicts) for verdicts in self.rounds)

    def count(self, relevance: Relevance | None) -> int:
        """Return how many papers got this verdict; None counts those without a usable one."""
        return sum(verdict.relevance == relevance for verdict in self)

    @property
    def judged(self) -> bool:
        """Return whether there is any usable verdict."""
        return any(verdict.relevance for verdict in self)

    @property
    def judged_by_model(self) -> bool:
        """Return whether there is any usable verdict that is not the reader's own."""
        return any(verdict.relevance and not verdict.by_reader for verdict in self)

    @property
    def by_probabilities(self) -> bool:
        """Return whether the model was asked for probabilities, as small ones are."""
        return any(verdict.probability is not None for verdict in self)

    def without_model(self) -> "ReadingHistory":
        """Return the history with the reader's own verdicts alone; what was spent stays counted."""
        rounds = (tuple(v for v in verdicts if v.by_reader) for verdicts in self.rounds)
        return replace(self, rounds=tuple(filter(None, rounds)))

    @property
    def unusable(self) -> bool:
        """Return whether the last two rounds brought no usable verdict: more would not either."""
        last = self.rounds[-2:]
        return len(last) == 2 and not any(v.relevance for verdicts in last for v in verdicts)

    def coverage(
        self, scope: Scope, stopped: Stopped | None = None, estimate: Estimate | None = None
    ) -> Coverage:
        """Return the counts that go with the answer; `stopped` None: reading goes on."""
        return Coverage(
            corpus=scope.corpus,
            candidates=scope.candidates,
            filter=scope.filter,
            read=len(self),
            relevant=self.count(Relevance.YES),
            partly=self.count(Relevance.PARTLY),
            unjudged=self.count(None),
            by_reader=sum(verdict.by_reader for verdict in self),
            rounds=len(self.rounds),
            stopped=stopped if self.rounds else None,
            estimate=estimate,
        )

    def allowance(self, limits: Limits, seconds: float) -> int | None:
        """Return how many papers may still be read; None: no limit, 0: stop.

        `seconds` is how long judging took so far.
        """
        if limits.quick and self.rounds:
            return 0
        if not limits.patient and (seconds > MOST_SECONDS or len(self) >= MOST_PAPERS):
            return 0
        if limits.tokens is not None and self._next_total() > limits.tokens:
            return 0
        return None if limits.papers is None else max(0, limits.papers - len(self))

    def _next_total(self) -> int:
        """Return the tokens if another round and the answer each cost as much as a round did."""
        rounds = max(1, len(self.rounds))
        spent = self.usage.total_tokens
        return spent + 2 * spent // rounds
