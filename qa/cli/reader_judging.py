"""The reader judges papers in `qa chat`: one after the other, with one key each."""

import sys
from collections import Counter

import typer
from rich.console import Console
from rich.text import Text

from qa.cli.corpus import print_paper
from qa.corpus.filters import Filters
from qa.library.library import Library
from qa.retrieval.relevance import Relevance

KEYS = {"y": Relevance.YES, "p": Relevance.PARTLY, "n": Relevance.NO}
UNDO, ENOUGH = "u", "q"
ASKED = "Does it answer? y yes, p partly, n no, u undo, q enough: "
HARDLY_MORE = "By the stopping rule hardly more will turn up: q ends."
VERDICTS = {"/yes": Relevance.YES, "/partly": Relevance.PARTLY, "/no": Relevance.NO}


def judge_papers(library: Library, question: str, filters: Filters, out: Console) -> None:
    """Show the papers for the question, best first, until the reader has had enough.

    Each verdict is kept at once, and the next paper is ranked by it. Ctrl-C ends as q does. Raises
    QAError.
    """
    told = False
    while (upcoming := library.next_to_judge(question, filters)) is not None:
        out.print(Text(_tally(library, question), style="dim"))
        print_paper(out, upcoming.paper, library.config.corpus.name, upcoming.evidence)
        if upcoming.enough and not told:
            out.print(Text(HARDLY_MORE, style="dim"))
            told = True
        key = _read_key(out)
        if key == ENOUGH:
            return
        if key == UNDO:
            library.undo_overrule(question)
        else:
            library.overrule(question, upcoming.paper.id, KEYS[key])
    out.print("All papers are judged.")


def _tally(library: Library, question: str) -> str:
    counts = Counter(library.overruled(question).values())
    judged = f"{sum(counts.values())} judged"
    return f"{judged}: {counts[Relevance.YES]} yes, {counts[Relevance.PARTLY]} partly"


def _read_key(out: Console) -> str:
    """Return one of the keys; other keys are ignored. The end of the input is ENOUGH."""
    known = {*KEYS, UNDO, ENOUGH}
    while True:
        out.print(ASKED, end="")
        if sys.stdin.isatty():
            try:
                key = typer.getchar().lower()
            except (EOFError, KeyboardInterrupt):
                key = ENOUGH
            key = ENOUGH if key in {"\x04", "\x03", "\x1b"} else key
        else:
            key = sys.stdin.readline().strip().lower()[:1] or ENOUGH
        out.print(key if key in known else "")
        if key in known:
            return key
