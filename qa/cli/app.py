"""The commands: `ask QUESTION`, and `qa` with everything else.

Only light modules are imported here: help and completion should come at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from qa.cli.completion import complete_id
from qa.cli.exit_codes import with_exit_codes
from qa.cli.options import (
    AsJson,
    Author,
    Corpus,
    Form,
    Model,
    NoConditions,
    Question,
    Recall,
    Source,
    TrustJudge,
    Venue,
    Verbose,
    Version,
    Year,
    filters_of,
    format_of,
    named_path,
)
from qa.config import configured
from qa.errors import UsageError
from qa.export.formats import TableFormat

SHOWN_PAPERS = 10  # of a ranking, unless --limit says otherwise

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
app = typer.Typer(
    name="qa",
    help="Ask questions of a pile of paper abstracts. Answers name every paper they rest on, "
    "each with the sentence that says so.",
    no_args_is_help=True,
    rich_markup_mode=None,  # usage errors in lines like ours, not in boxes
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
ask_app = typer.Typer(
    name="ask", rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=SETTINGS
)


def question_of(words: list[str] | None) -> str:
    """Return the question in one line, from a pipe without words; raises UsageError."""
    from qa.retrieval.query import checked_question

    piped = words == ["-"] or not (words or sys.stdin is None or sys.stdin.isatty())
    try:
        return checked_question(sys.stdin.read() if piped else " ".join(words or ()))
    except UnicodeDecodeError as exc:
        raise UsageError("The question on stdin is not UTF-8 text.") from exc


@app.callback()
def _main(version: Version = False) -> None:
    """Ask questions of a pile of paper abstracts."""


@ask_app.command()
@app.command()
@with_exit_codes
def ask(
    question: Question = None,
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Judge one round of papers, no reading on.")
    ] = False,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Judge every paper of the corpus.")
    ] = False,
    recall: Recall = None,
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
    no_conditions: NoConditions = False,
    form: Form = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Take in what changed in the corpus first.")
    ] = False,
    model: Model = None,
    trust_judge: TrustJudge = False,
    corpus: Corpus = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if anything in the answer is doubtful.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Judge anew, whatever was judged before.")
    ] = False,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="FILE", help="Answer every question of a file; - is stdin."),
    ] = None,
    json_lines: Annotated[
        Path | None,
        typer.Option(
            "--json-lines",
            metavar="OUT",
            parser=named_path,
            help="With --file: where the answers go, and stay.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", min=1, help="With --file: questions at once."),
    ] = None,
    verbose: Verbose = False,
    version: Version = False,  # noqa: ARG001 - its callback has acted by now
) -> None:
    """Answer QUESTION with every paper and the sentence that says so.

    Without a chat model the papers that match are listed with their own sentences. For a written
    answer set OPENAI_API_KEY, or OPENAI_BASE_URL to any OpenAI-compatible server; QA_MODEL names
    the model.

    Exit codes: 0 answered, 1 error, 2 wrong usage, 3 nothing in the corpus answers,
    130 interrupted.

    For example:

      ask "which papers train without backprop?"

      ask "how does the forward-forward algorithm work?" --model gpt-5-mini

      ask "which papers release code for graphs?" --corpus ~/papers --json

      ask "which papers are trials of statins?" --recall 0.95

      ask "which papers prune?" --corpus library.bib --year 2023- --format bibtex > found.bib

      ask --file questions.txt --json-lines answers.jsonl
    """
    if quick and exhaustive:
        raise UsageError("--quick and --exhaustive exclude each other.")
    if recall and (quick or exhaustive):
        raise UsageError("--recall excludes --quick and --exhaustive.")
    from qa.answering.reading import Limits
    from qa.cli.ask import CommandOptions, ask_once

    config = configured(corpus, model, trust_judge=trust_judge)
    options = CommandOptions(
        limits=Limits(limit, max_tokens_total, quick=quick, exhaustive=exhaustive, recall=recall),
        filters=filters_of(year, author, venue, source),
        conditions=not no_conditions,
        cached=not no_cache,
        refresh=refresh,
        strict=strict,
        form=format_of(form, as_json=as_json),
        verbose=verbose,
    )
    if file is None:
        if json_lines or jobs:
            raise UsageError("--json-lines and --jobs go with --file.")
        raise typer.Exit(ask_once(question_of(question), config, options))
    if question or options.form or verbose:
        raise UsageError("--file excludes QUESTION, --json, --format and --verbose.")
    from qa.cli.batch import JOBS, ask_all

    raise typer.Exit(ask_all(file, config, options, answers=json_lines, jobs=jobs or JOBS))


@app.command()
@with_exit_codes
def chat(
    model: Model = None,
    trust_judge: TrustJudge = False,
    corpus: Corpus = None,
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    verbose: Verbose = False,
) -> None:
    r"""Hold a conversation: "which of those ...?" is understood.

    Lines from a pipe are answered one by one; the exit code is 1 if one of them failed.

    For example:

      qa chat --corpus ~/papers

      printf 'which papers prune?\nwhich of those release code?\n' | qa chat
    """
    from qa.cli.chat import hold_chat

    filters = filters_of(year, author, venue, source)
    config = configured(corpus, model, trust_judge=trust_judge)
    raise typer.Exit(hold_chat(config, filters, verbose=verbose))


@app.command()
@with_exit_codes
def rebuild(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            parser=named_path,
            help="Folders or files, each a corpus of its own.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=NAME", help="What you call a column; is kept."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Embed everything anew, whatever is known.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say of every file and entry what became of it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild the vector store; only new or changed text is embedded.

    For example:

      qa rebuild

      qa rebuild ~/papers/library.bib

      qa rebuild papers.csv --column title="Article Title" --column year=Erschienen
    """
    from qa.cli.corpus import rebuild_stores

    configs = [configured(path) for path in paths] if paths else [configured()]
    rebuild_stores(configs, column or (), force=force, verbose=verbose, as_json=as_json)


