"""Scope."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The papers that a question is put to."""

    corpus: int  # all papers that there are
    candidates: int  # those that pass the filter: all without one
    filter: str | None = None  # in words

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of papers that an answer may tell."""
        return self.corpus, self.candidates
