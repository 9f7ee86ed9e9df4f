"""The lines of a PDF's first pages, with their places: a program of its own, run beside ours.

A PDF is read by pdfium, in a process that has limits of time and memory, for a hostile file must
not hang or fill ours. It reads requests on its standard input, each a length of 8 bytes and a PDF,
and answers each with one line of JSON on its standard output, until the input ends.
"""

import ctypes
import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, BinaryIO

PAGES = 3  # a cover page, the title page, and where its abstract goes on
MAX_MEMORY = 450_000_000  # bytes, of this process
_MAX_CHARACTERS = 20_000  # of a page
_MAX_OBJECTS = 50_000  # of a page: text, lines, pictures
_HYPHENS = ("\x02", "\xad", "\ufffe")  # pdfium's sign for a hyphen at the end of a line, and others
# Ligatures by their places in TeX's fonts, which is all that some PDFs tell of them.
_LIGATURES = {
    first + at: letters
    for first in (0x0B, 0x1B, 0xFB00)
    for at, letters in enumerate(("ff", "fi", "fl", "ffi", "ffl"))
}
_COMBINING = "\u0308\u0301\u0300\u0302\u0303\u030c\u030a\u0304\u0306\u0307\u030b"
# Accents that TeX's old fonts print before their letters, and the same as part of a letter.
_ACCENTS = dict(
    zip("\xa8\xb4`\u02c6\u02dc\u02c7\u02da\xaf\u02d8\u02d9\u02dd", _COMBINING, strict=True)
)
_ACCENTED = re.compile(f"([{''.join(_ACCENTS)}]) ?([A-Za-z\u0131])")
_WIDE_GAP = 2.0  # times the height of the letters: between columns, not between words


def main() -> None:
    """Answer requests until the input ends."""
    _limit_memory()
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    while content := _next_request(requests):
        replies.write(json.dumps(_document(content)).encode() + b"\n")
        replies.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _next_request(requests: BinaryIO) -> bytes:
    size = int.from_bytes(requests.read(8), "big")
    return requests.read(size)


def _document(content: bytes) -> dict[str, Any]:
    """Return title and pages of a PDF, or `error`: "password", or another word for the user."""
    import pypdfium2 as pdfium  # type: ignore[import-untyped]

    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        return {"error": "password" if "password" in str(error).lower() else "damaged"}
    try:
        pages = [_page(document[number]) for number in range(min(PAGES, len(document)))]
        return {"title": document.get_metadata_value("Title"), "pages": pages}
    except (pdfium.PdfiumError, MemoryError):
        return {"error": "damaged"}
    finally:
        document.close()


def _page(page: Any) -> dict[str, Any]:  # noqa: ANN401 - pypdfium2 has no types
    """Return size, upright lines and turned text of a page, and whether it has pictures."""
    from pypdfium2 import raw

    width, height = page.get_size()
    text_page = page.get_textpage()
    upright, turned = [], ""
    for character in _characters(text_page, raw):
        if character.turned:
            turned += character.text
        else:
            upright.append(character)
    count = raw.FPDFPage_CountObjects(page)
    kinds = {
        raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page, at))
        for at in range(min(count, _MAX_OBJECTS))
    }
    return {
        "width": width,
        "height": height,
        "lines": [line for line in map(_line, _runs(upright)) if line],
        "turned": turned,
        "pictures": raw.FPDF_PAGEOBJ_IMAGE in kinds,
    }


class _Character:
    """A letter and its box in points; the page's lower left corner is (0, 0)."""

    __slots__ = ("bold", "left", "low", "right", "text", "top", "turned")

    def __init__(self, text: str) -> None:
        self.text = text
        self.left = self.right = self.low = self.top = 0.0
        self.turned = self.bold = False


