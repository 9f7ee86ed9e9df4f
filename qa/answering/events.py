"""Events of the pipeline: what its steps pass on, and the progress that listeners receive."""

import time
from dataclasses import dataclass, field, replace

from workflows.events import Event, StartEvent, StopEvent

from qa.answering.judge import Judged
from qa.answering.reading import Limits, ReadingHistory
from qa.answering.results import Answer, AnswerWarning, Coverage, Seconds, Stopped
from qa.answering.table import Expected
from qa.answering.verify import Finding
from qa.answering.writer import NumberedPaper
from qa.corpus.papers import Paper
from qa.errors import ChatError
from qa.llm.messages import Usage
from qa.retrieval.search import Search


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds spent, by stage."""

    began: float = field(default_factory=time.perf_counter)
    rank: float = 0.0
    judge: float = 0.0
    write: float = 0.0

    def seconds(self) -> Seconds:
        """Return the seconds so far, by stage."""
        return Seconds(self.rank, self.judge, self.write, time.perf_counter() - self.began)


class Asked(StartEvent):
    """A question comes in."""

    question: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class State:
    """What the steps hand on: the search as it stands, and what was read."""

    limits: Limits
    search: Search
    reading: ReadingHistory
    clock: Clock
    warnings: tuple[AnswerWarning, ...] = ()


class ReadOn(Event):
    """A round was judged; rank again."""

    state: State


class Batch(Event):
    """Papers to be judged next."""

    state: State
    papers: tuple[Paper, ...]


class Decided(Event):
    """Reading is over, or there is no judge to read."""

    state: State
    stopped: Stopped | None
    failure: ChatError | None = None  # why the judge is not heard, where a call of it failed


def without_judge(
    state: State, warning: AnswerWarning, failure: ChatError | None = None
) -> Decided:
    """Return the decision to answer by scores alone, for the reason that the warning gives.

    What the model said is dropped, what it took is counted, and the reader's verdicts stay.
    `failure` is the error behind it.
    """
    reading = state.reading.without_model()
    state = replace(state, reading=reading, warnings=(*state.warnings, warning))
    return Decided(state=state, stopped=None, failure=failure)


class Written(Event):
    """The answer is written, or quoted together where there is no writer."""

    state: State
    stopped: Stopped | None
    papers: tuple[NumberedPaper, ...]
    text: str
    usage: Usage
    findings: tuple[Finding, ...] = ()  # what the check of the text found, in its order
    failure: ChatError | None = None


class Finished(StopEvent):
    """The answer, with all that belongs to it."""

    answer: Answer
    ranked: tuple[str, ...]  # every candidate's id, best first
    reading: ReadingHistory  # every verdict, round by round
    failure: ChatError | None = None  # why scores had to decide, where a call of the model failed


class Ranked(Event):
    """Progress: the corpus was ranked."""

    papers: int  # that pass the filter
    search: Search
    seconds: float


class Scored(Event):
    """Progress: the corpus was ranked by scores alone, which decide where no verdict does."""

    search: Search
    papers: tuple[Paper, ...]  # the leading ones, before and after blind feedback


class TestingJudge(Event):
    """Progress: a chat model that is new here takes the entrance test, before it judges papers."""

    done: int  # abstracts judged
    of: int


class Judging(Event):
    """Progress: of the papers of a round, some are judged; on a laptop a round takes a minute."""

    done: int
    of: int


class TableBegun(Event):
    """Progress: the papers of a table are known; what filling it is expected to take."""

    expected: Expected


class Filling(Event):
    """Progress: of the papers of a table, some have their cells."""

    done: int
    of: int


class RoundRead(Event):
    """Progress: one more round was judged."""

    coverage: Coverage
    search: Search
    papers: tuple[Paper, ...]
    judged: Judged
    seconds: float


class LongReading(Event):
    """Progress: after the first round of a long reading, what it will take at that pace."""

    papers: int  # still to be read; with a recall to reach, a guess
    at_most: int
    tokens: int
    seconds: float


class Learned(Event):
    """Progress: the question has moved by what verdicts taught, and was ranked again."""

    before: Search
    search: Search
    upcoming: int  # papers to be read next
    seconds: float


class ReadingOver(Event):
    """Progress: nothing more is read; the answer is made from what was."""

    stopped: Stopped | None
    coverage: Coverage


class Piece(Event):
    """Progress: a piece of the answer, and what the check found in the sentences that it ends.

    The pieces together are the answer. None ends within a word or a marker such as [1, 2].
    """

    text: str
    papers: tuple[NumberedPaper, ...]  # what [n] means
    findings: tuple[Finding, ...] = ()  # with their places in the whole answer
