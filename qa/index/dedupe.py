"""Deduplication: the records of all files become the distinct papers of the corpus.

Two records are one paper if they share a title, a DOI or an arXiv number and their abstracts
overlap. Either alone is not enough: exports give all papers of a volume the volume's DOI, and many
papers are called "Editorial". Where one of them has no abstract, the titles must be equal, and
authors and years must not contradict.
"""

import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from qa.corpus.language import other_languages
from qa.corpus.papers import Paper, Record, Skipped, as_paper, paper_id, title_key
from qa.corpus.readers.corpus import Corpus
from qa.corpus.words import folded
from qa.index.papers_db import COLUMNS, paper_digest, paper_of, values
from qa.index.reading_report import KEPT, FileReport, Merged, ReadingReport
from qa.progress import Progress, ProgressListener, ignore_progress

SHINGLE = 3  # words in a shingle; unrelated abstracts of one field share shorter ones
SAME_ABSTRACT = 0.5  # share of the shorter abstract's shingles that the longer one must have
PREPRINT_YEARS = 1  # between the years of a paper's preprint and of its publication

_LANGUAGE_SAMPLE = 2000  # papers whose language is looked at
_PROGRESS_STEP = 500  # records between two reports of progress
_SCHEMA = """
CREATE TABLE merged (
  number INTEGER PRIMARY KEY, title_id TEXT, digest BLOB,
  id TEXT, title TEXT, abstract TEXT, sources TEXT, authors TEXT, year INTEGER, venue TEXT,
  doi TEXT, arxiv_id TEXT, url TEXT, keywords TEXT,
  other_titles TEXT)
"""


class MergedPapers:
    """The distinct papers of a corpus, in the order of their first records.

    They are kept in a temporary SQLite file, so that a corpus need not fit into memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Records are added in one thread and papers read in another, one after the other.
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(_SCHEMA)
        self._numbers: defaultdict[bytes, list[int]] = defaultdict(list)  # of papers, by key

    def add_corpus(
        self, corpus: Corpus, listener: ProgressListener = ignore_progress
    ) -> ReadingReport:
        """Add all records of a corpus and return what became of its entries; to be called once."""
        formats: dict[str, str] = {}
        notes: list[str] = []
        records = corpus.records(
            lambda name, guess: notes.append(f"{name}: {guess}"), formats.__setitem__
        )
        return self.add_records(records, listener, formats=formats, notes=notes)

    def add_records(
        self,
        records: Iterable[Record | Skipped],
        listener: ProgressListener = ignore_progress,
        *,
        formats: Mapping[str, str] = {},
        notes: Sequence[str] = (),
    ) -> ReadingReport:
        """Add all records, give the papers their final ids, and return what became of each.

        `formats` are those of the files and `notes` what was guessed; both may grow meanwhile.
        """
        files: dict[str, FileReport] = {}
        skipped: list[Skipped] = []
        merged: list[tuple[int, Merged]] = []  # with the paper's number
        count = 0
        for entry in records:
            file = files.setdefault(entry.source, FileReport(entry.source))
            file.entries += 1
            if isinstance(entry, Skipped):
                file.skip(entry.reason)
                file.advice = entry.advice
                if len(skipped) < KEPT:
                    skipped.append(entry)
                continue
            number = self._same_paper(entry)
            if number is None:
                file.papers += 1
                file.title_only += not entry.abstract
            else:
                merge = _merge(entry, self._paper(number))
                file.merge(merge.reason)
                if len(merged) < KEPT:
                    merged.append((number, merge))
            self._add(entry, number)
            count += 1
            if count % _PROGRESS_STEP == 0:
                listener(Progress("reading", count, None, "records"))
        listener(Progress("reading", count, None, "records"))
        self._finish()
        for name, form in formats.items():
            files.setdefault(name, FileReport(name)).format = form
        into = [replace(entry, paper=self._paper(number).id) for number, entry in merged]
        return ReadingReport(tuple(files.values()), tuple(into), tuple(skipped), tuple(notes))

    def other_languages(self) -> dict[str, float]:
        """Return the share of papers in each language but English, of an even sample of many."""
        (count,) = self._db.execute("SELECT count(*) FROM merged").fetchone()
        step = -(-count // _LANGUAGE_SAMPLE) or 1
        query = "SELECT title || '. ' || abstract FROM merged WHERE number % ? = 0"
        return other_languages(text for (text,) in self._db.execute(query, (step,)))

    def digests(self) -> dict[str, bytes]:
        """Return every paper's digest, by id, in the order of the papers."""
        return dict(self._db.execute("SELECT id, digest FROM merged ORDER BY number"))

    def papers(self, ids: list[str], *, size: int) -> Iterator[list[Paper]]:
        """Yield the papers with these ids, in batches of at most `size`."""
        self._db.execute("CREATE INDEX IF NOT EXISTS by_id ON merged (id)")
        for start in range(0, len(ids), size):
            batch = ids[start : start + size]
            marks = ",".join("?" * len(batch))
            query = f"SELECT {COLUMNS} FROM merged WHERE id IN ({marks}) ORDER BY number"
            yield [paper_of(row) for row in self._db.execute(query, batch)]

    def close(self) -> None:
        """Close and remove the file."""
        self._db.close()
        self._path.unlink(missing_ok=True)

    def _add(self, record: Record, same: int | None) -> None:
        """Add a record to the paper with this number, or as a new one."""
        paper = as_paper(record) if same is None else _merged(self._paper(same), record)
        number = self._save(same, paper)
        for key in _keys(record):
            if number not in self._numbers[key]:
                self._numbers[key].append(number)

    def _same_paper(self, record: Record) -> int | None:
        """Return the number of the paper that the record is, or None for a new paper."""
        sharing = dict.fromkeys(n for key in _keys(record) for n in self._numbers.get(key, ()))
        for number in sharing:
            if _is_same(record, self._paper(number)):
                return number
        return None

    def _paper(self, number: int) -> Paper:
        query = f"SELECT {COLUMNS} FROM merged WHERE number = ?"
        return paper_of(self._db.execute(query, (number,)).fetchone())

    def _save(self, number: int | None, paper: Paper) -> int:
        """Insert or replace a paper and return its number."""
        row = [number, paper_id(paper.title), *values(paper)]
        marks = ", ".join("?" * len(row))
        cursor = self._db.execute(
            f"INSERT OR REPLACE INTO merged (number, title_id, {COLUMNS}) VALUES ({marks})", row
        )
        return cursor.lastrowid or 0

    def _finish(self) -> None:
        """Give papers that share a title ids with more than that, and every paper its digest."""
        self._db.execute("CREATE INDEX by_title ON merged (title_id)")
        shared = "SELECT title_id FROM merged GROUP BY title_id HAVING count(*) > 1"
        rows = self._db.execute(f"SELECT number FROM merged WHERE title_id IN ({shared})")
        for (number,) in rows.fetchall():
            paper = self._paper(number)
            final = paper_id(paper.title, paper.abstract or f"{paper.authors} {paper.year}")
            self._db.execute("UPDATE merged SET id = ? WHERE number = ?", (final, number))
        (count,) = self._db.execute("SELECT count(*) FROM merged").fetchone()
        for number in range(1, count + 1):
            digest = paper_digest(self._paper(number))
            self._db.execute("UPDATE merged SET digest = ? WHERE number = ?", (digest, number))
        self._db.commit()


