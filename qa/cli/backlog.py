"""Many questions that wait for their answers, worked off side by side.

A question of its own fault (empty, too long, refused by the model) gets a line with its error, and
the rest goes on. What is everybody's fault (no such model, a server that is down) ends the run.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qa.answering.reading import Limits
from qa.answering.results import Outcome, Stopped
from qa.cli.asking import FAULTS
from qa.cli.display.render import answer_document
from qa.cli.questions import ListedQuestion
from qa.corpus.filters import Filters
from qa.errors import (
    ChatAuthError,
    ChatError,
    ChatModelNotFound,
    ChatRateLimited,
    ChatTimeout,
    ChatUnreachable,
    QAError,
)
from qa.library import Library
from qa.llm.prompts import VARIABLES, load_prompt

JOBS = 4  # questions at once: more than a laptop's model server serves, few for a public one
PATIENCE = 3  # times that the server is down, with no answer between, end the run
LONG_PATIENCE = 10  # so do as many failures of any kind
SERVER_IS_DOWN = (ChatUnreachable, ChatTimeout, ChatRateLimited)
HOPELESS = (ChatAuthError, ChatModelNotFound)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """What every question of a run is asked with."""

    limits: Limits
    filters: Filters
    cached: bool
    strict: bool
    jobs: int

    def failed(self, document: Mapping[str, Any]) -> bool:
        """Whether the question should be asked again: strictly, for any doubt in its answer."""
        return failed(document) or (self.strict and bool(document.get("warnings")))

    def settings(self, library: Library) -> str:
        """What tells whether an earlier answer still stands: all that it depends on, digested."""
        prompts = VARIABLES if library.model else ()
        parts = {
            "prompts": [load_prompt(name, library.config.prompts).text for name in prompts],
            "model": library.identity if library.model else None,
            "corpus": [library.generation.manifest.corpus_digest, library.embedder.fingerprint],
            "limits": asdict(self.limits),
            "filters": asdict(self.filters),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(slots=True)
class Tally:
    """How the questions of a run ended."""

    total: int
    kept: int = 0  # from an earlier run
    answered: int = 0
    nowhere: int = 0  # the corpus does not say
    failed: int = 0

    @property
    def done(self) -> int:
        """Questions that need no more work now."""
        return self.kept + self.answered + self.nowhere + self.failed

    def describe(self) -> str:
        """The counts in a line."""
        parts = [f"{self.answered:,} answered", f"{self.nowhere:,} not in the corpus"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.kept:,} answered before"] if self.kept else []
        left = self.total - self.done
        parts += [f"{left:,} not asked"] if left else []
        noun = "question" if self.total == 1 else "questions"
        return f"{self.total:,} {noun}: {', '.join(parts)}."


class Backlog:
    """The questions of one run, worked off by several workers at once."""

    def __init__(
        self,
        library: Library,
        asking: Asking,
        tally: Tally,
        add: Callable[[Document], None],
        advance: Callable[[], None],
    ) -> None:
        """Count in `tally`, give each line to `add`, and call `advance` after it."""
        self._library = library
        self._asking = asking
        self._tally = tally
        self._add = add
        self._advance = advance
        self._settings = asking.settings(library)
        self._down = 0  # times that the server was down, since the last answer
        self._failures = 0  # of the model, since the last answer
        self._fatal: QAError | None = None

    async def work_off(self, questions: Sequence[ListedQuestion]) -> None:
        """Answer the questions; raises QAError for what no question can be answered with."""
        waiting = iter(questions)
        await asyncio.gather(*(self._worker(waiting) for _ in range(self._asking.jobs)))
        if self._fatal is not None:
            raise self._fatal

    async def _worker(self, waiting: Iterator[ListedQuestion]) -> None:
        for question in waiting:
            if self._fatal is not None:
                return
            found = await self._found(question)
            if found is None:
                return
            self._count(found)
            self._add(
                {"id": question.id, "line": question.line, "settings": self._settings, **found}
            )
            self._advance()

    async def _found(self, question: ListedQuestion) -> Document | None:
        """The answer, or what failed; None where no other question would fare better."""
        if question.fault is not None:
            return {"question": question.text, "error": question.fault}
        try:
            answer = await self._library.aask(
                question.text,
                limits=self._asking.limits,
                filters=self._asking.filters,
                cached=self._asking.cached,
            )
        except QAError as exc:
            if self._everybodys(exc):
                self._fatal = self._fatal or exc
                return None
            self._failed(str(exc))
            return {"question": question.text, "error": str(exc)}
        found = answer_document(answer, self._library.config.corpus.name)
        if failed(found):
            self._failed(answer.warnings[0].detail)
        else:
            self._down = self._failures = 0
        return found

    def _everybodys(self, error: QAError) -> bool:
        if not isinstance(error, ChatError) or isinstance(error, HOPELESS):
            return True
        if isinstance(error, SERVER_IS_DOWN):
            self._down += 1
        return self._down >= PATIENCE

    def _failed(self, how: str) -> None:
        self._failures += 1
        if self._failures >= LONG_PATIENCE and self._fatal is None:
            self._fatal = ChatError(f"{self._failures} questions failed in a row. The last: {how}")

    def _count(self, found: Document) -> None:
        if self._asking.failed(found):
            self._tally.failed += 1
        elif found["outcome"] == Outcome.ANSWERED:
            self._tally.answered += 1
        else:
            self._tally.nowhere += 1


def failed(document: Mapping[str, Any]) -> bool:
    """Whether the line of a question holds no whole answer, so that it should be asked again."""
    if "error" in document or document.get("coverage", {}).get("stopped") == Stopped.FAILED:
        return True
    return any(warning["kind"] in FAULTS for warning in document.get("warnings", ()))
