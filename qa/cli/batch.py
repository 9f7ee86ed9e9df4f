"""The command `ask --file`: the answers to many questions, each kept as soon as it is there."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qa.cli.answers_file import AnswersFile, Document
from qa.cli.asking import note_how_to_write
from qa.cli.backlog import Asking, Backlog, Tally
from qa.cli.display.terminal import Display
from qa.cli.questions import ListedQuestion, listed_questions
from qa.config import Config
from qa.errors import UsageError
from qa.library import open_library, run

TOLD = 10  # times that a log hears how far the work is


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
    if answers is not None and source != "-" and answers.resolve() == Path(source).resolve():
        raise UsageError(f"{answers} holds the questions. Name another file for the answers.")
    questions = listed_questions(_text(source))
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
                run(Backlog(library, asking, tally, add, advance).work_off(rest))
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
    questions: Sequence[ListedQuestion], file: AnswersFile, asking: Asking, settings: str
) -> list[ListedQuestion]:
    """The questions that have no whole answer yet by the same settings.

    In the file, answers go with their questions to other lines, and failures that are asked again
    are taken away.
    """
    standing = [
        line for line in file.lines if line.get("settings") == settings and not asking.failed(line)
    ]
    answers = _answers(questions, standing)
    rest = [question for question, line in zip(questions, answers, strict=True) if line is None]
    places = defaultdict[int, list[ListedQuestion]](list)  # by the line that answers them
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


def _answers(
    questions: Sequence[ListedQuestion], lines: Sequence[Document]
) -> list[Document | None]:
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