@app.command()
@with_exit_codes
def search(
    question: Question = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="Papers shown.")
    ] = SHOWN_PAPERS,
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    no_conditions: NoConditions = False,
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Rank the papers for QUESTION, without any chat model.

    For example:

      qa search "local learning rules" --limit 20
    """
    from qa.cli.ask import search_once

    filters = filters_of(year, author, venue, source)
    code = search_once(
        question_of(question),
        configured(corpus),
        filters,
        conditions=not no_conditions,
        limit=limit,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command()
@with_exit_codes
def table(
    question: Question = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", "-c", metavar="NAME", help='A column: NAME or "NAME: what it asks for".'
        ),
    ] = None,
    papers: Annotated[
        Path | None,
        typer.Option(
            "--papers", metavar="FILE", help="Ids of the papers, one a line, - for stdin."
        ),
    ] = None,
    form: Annotated[
        TableFormat | None,
        typer.Option("--format", help="In a terminal the table is drawn, else in Markdown."),
    ] = None,
    as_json: AsJson = False,
    proofs: Annotated[
        bool, typer.Option("--proofs", help="Give the sentence of each cell beside it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Read at most N papers.")
    ] = None,
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    model: Model = None,
    trust_judge: TrustJudge = False,
    corpus: Corpus = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any cell is doubtful.")
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask for every cell anew.")] = False,
) -> None:
    """Fill a table from the papers that answer QUESTION, one row a paper.

    A cell has words of the abstract, or it is empty: what the model says is looked up there. The
    same command again asks only for cells that are missing. A column that is a question for yes or
    no has that answer beside the words that show it.

    For example:

      qa table "which papers train without backprop?" -c "Data set" -c "Code: is code released?"

      qa table --papers ids.txt -c "Model size" --format csv --proofs > table.csv
    """
    from qa.answering.reading import Limits
    from qa.cli.table import TableCommand, print_table

    if bool(question) == (papers is not None):
        raise UsageError("Give a QUESTION that picks the papers, or --papers with their ids.")
    filters = filters_of(year, author, venue, source)
    if papers and (filters or limit):
        raise UsageError("--papers excludes filters and --limit: it names the papers.")
    if as_json and form not in {None, TableFormat.JSON}:
        raise UsageError(f"--json and --format {form} exclude each other.")
    command = TableCommand(
        question=question_of(question) if question else None,
        columns=tuple(column or ()),
        papers=papers,
        limits=Limits(limit),
        filters=filters,
        form=TableFormat.JSON if as_json else form,
        cached=not no_cache,
        proofs=proofs,
        dry_run=dry_run,
        strict=strict,
    )
    raise typer.Exit(print_table(configured(corpus, model, trust_judge=trust_judge), command))


@app.command()
@with_exit_codes
def papers(
    year: Year = None,
    author: Author = None,
    venue: Venue = None,
    source: Source = None,
    corpus: Corpus = None,
    form: Form = None,
    as_json: AsJson = False,
) -> None:
    """List the papers of the corpus, or write them for other programs.

    Options of one kind widen the choice, options of several kinds narrow it.

    For example:

      qa papers --corpus library.bib --year 2019-2021 --author hinton

      qa papers --corpus ~/papers --source library.bib --format ris > library.ris
    """
    from qa.cli.corpus import list_papers

    filters = filters_of(year, author, venue, source)
    form = format_of(form, as_json=as_json)
    raise typer.Exit(list_papers(configured(corpus), filters, form))


@app.command()
@with_exit_codes
def show(
    paper: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A paper's id or the start of it.", autocompletion=complete_id
        ),
    ],
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Show one paper: title, where it comes from, and its abstract.

    For example:

      qa show 3f1c
    """
    from qa.cli.corpus import show_paper

    show_paper(paper, configured(corpus), as_json=as_json)


