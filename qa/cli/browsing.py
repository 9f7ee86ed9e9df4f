"""The command `qa papers`: the papers of a corpus, listed or written for other programs."""

from collections.abc import Iterable
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from qa.answering.terminal_text import clean_line
from qa.cli.display.render import candidates_text, dump, source_name
from qa.cli.display.terminal import Display
from qa.config import Config
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.export.formats import Format, written
from qa.export.reference import references
from qa.library import open_library
from qa.retrieval.scope import Scope

NONE_PASSES = 3


def list_papers(config: Config, filters: Filters, form: Format | None) -> int:
    """Print the papers that pass the filters; returns the exit code."""
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note, chat=False) as library:
            papers, scope = library.papers(filters), library.retriever(filters).scope
            why = "" if papers else library.why_none(filters)
        display.clear()
        if form == Format.JSON:
            typer.echo(_document(papers, scope, config.corpus.name))
        elif form is not None:
            typer.echo(written(references(papers), form), nl=False)
        else:
            _print(display.out, papers)
        display.note(f"{candidates_text(scope)} of {scope.corpus:,}. {why}".rstrip())
    return 0 if papers else NONE_PASSES


def _document(papers: Iterable[Paper], scope: Scope, corpus: str) -> str:
    rows = [
        asdict(paper)
        | {"url": paper.link, "sources": [source_name(corpus, name) for name in paper.sources]}
        for paper in papers
    ]
    return dump({**asdict(scope), "papers": rows})


def _print(out: Console, papers: Iterable[Paper]) -> None:
    """Print a line for each paper: id, year, and as much of the title as the terminal has room."""
    for paper in papers:
        line = Text(f"{paper.id}  {paper.year or '':4}  {clean_line(paper.title)}")
        if out.is_terminal:
            line.truncate(out.width, overflow="ellipsis")
        out.print(line, soft_wrap=True)
