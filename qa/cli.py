"""The commands: `ask QUESTION`, and `qa` with everything else.

Only light modules are imported here: help and completion should come at once.
"""

import errno
import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from qa.config import configured
from qa.errors import QAError, UsageError
from qa.options import (
    AsJson,
    Author,
    Corpus,
    Form,
    Model,
    Question,
    Source,
    Venue,
    Verbose,
    Version,
    Year,
    filters_of,
    format_of,
)

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_QUESTION = 2000  # characters; far above any question, far below any model's context
SHOWN_RANKS = 10

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
app = typer.Typer(
    name="qa",
    help="Ask questions of a pile of paper abstracts. Answers name every paper they rest on, "
    "each with the sentence that says so.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
ask_app = typer.Typer(name="ask", pretty_exceptions_enable=False, context_settings=SETTINGS)


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """The command, with the user's errors told in a line and Ctrl-C and closed pipes taken well."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except QAError as exc:
            typer.echo(f"Error: {exc}", err=True)
            raise typer.Exit(exc.exit_code) from exc
        except KeyboardInterrupt as exc:
            typer.echo("Interrupted. What was read and embedded is kept.", err=True)
            raise typer.Exit(130) from exc
        except BrokenPipeError as exc:
            # whoever read our output has gone; the interpreter must not fail on flushing it
            _drop_output()
            raise typer.Exit(0) from exc
        except OSError as exc:
            if exc.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
                raise
            _drop_output()
            typer.echo(f"Error: the output could not be written: {exc.strerror}.", err=True)
            raise typer.Exit(1) from exc

    return run


def _drop_output() -> None:
    """Let what is still buffered for stdout go nowhere: it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tolerate_encodings() -> None:
    """Print `?` for what the output's encoding does not have, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def question_of(words: list[str]) -> str:
    """The question in one line; raises UsageError if there is none, or if it is a book."""
    text = sys.stdin.read() if words == ["-"] else " ".join(words)
    question = " ".join(text.split())
    if not question:
        raise UsageError('The question is empty. Ask like this: ask "which papers ...?"')
    if len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"The question has {len(question):,} characters; {LONGEST_QUESTION:,} are the most. "
            "Ask it more briefly."
        )
    return question


@app.callback()
def _main(version: Version = False) -> None:
    """Ask questions of a pile of paper abstracts."""


@ask_app.command()
@app.command()
@guarded
def ask(
    question: Question,
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Judge one round of papers, no reading on.")
    ] = False,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Judge every paper of the corpus.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Read at most N papers.")
    ] = None,
    max_tokens_total: Annotated[
        int | None,
        typer.Option(
            "--max-tokens-total", metavar="N", min=1, help="Stop reading before N tokens."
        ),
    ] = None,
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    form: Form = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Take in what changed in the corpus first.")
    ] = False,
    model: Model = None,
    corpus: Corpus = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if anything in the answer is doubtful.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Judge anew, whatever was judged before.")
    ] = False,
    verbose: Verbose = False,
    version: Version = False,  # noqa: ARG001 - its callback has acted by now
) -> None:
    """Answer QUESTION from the papers, naming every paper and the sentence that says so.

    Without a chat model the papers that match are listed with their own sentences. For a written
    answer set OPENAI_API_KEY, or OPENAI_BASE_URL to any OpenAI-compatible server; QA_MODEL names
    the model.

    Exit codes: 0 answered, 1 error, 2 wrong usage, 3 nothing in the corpus answers,
    130 interrupted.

    Examples:
      ask "which papers train without backprop?"

      ask "how does the forward-forward algorithm work?" --model gpt-5-mini

      ask "which papers release code for graphs?" --corpus ~/papers --json

      ask "which papers prune?" --year 2023- --format bibtex > found.bib
    """
    if quick and exhaustive:
        raise UsageError("--quick and --exhaustive exclude each other.")
    from qa.asking import ask_once
    from qa.reading import Limits

    code = ask_once(
        question_of(question),
        configured(corpus, model),
        Limits(limit, max_tokens_total, quick=quick, exhaustive=exhaustive),
        filters_of(year, author, venue, source),
        form=format_of(form, as_json=as_json),
        refresh=refresh,
        strict=strict,
        cached=not no_cache,
        verbose=verbose,
    )
    raise typer.Exit(code)


@app.command()
@guarded
def rebuild(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Folders or files, each a corpus of its own."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=NAME", help="What you call a column; is kept."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Embed everything anew, whatever is known.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild the vector store; only new or changed text is embedded.

    Examples:
      qa rebuild

      qa rebuild ~/papers/library.bib

      qa rebuild papers.csv --column title="Article Title" --column year=Erschienen
    """
    from qa.upkeep import rebuild_stores

    configs = [configured(path) for path in paths] if paths else [configured()]
    rebuild_stores(configs, column or (), force=force, as_json=as_json)


@app.command()
@guarded
def search(
    question: Question,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="Papers shown.")
    ] = SHOWN_RANKS,
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Rank the papers for QUESTION, without any chat model.

    Example:
      qa search "local learning rules" --limit 20
    """
    from qa.asking import search_once

    filters = filters_of(year, author, venue, source)
    code = search_once(
        question_of(question), configured(corpus), filters, limit=limit, as_json=as_json
    )
    raise typer.Exit(code)


@app.command()
@guarded
def papers(
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    corpus: Corpus = None,
    form: Form = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with all metadata.")] = False,
) -> None:
    """List the papers of the corpus, or write them for other programs.

    Options of one kind widen the choice, options of several kinds narrow it.

    Examples:
      qa papers --year 2019-2021 --author hinton

      qa papers --source library.bib --format ris > library.ris
    """
    from qa.browsing import list_papers

    filters = filters_of(year, author, venue, source)
    form = format_of(form, as_json=as_json, as_csv=as_csv)
    raise typer.Exit(list_papers(configured(corpus), filters, form))


@app.command()
@guarded
def show(
    paper: Annotated[str, typer.Argument(metavar="ID", help="A paper's id or the start of it.")],
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Show one paper: title, where it comes from, and its abstract.

    Example:
      qa show 3f1c
    """
    from qa.upkeep import show_paper

    show_paper(paper, configured(corpus), as_json=as_json)


