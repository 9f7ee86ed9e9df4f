"""Relevance judgements: what a judge says of a paper, and how likely one is where nobody judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Relevance(StrEnum):
    """How far a paper answers the question, in the words of a judge that read it."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


class Likelihood(StrEnum):
    """How likely a paper answers the question by its score alone, where nobody judged it."""

    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's verdict on one paper; `relevance` is None if the judge gave no usable one."""

    paper_id: str
    relevance: Relevance | None
    sentences: tuple[int, ...] = ()  # numbers of the proving sentences, the clearest first
    probability: float | None = None  # of "yes" by the model's first token, where that was asked
    certainty: float | None = None  # larger is surer; None: the judge does not say
    by_reader: bool = False  # a person's own, which counts above any model's

    @property
    def qualifies(self) -> bool:
        """Whether the paper belongs in the answer, fully or partly."""
        return self.relevance in {Relevance.YES, Relevance.PARTLY}


Rounds = Sequence[Sequence[Verdict]]
"""The verdicts on the papers read so far, one sequence for each round of reading."""


@dataclass(frozen=True, slots=True)
class ReadPaper:
    """What the stopping rule looks at: a verdict, and where the paper stood when it was chosen."""

    relevance: Relevance | None
    relative_score: float = 1.0  # 0: the middle candidate's score, 1: the best candidate's
