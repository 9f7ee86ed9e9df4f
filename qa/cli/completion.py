"""What the shell completes from the corpus: ids, sources, authors and venues.

The names come from the papers file of the live store; without a store there are none. Nothing here
may fail or take long: the user is typing.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import typer

from qa.config import configured
from qa.errors import QAError

MOST = 50  # completions


def complete_id(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the ids that begin so, each with its title."""
    rows = _rows(ctx, "SELECT id, title FROM papers WHERE id >= ? ORDER BY id LIMIT ?", incomplete)
    return [(number, title) for number, title in rows if number.startswith(incomplete)]


def complete_source(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the files, collections and tags that begin so."""
    return _matching(_in_lists(_rows(ctx, "SELECT sources FROM papers")), incomplete)


def complete_author(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the authors whose names begin so, the frequent ones first."""
    return _matching(_in_lists(_rows(ctx, "SELECT authors FROM papers")), incomplete)


def complete_venue(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the venues that begin so, the frequent ones first."""
    rows = _rows(ctx, "SELECT venue FROM papers WHERE venue IS NOT NULL")
    return _matching((venue for (venue,) in rows), incomplete)


def _rows(ctx: typer.Context, query: str, *values: str) -> list[tuple[str, ...]]:
    """Return what the papers file of the corpus has; nothing if there is none."""
    from qa.index.layout import StoreLayout

    try:
        config = configured(ctx.params.get("corpus"))
        layout = StoreLayout.of(config.store, config.corpus)
        live = layout.live()
        if live is None:
            return []
        path = Path(layout.generation(live), "papers.sqlite").resolve()
        uri = f"{path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            return db.execute(query, (*values, MOST) if values else ()).fetchall()
    except (QAError, OSError, sqlite3.Error):
        return []


def _in_lists(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    return (name for (names,) in rows for name in json.loads(names))


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that begin so, the most frequent first."""
    found = Counter(name for name in names if name.startswith(incomplete))
    return [name for name, _ in found.most_common(MOST)]
