"""The command `ask --file`: many questions answered side by side, each kept as soon as it is there.

A question of its own fault (empty, too long, refused by the model) gets a line with its error, and
the rest goes on. What is everybody's fault (no such model, a server that is down) ends the run.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qa.answers_file import AnswersFile, latest
from qa.asking import FAULTS
from qa.config import Config
from qa.errors import (
    ChatAuthError,
    ChatError,
    ChatModelNotFound,
    ChatRateLimited,
    ChatTimeout,
    ChatUnreachable,
    QAError,
    UsageError,
)
from qa.filters import Filters
from qa.library import Library, open_library, run
from qa.questions import ListedQuestion, listed_questions
from qa.reading import Limits
from qa.render import answer_document
from qa.results import Outcome, Stopped
from qa.terminal import Display

JOBS = 4  # questions at once: more than a laptop's model server serves, few for a public one
PATIENCE = 3  # failures of the server one after the other, with no answer between, end the run
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

    def settings(self, library: Library) -> str:
        """What tells whether an earlier answer still stands: model, corpus and limits, digested."""
        parts = {
            "model": [library.model, library.config.base_url],
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
        self._down = 0  # failures of the server in a row
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
            try:
                found = await self._answered(question)
            except QAError as exc:
                if self._everybodys(exc):
                    self._fatal = self._fatal or exc
                    return
                found = {"question": question.text, "error": str(exc)}
            self._count(found)
            self._add(
                {"id": question.id, "line": question.line, "settings": self._settings, **found}
            )
            self._advance()

    async def _answered(self, question: ListedQuestion) -> Document:
        if question.fault is not None:
            return {"question": question.text, "error": question.fault}
        answer = await self._library.aask(
            question.text,
            limits=self._asking.limits,
            filters=self._asking.filters,
            cached=self._asking.cached,
        )
        self._down = 0
        return answer_document(answer, self._library.config.corpus.name)

    def _everybodys(self, error: QAError) -> bool:
        """Whether no other question would fare better."""
        if not isinstance(error, ChatError) or isinstance(error, HOPELESS):
            return True
        if isinstance(error, SERVER_IS_DOWN):
            self._down += 1
        return self._down >= PATIENCE

    def _count(self, found: Document) -> None:
        strictly = self._asking.strict and found.get("warnings")
        if failed(found) or strictly:
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


def ask_all(
    source: str,
    config: Config,
    asking: Asking,
    *,
    answers: Path | None,
    refresh: bool,
) -> int:
    """Answer the questions of a file, `-` for stdin; returns the exit code.

    The answers go to the file `answers`, where those of an earlier run are kept, or to stdout.
    """
    questions = listed_questions(_text(source))
    tally = Tally(len(questions))
    with (
        Display(stream=False, verbose=False) as display,
        open_library(config, display.work, display.note, refresh=refresh) as library,
        _opened(answers, config) as file,
    ):
        display.clear()
        rest = _rest(questions, file, asking.settings(library)) if file else questions
        tally.kept = len(questions) - len(rest)
        try:
            with _shown(display, tally) as advance:
                add = file.add if file else _print
                run(Backlog(library, asking, tally, add, advance).work_off(rest))
        finally:
            display.note(tally.describe())
            if answers is not None and (tally.failed or tally.done < tally.total):
                display.note("The same command asks again what has no answer yet.")
    return 1 if tally.failed else 0


def _text(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UsageError(f"{source} is not UTF-8 text: save it as such.") from exc
    except OSError as exc:
        raise UsageError(f"{source} cannot be read: {exc.strerror or exc}.") from exc


def _opened(answers: Path | None, config: Config) -> AbstractContextManager[AnswersFile | None]:
    return AnswersFile.opened(answers, config.cache) if answers else nullcontext()


def _rest(
    questions: Sequence[ListedQuestion], file: AnswersFile, settings: str
) -> list[ListedQuestion]:
    """The questions that have no whole answer yet by the same settings; drops their failures."""
    known = latest(file.lines)

    def stands(question: ListedQuestion) -> bool:
        line = known.get(question.id, {})
        same = line.get("question") == question.text and line.get("settings") == settings
        return same and not failed(line)

    rest = [question for question in questions if not stands(question)]
    again = {question.id for question in rest}
    file.drop(lambda line: str(line.get("id")) in again and failed(line))
    return rest


def _print(document: Document) -> None:
    line = json.dumps(document, ensure_ascii=False, allow_nan=False)
    typer.echo(line.encode("utf-8", "replace").decode())


@contextmanager
def _shown(display: Display, tally: Tally) -> Iterator[Callable[[], None]]:
    """Show how far the work is on a terminal; gives what is called after each question."""
    columns = (TextColumn("Answering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not display.err.is_terminal
    with Progress(*columns, console=display.err, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=tally.total, completed=tally.kept)
        yield lambda: bar.update(task, completed=tally.done)
