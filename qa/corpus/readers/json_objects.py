"""The objects of a JSON file, one at a time, whichever way they are strung together.

An array, one object a line, objects one after the other, or an object around the array
(`{"results": [...]}`) come down to the same walk: decode what is an object, step over what is
around it. A file is never held as a whole, and a broken object does not take the next along.
"""

import json
import re
from collections.abc import Iterable, Iterator

_LONGEST = 1 << 22  # characters of one object; what is longer is around the papers, or broken
_BETWEEN = re.compile(r"[\s,\ufeff\x1e]*")  # \x1e begins each object of a JSON text sequence
_INDENT = re.compile(r"[ \t]*")
_FIRST_KEY = re.compile(r'\{\s*("[^"\\]{1,200}"\s*:)')
_ARRAY = re.compile(r"\[\s*(?=\{)")
_TITLE = re.compile(r'"title"\s*:', re.IGNORECASE)
_ARRAY_WITHIN = 1 << 18  # characters that may stand before the papers in what is around them


def json_objects(chunks: Iterable[str]) -> Iterator[tuple[int, dict[str, object] | None]]:
    """Yield line number and value of each object; None in place of one that is broken."""
    place, first = _Place(chunks), True
    while opening := place.next():
        if opening != "{":
            place.step()
            continue
        line = place.line()
        try:
            value: dict[str, object] | None = place.value()
        except _BrokenError:
            if first and place.enter():
                continue
            value = None
            place.resume()
        first = False
        yield line, value


class _BrokenError(Exception):
    pass


class _Place:
    """A place in a stream of text, of which it holds as much as decoding one object needs."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self._text = ""
        self._at = 0
        self._line = 1
        self._counted = 0  # characters of the text whose line ends are in `_line`
        self._decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode

    def next(self) -> str:
        """Go to the next character that is not blank and return it; empty at the end."""
        while True:
            found = _BETWEEN.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def line(self) -> int:
        """Return the number of the line the place is in."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def step(self) -> None:
        """Go on by a character, or behind the string that begins here."""
        if self._text[self._at] == '"':
            try:
                self._at = self._decoded()[1]
            except _BrokenError:
                self._at += 1
        else:
            self._at += 1

    def value(self) -> dict[str, object]:
        """Return the object that begins here and go behind it."""
        value, end = self._decoded()
        if not isinstance(value, dict):
            raise _BrokenError
        self._at = end
        return value

    def enter(self) -> bool:
        """Go to the papers inside a broken object that is the frame around them, if it is one."""
        for array in _ARRAY.finditer(self._text, self._at, self._at + _ARRAY_WITHIN):
            if _TITLE.search(self._text, self._at, array.start()):
                return False  # it is a paper itself
            try:
                inside, _ = self._decode(self._text, array.end())
            except (ValueError, RecursionError):
                continue
            if isinstance(inside, dict) and any(key.lower() == "title" for key in inside):
                self._at = array.end()
                return True
        return False

    def resume(self) -> None:
        """Go on to where, after a broken object, the next one like it begins."""
        beginning = self._like_this()
        self._at += 1
        while not (found := beginning.search(self._text, self._at)):
            self._at = max(self._at, len(self._text) - 1000)
            if not self._more():
                self._at = len(self._text)
                return
        self._at = found.end() - 1

    def _like_this(self) -> re.Pattern[str]:
        """Return what finds the next object like the one that begins here.

        One on a line of its own is known by its indentation, else by its first key.
        """
        line = self._text.rfind("\n", max(0, self._at - 100), self._at) + 1
        indent = self._text[line : self._at] if line or self._at < 100 else "no indent"
        if _INDENT.fullmatch(indent):
            return re.compile(rf"\n{indent}\{{")
        key = _FIRST_KEY.match(self._text, self._at)
        return re.compile(rf"\{{(?=\s*{re.escape(key[1])})" if key else r"\{")

    def _decoded(self) -> tuple[object, int]:
        while True:
            held = len(self._text) - self._at
            try:
                return self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut_off = (
                    error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - 16
                )
                if held > _LONGEST or not cut_off:
                    raise _BrokenError from error
            except RecursionError as error:
                # What stands inside is as deep: on to the next line.
                line_end = self._text.find("\n", self._at)
                self._at = line_end if line_end >= 0 else len(self._text) - 1
                raise _BrokenError from error
            except ValueError as error:
                raise _BrokenError from error
            if not self._more():
                raise _BrokenError
            while len(self._text) - self._at < 2 * held and self._more():
                pass  # twice as much each time: decoding anew takes no longer than once through

    def _more(self) -> bool:
        self.line()
        chunk = next(self._chunks, "")
        if chunk:
            start = max(self._at - 100, 0)  # the line's indentation tells objects apart
            self._text = self._text[start:] + chunk
            self._at = self._counted = self._at - start
        return bool(chunk)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object; raises ValueError for two papers run into one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key.lower() for key, _ in pairs]
        if keys.count("title") > 1 or keys.count("abstract") > 1:
            raise ValueError("two titles or abstracts")
    return found
