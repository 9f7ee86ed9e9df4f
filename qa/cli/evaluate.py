"""The command `qa eval`: answer labelled questions and print recall, precision and so on."""

from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from qa.answering.evaluate import (
    GoldJudge,
    Question,
    Score,
    as_document,
    changes,
    check_labels,
    load_questions,
    load_result,
    score,
    summary,
)
from qa.answering.events import Finished
from qa.cli.display.progress import Display
from qa.config import Config
from qa.corpus.papers import title_key
from qa.export.json import dump
from qa.library import AskOptions, Library, open_library, run
from qa.progress import Progress

# Measures between 0 and 1, printed with two decimals; the others are counts.
SHARES = ("recall", "precision", "f1", "map", "abstained")


def score_file(  # noqa: PLR0913 - the options of the command
    file: Path,
    config: Config,
    *,
    gold: bool,
    flip: float,
    compare: Path | None,
    as_json: bool,
) -> None:
    """Score the answers to the file's questions and print the measures, by type and overall."""
    questions = load_questions(file)
    earlier = load_result(compare) if compare else None
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note) as library:
            titles = {paper.id: title_key(paper.title) for paper in library.papers()}
            check_labels(questions, titles.values())
            scores = [
                score(question, result, titles.__getitem__)
                for question, result in _results(library, questions, display, gold=gold, flip=flip)
            ]
            model = library.model
            judge = "none" if model is None else "model"
            if gold:
                judge = f"gold, {flip:.0%} flipped" if flip else "gold"
        display.clear()
        document = as_document(scores, questions_file=file.name, judge=judge, model=model)
        if as_json:
            typer.echo(dump(document))
        else:
            _print(display.out, scores, f"judge: {judge}; chat model: {model or 'none'}")
        if earlier:
            _print_changes(display.err if as_json else display.out, earlier, scores)


def _results(
    library: Library,
    questions: list[Question],
    display: Display,
    *,
    gold: bool,
    flip: float,
) -> list[tuple[Question, Finished]]:
    results = []
    for number, question in enumerate(questions, start=1):
        display.work(Progress("answering", number, len(questions), "questions"))
        judge = GoldJudge(question, flip=flip) if gold else None
        results.append((question, run(_answer(library, question.question, judge))))
    return results


async def _answer(library: Library, question: str, judge: GoldJudge | None) -> Finished:
    if judge is None:
        finished = await library.answer(question, AskOptions())
        if finished.failure is not None:  # what scores answer instead is not the model's answer
            raise finished.failure
        return finished
    return await library.judged_by(judge, question)


def _print(out: Console, scores: list[Score], settings: str) -> None:
    table = Table(box=None, pad_edge=False, collapse_padding=True)  # fits 80 columns
    measures = [*SHARES, "read", "calls", "tokens"]
    for name in ("type", "questions", *measures):
        table.add_column(name, justify="left" if name == "type" else "right", no_wrap=True)
    for kind, means in summary(scores).items():
        cells = [_cell(measure, means[measure]) for measure in measures]
        table.add_row(kind, str(means["questions"]), *cells)
    out.print(table)
    out.print(settings)


def _cell(measure: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if measure in SHARES else f"{value:,.0f}"


def _print_changes(out: Console, earlier: dict[str, Any], scores: list[Score]) -> None:
    changed = changes(earlier, scores)
    out.print(f"{len(changed)} of {len(scores)} questions changed since the earlier result.")
    for id_, before, now in changed:
        out.print(f"  {id_}: {before:.2f} → {now:.2f}")
