"""The command `qa corpora`: the stores on this machine, listed and removed."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich import filesize

from qa.answering.safe_text import clean_line
from qa.config import Config
from qa.errors import UsageError
from qa.export.json import dump
from qa.index.store import chroma_server
from qa.index.stores import StoreSummary, remove_store, stores_of


def list_corpora(config: Config, *, as_json: bool) -> None:
    """Print a line for each store, and what they take together."""
    found = list(stores_of(config.store))
    if as_json:
        typer.echo(dump({"stores": str(config.store), "corpora": list(map(_row, found))}))
        return
    for store in found:
        typer.echo(_line(store))
    size = filesize.decimal(sum(store.disk_bytes for store in found))
    count = "1 corpus" if len(found) == 1 else f"{len(found):,} corpora"
    typer.echo(f"{count}, {size} in {clean_line(str(config.store))}", err=True)
    if any(store.abandoned for store in found):
        typer.echo("Remove stores whose corpus is gone: qa corpora --remove-missing", err=True)


def remove_corpora(
    config: Config, paths: Sequence[Path], *, missing: bool, confirmed: bool, as_json: bool
) -> None:
    """Remove the stores of these corpora and, with `missing`, those that are abandoned.

    Unless `confirmed` a person at the terminal is asked first. Raises UsageError, StoreError.
    """
    found = list(stores_of(config.store))
    chosen = [_store_of(path, found) for path in paths]
    chosen += [store for store in found if missing and store.abandoned]
    chosen = list({store.folder: store for store in chosen}.values())
    if chosen and not confirmed and not _agreed(chosen):
        raise typer.Exit(1)
    for store in chosen:
        remove_store(store.folder, chroma_server(config))
    if as_json:
        typer.echo(dump({"stores": str(config.store), "removed": list(map(_row, chosen))}))
    else:
        size = filesize.decimal(sum(store.disk_bytes for store in chosen))
        count = "1 store" if len(chosen) == 1 else f"{len(chosen):,} stores"
        typer.echo(f"{count} removed, {size} freed.")


def _store_of(path: Path, found: Sequence[StoreSummary]) -> StoreSummary:
    """Return the store of the corpus, or in the folder, that a path names; raises UsageError."""
    wanted = path.expanduser().resolve()
    for store in found:
        if wanted in {store.corpus, store.folder.resolve()}:
            return store
    raise UsageError(f"There is no store of {path}. All stores: qa corpora")


def _agreed(chosen: Sequence[StoreSummary]) -> bool:
    """Ask a person at the terminal; raises UsageError where there is none."""
    for store in chosen:
        typer.echo(_line(store), err=True)
    if not sys.stdin.isatty():
        raise UsageError("Nothing was removed: say --yes where nobody can be asked.")
    return typer.confirm("Remove these stores? Their corpora stay.", err=True)


def _line(store: StoreSummary) -> str:
    papers = "no" if store.papers is None else f"{store.papers:,}"
    used = f"{store.last_used.astimezone():%Y-%m-%d %H:%M}" if store.last_used else ""
    size = filesize.decimal(store.disk_bytes)
    gone = "  (gone)" if store.corpus and not store.corpus_exists else ""
    name = clean_line(str(store.corpus or store.folder))
    return f"{papers:>9} papers  {size:>9}  {used:16}  {name}{gone}"


def _row(store: StoreSummary) -> dict[str, object]:
    return {
        "corpus": str(store.corpus) if store.corpus else None,
        "exists": store.corpus_exists,
        "papers": store.papers,
        "disk_bytes": store.disk_bytes,
        "last_used": store.last_used.isoformat(timespec="seconds") if store.last_used else None,
        "store": str(store.folder),
    }
