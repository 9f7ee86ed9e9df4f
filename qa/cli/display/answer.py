"""How an answer looks in a terminal: its papers and warnings as text."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from qa.answering.results import Answer, AnswerWarning, ListedPaper, Outcome
from qa.answering.safe_text import clean, clean_line
from qa.answering.wording import qualifier, title_of
from qa.retrieval.query import content_words, word_start

MAX_WARNINGS = 20  # lines
MAX_UNCITED = 5  # of these lines, for sentences without a citation
MAX_PAPERS_IN_FULL = 8  # of longer lists only the first evidence of each paper is shown
PIPE_WIDTH = 10**6  # columns; so lines for a pipe are not wrapped


class PlainConsole(Console):
    """A console that raises BrokenPipeError for a closed pipe, where rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raise the error, which `with_exit_codes` takes for a normal end."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, no highlighting, no wrapped pipes."""
    out = PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    return out


def show_answer(out: Console, answer: Answer, *, streamed: bool) -> None:
    """Print the papers with their evidence; before them that nothing answers, where it does not."""
    if not answer.coverage.candidates:
        return  # the coverage line says that no paper passes the filters
    if answer.outcome == Outcome.NOTHING_RETRIEVED:
        out.print("Nothing in the corpus matches the question.")
    elif answer.outcome == Outcome.NOT_IN_CORPUS and not streamed:
        print_hanging(out, Text(clean(answer.answer)), 0)
    if answer.papers or answer.nearest:
        show_papers(out, answer)


def show_ranked(out: Console, question: str, papers: Iterable[ListedPaper]) -> None:
    """Print a ranking: rank, score, id and title of each paper, and its best sentence."""
    for paper in papers:
        head = Text(f"{paper.n:3}. {paper.score:.2f} {paper.id} {title_of(paper)}", style="bold")
        print_hanging(out, head, 5)
        for evidence in () if paper.title_only else paper.evidence[:1]:
            print_hanging(out, _quote(clean(evidence.text), question), 6, first=5)


HEADINGS = {"in part": "In part:", "possible": "Possible:"}  # by what restricts a paper


def show_papers(out: Console, answer: Answer) -> None:
    """Print the papers of the answer: those that answer in part, or are possible, under headings.

    Where only the reader has judged some, the others that are likely by score have a heading too.
    """
    in_full = len(answer.papers) <= MAX_PAPERS_IN_FULL
    by_score = answer.model is None
    judged = any(paper.relevance for paper in answer.papers)
    groups: dict[str, list[ListedPaper]] = {"": [], "In part:": [], "Likely:": [], "Possible:": []}
    for paper in answer.papers:
        heading = HEADINGS.get(qualifier(paper), "")
        groups["Likely:" if judged and paper.likelihood and not heading else heading].append(paper)
    nearest = "Nearest:" if by_score else "Nearest, but no answer:"
    for heading, papers, every_sentence in (
        *((heading, papers, in_full) for heading, papers in groups.items()),
        (nearest, answer.nearest, True),
    ):
        if heading and papers:
            out.print(Text(heading, style="bold"))
        for paper in papers:
            show_paper(out, answer.question, paper, every_sentence=every_sentence)


def show_paper(out: Console, question: str, paper: ListedPaper, *, every_sentence: bool) -> None:
    """Print one paper: its number and title, and below them its evidence, or the first of it.

    Where the title is all there is, it is the evidence.
    """
    number = f"[{paper.n}]".rjust(4)
    title = Text(f"{number} {title_of(paper)}", style="bold")
    if paper.url and has_links(out):
        title.stylize(f"link {clean(paper.url)}", len(number) + 1)
    print_hanging(out, title, 5)
    if paper.title_only:
        return
    for evidence in paper.evidence if every_sentence else paper.evidence[:1]:
        print_hanging(out, _quote(clean(evidence.text), question), 6, first=5)


def has_links(out: Console) -> bool:
    """Tell whether the terminal shows links (OSC 8): one with few colours is too old for that."""
    return out.is_terminal and out.color_system in {"256", "truecolor", "windows"}


def print_hanging(out: Console, text: Text, indent: int, *, first: int = 0) -> None:
    """Print the text wrapped to the terminal's width.

    The first line is indented by `first` columns, the others by `indent`.
    """
    lines = text.wrap(out, max(20, out.width - indent)) if out.is_terminal else [text]
    for number, line in enumerate(lines):
        line.rstrip()
        out.print(Text(" " * (indent if number else first)) + line, soft_wrap=True)


def _quote(sentence: str, question: str) -> Text:
    """Return the sentence in quotation marks, the question's words coloured."""
    text = Text(f"“{sentence}”")
    for word in content_words(question):
        stem = re.escape(word_start(word))
        text.highlight_regex(rf"(?i)\b{stem}[\w-]*", "yellow")
    return text


def warning_lines(
    answer: Answer, marks: Mapping[str, Sequence[int]] | None = None
) -> Sequence[str]:
    """Return a line for each warning, up to MAX_WARNINGS, and one that counts the rest.

    `marks` are the numbers that mark a warning in the streamed text, by its detail: several where
    several warnings have the same words.
    """
    numbers = {detail: iter(marked) for detail, marked in (marks or {}).items()}
    numbered = [(next(numbers.get(w.detail, iter(())), None), w) for w in answer.warnings]
    numbered.sort(key=lambda pair: pair[0] or 0)  # warnings without a mark come first
    lines = _with_uncited_counted(numbered)
    if len(lines) <= MAX_WARNINGS:
        return [line for line, _ in lines]
    more = sum(count for _, count in lines[MAX_WARNINGS:])
    shown = [line for line, _ in lines[:MAX_WARNINGS]]
    return [*shown, f"… and {more:,} more: ask … --json lists all."]


def _with_uncited_counted(
    numbered: Sequence[tuple[int | None, AnswerWarning]],
) -> list[tuple[str, int]]:
    """Return the lines, each with the number of warnings that it stands for.

    After MAX_UNCITED sentences without a citation, one line counts the others.
    """
    uncited = [w for _, w in numbered if w.kind == "uncited_sentence"]
    if len(uncited) <= MAX_UNCITED + 1:
        return [(_warning_line(n, w), 1) for n, w in numbered]
    lines, shown = [], 0
    for n, warning in numbered:
        shown += warning.kind == "uncited_sentence"
        if warning.kind != "uncited_sentence" or shown <= MAX_UNCITED:
            lines.append((_warning_line(n, warning), 1))
    more = len(uncited) - MAX_UNCITED
    place = min(len(lines), MAX_WARNINGS - 1)  # the last line that is shown, at most
    lines.insert(place, (f"No paper is cited for {more:,} more sentences.", more))
    return lines


def _warning_line(number: int | None, warning: AnswerWarning) -> str:
    return f"{f'(!{number})' if number else 'Warning:'} {clean_line(warning.detail)}"


def warnings_beside(answer: Answer, failures: Container[str]) -> Sequence[str]:
    """Return warning lines for stderr beside JSON: of many, those whose kind is a failure."""
    if len(answer.warnings) <= MAX_WARNINGS:
        return warning_lines(answer)
    lines = [_warning_line(None, w) for w in answer.warnings if w.kind in failures]
    return [*lines, f"{len(answer.warnings):,} warnings: the document lists them."]
