"""The command `ask --file`: answer many questions side by side, and go on where a run ended.

A question that cannot be answered (empty, too long, refused by the model) gets a line with its
error, and the run goes on. A failure that every question would meet (no such model, a server that
is down) ends the run.
"""

import asyncio
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qa.answering.results import Stopped
from qa.answering.wording import counted
from qa.cli.answers_file import (
    AnswersFile,
    Document,
    FileQuestion,
    encoded,
    questions_of_file,
)
from qa.cli.ask import FAILURES, CommandOptions, note_how_to_write
from qa.cli.display.progress import Display
from qa.config import Config, error_text
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
from qa.export.json import answer_document
from qa.library.library import AskOptions, Library
from qa.library.opening import open_library
from qa.library.waiting import run
from qa.llm.prompts import VARIABLES, load_prompt

JOBS = 4  # questions at once: more than a laptop's model server serves, few for a public one
MAX_SERVER_FAILURES = 3  # server not reached, without an answer in between: the run ends
MAX_FAILURES = 10  # questions failed in a row, for any reason: the run ends
LOG_LINES = 10  # about so many lines say how far a run is that has no terminal
LOG_STEP = 10  # questions between two of these lines, at least
SERVER_DOWN = (ChatUnreachable, ChatTimeout, ChatRateLimited)
FATAL = (ChatAuthError, ChatModelNotFound)  # no question would fare better


def ask_all(
    source: str,
    config: Config,
    options: CommandOptions,
    *,
    answers: Path | None,
    jobs: int,
) -> int:
    """Answer the questions of a file, `-` for stdin; return the exit code.

    The answers go to the file `answers`, where those of an earlier run are kept, or to stdout.
    `jobs` questions are asked at once.
    """
    if answers is not None and source != "-" and answers.resolve() == Path(source).resolve():
        raise UsageError(f"{answers} holds the questions. Name another file for the answers.")
    questions = questions_of_file(_text(source))
    tally = Tally(len(questions))
    with (
        Display(stream=False, verbose=False) as display,
        open_library(config, display.work, display.note, refresh=options.refresh) as library,
        AnswersFile.opened(answers) if answers else nullcontext() as file,
    ):
        display.clear()
        settings = settings_digest(options, library)
        unanswered = _unanswered(questions, file, options, settings) if file else questions
        tally.kept = len(questions) - len(unanswered)
        try:
            with _progress(display, tally) as on_answer:

                def add(question: FileQuestion, document: Document) -> None:
                    ids = {"id": question.id, "line": question.line, "settings": settings}
                    (file.add if file else _print)({**ids, **document})
                    on_answer()

                queue = QuestionQueue(library, options, tally, add)
                run(queue.answer_all(unanswered, jobs))
        finally:
            display.note(tally.describe())
            note_how_to_write(library, display)
            if answers is not None and (tally.failed or tally.done < tally.total):
                display.note("The same command asks again what has no answer yet.")
    return 1 if tally.failed else 0