@app.command()
@with_exit_codes
def status(
    skipped: Annotated[
        bool, typer.Option("--skipped", help="List what the last rebuild left out, and why.")
    ] = False,
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Show corpus, store, embedding and model, and whether they agree."""
    from qa.cli.corpus import show_skipped, show_status

    show = show_skipped if skipped else show_status
    show(configured(corpus), as_json=as_json)


@app.command()
@with_exit_codes
def corpora(
    remove: Annotated[
        list[Path] | None,
        typer.Option(
            "--remove", metavar="PATH", parser=named_path, help="Remove the store of this corpus."
        ),
    ] = None,
    remove_missing: Annotated[
        bool, typer.Option("--remove-missing", help="Remove stores whose corpus is gone.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the corpora that have a store, or remove stores; the papers' files always stay.

    For example:

      qa corpora

      qa corpora --remove ~/papers
    """
    from qa.cli.corpora import list_corpora, remove_corpora

    if remove or remove_missing:
        remove_corpora(
            configured(), remove or (), missing=remove_missing, confirmed=yes, as_json=as_json
        )
    else:
        list_corpora(configured(), as_json=as_json)


@app.command()
@with_exit_codes
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Forget every kept verdict.")] = False,
) -> None:
    """Show or forget the verdicts that make asking again cost nothing."""
    from qa.cli.corpus import show_cache

    show_cache(configured(), clear=clear)


@app.command(name="eval")
@with_exit_codes
def evaluate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", parser=named_path, help="Questions as JSON lines.")
    ],
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
    recall: Recall = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare", metavar="RESULT", parser=named_path, help="An earlier --json result."
        ),
    ] = None,
    model: Model = None,
    trust_judge: TrustJudge = False,
    corpus: Corpus = None,
    as_json: AsJson = False,
) -> None:
    """Score answers on labelled questions, to choose a model.

    Each line of FILE is {"id", "type": "set|fact|explain|none", "question", "relevant": [titles],
    "partial": [titles]}.

    For example:

      qa eval questions.jsonl --judge gold

      qa eval questions.jsonl --model gpt-5-mini --json > mini.json
    """
    if judge not in {"model", "gold"}:
        raise UsageError(f"--judge is {judge!r}; it must be model or gold.")
    from qa.cli.evaluate import score_file

    chosen = "none" if no_model or judge == "gold" else model
    score_file(
        file,
        configured(corpus, chosen, trust_judge=trust_judge),
        gold=judge == "gold" and not no_model,
        flip=flip,
        recall=recall,
        compare=compare,
        as_json=as_json,
    )


@app.command()
@with_exit_codes
def web(
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="8760 if not set."),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the browser.")] = False,
    model: Model = None,
    trust_judge: TrustJudge = False,
    corpus: Corpus = None,
) -> None:
    """Open a local page: ask, see the proof, judge papers by keys, read on, and save.

    It is served to this machine alone. The first line on stdout is its address.

    For example:

      qa web --corpus ~/papers
    """
    from qa.web.server import serve

    serve(
        configured(corpus, model, trust_judge=trust_judge),
        port,
        open_browser=not no_open,
        on_address=typer.echo,
        on_notice=lambda line: typer.echo(line, err=True),
    )


@app.command()
@with_exit_codes
def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve by HTTP instead of over stdin and stdout.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="With --http; 8765 if not set."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="With --http; 127.0.0.1 if not set."),
    ] = None,
    expose: Annotated[
        bool, typer.Option("--expose", help="Allow a --host that other machines can reach.")
    ] = False,
    model: Model = None,
    trust_judge: TrustJudge = False,
    corpus: Corpus = None,
) -> None:
    """Serve the corpus to assistants, by the Model Context Protocol.

    Assistants start this themselves; docs/mcp.md has the configuration for the common ones.

    For example:

      qa mcp --corpus ~/papers

      qa mcp --http --port 8765
    """
    from qa.mcp.transport import Address, serve

    if not http and (port is not None or host is not None or expose):
        raise UsageError("--port, --host and --expose go with --http.")
    address = Address.checked(host, port, expose=expose) if http else None
    config = configured(corpus, model, trust_judge=trust_judge)
    serve(config, address, lambda line: typer.echo(line, err=True))
