"""What became of every entry of a corpus: a paper, merged into one before it, or skipped."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Self

from qa.corpus.papers import Skipped
from qa.index.layout import replace_file

KEPT = 10_000  # merged and skipped entries that a store keeps one by one, of each kind
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
    title_only: int = 0  # of `papers`, those without an abstract


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

    The counts are complete. A store keeps at most KEPT merged and skipped entries each.
    """

    files: tuple[FileReport, ...] = ()
    merged: tuple[Merged, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    merge_reasons: Mapping[str, int] = field(default_factory=dict)  # numbers of entries
    skip_reasons: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        files: Sequence[FileReport],
        merged: Sequence[Merged],
        skipped: Sequence[Skipped],
        notes: Sequence[str] = (),
    ) -> Self:
        """Return the report with its counts."""
        merge_reasons = Counter(entry.reason for entry in merged)
        skip_reasons = Counter(entry.reason for entry in skipped)
        return cls(
            files=tuple(files),
            merged=tuple(merged),
            skipped=tuple(skipped),
            merge_reasons=dict(merge_reasons.most_common()),
            skip_reasons=dict(skip_reasons.most_common()),
            notes=tuple(notes),
        )

    @property
    def entries(self) -> int:
        """The number of entries in all files."""
        return sum(file.entries for file in self.files)

    @property
    def merges(self) -> int:
        """The number of entries that were merged into a paper before them."""
        return sum(self.merge_reasons.values())

    @property
    def skips(self) -> int:
        """The number of entries that were skipped."""
        return sum(self.skip_reasons.values())

    @property
    def skipped_line(self) -> str:
        """How many entries were skipped and why, in a line."""
        if not self.skips:
            return "No entry was skipped."
        entries = "1 entry was" if self.skips == 1 else f"{self.skips:,} entries were"
        return f"{entries} skipped: {_reasons_text(self.skip_reasons)}."

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
        content = {
            "files": [astuple(file) for file in self.files],
            "merged": [astuple(entry) for entry in self.merged[:KEPT]],
            "skipped": [astuple(entry) for entry in self.skipped[:KEPT]],
            "merge_reasons": self.merge_reasons,
            "skip_reasons": self.skip_reasons,
            "notes": self.notes,
        }
        replace_file(folder / _FILE_NAME, json.dumps(content).encode("ascii"))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what a generation's folder has; nothing if an older version has made it."""
        try:
            content = json.loads((folder / _FILE_NAME).read_bytes())
            return cls(
                files=tuple(FileReport(*file) for file in content["files"]),
                merged=tuple(Merged(*entry) for entry in content["merged"]),
                skipped=tuple(Skipped(*entry) for entry in content["skipped"]),
                merge_reasons=dict(content["merge_reasons"]),
                skip_reasons=dict(content["skip_reasons"]),
                notes=tuple(content["notes"]),
            )
        except (OSError, ValueError, TypeError, KeyError):
            return cls()


def _reasons_text(reasons: Mapping[str, int]) -> str:
    """Return reasons with the number of entries of each, the first few of many."""
    texts = [f"{reason} ({count:,})" for reason, count in reasons.items()]
    others = len(texts) - _REASONS_SHOWN
    more = f", {others:,} other reasons" if others > 0 else ""
    return ", ".join(texts[:_REASONS_SHOWN]) + more
