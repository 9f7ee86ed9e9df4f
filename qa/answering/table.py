"""A table of papers: its columns, its cells, and the check that each value stands in an abstract.

A chat model says which words of which sentence fill a cell. Its reply is untrusted: a value is
shown only where these words stand in that sentence, and it is cut from the abstract itself.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from qa.answering.results import AnswerWarning, Coverage, ModelUsage
from qa.answering.verify.normalize import NormalizedText
from qa.corpus.papers import Paper
from qa.corpus.words import folded
from qa.errors import UsageError
from qa.llm.messages import Usage
from qa.llm.replies import keyed_entries, strict_object
from qa.retrieval.relevance import Likelihood, Relevance

MOST_COLUMNS = 20  # of one table: more fit neither a screen nor one reply of a model
LONGEST_NAME = 60  # characters of a column's name
LONGEST_ASKS = 300  # characters of what a column asks for

_OPEN_QUESTION = re.compile(r"\b(?:what|which|who|whom|whose|when|where|why|how)\b", re.IGNORECASE)
_YES_NO = re.compile(r"\byes\s*(?:/|or)\s*no\b", re.IGNORECASE)
_QUOTES = "\"'"  # around words that a model quotes
# The prompt shows brackets of these kinds as round ones: see `qa.llm.prompts.one_line`.
_ONE_BRACKET = {"[": r"[\[(]", "(": r"[\[(<]", "<": r"[<(]", "]": r"[\])]", ")": r"[\])]"}


class CellState(StrEnum):
    """What is known of a cell."""

    STATED = "stated"  # the abstract says it, in the words of `value`
    NOT_STATED = "not_stated"  # the model read the abstract and found nothing
    UNREADABLE = "unreadable"  # nobody read it, or the model gave no usable reply
    DOUBTED = "doubted"  # the model named words that do not stand where it says


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, and what its cells are to say."""

    name: str
    asks: str

    @classmethod
    def parse(cls, text: str) -> "Column":
        """Return the column that `NAME` or `NAME: what it asks for` means; raises UsageError."""
        name, _, asks = (" ".join(part.split()) for part in text.partition(":"))
        if not name:
            raise UsageError(f"column is {text!r}; write NAME or NAME: what it asks for.")
        if len(name) > LONGEST_NAME or len(asks) > LONGEST_ASKS:
            raise UsageError(
                f"column {name[:LONGEST_NAME]!r} is too long: a name has at most {LONGEST_NAME} "
                f"characters, and what it asks for {LONGEST_ASKS}."
            )
        return cls(name, asks or name)

    @property
    def yes_no(self) -> bool:
        """Whether the column is a question that yes or no answers, such as "is code released?"."""
        if _YES_NO.search(self.asks):
            return True
        return self.asks.endswith("?") and not _OPEN_QUESTION.search(self.asks)


