"""The commands `ask` and `qa search`: answer one question, or rank the papers for it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import typer

from qa.answering.reading import Limits, Reading
from qa.answering.results import Answer, Stopped
from qa.answering.safe_text import clean_line
from qa.answering.wording import (
    candidates_text,
    coverage_line,
    source_name,
    worth_reading_on,
)
from qa.cli.display.answer import (
    show_answer,
    show_ranked,
    warning_lines,
    warnings_beside,
)
from qa.cli.display.progress import Display
from qa.cli.exit_codes import NOTHING_FOUND
from qa.config import Config
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.export.formats import Format, export_papers
from qa.export.json import answer_json, dump
from qa.library.chat_model import HOW_TO_WRITE
from qa.library.library import AskOptions, EventListener, Library
from qa.library.opening import open_library
from qa.library.waiting import run

READ_ON = "To read on, ask the same again with --recall 0.95: what was read costs nothing."
NO_CONDITIONS = "--no-conditions asks every paper, taking these words as words."
NO_MODEL = "none"  # the value of QA_MODEL or --model that asks for no chat model
PAPERS_ALONE = {Format.BIBTEX, Format.RIS, Format.CSV}  # formats without room for the answer
# Kinds of warnings with which a question counts as failed: exit code 1.
FAILURES = {"model_failed", "writing_failed", "partial_answer", "reading_failed"}


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """The options of `ask`: for one question, or for each question of a file."""

    limits: Limits
    filters: Filters
    conditions: bool  # whether years, authors … in the question are filters, too
    cached: bool  # whether verdicts of earlier questions may be used
    refresh: bool  # whether to take in first what changed in the corpus
    strict: bool  # whether any warning is a failure
    form: Format | None = None  # None: plain text
    verbose: bool = False

    def asking(self, on_event: EventListener) -> AskOptions:
        """Return these options as the library takes them."""
        return AskOptions(
            self.limits,
            self.filters,
            conditions=self.conditions,
            cached=self.cached,
            on_event=on_event,
        )


def ask_once(question: str, config: Config, options: CommandOptions) -> int:
    """Answer the question on stdout; return the exit code."""
    form = options.form
    with Display(stream=form is None, verbose=options.verbose) as display:
        with open_library(config, display.work, display.note, refresh=options.refresh) as library:
            finished = run(library.answer(question, options.asking(display.event)))
            answer = finished.answer
            papers = library.papers_of(answer.papers) if form else []
            readings = library.readings(finished.reading.rounds) if form == Format.HTML else ()
            why_none = "" if answer.coverage.candidates else library.why_none(options.filters)
        display.clear()
        if form is None:
            show(answer, display)
        else:
            _write(answer, papers, form, config.corpus.name, readings)
            if form in PAPERS_ALONE:
                display.note(coverage_line(answer))
        if why_none:
            display.note(why_none)
        if answer.coverage.filter and not options.filters:
            display.note(NO_CONDITIONS)
        if form == Format.JSON:
            for line in warnings_beside(answer, FAILURES):
                display.note(line)
        else:
            note_warnings(answer, display)
        if answer.coverage.candidates and form is None:
            note_how_to_write(library, display)
        display.sum_up(answer)
    return _exit_code(answer, strict=options.strict)


def note_how_to_write(library: Library, display: Display) -> None:
    """Say how to get a written answer where there is no model, unless the user wants none."""
    wanted = (library.config.model or "").lower() != NO_MODEL
    if wanted and library.model is None and library.chat_failure is None:
        display.note(HOW_TO_WRITE)


def _write(
    answer: Answer,
    papers: Sequence[Paper],
    form: Format,
    corpus: str,
    readings: Sequence[Reading],
) -> None:
    """Print the answer for another program: as a document, or its papers alone."""
    if form == Format.JSON:
        typer.echo(answer_json(answer, corpus))
        return
    from qa.export.markdown import answer_markdown
    from qa.export.references import answer_papers

    references = answer_papers(answer, papers)
    if form == Format.MARKDOWN:
        typer.echo(answer_markdown(answer, references, coverage_line(answer)), nl=False)
    elif form == Format.HTML:
        from qa.export.html import answer_html

        typer.echo(answer_html(answer, references, coverage_line(answer), readings), nl=False)
    else:
        typer.echo(export_papers(references, form), nl=False)


def show(answer: Answer, display: Display) -> None:
    """Print what the stream has not printed yet: the papers, and what the answer rests on."""
    if display.streamed is not None:
        display.streamed.end()
        display.out.print()
    for note in answer.notes:
        display.out.print(clean_line(note))
    show_answer(display.out, answer, streamed=display.streamed is not None)
    display.out.print(coverage_line(answer))
    if worth_reading_on(answer.coverage):
        display.out.print(READ_ON)


def note_warnings(answer: Answer, display: Display) -> None:
    """Print the answer's warnings on stderr, with the numbers that mark them in the text."""
    for line in warning_lines(answer, display.streamed.numbers if display.streamed else {}):
        display.note(line)


def _exit_code(answer: Answer, *, strict: bool) -> int:
    kinds = {warning.kind for warning in answer.warnings}
    if kinds & FAILURES or answer.coverage.stopped == Stopped.FAILED or (strict and kinds):
        return 1
    return 0 if answer.papers else NOTHING_FOUND


def search_once(  # noqa: PLR0913 - the options of the command
    question: str,
    config: Config,
    filters: Filters,
    *,
    conditions: bool,
    limit: int,
    as_json: bool,
) -> int:
    """Print the ranking for the question; return the exit code."""
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note, chat=False) as library:
            found = library.search(question, limit=limit, filters=filters, conditions=conditions)
            why_none = "" if found.papers else library.why_none(filters)
        display.clear()
        if as_json:
            rows = [asdict(entry) for entry in found.papers]
            for row in rows:
                row["source"] = source_name(config.corpus.name, row["source"])
            said = {"question": question, **asdict(found.scope), "notes": found.notes}
            typer.echo(dump({**said, "papers": rows}))
        else:
            for note in found.notes:
                display.out.print(clean_line(note))
            show_ranked(display.out, question, found.papers)
        if filters:
            ranked = f"Ranked {candidates_text(found.scope)} of {found.scope.corpus:,}."
            display.note(f"{ranked} {why_none}".rstrip())
    return 0 if found.papers else NOTHING_FOUND
