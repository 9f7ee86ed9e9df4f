"""What became of every entry of a corpus: a paper, merged into one before it, or skipped."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from qa.corpus.papers import Skipped
from qa.index.layout import replace_file

KEPT = 50_000  # merged and skipped entries that are kept one by one; a broken file has millions
_REASONS_SHOWN = 4
_FILE_NAME = "reading.json"


@dataclass(slots=True)
class FileReport:
    """What became of the entries of one file; entries == papers + merged + skipped.

    A file of which nothing can be read counts as one entry, skipped.
    """

    name: str  # relative to the corpus; inside an archive: `papers.zip/a.bib`
    format: str | None = None  # that it was read as; None: it was not read
    entries: int = 0
    papers: int = 0  # entries that are the first of their paper
    merged: int = 0  # entries of papers that an entry before them is, too
    skipped: int = 0
    merge_reasons: dict[str, int] = field(default_factory=dict)
    skip_reasons: dict[str, int] = field(default_factory=dict)
    title_only: int = 0  # of `papers`, those without an abstract
    advice: str = ""  # what to do with a file that was not read

    def merge(self, reason: str) -> None:
        """Count an entry that is merged."""
        self.merged += 1
        self.merge_reasons[reason] = self.merge_reasons.get(reason, 0) + 1

    def skip(self, reason: str) -> None:
        """Count an entry that is skipped."""
        self.skipped += 1
        self.skip_reasons[reason] = self.skip_reasons.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class Merged:
    """An entry that is the same paper as one before it."""

    source: str  # its file, relative to the corpus
    title: str
    reason: str  # "same title", "same DOI" or "same arXiv id"
    paper: str  # the paper's id
    paper_title: str


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """What became of a corpus's entries, and what was guessed about its files.

    The counts of the files are complete; of merged and skipped entries the first KEPT are here.
    """

    files: tuple[FileReport, ...] = ()
    merged: tuple[Merged, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """The number of entries in all files."""
        return sum(file.entries for file in self.files)

    @property
    def merges(self) -> int:
        """The number of entries that were merged into a paper before them."""
        return sum(file.merged for file in self.files)

    @property
    def skips(self) -> int:
        """The number of entries that were skipped."""
        return sum(file.skipped for file in self.files)

    @property
    def skipped_line(self) -> str:
        """How many entries were skipped and why, in a line."""
        if not self.skips:
            return "No entry was skipped."
        entries = "1 entry was" if self.skips == 1 else f"{self.skips:,} entries were"
        reasons = summed(file.skip_reasons for file in self.files)
        return f"{entries} skipped: {_reasons_text(reasons)}."

    @property
    def warning(self) -> str:
        """A sentence if more entries were skipped than read, else an empty text."""
        if 2 * self.skips <= self.entries:
            return ""
        return (
            f"More was skipped than read: {self.skips:,} of {self.entries:,} entries. "
            "Is this the right file, and is its format what the report says?"
        )

    def write(self, folder: Path) -> None:
        """Write it into a generation's folder."""
        replace_file(folder / _FILE_NAME, json.dumps(asdict(self)).encode("ascii"))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what a generation's folder has; nothing if an older version has made it."""
        try:
            content = json.loads((folder / _FILE_NAME).read_bytes())
            return cls(
                files=tuple(FileReport(**file) for file in content["files"]),
                merged=tuple(Merged(**entry) for entry in content["merged"]),
                skipped=tuple(Skipped(**entry) for entry in content["skipped"]),
                notes=tuple(content["notes"]),
            )
        except (OSError, ValueError, TypeError, KeyError):
            return cls()


def summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of counts by reason, the most frequent reason first."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total.most_common())


def _reasons_text(reasons: Mapping[str, int]) -> str:
    """Return reasons with the number of entries of each, the first few of many."""
    texts = [f"{reason} ({count:,})" for reason, count in reasons.items()]
    others = sum(list(reasons.values())[_REASONS_SHOWN:])
    more = f", for other reasons ({others:,})" if others else ""
    return ", ".join(texts[:_REASONS_SHOWN]) + more
