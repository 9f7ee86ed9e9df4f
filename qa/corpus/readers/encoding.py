"""The text of a corpus file: its encoding found out, then read as a stream of lines or chunks."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Self

from qa.errors import CorpusError

SAMPLE = 1 << 17  # bytes looked at to tell encoding and format
_LONGEST_LINE = 1 << 24  # characters; a longer line comes in pieces rather than fill the memory

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, so it has to stand before it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESS = ", which is a guess: save it as UTF-8 if letters look wrong"
# Of the encodings of other scripts, those that people's files are in.
_SCRIPTS = [
    "cp1251", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1253", "cp1255", "cp1256",
]  # fmt: skip
_HIGH = bytes(range(0x80, 0x100))
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_STRAY = re.compile("[\udc80-\udcff]")  # what is left of bytes that are not UTF-8
_WINDOWS = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte)
    for byte in range(0x80, 0x100)
}


class DecodedText:
    """One file's text; `note` is told when its encoding had to be guessed."""

    def __init__(self, stream: BinaryIO, note: Callable[[str], None]) -> None:
        sample = stream.read(SAMPLE)
        stream.seek(0)
        self._encoding, guessed = _encoding(sample)
        self._note: Callable[[str], None] | None = note
        if guessed:
            self._say(f"read as {guessed}{_GUESS}")
        errors = "surrogateescape" if self._encoding.startswith("utf-8") else "replace"
        self._file = io.TextIOWrapper(stream, self._encoding, errors=errors)
        start = codecs.getincrementaldecoder(self._encoding)(errors).decode(sample)
        self.head = _repaired(io.IncrementalNewlineDecoder(None, translate=True).decode(start))

    def __enter__(self) -> Self:
        """Return the text itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stream to whoever opened it."""
        self._file.detach()

    def __iter__(self) -> Iterator[str]:
        """Yield the lines, each with its line end, whichever of the three kinds the file has."""
        while line := self._file.readline(_LONGEST_LINE):
            yield self._checked(line)

    def chunks(self, size: int) -> Iterator[str]:
        """Yield pieces of the text, of `size` characters, for what is not made of lines."""
        while chunk := self._file.read(size):
            yield self._checked(chunk)

    def _checked(self, text: str) -> str:
        if text.isascii() or not _STRAY.search(text):
            return text
        self._say(f"read as Windows-1252 where it is not UTF-8{_GUESS}")
        return _repaired(text)

    def _say(self, words: str) -> None:
        if self._note:
            self._note(words)
            self._note = None


def _repaired(text: str) -> str:
    """Return the text with bytes that are no UTF-8 read as what Western Windows means by them."""
    return text if text.isascii() else text.translate(_WINDOWS)


def _encoding(sample: bytes) -> tuple[str, str]:
    """Return the codec, and what to call it if it is a guess; raises CorpusError for no text."""
    for mark, codec in _BOMS:
        if sample.startswith(mark):
            return codec, ""
    if wide := _without_mark(sample):
        return wide, f"{wide.upper()} without a byte order mark"
    if len(sample.translate(None, _CONTROLS)) < 0.97 * len(sample):
        raise CorpusError("it is not text")
    foreign = len(sample) - len(sample.translate(None, _HIGH))
    if foreign > 0.15 * len(sample) and not _utf8(sample):
        return _foreign(sample)
    return "utf-8", ""


def _without_mark(sample: bytes) -> str:
    """Return the UTF-16 that the sample is in, by where its zero bytes stand."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.2 * len(sample) and even < 0.01 * len(sample):
        return "utf-16-le"
    if even > 0.2 * len(sample) and odd < 0.01 * len(sample):
        return "utf-16-be"
    return ""


def _utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "surrogateescape")
    return len(_STRAY.findall(text)) <= 0.1 * len(text)


def _foreign(sample: bytes) -> tuple[str, str]:
    # Asked only for scripts without Latin letters: Western text in Windows-1252, by far the most
    # frequent, it takes for Baltic or Central European.
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_SCRIPTS).best()
    return (best.encoding, best.encoding) if best else ("utf-8", "")