@app.command()
@guarded
def status(
    skipped: Annotated[
        bool, typer.Option("--skipped", help="List what the last rebuild left out, and why.")
    ] = False,
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Show corpus, store, embedding and model in use, and whether they agree."""
    from qa.upkeep import show_skipped, show_status

    show = show_skipped if skipped else show_status
    show(configured(corpus), as_json=as_json)


@app.command()
@guarded
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Forget every kept verdict.")] = False,
) -> None:
    """Show how many verdicts are kept, so that asking again costs nothing, or forget them."""
    from qa.upkeep import show_cache

    show_cache(configured(), clear=clear)


@app.command(name="eval")
@guarded
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Questions as JSON lines.")],
    judge: Annotated[
        str, typer.Option("--judge", metavar="model|gold", help="gold: the labels judge.")
    ] = "model",
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Score the answers made without a chat model.")
    ] = False,
    flip: Annotated[
        float,
        typer.Option("--flip", min=0.0, max=1.0, help="With gold: share of wrong verdicts."),
    ] = 0.0,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="RESULT", help="An earlier --json result."),
    ] = None,
    model: Model = None,
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Score answers on a file of labelled questions, to choose a model for your corpus.

    Each line of FILE is {"id", "type": "set|fact|explain|none", "question", "relevant": [titles],
    "partial": [titles]}.

    Examples:
      qa eval questions.jsonl --judge gold

      qa eval questions.jsonl --model gpt-5-mini --json > mini.json
    """
    if judge not in {"model", "gold"}:
        raise UsageError(f"--judge is {judge!r}; it must be model or gold.")
    from qa.scoring import score_file

    chosen = "none" if no_model or judge == "gold" else model
    score_file(
        file,
        configured(corpus, chosen),
        gold=judge == "gold" and not no_model,
        flip=flip,
        compare=compare,
        as_json=as_json,
    )


def main() -> None:
    """Run `qa`."""
    _tolerate_encodings()
    app()


def ask_main() -> None:
    """Run `ask`, which is `qa ask`."""
    _tolerate_encodings()
    ask_app()
