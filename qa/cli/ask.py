"""The commands `ask` and `qa search`: put a question, show what comes, say how it ended."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from qa.answering.reading import Limits
from qa.answering.results import Answer, Stopped
from qa.answering.wording import candidates_text, coverage_line, source_name
from qa.cli.display.answer import (
    answer_json,
    dump,
    show_answer,
    show_ranked,
    warning_lines,
    warnings_beside,
)
from qa.cli.display.progress import Display
from qa.config import Config
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.export.formats import Format, export_papers
from qa.library import HOW_TO_WRITE, open_library

UNANSWERED = 3
NO_MODEL = "none"  # as the setting's value
FAULTS = {"writing_failed", "partial_answer", "reading_failed"}


def ask_once(  # noqa: PLR0913 - the options of the command
    question: str,
    config: Config,
    limits: Limits,
    filters: Filters,
    *,
    form: Format | None,
    refresh: bool,
    strict: bool,
    cached: bool,
    verbose: bool,
) -> int:
    """Answer the question on stdout; returns the exit code."""
    with Display(stream=form is None, verbose=verbose) as display:
        with open_library(config, display.work, display.note, refresh=refresh) as library:
            answer = library.ask(
                question, limits=limits, filters=filters, cached=cached, on_event=display.event
            )
            papers = library.papers_of(answer.papers) if form else []
            why = "" if answer.coverage.candidates else library.why_none(filters)
        display.clear()
        if form is None:
            show(answer, display)
        else:
            _write(answer, papers, form, config.corpus.name)
            if form not in {Format.JSON, Format.MARKDOWN}:
                display.note(coverage_line(answer))
        if why:
            display.note(why)
        if form == Format.JSON:
            for line in warnings_beside(answer, FAULTS):
                display.note(line)
        else:
            note_warnings(answer, display)
        if answer.model is None and answer.coverage.candidates and form is None:
            note_how_to_write(config, display)
        display.sum_up(answer)
    return _exit_code(answer, strict=strict)


def note_how_to_write(config: Config, display: Display) -> None:
    """Say how to get a written answer, unless the user wants none."""
    if (config.model or "").lower() != NO_MODEL:
        display.note(HOW_TO_WRITE)


def _write(answer: Answer, papers: Sequence[Paper], form: Format, corpus: str) -> None:
    """Print the answer for another program: as a document, or its papers alone."""
    if form == Format.JSON:
        typer.echo(answer_json(answer, corpus))
        return
    from qa.export.markdown import answer_markdown
    from qa.export.references import answer_papers

    references = answer_papers(answer, papers)
    if form == Format.MARKDOWN:
        typer.echo(answer_markdown(answer, references, coverage_line(answer)), nl=False)
    else:
        typer.echo(export_papers(references, form), nl=False)


def show(answer: Answer, display: Display) -> None:
    """Print what the stream has not printed yet: the papers, and what the answer rests on."""
    if display.marked is not None:
        display.marked.end()
        display.out.print()
    show_answer(display.out, answer, streamed=display.marked is not None)
    display.out.print(coverage_line(answer))


def note_warnings(answer: Answer, display: Display) -> None:
    """Say on stderr what is doubtful in the answer, under the numbers that mark it in the text."""
    for line in warning_lines(answer, display.marked.numbers if display.marked else {}):
        display.note(line)


def _exit_code(answer: Answer, *, strict: bool) -> int:
    kinds = {warning.kind for warning in answer.warnings}
    if kinds & FAULTS or answer.coverage.stopped == Stopped.FAILED or (strict and kinds):
        return 1
    return 0 if answer.papers else UNANSWERED


def search_once(
    question: str, config: Config, filters: Filters, *, limit: int, as_json: bool
) -> int:
    """Print the ranking for the question; returns the exit code."""
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note, chat=False) as library:
            found = library.search(question, limit=limit, filters=filters)
            why = "" if found.papers else library.why_none(filters)
        display.clear()
        if as_json:
            rows = [asdict(entry) for entry in found.papers]
            for row in rows:
                row["source"] = source_name(config.corpus.name, row["source"])
            typer.echo(dump({"question": question, **asdict(found.scope), "papers": rows}))
        else:
            show_ranked(display.out, question, found.papers)
        if filters:
            display.note(
                f"Ranked {candidates_text(found.scope)} of {found.scope.corpus:,}. {why}".rstrip()
            )
    return 0 if found.papers else UNANSWERED
