"""What a question comes back with: the answer, its papers and their evidence, and what was read."""

from dataclasses import dataclass, field
from enum import StrEnum

from qa.retrieval.estimate import Estimate
from qa.retrieval.relevance import Likelihood, Relevance


class Outcome(StrEnum):
    """What came of a question."""

    ANSWERED = "answered"  # a judge found papers that answer
    NEAREST = "nearest"  # nobody judged; by score alone some papers are likely answers
    NOT_IN_CORPUS = "not_in_corpus"  # papers were read or scored, and none answers
    NOTHING_RETRIEVED = "nothing_retrieved"  # no paper was even a candidate


class Stopped(StrEnum):
    """Why the reading ended."""

    DRY = "dry"  # the stopping rule says so, or no candidate is left
    RECALL = "recall"  # the share of the answers that was asked for is found, by the estimate
    EXHAUSTED = "exhausted"  # every paper that passes the filters was read
    LIMIT = "limit"  # --limit, --quick, --max-tokens-total, or as long as a person waits
    FAILED = "failed"  # the chat model gave up; what was read until then counts


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of an abstract: `abstract[start:end] == text`."""

    sentence: int  # from 1
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ListedPaper:
    """A paper of the answer under its number."""

    n: int  # what [n] in the answer means
    id: str
    title: str
    relevance: Relevance | None  # the judge's verdict; None where nobody judged the paper
    likelihood: Likelihood | None  # by score, where nobody judged; None for the others
    score: float  # of the ranking, the best paper has 1; below 0 is possible
    cited: bool
    evidence: tuple[Evidence, ...]
    source: str
    url: str | None
    by_reader: bool = False  # whether the verdict is the reader's own


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the corpus a judge has read for the answer; all zero where there is none."""

    corpus: int  # papers in the corpus
    candidates: int  # papers that pass the filters
    filter: str | None = None  # the filters in words
    read: int = 0  # papers put to the judge
    relevant: int = 0  # of them, those that answer
    partly: int = 0  # of them, those that answer in part
    unjudged: int = 0  # of them, those without a usable verdict
    by_reader: int = 0  # of them, those that the reader has judged
    rounds: int = 0
    stopped: Stopped | None = None  # None: nothing was read, or reading goes on
    estimate: Estimate | None = None  # of all papers that answer; None: nothing was judged


@dataclass(frozen=True, slots=True)
class AnswerWarning:
    """Something about the answer that the reader should know, by kind and in words."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What the chat model was asked for; `cost_usd` is None where the price is not known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    estimated: bool = False  # the server did not count; tokens are characters / 4
    by_kind: dict[str, dict[str, int]] = field(default_factory=dict)  # judge, write

    @property
    def total_tokens(self) -> int:
        """Tokens sent and received."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall-clock time by stage."""

    rank: float = 0.0
    judge: float = 0.0
    write: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole result of one question; `--json` prints every field."""

    question: str
    outcome: Outcome
    model: str | None  # None: put together from scores, without a chat model
    embedding: str
    answer: str
    papers: tuple[ListedPaper, ...]
    coverage: Coverage
    nearest: tuple[ListedPaper, ...] = ()  # what came closest, where nothing answers
    notes: tuple[str, ...] = ()  # what was made of the question, in sentences
    warnings: tuple[AnswerWarning, ...] = ()
    usage: ModelUsage = field(default_factory=ModelUsage)
    seconds: Seconds = field(default_factory=Seconds)
