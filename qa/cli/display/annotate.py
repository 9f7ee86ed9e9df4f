"""An answer as it is shown while it is written: no torn markers, and what is doubtful marked."""

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from qa.answering.citations import MarkerBuffer, show_unknown
from qa.answering.events import Piece
from qa.answering.verify.checks import Finding, check_answer
from qa.corpus.sentences import split_sentences

# A list's, or a heading's.
_ITEM = r"\n[^\S\n]*(?:[-*+•‣◦]|(?:\*\*|__)?\(?(?:\d{1,3}|[a-z])[.)](?:\*\*|__)?|#{1,6})"
_GAP = re.compile(rf"\s*(?:{_ITEM}\s*)?\Z")  # with the next item's bullet
_NEXT_ITEM = re.compile(rf"(?={_ITEM}\s)")
_LONGEST_GAP = 80  # characters
_WORD_END = re.compile(r"(?<=\S)(?=[\s\u2e80-\uffef])")  # of Chinese: each character
_MARKER_FIRST = re.compile(r"\s*[\[【(]")
_MARKERS = re.compile(r"(?:[\[【][\d\s,;-]+[\]】]\s*)+(?=[A-Z\d])")  # and then a sentence


class AnnotatedStream:
    """Prints an answer piece by piece.

    A citation that leads nowhere shows as [9?] at once; a sentence that the check finds fault with
    gets a (!1) behind it as soon as it has ended. It goes on word by word, so that the pieces in
    which an answer happens to come make no difference.
    """

    def __init__(self, out: Console, first: Piece) -> None:
        self._word = ""  # not yet whole
        self._buffer = MarkerBuffer()
        self._wrapper = Wrapper(out)
        self._papers = {e.n: (e.paper.title, e.paper.abstract) for e in first.papers}
        self._question, self._counts = first.question, first.counts
        self._text = ""
        self._printed = 0
        self._settled = 0  # up to here sentences are complete and have been checked
        self.findings: list[Finding] = []  # in the order of their numbers

    @property
    def numbers(self) -> dict[str, list[int]]:
        """The numbers of the marks in the text, by what they stand for, first to last."""
        marks = {(f.kind, f.start): n for n, f in enumerate(self.findings, start=1)}
        numbers: dict[str, list[int]] = {}
        for finding in self._check():
            n = marks.pop((finding.kind, finding.start), None)
            if n is not None:
                numbers.setdefault(finding.detail, []).append(n)
        return numbers

    def feed(self, piece: str) -> None:
        """Show what can be shown with this piece: words that are whole."""
        *words, self._word = _WORD_END.split(self._word + piece)
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        self._text += self._buffer.feed(word)
        ends = _sentence_ends(self._text, since=self._settled)
        if ends:
            self._settle(ends)
        # What follows a sentence waits for the next one: a mark may have to go in between.
        self._print(_without_gap(self._text, len(self._text)))

    def end(self) -> None:
        """Show the rest and end the line."""
        self._take(self._word)
        self._text = (self._text + self._buffer.flush()).rstrip()
        self._settle([*_sentence_ends(self._text, since=self._settled), len(self._text)])
        self._print(len(self._text))
        self._wrapper.end()

    def _settle(self, ends: Sequence[int]) -> None:
        """Mark the sentences that have ended and in which the check finds fault."""
        for finding in self._check():
            if finding.kind == "unknown_citation":  # has shown as [9?]
                continue
            end = next((end for end in ends if end >= finding.end > self._settled), None)
            if end is not None and not self._known(finding):
                self._print(end)
                self.findings.append(finding)
                self._wrapper.write(f" (!{len(self.findings)})", style="bold yellow")
        self._settled = ends[-1]

    def _check(self) -> Sequence[Finding]:
        return check_answer(self._text, self._papers, question=self._question, counts=self._counts)

    def _known(self, finding: Finding) -> bool:
        return any((f.kind, f.start) == (finding.kind, finding.start) for f in self.findings)

    def _print(self, end: int) -> None:
        if end > self._printed:
            self._wrapper.write(show_unknown(self._text[self._printed : end], self._papers))
            self._printed = end


def _sentence_ends(text: str, *, since: int) -> list[int]:
    """Where sentences end that others follow, after `since`, where the last known one ended.

    Markers belong to what they follow.
    """
    starts = [since + sentence.start for sentence in split_sentences(text[since:])]
    starts = [
        markers.end() if (markers := _MARKERS.match(text, start)) else start for start in starts[1:]
    ]
    starts = [start for start in starts if not _MARKER_FIRST.match(text, start)]
    starts += [item.start() for item in _NEXT_ITEM.finditer(text, since)]
    return sorted({end for start in starts if (end := _without_gap(text, start)) > since})


def _without_gap(text: str, end: int) -> int:
    """Where the text up to `end` ends if what stands between two sentences is left off."""
    gap = _GAP.search(text, max(0, end - _LONGEST_GAP), end)
    return gap.start() if gap else end


_BULLET = re.compile(r"(?:[-*•]|\d{1,3}[.)])$")
_PARTS = re.compile(r"\n|[^\S\n]+|\S+")


class Wrapper:
    """Writes words as they become whole, breaking lines between them; in a pipe as they come."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._width = out.width if out.is_terminal else None
        self._column = 0
        self._indent = 0  # of the lines that go on with a list item
        self._space = ""  # seen, but only written if another word follows on the line
        self._word: list[tuple[str, str | None]] = []

    def write(self, text: str, *, style: str | None = None) -> None:
        """Write what is whole of the text; the last word waits for its end."""
        if self._width is None:
            self._emit(text, style)
            return
        for part in _PARTS.findall(text):
            if part == "\n":
                self._flush_word()
                self._newline(0)
            elif part.isspace():
                self._flush_word()
                self._space += part
            else:
                self._word.append((part, style))

    def end(self) -> None:
        """Write what is left and end the line."""
        self._flush_word()
        self._emit("\n", None)

    def _flush_word(self) -> None:
        if not self._word:
            return
        word = "".join(part for part, _ in self._word)
        room = (self._width or 0) - self._column - len(self._space)
        if self._column > self._indent and cell_len(word) > room:
            self._newline(self._indent)
        first = self._column == 0
        self._advance(self._space, None)
        for part, style in self._word:
            self._advance(part, style)
        if first and _BULLET.match(word):
            self._indent = self._column + 1
        self._space, self._word = "", []

    def _newline(self, indent: int) -> None:
        self._emit("\n" + " " * indent, None)
        self._column, self._space = indent, ""
        self._indent = indent

    def _advance(self, text: str, style: str | None) -> None:
        self._emit(text, style)
        self._column += cell_len(text)

    def _emit(self, text: str, style: str | None) -> None:
        if text:
            self._out.print(Text(text, style=style or ""), end="", soft_wrap=True)
            self._out.file.flush()
