"""The questions that were asked of a corpus, kept with answers and readings to be opened again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from pydantic import TypeAdapter, ValidationError

from qa.answering.reader_verdicts import run_durably
from qa.answering.results import Answer
from qa.answering.verify import Finding
from qa.corpus.filters import EVERYTHING, Filters
from qa.retrieval.relevance import Verdict

FILE = "questions.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS questions (
  id TEXT PRIMARY KEY, asked REAL NOT NULL, question TEXT NOT NULL, found INTEGER NOT NULL,
  entry TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One question, and what came of it."""

    question: str
    filters: Filters = EVERYTHING
    id: str = field(default_factory=lambda: token_hex(6))
    asked: float = field(default_factory=time.time)  # seconds since 1970
    answer: Answer | None = None  # None: not answered yet
    rounds: tuple[tuple[Verdict, ...], ...] = ()  # what the model read, round by round
    findings: tuple[Finding, ...] = ()  # of the check, with their places in the written answer
    columns: tuple[str, ...] = ()  # of its table


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of the list of questions."""

    id: str
    asked: float
    question: str
    found: int  # papers listed


_ENTRY = TypeAdapter(Entry)


class History:
    """The questions of one corpus; any number of processes share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, entry: Entry) -> None:
        """Keep a question with its answer, in place of what was kept under its id.

        Raises StoreError.
        """
        found = len(entry.answer.papers) if entry.answer else 0
        text = _ENTRY.dump_json(entry).decode()
        row = (entry.id, entry.asked, entry.question, found, text)
        self._do("INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?, ?)", row)

    def get(self, id_: str) -> Entry | None:
        """Return the question under this id; None if there is none that can be read."""
        rows = self._do("SELECT entry FROM questions WHERE id = ?", (id_,))
        try:
            return _ENTRY.validate_json(str(rows[0][0])) if rows else None
        except ValidationError:  # an earlier version wrote it in another form
            return None

    def headings(self, most: int = 100) -> list[Heading]:
        """Return the latest questions, the last one first."""
        rows = self._do(
            "SELECT id, asked, question, found FROM questions ORDER BY asked DESC LIMIT ?", (most,)
        )
        return [
            Heading(str(id_), float(str(asked)), str(question), int(str(found)))
            for id_, asked, question, found in rows
        ]

    def delete(self, id_: str) -> None:
        """Forget a question; the reader's verdicts stay."""
        self._do("DELETE FROM questions WHERE id = ?", (id_,))

    def _do(self, statement: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        trouble = f"The list of questions in {self._path} cannot be used"
        return run_durably(self._path, _SCHEMA, statement, values, trouble)
