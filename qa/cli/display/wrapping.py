"""Text wrapped to the terminal's width word by word, while it is still coming."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

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
