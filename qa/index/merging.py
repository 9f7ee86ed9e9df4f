"""Merging: the corpus's records made one row per paper, on disk, so that memory stays bounded."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qa.corpus.papers import Paper, Record, Skipped, as_paper, paper_id
from qa.corpus.readers.corpus import Corpus
from qa.index.deduplicator import Deduplicator, merge
from qa.index.papers_db import COLUMNS, paper_digest, paper_of, values
from qa.progress import Listener, Progress, nobody

_BEAT = 500  # records between two looks at the progress
_SCHEMA = """
CREATE TABLE merged (
  slot INTEGER PRIMARY KEY, title_id TEXT, digest BLOB,
  id TEXT, title TEXT, abstract TEXT, sources TEXT, authors TEXT, year INTEGER, venue TEXT,
  doi TEXT, arxiv_id TEXT, url TEXT, keywords TEXT)
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be said about a corpus besides its papers."""

    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Merged:
    """The distinct papers of a corpus, in a file of their own that is removed afterwards."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Papers are read by another thread than records are taken in by, one after the other.
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=OFF")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.execute(_SCHEMA)

    def read(self, corpus: Corpus, listener: Listener) -> Reading:
        """Take in all records of a corpus; see `add`."""
        found = Reading()
        records = corpus.records(lambda name, words: found.notes.append(f"{name}: {words}"))
        found.skipped.extend(self.add(records, listener))
        return found

    def add(
        self, records: Iterable[Record | Skipped], listener: Listener = nobody
    ) -> list[Skipped]:
        """Merge records into papers with their final ids; returns the entries that are none."""
        known = Deduplicator(self._fetch)
        skipped = []
        done = 0
        for record in records:
            if isinstance(record, Skipped):
                skipped.append(record)
                continue
            self._take(record, known)
            done += 1
            if done % _BEAT == 0:
                listener(Progress("reading", done, None, "records"))
        listener(Progress("reading", done, None, "records"))
        self._finish()
        return skipped

    def _take(self, record: Record, known: Deduplicator) -> None:
        slot = known.match(record)
        paper = as_paper(record) if slot is None else merge(self._fetch(slot), record)
        slot = self._save(slot, paper)
        known.learn(slot, record)

    def _fetch(self, slot: int) -> Paper:
        row = self.db.execute(f"SELECT {COLUMNS} FROM merged WHERE slot = ?", (slot,)).fetchone()
        return paper_of(row)

    def _save(self, slot: int | None, paper: Paper) -> int:
        fields = values(paper)
        marks = ", ".join("?" * (len(fields) + 2))
        cursor = self.db.execute(
            f"INSERT OR REPLACE INTO merged (slot, title_id, {COLUMNS}) VALUES ({marks})",
            [slot, paper_id(paper.title), *fields],
        )
        return cursor.lastrowid or 0

    def _finish(self) -> None:
        """Tell papers that share a title apart by their abstracts, and digest each."""
        self.db.execute("CREATE INDEX by_title ON merged (title_id)")
        shared = "SELECT title_id FROM merged GROUP BY title_id HAVING count(*) > 1"
        for slot, title, abstract in self.db.execute(
            f"SELECT slot, title, abstract FROM merged WHERE title_id IN ({shared})"
        ).fetchall():
            final = paper_id(title, abstract)
            self.db.execute("UPDATE merged SET id = ? WHERE slot = ?", (final, slot))
        for slot in range(1, self.count() + 1):
            digest = paper_digest(self._fetch(slot))
            self.db.execute("UPDATE merged SET digest = ? WHERE slot = ?", (digest, slot))
        self.db.commit()

    def count(self) -> int:
        """Return how many papers there are."""
        (count,) = self.db.execute("SELECT count(*) FROM merged").fetchone()
        return int(count)

    def digests(self) -> dict[str, bytes]:
        """Return every paper's digest, by id, in the corpus's order."""
        return dict(self.db.execute("SELECT id, digest FROM merged ORDER BY slot"))

    def papers(self, ids: list[str], *, size: int) -> Iterator[list[Paper]]:
        """Yield the papers of the given ids in batches."""
        self.db.execute("CREATE INDEX IF NOT EXISTS by_id ON merged (id)")
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            marks = ",".join("?" * len(some))
            query = f"SELECT {COLUMNS} FROM merged WHERE id IN ({marks}) ORDER BY slot"
            yield [paper_of(row) for row in self.db.execute(query, some)]

    def close(self) -> None:
        """Close and remove the file."""
        self.db.close()
        self._path.unlink(missing_ok=True)
