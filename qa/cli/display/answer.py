"""Answers as people read them in a terminal or a pipe, and as programs read them: JSON."""

import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from qa.answering.results import (
    Answer,
    AnswerWarning,
    ListedPaper,
    Outcome,
)
from qa.answering.safe_text import clean, clean_line
from qa.answering.wording import (
    source_name,
)
from qa.retrieval.query import content_words
from qa.retrieval.relevance import Relevance

MOST_WARNINGS = 20  # lines of them
FEW_UNCITED = 5  # of these lines for sentences without a citation
FEW = 8  # papers up to which every proving sentence is shown, not the clearest alone
PIPE = 10**6  # columns where no terminal wraps the lines


class PlainConsole(Console):
    """A console that tells of a closed pipe by the usual exception, instead of exiting with 1."""

    def on_broken_pipe(self) -> None:
        """Raise what `qa.cli` ends quietly."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """A console that leaves text as it is: no markup, no guessed colours, no wrapping in a pipe."""
    plain = PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not plain.is_terminal:
        plain.width = PIPE
    return plain


def answer_json(answer: Answer, corpus: str) -> str:
    """The answer as one JSON document; its fields are those of docs/json.md."""
    return dump(answer_document(answer, corpus))


def answer_document(answer: Answer, corpus: str) -> dict[str, Any]:
    """The answer as what JSON can hold."""
    document = asdict(answer)
    document["seconds"] = {k: round(v, 3) for k, v in document["seconds"].items()}
    for paper in document["papers"] + document["nearest"]:
        paper["source"] = source_name(corpus, paper["source"])
    return document


def dump(document: object) -> str:
    """The document as JSON that any reader takes: UTF-8, no NaN, no lone surrogates."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    return text.encode("utf-8", "replace").decode()


def show_answer(out: Console, answer: Answer, *, streamed: bool) -> None:
    """Print the answer, unless a stream has shown it, and its papers with their evidence."""
    if not answer.coverage.candidates:
        return  # the coverage line says it all
    if answer.outcome == Outcome.NOTHING_RETRIEVED:
        out.print("Nothing in the corpus matches the question.")
    elif answer.outcome == Outcome.NOT_IN_CORPUS and not streamed:
        print_hanging(out, Text(clean(answer.answer)), 0)
    if answer.papers or answer.nearest:
        show_papers(out, answer)


def show_ranked(out: Console, question: str, papers: Iterable[ListedPaper]) -> None:
    """Print a ranking: place, score, id and title, and below them the best sentence."""
    for paper in papers:
        head = Text(f"{paper.n:3}. {paper.score:.2f} {paper.id} {clean(paper.title)}", style="bold")
        print_hanging(out, head, 5)
        for evidence in paper.evidence[:1]:
            print_hanging(out, _quote(clean(evidence.text), question), 6, first=5)


def show_papers(out: Console, answer: Answer) -> None:
    """Print the papers of the answer, those that answer in part under a line of their own."""
    few = len(answer.papers) <= FEW
    partly = [p for p in answer.papers if p.relevance == Relevance.PARTLY]
    fully = [p for p in answer.papers if p.relevance != Relevance.PARTLY]
    _show_group(out, answer.question, fully, few=few)
    if partly:
        heading = "Less certain:" if answer.model is None else "In part:"
        out.print(Text(heading, style="bold"))
        _show_group(out, answer.question, partly, few=few)
    if answer.nearest:
        heading = "Nearest:" if answer.model is None else "Nearest, but no answer:"
        out.print(Text(heading, style="bold"))
        _show_group(out, answer.question, answer.nearest, few=True)


def _show_group(out: Console, question: str, papers: Iterable[ListedPaper], *, few: bool) -> None:
    for paper in papers:
        show_paper(out, question, paper, few=few)


def show_paper(out: Console, question: str, paper: ListedPaper, *, few: bool) -> None:
    """Print one paper: its number and title, and below them the sentences that prove it."""
    number = f"[{paper.n}]".rjust(4)
    title = Text(f"{number} {clean(paper.title)}", style="bold")
    if paper.url and has_links(out):
        title.stylize(f"link {clean(paper.url)}", len(number) + 1)
    print_hanging(out, title, 5)
    for evidence in paper.evidence if few else paper.evidence[:1]:
        print_hanging(out, _quote(clean(evidence.text), question), 6, first=5)


def has_links(out: Console) -> bool:
    """Whether the terminal knows links (OSC 8): those of few colours are too old or too plain."""
    return out.is_terminal and out.color_system in {"256", "truecolor", "windows"}


def print_hanging(out: Console, text: Text, indent: int, *, first: int = 0) -> None:
    """Print the text wrapped to the terminal's width, later lines further in than the first."""
    lines = text.wrap(out, max(20, out.width - indent)) if out.is_terminal else [text]
    for number, line in enumerate(lines):
        line.rstrip()
        out.print(Text(" " * (indent if number else first)) + line, soft_wrap=True)


def _quote(sentence: str, question: str) -> Text:
    """The sentence in quotation marks, the question's own words standing out."""
    text = Text(f"“{sentence}”")
    for word in content_words(question):
        stem = re.escape(word[: max(4, len(word) - 3)])
        text.highlight_regex(rf"(?i)\b{stem}[\w-]*", "yellow")
    return text


def warning_lines(
    answer: Answer, marks: Mapping[str, Sequence[int]] | None = None
) -> Sequence[str]:
    """What to say of the warnings: a line for each, as far as people read such lines.

    `marks` gives by detail the numbers that mark it in the text, for one warning after another.
    """
    numbers = {detail: iter(marked) for detail, marked in (marks or {}).items()}
    numbered = [(next(numbers.get(w.detail, iter(())), None), w) for w in answer.warnings]
    numbered.sort(key=lambda pair: pair[0] or 0)  # those that no number leads to come first
    lines = _merged(numbered)
    if len(lines) <= MOST_WARNINGS:
        return [line for line, _ in lines]
    more = sum(count for _, count in lines[MOST_WARNINGS:])
    shown = [line for line, _ in lines[:MOST_WARNINGS]]
    return [*shown, f"… and {more:,} more: ask … --json lists all."]


def _merged(numbered: Sequence[tuple[int | None, AnswerWarning]]) -> list[tuple[str, int]]:
    """Lines and how many warnings each tells of: what is not cited is told singly a few times."""
    uncited = [w for _, w in numbered if w.kind == "uncited_sentence"]
    if len(uncited) <= FEW_UNCITED + 1:
        return [(_warning_line(n, w), 1) for n, w in numbered]
    lines, told = [], 0
    for n, warning in numbered:
        told += warning.kind == "uncited_sentence"
        if warning.kind != "uncited_sentence" or told <= FEW_UNCITED:
            lines.append((_warning_line(n, warning), 1))
    more = len(uncited) - FEW_UNCITED
    place = min(len(lines), MOST_WARNINGS - 1)  # never among those that are not shown
    lines.insert(place, (f"No paper is cited for {more:,} more sentences.", more))
    return lines


def _warning_line(number: int | None, warning: AnswerWarning) -> str:
    return f"{f'(!{number})' if number else 'Warning:'} {clean_line(warning.detail)}"


def warnings_beside(answer: Answer, grave: Container[str]) -> Sequence[str]:
    """What to say beside a document that lists the warnings: of many, those of grave kinds."""
    if len(answer.warnings) <= MOST_WARNINGS:
        return warning_lines(answer)
    lines = [_warning_line(None, w) for w in answer.warnings if w.kind in grave]
    return [*lines, f"{len(answer.warnings):,} warnings: the document lists them."]
