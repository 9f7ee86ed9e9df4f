"""The commands on a corpus and its store: rebuild, papers, show, status and cache."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import typer
from rich import filesize
from rich.console import Console
from rich.text import Text

from qa.answering.entrance_test import Way
from qa.answering.model_judges import entrance_test
from qa.answering.results import Evidence
from qa.answering.safe_text import clean, clean_line
from qa.answering.verdict_cache import forget_verdicts, verdict_count
from qa.answering.wording import candidates_text, source_name, title_of
from qa.cli.display.answer import console, print_hanging
from qa.cli.display.progress import Display
from qa.cli.exit_codes import NOTHING_FOUND
from qa.cli.reading_report import report_lines
from qa.config import Config, error_text
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.errors import ConfigError, CorpusError, UsageError
from qa.export.formats import Format, export_papers
from qa.export.json import dump
from qa.export.references import exported_papers
from qa.index.integrity import StoreStatus
from qa.index.reading_report import ReadingReport, summed
from qa.index.store import CorpusStore
from qa.library.chat_model import model_identity, verdicts_path
from qa.library.opening import built_line, open_library, rebuild_store
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.llama_cpp.model_file import is_model_file
from qa.llm.models import DEFAULT_MODEL, NO_MODEL
from qa.retrieval.search import Scope


def rebuild_stores(
    configs: Sequence[Config],
    columns: Sequence[str],
    *,
    force: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Rebuild the store of each corpus and print what changed and what became of every entry.

    `columns` are the user's own, as FIELD=NAME; they are kept for later rebuilds.
    """
    column_names = dict(map(_column, columns))
    reports = []
    with Display(stream=False, verbose=False) as display:
        for config in configs:
            store = CorpusStore(config, columns=column_names, on_progress=display.work)
            report = rebuild_store(store, display.note, force=force)
            display.clear()
            if not as_json:
                display.out.print(f"{config.corpus}: {built_line(report)}")
                for line in report_lines(report.reading, verbose=verbose):
                    display.out.print(f"  {clean_line(line)}", soft_wrap=True)
            document = asdict(report)
            reading = document.pop("reading") | {"entries": report.reading.entries}
            reports.append({"corpus": str(config.corpus), **document, **reading})
    if as_json:
        typer.echo(dump(reports))


def _column(text: str) -> tuple[str, str]:
    field, sign, name = text.partition("=")
    if not sign or not field.strip():
        raise UsageError(f"--column is {text!r}; write it as FIELD=NAME: title='Article Title'.")
    return field.strip().lower(), name.strip()


def list_papers(config: Config, filters: Filters, form: Format | None) -> int:
    """Print the papers that pass the filters; return the exit code."""
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note, chat=False) as library:
            papers, scope = library.papers(filters), library.retriever(filters).scope
            why_none = "" if papers else library.why_none(filters)
        display.clear()
        if form == Format.JSON:
            typer.echo(_papers_document(papers, scope, config.corpus.name))
        elif form is not None:
            typer.echo(export_papers(exported_papers(papers), form), nl=False)
        else:
            print_papers(display.out, papers)
        display.note(f"{candidates_text(scope)} of {scope.corpus:,}. {why_none}".rstrip())
    return 0 if papers else NOTHING_FOUND


def _papers_document(papers: Iterable[Paper], scope: Scope, corpus: str) -> str:
    rows = [
        asdict(paper)
        | {"title_only": paper.title_only}
        | {"url": paper.link, "sources": [source_name(corpus, name) for name in paper.sources]}
        for paper in papers
    ]
    return dump({**asdict(scope), "papers": rows})


def print_papers(out: Console, papers: Iterable[Paper]) -> None:
    """Print a line for each paper: id, year, and the title, cut to the terminal's width."""
    for paper in papers:
        line = Text(f"{paper.id}  {paper.year or '':4}  {title_of(paper)}")
        if out.is_terminal:
            line.truncate(out.width, overflow="ellipsis")
        out.print(line, soft_wrap=True)


