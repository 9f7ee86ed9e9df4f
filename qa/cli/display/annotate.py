"""Print an answer while it is written: numbered marks behind sentences that are doubtful."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from qa.answering.citations import show_unknown
from qa.answering.events import Piece

_BULLET = re.compile(r"(?:[-*•]|\d{1,3}[.)])$")
_PARTS = re.compile(r"\n|[^\S\n]+|\S+")


class AnnotatedStream:
    """Prints an answer piece by piece.

    A citation of no paper shows as [9?]; a sentence in which the check found something else gets
    a (!1) behind it, once for each finding.
    """

    def __init__(self, out: Console) -> None:
        self._wrapper = Wrapper(out)
        self._printed = 0  # characters of the answer
        self._marks = 0
        self.numbers: dict[str, list[int]] = {}  # of the marks, first to last, by findings' detail

    def feed(self, piece: Piece) -> None:
        """Print a piece of the answer with its marks."""
        numbers, text, start = {entry.n for entry in piece.papers}, piece.text, self._printed
        for finding in piece.findings:
            if finding.kind == "unknown_citation":  # shows as [9?]
                continue
            self._print(text[self._printed - start : finding.mark - start], numbers)
            self._marks += 1
            self.numbers.setdefault(finding.detail, []).append(self._marks)
            self._wrapper.write(f" (!{self._marks})", style="bold yellow")
        self._print(text[self._printed - start :], numbers)

    def end(self) -> None:
        """End the line."""
        self._wrapper.end()

    def _print(self, text: str, numbers: set[int]) -> None:
        self._wrapper.write(show_unknown(text, numbers))
        self._printed += len(text)


class Wrapper:
    """Writes words when they are complete, and breaks lines between them; a pipe gets no breaks."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._width = out.width if out.is_terminal else None
        self._column = 0
        self._indent = 0  # of the lines that go on with a list item
        self._space = ""  # seen, but only written if another word follows on the line
        self._word: list[tuple[str, str | None]] = []

    def write(self, text: str, *, style: str | None = None) -> None:
        """Write the words of the text that are complete; the last one waits for its end."""
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
