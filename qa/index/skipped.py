"""What a rebuild left out: the first entries as they were met, and counts by reason of them all."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from qa.corpus.papers import Skipped
from qa.index.layout import replace_file

KEPT = 1000  # entries; a broken export may have millions
_NAME = "skipped.json"
_TOLD = 4  # reasons in a line


@dataclass(frozen=True, slots=True)
class SkippedEntries:
    """The entries of a corpus that are no papers."""

    reasons: dict[str, int]  # how many for each reason, the most frequent first
    first: tuple[Skipped, ...]  # at most KEPT

    @classmethod
    def of(cls, entries: Sequence[Skipped]) -> "SkippedEntries":
        """Return what is kept of all these."""
        reasons = Counter(entry.reason for entry in entries)
        return cls(dict(reasons.most_common()), tuple(entries[:KEPT]))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.reasons.values())

    @property
    def line(self) -> str:
        """Their number and the reasons, in a line."""
        if not self.total:
            return "No entry was skipped."
        told = [f"{reason} ({count:,})" for reason, count in self.reasons.items()]
        more = f", {len(told) - _TOLD:,} other reasons" if len(told) > _TOLD else ""
        entries = "1 entry was" if self.total == 1 else f"{self.total:,} entries were"
        return f"{entries} skipped: {', '.join(told[:_TOLD])}{more}."

    def write(self, folder: Path) -> None:
        """Write it into a generation's folder."""
        content = {"reasons": self.reasons, "first": [astuple(entry) for entry in self.first]}
        replace_file(folder / _NAME, json.dumps(content).encode("ascii"))

    @classmethod
    def read(cls, folder: Path) -> "SkippedEntries":
        """Return what a generation keeps; nothing where it was made before there was this."""
        try:
            content = json.loads((folder / _NAME).read_bytes())
            return cls(content["reasons"], tuple(Skipped(*entry) for entry in content["first"]))
        except (OSError, ValueError, TypeError, KeyError):
            return cls({}, ())
