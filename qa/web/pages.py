"""The pages as HTML: Jinja templates that escape everything, and what they are given.

A text of a corpus or a model reaches a page only through `{{ }}`: cleaned of control characters,
and escaped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qa.answering.citations import find_citations
from qa.answering.safe_text import clean
from qa.answering.verify import Finding
from qa.answering.wording import title_of
from qa.corpus.papers import Paper
from qa.export.html import segments

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
CURVE_WIDTH, CURVE_HEIGHT = 300, 80  # of the drawing in which `curve` is


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the written answer: plain text, a citation, or a mark of the check."""

    text: str
    papers: tuple[int, ...] = ()  # of a citation: the numbers that it names
    doubt: str = ""  # of a mark: what the check found


@dataclass(frozen=True, slots=True)
class Card:
    """What a citation opens: the paper, its proving sentences marked in the abstract."""

    n: int
    paper: Paper
    spans: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, n: int, paper: Paper, sentences: Iterable[int]) -> "Card":
        """Return the card of a paper, with the sentences of these numbers marked."""
        places = [paper.sentences[number - 1] for number in sentences]
        return cls(n, paper, [(place.start, place.end) for place in places])


def rendered(template: str, **values: object) -> str:
    """Return a template filled with values."""
    return _environment.get_template(template).render(values)


def answer_lines(
    text: str, numbers: Iterable[int], findings: Sequence[Finding]
) -> list[list[Piece]]:
    """Return the written answer line by line, citations and marks in their places."""
    known = set(numbers)
    cuts: list[tuple[int, int, Piece]] = []
    for citation in find_citations(text):
        cited = tuple(sorted(citation.numbers & known))
        if cited:
            piece = Piece(text[citation.start : citation.end], papers=cited)
            cuts.append((citation.start, citation.end, piece))
    cuts += [(f.mark, f.mark, Piece("!", doubt=f.detail)) for f in findings]
    pieces, done = [], 0
    for start, end, piece in sorted(cuts, key=lambda cut: cut[:2]):
        if start >= done:
            pieces += [Piece(text[done:start]), piece]
            done = end
        else:
            pieces.append(piece)
    return _lines([*pieces, Piece(text[done:])])


def _lines(pieces: Iterable[Piece]) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.papers or piece.doubt:
            lines[-1].append(piece)
            continue
        first, *rest = piece.text.split("\n")
        lines[-1].append(Piece(first))
        lines += [[Piece(line)] for line in rest]
    return [line for line in lines if any(piece.text.strip() for piece in line)]


def curve(points: Sequence[tuple[int, int]]) -> str:
    """Return the points of a line that shows papers found against papers read, for SVG."""
    if not points:
        return ""
    most_read, most_found = points[-1][0], max(found for _, found in points)
    return " ".join(
        f"{CURVE_WIDTH * read / max(1, most_read):.0f},"
        f"{CURVE_HEIGHT - CURVE_HEIGHT * found / max(1, most_found):.0f}"
        for read, found in [(0, 0), *points]
    )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _finalize(value: object) -> object:
    """Return what `{{ }}` prints: texts without control characters, nothing for None."""
    if value is None:
        return ""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    finalize=_finalize,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["day"] = _day
_environment.filters["marked"] = segments
_environment.filters["titled"] = title_of
