"""Zotero's own database, `zotero.sqlite`: items with their collections and tags.

Its tables: https://github.com/zotero/zotero/blob/main/resource/schema/userdata.sql
"""

import io
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from qa.corpus.papers import Record, Skipped, UnreadableFile
from qa.corpus.readers.fields import Entry

_TRIES = 3  # to copy a database that is being written
_BESIDE = ("-wal", "-journal")  # what a program that writes a database has beside it
_TABLES = {"items", "itemData", "itemDataValues", "fields", "itemTypes"}
_TITLES = ("title", "caseName", "nameOfAct", "subject")
_VENUES = (
    "publicationTitle", "proceedingsTitle", "bookTitle", "conferenceName", "encyclopediaTitle",
    "dictionaryTitle", "websiteTitle", "blogTitle", "repository", "university", "institution",
    "publisher",
)  # fmt: skip
# Neither what hangs on other items, nor what is in the trash or comes from a feed.
_ITEMS = """
SELECT itemID, key FROM items JOIN itemTypes USING (itemTypeID)
WHERE typeName NOT IN ('attachment', 'note', 'annotation')
  AND itemID NOT IN (SELECT itemID FROM deletedItems)
  AND libraryID NOT IN (SELECT libraryID FROM libraries WHERE type = 'feed')
ORDER BY itemID
"""
_FIELDS = """
SELECT itemID, fieldName, value
FROM itemData JOIN fields USING (fieldID) JOIN itemDataValues USING (valueID)
"""
_AUTHORS = """
SELECT itemID, firstName, lastName FROM itemCreators
JOIN creators USING (creatorID) JOIN creatorTypes USING (creatorTypeID)
WHERE creatorType NOT IN ('editor', 'seriesEditor', 'translator', 'reviewedAuthor', 'contributor')
ORDER BY itemID, orderIndex
"""
_TAGS = "SELECT itemID, name FROM itemTags JOIN tags USING (tagID) ORDER BY itemID, name"
_PATHS = """
WITH RECURSIVE paths (collectionID, path, depth) AS (
  SELECT collectionID, collectionName, 1 FROM collections WHERE parentCollectionID IS NULL
  UNION ALL
  SELECT c.collectionID, path || '/' || collectionName, depth + 1
  FROM collections c JOIN paths ON c.parentCollectionID = paths.collectionID WHERE depth < 50)
SELECT itemID, path FROM collectionItems JOIN paths USING (collectionID) ORDER BY itemID, path
"""


def read_zotero(stream: BinaryIO, source: str) -> Iterator[Record | Skipped]:
    """Yield the items of a Zotero database, which Zotero may have open.

    Raises UnreadableFile if the database is another program's.
    """
    with tempfile.TemporaryDirectory(prefix="qa-zotero-") as folder:
        copy = Path(folder, "zotero.sqlite")
        try:
            _copy(stream, copy)
            with closing(sqlite3.connect(copy)) as db:
                db.text_factory = lambda text: text.decode(errors="replace")
                _check_tables(db)
                yield from _records(db, source)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise UnreadableFile(
                f"its database cannot be read: {error}", "Close Zotero and try again."
            ) from error


def _copy(stream: BinaryIO, copy: Path) -> None:
    """Copy a database, with what is written of it already if it is a file of its own.

    Zotero locks its database while it runs, so it cannot be opened; and opened without regard to
    the lock, it could change while it is read. SQLite brings a copy into a whole state itself.
    """
    original = Path(stream.name) if isinstance(stream, io.BufferedReader) else None
    if original is None or not original.is_file():
        with copy.open("wb") as target:
            shutil.copyfileobj(stream, target)
        return
    for _ in range(_TRIES):
        before = _state(original)
        shutil.copyfile(original, copy)
        for suffix in _BESIDE:
            beside = original.with_name(original.name + suffix)
            if beside.is_file():
                shutil.copyfile(beside, copy.with_name(copy.name + suffix))
        if _state(original) == before:
            return


def _state(original: Path) -> list[tuple[int, int]]:
    files = [original.with_name(original.name + suffix) for suffix in ("", *_BESIDE)]
    found = [file.stat() for file in files if file.is_file()]
    return [(status.st_size, status.st_mtime_ns) for status in found]


def _check_tables(db: sqlite3.Connection) -> None:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if not tables >= _TABLES:
        raise UnreadableFile(
            "it is a database, but not Zotero's",
            "Export its table: `sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > papers.csv`.",
        )


def _records(db: sqlite3.Connection, source: str) -> Iterator[Record | Skipped]:
    """Yield the items in the order in which they were added."""
    fields: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for item, name, value in db.execute(_FIELDS):
        fields[item][name] = str(value)
    authors, tags = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    for item, given, family in db.execute(_AUTHORS):
        authors[item].append(f"{given or ''} {family or ''}".strip())
    for item, tag in db.execute(_TAGS):
        tags[item].append(tag)
    collections: defaultdict[int, list[str]] = defaultdict(list)
    for item, path in db.execute(_PATHS):
        collections[item].append(path)
    for item, key in db.execute(_ITEMS):
        entry = _entry(fields[item], authors[item], tags[item])
        record = entry.record(source, f"item {key}")
        if isinstance(record, Record):
            groups = (*collections[item], *(f"#{tag}" for tag in tags[item]))
            record = replace(record, groups=groups)
        yield record


def _entry(values: dict[str, str], authors: list[str], tags: list[str]) -> Entry:
    def first(names: tuple[str, ...]) -> str:
        return next((values[name] for name in names if values.get(name)), "")

    extra = values.get("extra", "")
    return Entry(
        title=first(_TITLES),
        abstract=values.get("abstractNote", ""),
        authors=authors,
        year=first(("date", "dateDecided", "dateEnacted", "issueDate", "filingDate")),
        venue=first(_VENUES),
        doi=values.get("DOI", "") or (extra if "DOI:" in extra else ""),
        arxiv=values.get("archiveID", ""),
        links=[values.get("url", ""), values.get("archiveID", ""), extra],
        keywords=tags,
    )
