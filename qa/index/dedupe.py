"""Merges the records of a corpus that are one paper, from several files or exports."""

import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from qa.corpus.papers import Paper, Record, Skipped, as_paper, paper_id, title_key
from qa.corpus.readers.corpus import Corpus
from qa.index.papers_db import COLUMNS, paper_digest, paper_of, values
from qa.progress import Progress, ProgressListener, ignore_progress

_SHINGLE = 3  # words: shorter shingles are shared by unrelated abstracts of one field
_SHARED = 0.5  # of the shorter abstract's shingles, which the longer one must have too
_PROGRESS_EVERY = 500  # records
_SCHEMA = """
CREATE TABLE merged (
  slot INTEGER PRIMARY KEY, title_id TEXT, digest BLOB,
  id TEXT, title TEXT, abstract TEXT, sources TEXT, authors TEXT, year INTEGER, venue TEXT,
  doi TEXT, arxiv_id TEXT, url TEXT, keywords TEXT)
"""


def merge(paper: Paper, record: Record) -> Paper:
    """Return the paper with what the record adds: a longer abstract, missing fields, its source."""
    other = as_paper(record)
    fuller, poorer = sorted((paper, other), key=_fullness, reverse=True)
    return replace(
        fuller,
        sources=tuple(dict.fromkeys(paper.sources + other.sources)),
        authors=max(fuller.authors, poorer.authors, key=len),
        keywords=fuller.keywords or poorer.keywords,
        year=fuller.year or poorer.year,
        venue=fuller.venue or poorer.venue,
        doi=fuller.doi or poorer.doi,
        arxiv_id=fuller.arxiv_id or poorer.arxiv_id,
        url=fuller.url or poorer.url,
    )


def _fullness(paper: Paper) -> tuple[int, str, str]:
    return len(paper.abstract), paper.abstract, paper.title


class Deduplicator:
    """Finds the paper, of those added so far, that a record belongs to.

    It keeps keys, not texts, so that a corpus need not fit into memory: `fetch(slot)` must return
    the paper that was added under a slot number.
    """

    def __init__(self, fetch: Callable[[int], Paper]) -> None:
        self._fetch = fetch
        self._slots: defaultdict[bytes, list[int]] = defaultdict(list)

    def match(self, record: Record) -> int | None:
        """Return the slot of the paper that the record belongs to, None if it is a new paper.

        The title, DOI or arXiv id must be the same and the abstracts must overlap. A title alone
        ("Editorial") or an id alone is not enough: some exports give the DOI of a volume to all
        its papers.
        """
        same_key = dict.fromkeys(slot for key in _keys(record) for slot in self._slots.get(key, ()))
        for slot in same_key:
            if same_abstract(record.abstract, self._fetch(slot).abstract):
                return slot
        return None

    def add(self, slot: int, paper: Paper | Record) -> None:
        """Keep a paper's keys under its slot."""
        for key in _keys(paper):
            if slot not in self._slots[key]:
                self._slots[key].append(slot)


def _keys(paper: Paper | Record) -> Iterable[bytes]:
    names = [f"title:{title_key(paper.title)}"]
    names += [f"doi:{paper.doi}"] if paper.doi else []
    names += [f"arxiv:{paper.arxiv_id}"] if paper.arxiv_id else []
    return [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]


def same_abstract(a: str, b: str) -> bool:
    """Return whether two abstracts are the same text, perhaps cut off or revised in one."""
    if a == b:
        return True
    first, second = _shingles(a), _shingles(b)
    shared = len(first & second)
    return shared >= _SHARED * min(len(first), len(second))


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What reading a corpus found besides papers."""

    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what the readers had to guess


class MergedPapers:
    """The distinct papers of a corpus, in a SQLite file that is removed when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Records are added by one thread, and later papers read by another.
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=OFF")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.execute(_SCHEMA)

    def read(self, corpus: Corpus, progress: ProgressListener) -> ReadReport:
        """Add all records of a corpus; see `add`."""
        found = ReadReport()
        records = corpus.records(lambda name, words: found.notes.append(f"{name}: {words}"))
        found.skipped.extend(self.add(records, progress))
        return found

    def add(
        self, records: Iterable[Record | Skipped], progress: ProgressListener = ignore_progress
    ) -> list[Skipped]:
        """Merge records into papers with their final ids; return the skipped entries."""
        known = Deduplicator(self._fetch)
        skipped = []
        done = 0
        for record in records:
            if isinstance(record, Skipped):
                skipped.append(record)
                continue
            self._add(record, known)
            done += 1
            if done % _PROGRESS_EVERY == 0:
                progress(Progress("reading", done, None, "records"))
        progress(Progress("reading", done, None, "records"))
        self._finish()
        return skipped

    def _add(self, record: Record, known: Deduplicator) -> None:
        slot = known.match(record)
        paper = as_paper(record) if slot is None else merge(self._fetch(slot), record)
        slot = self._save(slot, paper)
        known.add(slot, record)

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
        """Give papers that share a title ids from their abstracts, and every paper its digest."""
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
