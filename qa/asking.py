"""The commands `ask` and `qa search`: put a question, show what comes, say how it ended."""

import asyncio
from contextlib import closing
from dataclasses import asdict

import typer

from qa.config import Config
from qa.reading import Limits
from qa.render import (
    answer_json,
    coverage_line,
    dump,
    show_answer,
    show_ranked,
    source_name,
    warning_lines,
)
from qa.results import Answer, Outcome, Stopped
from qa.session import HOW_TO_WRITE, open_session
from qa.terminal import Display

UNANSWERED = 3
FAULTS = {"writing_failed", "partial_answer", "reading_failed"}


def ask_once(  # noqa: PLR0913 - the options of the command
    question: str,
    config: Config,
    limits: Limits,
    *,
    as_json: bool,
    strict: bool,
    cached: bool,
    verbose: bool,
) -> int:
    """Answer the question on stdout; returns the exit code."""
    with Display(stream=not as_json, verbose=verbose) as display:
        with closing(open_session(config, display.work, display.note)) as session:
            finished = asyncio.run(session.ask(question, limits, display.event, cached=cached))
            answer = finished.answer
        display.clear()
        if as_json:
            typer.echo(answer_json(answer, config.corpus.name))
        else:
            _show(answer, display)
        for line in warning_lines(answer):
            display.note(line)
        if answer.model is None:
            display.note(HOW_TO_WRITE)
    return _exit_code(answer, strict=strict)


def _show(answer: Answer, display: Display) -> None:
    """Print what the stream has not printed yet: the papers, and what the answer rests on."""
    if display.marked is not None:
        display.marked.end()
        display.out.print()
    show_answer(display.out, answer, streamed=display.marked is not None)
    display.out.print(coverage_line(answer))


def _exit_code(answer: Answer, *, strict: bool) -> int:
    kinds = {warning.kind for warning in answer.warnings}
    if kinds & FAULTS or answer.coverage.stopped == Stopped.FAILED or (strict and kinds):
        return 1
    return 0 if answer.outcome == Outcome.ANSWERED else UNANSWERED


def search_once(question: str, config: Config, limit: int, *, as_json: bool) -> int:
    """Print the ranking for the question; returns the exit code."""
    with Display(stream=False, verbose=False) as display:
        with closing(open_session(config, display.work, display.note, chat=False)) as session:
            papers = session.search(question, limit)
        display.clear()
        if as_json:
            rows = [asdict(entry) for entry in papers]
            for row in rows:
                row["source"] = source_name(config.corpus.name, row["source"])
            typer.echo(dump({"question": question, "papers": rows}))
        else:
            show_ranked(display.out, question, papers)
    return 0 if papers else UNANSWERED
