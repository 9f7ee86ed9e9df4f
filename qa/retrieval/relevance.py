"""Relevance."""

from dataclasses import dataclass
from enum import StrEnum


class Relevance(StrEnum):
    """How far a paper answers the question."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one paper; `relevance` is None if it gave no usable verdict."""

    paper_id: str
    relevance: Relevance | None
    sentences: tuple[int, ...] = ()  # numbers of the proving sentences, the clearest first

    @property
    def qualifies(self) -> bool:
        """Whether the paper belongs into the answer, fully or partly."""
        return self.relevance in {Relevance.YES, Relevance.PARTLY}
