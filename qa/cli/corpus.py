"""The commands that keep a corpus in shape: rebuild, show, status and cache."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from qa.answering.results import Evidence
from qa.answering.safe_text import clean, clean_line
from qa.answering.verdict_cache import forget_verdicts, verdict_count
from qa.answering.wording import candidates_text, source_name
from qa.cli.display.answer import console, dump, print_hanging
from qa.cli.display.progress import Display
from qa.config import Config, error_text
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.errors import ConfigError, CorpusError, UsageError
from qa.export.formats import Format, written
from qa.export.references import references
from qa.index.integrity import StoreStatus, store_status
from qa.index.manifest import SkippedEntries
from qa.library import (
    built_line,
    corpus_of,
    embedder_of,
    open_library,
    open_store,
    rebuild_store,
    server_of,
)
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.llama_cpp.model_file import is_model_file
from qa.llm.models import DEFAULT_MODEL
from qa.progress import ignore_progress
from qa.retrieval.retriever import Scope


def rebuild_stores(
    configs: Sequence[Config], columns: Sequence[str], *, force: bool, as_json: bool
) -> None:
    """Rebuild the store of each corpus and print what changed.

    `columns` are the user's own, as FIELD=NAME; they are kept for later rebuilds.
    """
    named = dict(map(_column, columns))
    reports = []
    with Display(stream=False, verbose=False) as display:
        for config in configs:
            corpus = corpus_of(config, named)
            embedder = embedder_of(config, display.work)
            report = rebuild_store(
                config, corpus, embedder, display.work, display.note, force=force
            )
            display.clear()
            if not as_json:
                display.out.print(f"{config.corpus}: {built_line(report)}")
            reports.append({"corpus": str(config.corpus), **asdict(report)})
    if as_json:
        typer.echo(dump(reports))


def _column(text: str) -> tuple[str, str]:
    field, sign, name = text.partition("=")
    if not sign or not field.strip():
        raise UsageError(f"--column is {text!r}; write it as FIELD=NAME: title='Article Title'.")
    return field.strip().lower(), name.strip()


def show_paper(wanted: str, config: Config, *, as_json: bool) -> None:
    """Print one paper, by its id or an unambiguous start of it."""
    from qa.library import open_library  # 0.25 s, which rebuilding and status do without

    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note, chat=False) as library:
            paper = _one(library.papers_with(wanted), wanted, config)
        display.clear()
        if as_json:
            document = asdict(paper) | {"sentences": [asdict(s) for s in paper.sentences]}
            document["url"] = paper.link
            typer.echo(dump(document))
        else:
            print_paper(console(), paper, config.corpus.name)


def _one(papers: Sequence[Paper], wanted: str, config: Config) -> Paper:
    if not papers:
        command = f"qa papers{config.corpus_option}"
        raise CorpusError(
            f"No paper in {config.corpus} has an id that begins with {wanted!r}. All ids: {command}"
        )
    if len(papers) > 1:
        some = ", ".join(paper.id for paper in papers[:5])
        raise UsageError(f"{len(papers)} ids begin with {wanted!r}: {some}. Give more of it.")
    return papers[0]


def print_paper(out: Console, paper: Paper, corpus: str, marked: Iterable[Evidence] = ()) -> None:
    """Print all that is known of a paper, the sentences in `marked` standing out."""
    print_hanging(out, Text(clean_line(paper.title), style="bold"), 0)
    about = [", ".join(paper.authors), paper.venue or "", str(paper.year or "")]
    lines = ["; ".join(part for part in about if part), paper.link or ""]
    lines += [", ".join(paper.keywords), f"id {paper.id}"]
    lines += [source_name(corpus, source) for source in paper.sources]
    for line in lines:
        if line:
            print_hanging(out, Text(clean_line(line), style="dim"), 2)
    out.print()
    plain = not out.is_terminal or out.color_system is None
    print_hanging(out, _marked(paper.abstract, marked, "**" if plain else ""), 0)


def _marked(abstract: str, marked: Iterable[Evidence], sign: str) -> Text:
    """The abstract with sentences in bold, between signs where there are no styles."""
    text, place = Text(), 0
    for item in sorted(marked, key=lambda item: item.start):
        text.append(clean(abstract[place : item.start]))
        text.append(f"{sign}{clean(item.text)}{sign}", style="bold yellow")
        place = item.end
    return text.append(clean(abstract[place:]))


def show_status(config: Config, *, as_json: bool) -> None:
    """Print corpus, store, embedding and model in use; raises StoreError unless all is well."""
    corpus = corpus_of(config)
    embedder = embedder_of(config, ignore_progress)
    status = store_status(
        config.store, corpus, fingerprint=embedder.fingerprint, server=server_of(config)
    )
    rows = _rows(config, status, len(corpus.files))
    if as_json:
        typer.echo(dump({**rows, "sound": status.problem is None}))
    else:
        width = max(map(len, rows))
        for name, value in rows.items():
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            typer.echo(f"{name:{width}}  {clean_line(shown)}")
    if status.problem is not None:
        raise typer.Exit(1)


def show_skipped(config: Config, *, as_json: bool) -> None:
    """Print what the last rebuild left out: counts by reason on stderr, and each entry."""
    embedder = embedder_of(config, ignore_progress)
    with open_store(config, embedder) as generation:
        skipped = SkippedEntries.read(generation.folder)
    if as_json:
        first = [asdict(entry) for entry in skipped.first]
        rows = {"total": skipped.total, "reasons": skipped.reasons, "first": first}
        typer.echo(dump(rows))
        return
    for entry in skipped.first:
        source = source_name(config.corpus.name, entry.source)
        typer.echo(clean_line(f"{source}: {entry.where}: {entry.reason}"))
    typer.echo(clean_line(skipped.line), err=True)
    if skipped.total > len(skipped.first):
        typer.echo(f"Only the first {len(skipped.first):,} are listed.", err=True)


def _rows(config: Config, status: StoreStatus, files: int) -> dict[str, str | int]:
    from qa.library import verdicts_path

    manifest = status.manifest
    rows: dict[str, str | int] = {
        "corpus": f"{config.corpus} ({files:,} files)",
        "store": str(status.folder),
        "papers": manifest.papers if manifest else 0,
        "rows": status.papers,
        "chunks": manifest.chunks if manifest else 0,
        "vectors": status.vectors,
        "sentences": manifest.sentences if manifest else 0,
        "entries skipped": manifest.skipped if manifest else 0,
        "cached vectors": f"{status.cached:,} ({_megabytes(status.cache_bytes)})",
        "disk": _megabytes(status.disk_bytes),
        "verdicts kept": verdict_count(verdicts_path(config)),
        "embedding": config.embed_model,
        "model": _model(config),
    }
    if manifest:
        rows |= {"fingerprint": manifest.fingerprint, "generation": manifest.generation}
        rows |= {"built": manifest.built_at}
    if status.writer:
        rows["rebuild running"] = str(status.writer)
    problem = status.problem
    complete = "The store is complete and up to date."
    return rows | {"verdict": error_text(problem, config) if problem else complete}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _model(config: Config) -> str:
    if config.model is None or not is_model_file(config.model, config.base_url):
        return config.model or _default_model(config)
    try:
        return LocalModel.find(config.model).describe()
    except ConfigError as exc:
        return str(exc)


def _default_model(config: Config) -> str:
    if config.base_url:
        return f"the first that {config.base_url} lists"
    return DEFAULT_MODEL if config.api_key else "none: answers come from scores alone"


def show_cache(config: Config, *, clear: bool) -> None:
    """Say how many verdicts are kept, or forget them."""
    from qa.library import verdicts_path

    path = verdicts_path(config)
    if clear:
        typer.echo(f"{forget_verdicts(path):,} verdicts forgotten.")
    else:
        typer.echo(f"{verdict_count(path):,} verdicts kept in {path}")


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