def checked_columns(texts: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns that texts mean; raises UsageError for none, too many or equal ones."""
    columns = tuple(map(Column.parse, texts))
    if not columns:
        raise UsageError("A table needs at least one column.")
    if len(columns) > MOST_COLUMNS:
        raise UsageError(f"{len(columns)} columns were asked for; at most {MOST_COLUMNS} are.")
    names = Counter(folded(column.name) for column in columns)
    for column in columns:
        if names[folded(column.name)] > 1:
            raise UsageError(f"Two columns are called {column.name!r}: give them other names.")
    return columns


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; with a value, `abstract[start:end] == value`.

    Where no model read the paper, the place is that of the sentence nearest to the column's words.
    """

    state: CellState
    value: str | None = None
    answer: str | None = None  # "yes" or "no" in a column of that kind
    sentence: int | None = None  # its number in the abstract, from 1
    start: int | None = None
    end: int | None = None
    by_reader: bool = False  # whether a person has corrected it


NOT_STATED = Cell(CellState.NOT_STATED)
UNREADABLE = Cell(CellState.UNREADABLE)
DOUBTED = Cell(CellState.DOUBTED)


@dataclass(frozen=True, slots=True)
class Row:
    """One paper and its cells, one for each column."""

    n: int
    id: str
    title: str
    cells: tuple[Cell, ...]
    relevance: Relevance | None = None  # of the paper for the question, where a judge read it
    likelihood: Likelihood | None = None  # the same by score, where nobody judged
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of papers, one row each; the papers answer the question, if there is one."""

    question: str | None
    model: str | None  # None: no model filled it, and no cell has a value
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    coverage: Coverage | None = None  # of the reading that chose the papers; None: they were given
    warnings: tuple[AnswerWarning, ...] = ()
    usage: ModelUsage = field(default_factory=ModelUsage)

    def count(self, state: CellState) -> int:
        """Return how many cells are in this state."""
        return sum(cell.state == state for row in self.rows for cell in row.cells)


@dataclass(frozen=True, slots=True)
class Expected:
    """What filling a table will take, from the length of its prompts."""

    papers: int  # with at least one cell that is not known
    calls: int
    usage: Usage


def read_cells(text: str, columns: Mapping[str, Column], paper: Paper) -> dict[str, Cell]:
    """Return the usable cells of a model's reply by column key, each checked against the paper.

    Left out are cells under a key that was not asked for or comes twice, and cells without the
    fields that were asked for: they were not read.
    """
    entries = keyed_entries(text, "cells").items()
    cells = {key: _cell(columns[key], entry, paper) for key, entry in entries if key in columns}
    return {key: cell for key, cell in cells.items() if cell is not None}


def _cell(column: Column, entry: Mapping[str, Any], paper: Paper) -> Cell | None:
    """Return the checked cell of one entry; None if the entry has not the fields asked for."""
    sentence, words, answer = entry.get("sentence"), entry.get("words"), entry.get("answer")
    if sentence in (0, None) and not words:
        return NOT_STATED
    if type(sentence) is not int or not isinstance(words, str):
        return None
    if column.yes_no and answer not in ("yes", "no"):
        return None
    found = place_of(words, sentence, paper)
    if found is None:
        return DOUBTED
    start, end = found
    value = paper.abstract[start:end]
    said = str(answer) if column.yes_no else None
    return Cell(CellState.STATED, value, said, sentence, start, end)


def place_of(words: str, sentence: int, paper: Paper) -> tuple[int, int] | None:
    """Return start and end, in the abstract, of words in the sentence of this number.

    Case, white space, the kind of dashes and quotation marks, and signs of LaTeX do not count. A
    part of a word or of a number does not stand there: `5` is not in `0.5`. None if the words are
    not there.
    """
    if paper.title_only or not 1 <= sentence <= len(paper.sentences):
        return None
    place = paper.sentences[sentence - 1]
    text = NormalizedText.of(place.text)
    wanted = NormalizedText.of(words).text.strip(_QUOTES).rstrip(".,;:").split()
    if not any(character.isalnum() for word in wanted for character in word):
        return None
    pattern = r"\s+".join("".join(map(_pattern, word)) for word in wanted)
    first, last = wanted[0][0], wanted[-1][-1]
    before = r"(?<![\w])" + (r"(?<!\d[.,])" if first.isdigit() else "") if first.isalnum() else ""
    after = r"(?!\w)" + (r"(?![.,]\d)" if last.isdigit() else "") if last.isalnum() else ""
    match = re.compile(before + pattern + after, re.IGNORECASE).search(text.text)
    if match is None:
        return None
    start, end = text.span(*match.span())
    return place.start + start, place.start + end


def _pattern(character: str) -> str:
    return _ONE_BRACKET.get(character) or re.escape(character)


# Every server with strict schemas understands it. It never changes, so that servers can cache it.
SCHEMA = strict_object(
    {
        "cells": {
            "type": "array",
            "items": strict_object(
                {
                    "key": {"type": "string"},
                    "sentence": {"type": "integer"},
                    "words": {"type": "string"},
                    "answer": {"type": "string", "enum": ["yes", "no", ""]},
                }
            ),
        }
    }
)


def exact_schema(columns: Mapping[str, Column], paper: Paper) -> dict[str, Any]:
    """Return the schema for these columns, by key, that leaves nothing but the cells open.

    Every reply under it is a usable cell for each column, also from a small model. The server must
    know the whole of JSON Schema, as llama.cpp's grammars do.
    """
    entries = [_exact(key, column, len(paper.sentences)) for key, column in columns.items()]
    count = len(entries)
    listed = {"type": "array", "prefixItems": entries, "minItems": count, "maxItems": count}
    return strict_object({"cells": listed})


def _exact(key: str, column: Column, sentences: int) -> dict[str, Any]:
    name = {"type": "string", "const": key}
    answers: Sequence[str] = ["yes", "no"] if column.yes_no else [""]
    stated = {
        "key": name,
        "sentence": {"type": "integer", "minimum": 1, "maximum": max(1, sentences)},
        "words": {"type": "string", "minLength": 1, "maxLength": 200},
        "answer": {"enum": answers},
    }
    nothing = {
        "key": name,
        "sentence": {"enum": [0]},
        "words": {"enum": [""]},
        "answer": {"enum": [""]},
    }
    return {"anyOf": [strict_object(stated), strict_object(nothing)]}