def show_paper(wanted: str, config: Config, *, as_json: bool) -> None:
    """Print the one paper whose id begins with `wanted`; raises CorpusError or UsageError."""
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note, chat=False) as library:
            paper = _one(library.papers_with(wanted), wanted, config)
        display.clear()
        if as_json:
            document = asdict(paper) | {"sentences": [asdict(s) for s in paper.sentences]}
            document |= {"url": paper.link, "title_only": paper.title_only}
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
    """Print all that is known of a paper, the sentences in `marked` highlighted."""
    print_hanging(out, Text(title_of(paper), style="bold"), 0)
    about = [", ".join(paper.authors), paper.venue or "", str(paper.year or "")]
    lines = ["; ".join(part for part in about if part), paper.link or ""]
    lines += [", ".join(paper.keywords), f"id {paper.id}"]
    lines += [f"also: {title}" for title in paper.other_titles]
    lines += [source_name(corpus, source) for source in paper.sources]
    for line in lines:
        if line:
            print_hanging(out, Text(clean_line(line), style="dim"), 2)
    if paper.title_only:
        return
    out.print()
    plain = not out.is_terminal or out.color_system is None
    print_hanging(out, _marked(paper.abstract, marked, "**" if plain else ""), 0)


def _marked(abstract: str, marked: Iterable[Evidence], sign: str) -> Text:
    """Return the abstract with sentences in bold, and between signs, for where there is no bold."""
    text, place = Text(), 0
    for item in sorted(marked, key=lambda item: item.start):
        text.append(clean(abstract[place : item.start]))
        text.append(f"{sign}{clean(item.text)}{sign}", style="bold yellow")
        place = item.end
    return text.append(clean(abstract[place:]))


def show_status(config: Config, *, as_json: bool) -> None:
    """Print corpus, store, embedding and model in use; exits with 1 if the store is not sound."""
    store = CorpusStore(config)
    status = store.status()
    rows = _status_rows(config, status, len(store.corpus.files))
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
    with CorpusStore(config).open() as generation:
        reading = ReadingReport.read(generation.folder)
    if as_json:
        first = [asdict(entry) for entry in reading.skipped]
        reasons = summed(file.skip_reasons for file in reading.files)
        typer.echo(dump({"total": reading.skips, "reasons": reasons, "first": first}))
        return
    for entry in reading.skipped:
        source = source_name(config.corpus.name, entry.source)
        typer.echo(clean_line(f"{source}: {entry.where}: {entry.why}"))
    typer.echo(clean_line(reading.skipped_line), err=True)
    if reading.skips > len(reading.skipped):
        typer.echo(f"Only the first {len(reading.skipped):,} are listed.", err=True)


def _status_rows(config: Config, status: StoreStatus, files: int) -> dict[str, str | int]:
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
        "cached vectors": f"{status.cached:,} ({filesize.decimal(status.cache_bytes)})",
        "disk": filesize.decimal(status.disk_bytes),
        "verdicts kept": verdict_count(verdicts_path(config)),
        "embedding": config.embed_model,
        "model": _model(config),
    }
    if (model := _known_model(config)) is not None:
        rows["judge"] = _judge(config, model)
    if manifest:
        rows |= {"fingerprint": manifest.fingerprint, "generation": manifest.generation}
        rows |= {"built": manifest.built_at}
    if status.writer:
        rows["rebuild running"] = str(status.writer)
    problem = status.problem
    complete = "The store is complete and up to date."
    return rows | {"verdict": error_text(problem, config) if problem else complete}


def _model(config: Config) -> str:
    if config.model is None or not is_model_file(config.model, config.base_url):
        return config.model or _default_model(config)
    try:
        return LocalModel.find(config.model).describe()
    except ConfigError as exc:
        return str(exc)


def _judge(config: Config, model: str | LocalModel) -> str:
    """Return what is known of how well the model judges."""
    if config.trust_judge:
        return "believed without a test"
    result = entrance_test(model_identity(config, model), verdicts_path(config)).known()
    if result is None:
        return "not tested yet: the first question does it"
    ways = {
        Way.VERDICTS: "its verdicts count",
        Way.PROBABILITIES: "its probabilities count",
        None: "not fit to judge",
    }
    return f"{ways[result.way]}: it {result.describe()}"


def _known_model(config: Config) -> str | LocalModel | None:
    """Return the model; None where there is none, or it is not known before a server is asked."""
    if config.model is not None and is_model_file(config.model, config.base_url):
        try:
            return LocalModel.find(config.model)
        except ConfigError:
            return None
    name = config.model or (DEFAULT_MODEL if config.api_key and not config.base_url else None)
    return None if name is None or name.lower() == NO_MODEL else name


def _default_model(config: Config) -> str:
    if config.base_url:
        return f"the first that {config.base_url} lists"
    return DEFAULT_MODEL if config.api_key else "none: answers come from scores alone"


def show_cache(config: Config, *, clear: bool) -> None:
    """Print how many verdicts are kept, or delete them."""
    path = verdicts_path(config)
    if clear:
        typer.echo(f"{forget_verdicts(path):,} verdicts forgotten.")
    else:
        typer.echo(f"{verdict_count(path):,} verdicts kept in {path}")
