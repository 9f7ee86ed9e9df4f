"""The command `qa eval`: answer labelled questions and print recall, precision and so on."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
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
    estimate_summary,
    load_questions,
    load_result,
    score,
    summary,
)
from qa.answering.events import Finished
from qa.answering.judge_quality import JudgeQuality, JudgeRecord
from qa.answering.reading import Limits
from qa.cli.display.progress import Display
from qa.config import Config
from qa.corpus.papers import title_key
from qa.export.json import dump
from qa.library.library import AskOptions, Library
from qa.library.opening import open_library
from qa.library.waiting import run
from qa.progress import Progress

# Measures between 0 and 1, printed with two decimals; the others are counts.
SHARES = ("recall", "precision", "f1", "map", "abstained")


def score_file(  # noqa: PLR0913 - the options of the command
    file: Path,
    config: Config,
    *,
    gold: bool,
    flip: float,
    recall: float | None,
    compare: Path | None,
    as_json: bool,
) -> None:
    """Score the answers to the file's questions and print the measures, by type and overall."""
    questions = load_questions(file)
    earlier = load_result(compare) if compare else None
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note) as library:
            papers = library.papers()
            titles = {paper.id: title_key(paper.title) for paper in papers}
            limits = Limits(recall=recall)
            check_labels(questions, titles.values())
            record = JudgeRecord(titles.__getitem__)
            judge_of = partial(GoldJudge, flip=flip) if gold else None
            options = partial(_options, record, limits)
            results = _results(library, questions, display, judge_of, options)
            scores = [
                score(question, result, titles.__getitem__, judge.count(papers) if judge else None)
                for question, judge, result in results
            ]
            warnings = [w for _, _, result in results for w in result.answer.warnings]
            model = library.model
            judged_by = "none" if model is None else "model"
            if gold:
                judged_by = f"gold, {flip:.0%} flipped" if flip else "gold"
        display.clear()
        quality = None if gold or model is None else record.quality()
        document = as_document(scores, questions_file=file.name, judge=judged_by, model=model)
        if quality is not None:
            document["judge_quality"] = asdict(quality)
        for line in dict.fromkeys(w.detail for w in warnings if w.kind == "unreliable_judge"):
            display.note(line)
        if as_json:
            typer.echo(dump(document))
        else:
            _print(display.out, scores, f"judge: {judged_by}; chat model: {model or 'none'}")
            if quality is not None and quality.papers:
                display.out.print(_quality_line(quality))
        if earlier:
            _print_changes(display.err if as_json else display.out, earlier, scores)


def _results(
    library: Library,
    questions: list[Question],
    display: Display,
    judge_of: Callable[[Question], GoldJudge] | None,
    options_of: Callable[[Question], AskOptions],
) -> list[tuple[Question, GoldJudge | None, Finished]]:
    results = []
    for number, question in enumerate(questions, start=1):
        display.work(Progress("answering", number, len(questions), "questions"))
        judge = judge_of(question) if judge_of else None
        answered = run(_answer(library, question.question, judge, options_of(question)))
        results.append((question, judge, answered))
    return results


def _options(record: JudgeRecord, limits: Limits, question: Question) -> AskOptions:
    return AskOptions(limits, on_event=partial(record.add, question))


async def _answer(
    library: Library, question: str, judge: GoldJudge | None, options: AskOptions
) -> Finished:
    if judge is None:
        finished = await library.answer(question, options)
        if finished.failure is not None:  # what scores answer instead is not the model's answer
            raise finished.failure
        return finished
    return await library.judged_by(judge, question, options.limits)


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
    estimated = estimate_summary(scores)
    if estimated is not None:
        share = {name: _share(value) for name, value in estimated.items()}
        held = f"the interval held the truth in {share['held']} of {estimated['questions']}"
        out.print(f"estimate: {held}, median width {share['width']} of the truth;")
        out.print(f"recall expected {share['expected']}, found {share['found']}")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _quality_line(quality: JudgeQuality) -> str:
    """Return how well the model judged, and what that took."""
    parts = [f"{quality.papers:,} papers judged: agreement {_cell('recall', quality.agreement)}"]
    parts += [f"precision {_cell('recall', quality.precision)}"]
    parts += [f"recall {_cell('recall', quality.recall)}"]
    if quality.calibration is not None:
        parts.append(f"Brier score {quality.calibration:.2f}")
    if quality.seconds is not None:
        parts.append(f"{quality.seconds:.1f} s and {quality.tokens:,.0f} tokens a paper")
    return ", ".join(parts)


def _cell(measure: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if measure in SHARES else f"{value:,.0f}"


def _print_changes(out: Console, earlier: dict[str, Any], scores: list[Score]) -> None:
    changed = changes(earlier, scores)
    out.print(f"{len(changed)} of {len(scores)} questions changed since the earlier result.")
    for id_, before, now in changed:
        out.print(f"  {id_}: {before:.2f} → {now:.2f}")