def settings_digest(options: CommandOptions, library: Library) -> str:
    """Return a digest of all that an answer depends on besides its question.

    An earlier answer is kept if its digest is the same.
    """
    prompts = VARIABLES if library.model else ()
    parts = {
        "prompts": [load_prompt(name, library.config.prompts).text for name in prompts],
        "model": library.identity if library.model else None,
        "corpus": [library.generation.manifest.corpus_digest, library.embedder.fingerprint],
        "limits": asdict(options.limits),
        "filters": asdict(options.filters),
        "conditions": options.conditions,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(slots=True)
class Tally:
    """How the questions of a run ended."""

    total: int
    kept: int = 0  # from an earlier run
    answered: int = 0
    not_in_corpus: int = 0
    failed: int = 0

    @property
    def done(self) -> int:
        """The number of questions that need no more work in this run."""
        return self.kept + self.answered + self.not_in_corpus + self.failed

    def describe(self) -> str:
        """Return the counts as a line."""
        parts = [f"{self.answered:,} answered", f"{self.not_in_corpus:,} not in the corpus"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.kept:,} answered before"] if self.kept else []
        left = self.total - self.done
        parts += [f"{left:,} not asked"] if left else []
        return f"{counted(self.total, 'question', 'questions')}: {', '.join(parts)}."


class QuestionQueue:
    """The questions of one run, answered by several workers at once in one event loop."""

    def __init__(
        self,
        library: Library,
        options: CommandOptions,
        tally: Tally,
        add: Callable[[FileQuestion, Document], None],
    ) -> None:
        """Give each question and its answer to `add`, after counting it in `tally`."""
        self._library = library
        self._options = options
        self._tally = tally
        self._add = add
        self._server_failures = 0  # since the last answer
        self._failures = 0  # since the last answer, for any reason
        self._fatal: QAError | None = None

    async def answer_all(self, questions: Sequence[FileQuestion], jobs: int) -> None:
        """Answer the questions; raises the QAError that every question would meet."""
        waiting = iter(questions)
        await asyncio.gather(*(self._worker(waiting) for _ in range(jobs)))
        if self._fatal is not None:
            raise self._fatal

    async def _worker(self, waiting: Iterator[FileQuestion]) -> None:
        for question in waiting:
            if self._fatal is not None:
                return
            document = await self._document(question)
            if document is None:
                return
            self._count(document)
            self._add(question, document)

    async def _document(self, question: FileQuestion) -> Document | None:
        """Return the answer or the question's error; None after an error that ends the run."""
        if question.fault is not None:
            return {"question": question.text, "error": question.fault}
        options = self._options
        try:
            asked = AskOptions(
                options.limits,
                options.filters,
                conditions=options.conditions,
                cached=options.cached,
            )
            finished = await self._library.answer(question.text, asked)
        except QAError as exc:
            if self._ends_the_run(exc):
                self._fatal = self._fatal or exc
                return None
            message = error_text(exc, self._library.config)
            self._count_failure(message)
            return {"question": question.text, "error": message}
        if finished.failure is not None and self._ends_the_run(finished.failure):
            self._fatal = self._fatal or finished.failure
            return None
        answer = finished.answer
        document = answer_document(answer, self._library.config.corpus.name)
        if _failed(document):
            self._count_failure(answer.warnings[0].detail)
        else:
            self._server_failures = self._failures = 0
        return document

    def _ends_the_run(self, error: QAError) -> bool:
        if not isinstance(error, ChatError) or isinstance(error, FATAL):
            return True
        if isinstance(error, SERVER_DOWN):
            self._server_failures += 1
        return self._server_failures >= MAX_SERVER_FAILURES

    def _count_failure(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES and self._fatal is None:
            self._fatal = ChatError(
                f"{self._failures} questions failed in a row. The last: {reason}"
            )

    def _count(self, document: Document) -> None:
        if _must_be_asked(document, strict=self._options.strict):
            self._tally.failed += 1
        elif document["papers"]:
            self._tally.answered += 1
        else:
            self._tally.not_in_corpus += 1


def _must_be_asked(document: Document, *, strict: bool) -> bool:
    """Tell whether a question must be asked again: it failed, or strictly, has any warning."""
    return _failed(document) or (strict and bool(document.get("warnings")))


def _failed(document: Document) -> bool:
    """Tell whether a question has no complete answer."""
    if "error" in document or document.get("coverage", {}).get("stopped") == Stopped.FAILED:
        return True
    return any(warning["kind"] in FAILURES for warning in document.get("warnings", ()))


def _text(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UsageError(f"{source} is not UTF-8 text: save it as such.") from exc
    except OSError as exc:
        raise UsageError(f"{source} cannot be read: {exc.strerror or exc}.") from exc


def _unanswered(
    questions: Sequence[FileQuestion], file: AnswersFile, options: CommandOptions, settings: str
) -> list[FileQuestion]:
    """Return the questions that have no complete answer with the same settings in the file.

    Rewrites the file: an answer gets the line number and id that its question has now, and the
    failures of questions that are asked again are removed.
    """
    usable = [
        line
        for line in file.lines
        if line.get("settings") == settings and not _must_be_asked(line, strict=options.strict)
    ]
    answers = _matched(questions, usable)
    unanswered = [question for question, line in zip(questions, answers, strict=True) if not line]
    questions_of = defaultdict[int, list[FileQuestion]](list)  # by the identity of the answer
    for question, line in zip(questions, answers, strict=True):
        questions_of[id(line)].append(question)
    asked_again = {question.id for question in unanswered}
    lines: list[Document] = []
    for line in file.lines:
        if same := questions_of.get(id(line)):
            lines += [{**line, "id": question.id, "line": question.line} for question in same]
        elif line["id"] not in asked_again or not _must_be_asked(line, strict=options.strict):
            lines.append(line)
    file.rewrite(lines)
    return unanswered


def _matched(questions: Sequence[FileQuestion], lines: Sequence[Document]) -> list[Document | None]:
    """Return the answer of each question: the line with its id, else one with the same question.

    No line goes to two questions, unless a question is asked more often than there are lines.
    """
    by_id = {(line["id"], line["question"]): line for line in lines}
    answers = [
        None if question.fault is not None else by_id.get((question.id, question.text))
        for question in questions
    ]
    matched = {id(line) for line in answers}
    last, free = dict[str, Document](), defaultdict[str, list[Document]](list)
    for line in lines:
        last[line["question"]] = line
        if id(line) not in matched:
            free[line["question"]].append(line)
    for place, question in enumerate(questions):
        if answers[place] is None and question.fault is None:
            same = free[question.text]
            answers[place] = same.pop() if same else last.get(question.text)
    return answers


def _print(document: Document) -> None:
    typer.echo(encoded(document), nl=False)


@contextmanager
def _progress(display: Display, tally: Tally) -> Iterator[Callable[[], None]]:
    """Show how far the run is, on a terminal by a bar; yields what to call after each answer."""
    if not display.err.is_terminal:
        step = max(LOG_STEP, tally.total // LOG_LINES)

        def log() -> None:
            if tally.done % step == 0 and tally.done < tally.total:
                display.note(f"{tally.done:,} of {tally.total:,} questions.")

        yield log
        return
    columns = (TextColumn("Answering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=display.err, transient=True) as bar:
        task = bar.add_task("", total=tally.total, completed=tally.kept)
        yield lambda: bar.update(task, completed=tally.done)