def _is_same(record: Record, paper: Paper) -> bool:
    """Tell whether a record and a paper that share a title or a number are one paper."""
    if record.abstract and paper.abstract:
        return same_abstract(record.abstract, paper.abstract)
    years = not (record.year and paper.year) or abs(record.year - paper.year) <= PREPRINT_YEARS
    authors = not (record.authors and paper.authors) or not _families(record.authors).isdisjoint(
        _families(paper.authors)
    )
    return title_key(record.title) == title_key(paper.title) and years and authors


def _families(authors: Iterable[str]) -> set[str]:
    """Return the last words of authors' names, in the form in which names are compared."""
    return {folded(name).rpartition(" ")[2] for name in authors}


def same_abstract(a: str, b: str) -> bool:
    """Tell whether two abstracts are one text, perhaps cut off or revised in one of them."""
    if a == b:
        return True
    first, second = _shingles(a), _shingles(b)
    shared = len(first & second)
    return shared >= SAME_ABSTRACT * min(len(first), len(second))


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))}


def _keys(record: Record) -> list[bytes]:
    """Return what records of one paper may share, as hashes: these are held in memory."""
    keys = [f"title:{title_key(record.title)}"]
    keys += [f"doi:{record.doi}"] if record.doi else []
    keys += [f"arxiv:{record.arxiv_id}"] if record.arxiv_id else []
    return [hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys]


def _merge(record: Record, paper: Paper) -> Merged:
    """Return why a record is merged into the paper, as that was before."""
    if title_key(record.title) in map(title_key, (paper.title, *paper.other_titles)):
        reason = "same title"
    else:
        reason = "same DOI" if record.doi and record.doi == paper.doi else "same arXiv id"
    return Merged(record.source, record.title, reason, paper.id, paper.title)


def _merged(paper: Paper, record: Record) -> Paper:
    """Return the paper with what the record adds: a longer abstract, missing fields, its source."""
    other = as_paper(record)
    fuller, poorer = sorted((paper, other), key=_fullness, reverse=True)
    titles = {title_key(each): each for each in (record.title, paper.title, *paper.other_titles)}
    titles.pop(title_key(fuller.title))
    return replace(
        fuller,
        other_titles=tuple(titles.values()),
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
    """Return a sort key: the longer abstract is fuller, the texts decide between equal lengths."""
    return len(paper.abstract), paper.abstract, paper.title
