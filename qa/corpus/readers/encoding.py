"""The text of a corpus file: its encoding is detected, then it is read in lines or chunks."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Self

from qa.corpus.papers import LONGEST_ENTRY, UnreadableFile

SAMPLE = 1 << 17  # bytes at the beginning of a file by which encoding and format are told
_LONGEST_LINE = LONGEST_ENTRY + 1  # characters; the rest of a longer line is left out

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESS = ", which is a guess: save it as UTF-8 if letters look wrong"
# The encodings other than UTF-8 and Windows-1252 that files of papers are found in.
_SCRIPTS = [
    "cp1251", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1253", "cp1255", "cp1256",
]  # fmt: skip
_XML_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,60}?\bencoding\s{0,9}=\s{0,9}[\"']([\w.-]{1,40})")
_HIGH = bytes(range(0x80, 0x100))
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_STRAY = re.compile("[\udc80-\udcff]")  # what is left of bytes that are not UTF-8
_WINDOWS = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte)
    for byte in range(0x80, 0x100)
}


class DecodedText:
    """The text of one file. `note` gets a sentence where the encoding had to be guessed.

    `head` is the decoded beginning of the text. Raises UnreadableFile if it is no text.
    """

    def __init__(self, stream: BinaryIO, note: Callable[[str], None]) -> None:
        sample = stream.read(SAMPLE)
        stream.seek(0)
        self._encoding, guessed = _encoding(sample)
        self._note: Callable[[str], None] | None = note
        if guessed:
            self._note_guess(f"read as {guessed}{_GUESS}")
        errors = "surrogateescape" if self._encoding.startswith("utf-8") else "replace"
        self._file = io.TextIOWrapper(stream, self._encoding, errors=errors)
        start = codecs.getincrementaldecoder(self._encoding)(errors).decode(sample)
        self.head = _repaired(io.IncrementalNewlineDecoder(None, translate=True).decode(start))

    def __enter__(self) -> Self:
        """Return the text itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stream open for its owner."""
        self._file.detach()

    def __iter__(self) -> Iterator[str]:
        """Yield the lines with their ends, whichever of the three line ends the file has.

        A line longer than LONGEST_ENTRY is cut off behind that: its entry is too long to be read.
        """
        while line := self._file.readline(_LONGEST_LINE):
            rest = line
            while len(rest) == _LONGEST_LINE and not rest.endswith("\n"):
                rest = self._file.readline(_LONGEST_LINE)
            yield self._checked(line)

    def chunks(self, size: int) -> Iterator[str]:
        """Yield the text in pieces of `size` characters, for formats that are not made of lines."""
        while chunk := self._file.read(size):
            yield self._checked(chunk)

    def _checked(self, text: str) -> str:
        """Return the text with stray bytes decoded, and note if there were any."""
        if text.isascii() or not _STRAY.search(text):
            return text
        self._note_guess(f"read as Windows-1252 where it is not UTF-8{_GUESS}")
        return _repaired(text)

    def _note_guess(self, sentence: str) -> None:
        """Pass the first guess on to `note`; one is enough for a file."""
        if self._note:
            self._note(sentence)
            self._note = None


def _repaired(text: str) -> str:
    """Return the text with bytes that are not UTF-8 read as Windows-1252."""
    return text if text.isascii() else text.translate(_WINDOWS)


def _encoding(sample: bytes) -> tuple[str, str]:
    """Return the codec, and its name for the user if it is a guess, else an empty name.

    Raises UnreadableFile if the sample is no text.
    """
    for mark, codec in _BOMS:
        if sample.startswith(mark):
            return codec, ""
    if declared := _XML_ENCODING.match(sample):
        return _declared(declared[1].decode()), ""
    if utf16 := _utf16_without_mark(sample):
        return utf16, f"{utf16.upper()} without a byte order mark"
    if len(sample.translate(None, _CONTROLS)) < 0.97 * len(sample):
        raise UnreadableFile("it is not text")
    high = len(sample) - len(sample.translate(None, _HIGH))
    if high > 0.15 * len(sample) and not _is_utf8(sample):
        return _other_script(sample)
    return "utf-8", ""


def _declared(name: str) -> str:
    """Return the codec that an XML declaration names; Latin-1 is Windows-1252, as on the web."""
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    if codec.startswith(("utf-16", "utf-32")):  # then the declaration could not be read so
        return "utf-8"
    return "cp1252" if codec in ("iso8859-1", "ascii") else codec


def _utf16_without_mark(sample: bytes) -> str:
    """Return the kind of UTF-16 by the places of the zero bytes; empty if it is none."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.2 * len(sample) and even < 0.01 * len(sample):
        return "utf-16-le"
    if even > 0.2 * len(sample) and odd < 0.01 * len(sample):
        return "utf-16-be"
    return ""


def _is_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "surrogateescape")
    return len(_STRAY.findall(text)) <= 0.1 * len(text)


def _other_script(sample: bytes) -> tuple[str, str]:
    """Return what `_encoding` does, for a text in a script without Latin letters."""
    # charset-normalizer takes Windows-1252, which is far more frequent, for Baltic or Central
    # European encodings. So it is asked for these texts only.
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_SCRIPTS).best()
    return (best.encoding, best.encoding) if best else ("utf-8", "")
