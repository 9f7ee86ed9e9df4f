"""Many questions that wait for their answers, worked off side by side.

A question of its own fault (empty, too long, refused by the model) gets a line with its error, and
the rest goes on. What is everybody's fault (no such model, a server that is down) ends the run.
"""

import asyncio
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qa.answering.reading import Limits
from qa.answering.results import Outcome, Stopped
from qa.cli.answers_file import AnswersFile, Document, FileQuestion, questions_of_file
from qa.cli.ask import FAULTS, note_how_to_write
from qa.cli.display.answer import answer_document
from qa.cli.display.progress import Display
from qa.config import Config, error_text
from qa.corpus.filters import Filters
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
from qa.library import Library, open_library, run
from qa.llm.prompts import VARIABLES, load_prompt

JOBS = 4  # questions at once: more than a laptop's model server serves, few for a public one
PATIENCE = 3  # times that the server is down, with no answer between, end the run
LONG_PATIENCE = 10  # so do as many failures of any kind
SERVER_IS_DOWN = (ChatUnreachable, ChatTimeout, ChatRateLimited)
HOPELESS = (ChatAuthError, ChatModelNotFound)


@dataclass(frozen=True, slots=True)
class AskSettings:
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


class QuestionQueue:
    """The questions of one run, worked off by several workers at once."""

    def __init__(
        self,
        library: Library,
        asking: AskSettings,
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

    async def work_off(self, questions: Sequence[FileQuestion]) -> None:
        """Answer the questions; raises QAError for what no question can be answered with."""
        waiting = iter(questions)
        await asyncio.gather(*(self._worker(waiting) for _ in range(self._asking.jobs)))
        if self._fatal is not None:
            raise self._fatal

    async def _worker(self, waiting: Iterator[FileQuestion]) -> None:
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

    async def _found(self, question: FileQuestion) -> Document | None:
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
            message = error_text(exc, self._library.config)
            self._failed(message)
            return {"question": question.text, "error": message}
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


TOLD = 10  # times that a log hears how far the work is


def ask_all(
    source: str,
    config: Config,
    asking: AskSettings,
    *,
    answers: Path | None,
    refresh: bool,
) -> int:
    """Answer the questions of a file, `-` for stdin; returns the exit code.

    The answers go to the file `answers`, where those of an earlier run are kept, or to stdout.
    """
    if answers is not None and source != "-" and answers.resolve() == Path(source).resolve():
        raise UsageError(f"{answers} holds the questions. Name another file for the answers.")
    questions = questions_of_file(_text(source))
    tally = Tally(len(questions))
    with (
        Display(stream=False, verbose=False) as display,
        open_library(config, display.work, display.note, refresh=refresh) as library,
        _opened(answers) as file,
    ):
        display.clear()
        rest = _rest(questions, file, asking, asking.settings(library)) if file else questions
        tally.kept = len(questions) - len(rest)
        try:
            with _shown(display, tally) as advance:
                add = file.add if file else _print
                run(QuestionQueue(library, asking, tally, add, advance).work_off(rest))
        finally:
            display.note(tally.describe())
            if library.model is None:
                note_how_to_write(config, display)
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


def _opened(answers: Path | None) -> AbstractContextManager[AnswersFile | None]:
    return AnswersFile.opened(answers) if answers else nullcontext()


def _rest(
    questions: Sequence[FileQuestion], file: AnswersFile, asking: AskSettings, settings: str
) -> list[FileQuestion]:
    """The questions that have no whole answer yet by the same settings.

    In the file, answers go with their questions to other lines, and failures that are asked again
    are taken away.
    """
    standing = [
        line for line in file.lines if line.get("settings") == settings and not asking.failed(line)
    ]
    answers = _answers(questions, standing)
    rest = [question for question, line in zip(questions, answers, strict=True) if line is None]
    places = defaultdict[int, list[FileQuestion]](list)  # by the line that answers them
    for question, line in zip(questions, answers, strict=True):
        places[id(line)].append(question)
    again = {question.id for question in rest}
    lines: list[Document] = []
    for line in file.lines:
        if asked := places.get(id(line)):
            lines += [{**line, "id": question.id, "line": question.line} for question in asked]
        elif not asking.failed(line) or line["id"] not in again:
            lines.append(line)
    file.rewrite(lines)
    return rest


def _answers(questions: Sequence[FileQuestion], lines: Sequence[Document]) -> list[Document | None]:
    """The line that answers each question: its own, else one that no other question has.

    A question that stands more often in the list than in the lines shares the last one.
    """
    own = {(line["id"], line["question"]): line for line in lines}
    answers = [
        None if question.fault is not None else own.get((question.id, question.text))
        for question in questions
    ]
    taken = {id(line) for line in answers}
    last, free = dict[str, Document](), defaultdict[str, list[Document]](list)
    for line in lines:
        last[line["question"]] = line
        if id(line) not in taken:
            free[line["question"]].append(line)
    for place, question in enumerate(questions):
        if answers[place] is None and question.fault is None:
            mine = free[question.text]
            answers[place] = mine.pop() if mine else last.get(question.text)
    return answers


def _print(document: Document) -> None:
    line = json.dumps(document, ensure_ascii=False, allow_nan=False)
    typer.echo(line.encode("utf-8", "replace").decode())


@contextmanager
def _shown(display: Display, tally: Tally) -> Iterator[Callable[[], None]]:
    """Show how far the work is, by a bar on a terminal; gives what is called after each answer."""
    if not display.err.is_terminal:
        step = max(TOLD, tally.total // TOLD)
        yield lambda: _tell(display, tally, step)
        return
    columns = (TextColumn("Answering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=display.err, transient=True) as bar:
        task = bar.add_task("", total=tally.total, completed=tally.kept)
        yield lambda: bar.update(task, completed=tally.done)


def _tell(display: Display, tally: Tally, step: int) -> None:
    if tally.done % step == 0 and tally.done < tally.total:
        display.note(f"{tally.done:,} of {tally.total:,} questions.")