def _characters(text_page: Any, raw: Any) -> Iterator[_Character]:  # noqa: ANN401
    """Yield the characters of a page in its order; a line break is one without a box."""
    box = raw.FS_RECTF()
    flags = ctypes.c_int()
    name = ctypes.create_string_buffer(100)
    for at in range(min(text_page.count_chars(), _MAX_CHARACTERS)):
        code = raw.FPDFText_GetUnicode(text_page, at)
        character = _Character("\ufffd" if 0xD800 <= code < 0xE000 else chr(code))
        if raw.FPDFText_IsGenerated(text_page, at) != 1:  # else a space or break between words
            character.text = _LIGATURES.get(code, character.text)
        if character.text in _HYPHENS:
            character.text = "\xad"
        if raw.FPDFText_GetLooseCharBox(text_page, at, box):
            character.left, character.right = box.left, box.right
            character.low, character.top = box.bottom, box.top
        angle = raw.FPDFText_GetCharAngle(text_page, at)
        character.turned = 0.1 < angle < 6.18
        if raw.FPDFText_GetFontInfo(text_page, at, name, len(name), flags):
            font = name.value.lower()
            character.bold = b"bold" in font or b"medi" in font or b"cmbx" in font
        yield character


def _runs(characters: list[_Character]) -> Iterator[list[_Character]]:
    """Yield the characters of each line, or of its part within a column."""
    run: list[_Character] = []
    for character in characters:
        if character.text in "\r\n":
            yield run
            run = []
        elif character.top <= character.low or character.text.isspace():
            run.append(character)  # a space: its box says nothing
        else:
            last = next((c for c in reversed(run) if not c.text.isspace()), None)
            if last is not None and _apart(last, character):
                yield run
                run = []
            run.append(character)
    yield run


def _apart(last: _Character, character: _Character) -> bool:
    height = max(last.top - last.low, character.top - character.low)
    gap = character.left - last.right
    overlap = min(last.top, character.top) - max(last.low, character.low)
    return gap > _WIDE_GAP * height or gap < -4 * height or overlap < -0.3 * height


def _line(run: list[_Character]) -> dict[str, Any] | None:
    """Return a line: its text, box, height of letters, and the text without raised letters."""
    letters = [c for c in run if not c.text.isspace() and c.top > c.low]
    if not letters:
        return None
    heights = sorted(c.top - c.low for c in letters)
    height = heights[len(heights) // 2]
    middle = sorted(c.low + (c.top - c.low) / 2 for c in letters)[len(letters) // 2]
    level = [
        c
        for c in run
        if c.top <= c.low
        or c.text.isspace()
        or c.top - c.low > 0.85 * height
        or abs(c.low + (c.top - c.low) / 2 - middle) < 0.12 * height
    ]
    first = takewhile(lambda c: not c.text.isspace(), run)
    return {
        "text": _text(run),
        "level": _text(level, gaps=0.7 * height),
        "left": min(c.left for c in letters),
        "right": max(c.right for c in letters),
        "low": min(c.low for c in letters if c in level) if level else letters[0].low,
        "height": height,
        "bold": sum(c.bold for c in letters) > 0.6 * len(letters),
        "starts_bold": all(c.bold for c in first),
    }


def _text(characters: list[_Character], gaps: float | None = None) -> str:
    """Return the text of characters on one line; where it has wider gaps, with a tab in them."""
    text = ""
    last = None
    for character in characters:
        if character.text.isspace() or character.top <= character.low:
            text += character.text if character.text.strip() else " "
            continue
        if gaps is not None and last is not None and character.left - last.right > gaps:
            text += "\t"
        text += character.text
        last = character
    parts = (" ".join(part.split()) for part in text.split("\t"))
    return _ACCENTED.sub(_accented, "\t".join(part for part in parts if part))


def _accented(found: re.Match[str]) -> str:
    letter = "i" if found[2] == "\u0131" else found[2]
    return unicodedata.normalize("NFC", letter + _ACCENTS[found[1]])


if __name__ == "__main__":
    main()
