"""An answer while it is written: made safe, given missing citations, checked, and shown.

Nothing is shown before the first citation: an answer without any is of no use, and is replaced.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qa.answering.answer_repair import (
    CitationRepair,
    RepetitionGuard,
    added_findings,
    why_useless,
)
from qa.answering.citations import find_citations
from qa.answering.safe_text import CleanStream
from qa.answering.verify import Finding
from qa.answering.writer import NOT_IN_CORPUS, NumberedPaper

if TYPE_CHECKING:
    from qa.answering.verify.checks import AnswerChecker, Checked


class Draft:
    """The answer so far. `text` is all of it, `endless` whether it should be ended here."""

    def __init__(
        self, papers: Sequence[NumberedPaper], question: str, checker: "AnswerChecker"
    ) -> None:
        texts = {p.n: f"{p.paper.title}\n{p.paper.abstract}" for p in papers}
        self._question = question
        self._safe = CleanStream()
        self._guard = RepetitionGuard()
        self._repair = CitationRepair(texts, question)
        self._checker = checker
        self._begun = False  # whether it has cited something, from when on it is shown
        self._held: list[Checked] = []
        self._checked = 0  # characters
        self.text = ""
        self.endless = False

    def feed(self, piece: str) -> "Sequence[Checked]":
        """Return what can be shown once one more piece has come."""
        plain = self._safe.feed(piece)
        self.endless = self.endless or self._guard.feed(plain)
        return self._take(self._repair.feed(plain))

    def finish(self, *, broken_off: bool) -> "tuple[Sequence[Checked], str | None]":
        """Return what is left to show, and why the answer is of no use, if it is of none.

        One that was broken off is shown in any case: it may have come to its citations later.
        """
        shown = self._take(self._repair.feed(self._safe.flush()) + self._repair.flush())
        self.text = self.text.strip()
        if not self.text or self.declined:
            return (), None
        useless = why_useless(self.text, self._question)
        if useless and not broken_off:
            return (), useless
        self._begun = True
        return (*shown, *self._release(self._checker.finish())), None

    @property
    def declined(self) -> bool:
        """Whether the writer says that the papers do not answer."""
        return self.text.startswith(NOT_IN_CORPUS)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the check of the whole text found, in its order."""
        added = added_findings(self._repair.added, self.text)
        return tuple(sorted((*self._checker.findings, *added), key=lambda f: (f.start, f.end)))

    def _take(self, text: str) -> "Sequence[Checked]":
        self.text = (self.text + text).lstrip()
        if NOT_IN_CORPUS.startswith(self.text[: len(NOT_IN_CORPUS)]):
            return ()
        checked = self._checker.feed(self.text[self._checked :])
        self._checked = len(self.text)
        self._begun = self._begun or bool(find_citations(self.text))
        return self._release(checked)

    def _release(self, checked: "Checked") -> "Sequence[Checked]":
        self._held.append(checked)
        if not self._begun:
            return ()
        shown, self._held = self._held, []
        return shown
