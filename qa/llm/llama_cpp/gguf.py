"""The header of a GGUF file: what the model says about itself, and how long the file must be.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # bytes, where the file does not say otherwise
LONGEST_KEPT = 1_000  # characters or items; vocabularies and chat templates are passed over

_COUNT, _KIND = struct.Struct("<Q"), struct.Struct("<I")
_NUMBERS = {
    kind: struct.Struct(f"<{code}")
    for kind, code in enumerate(["B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d"])
    if code
}
_STRING, _ARRAY = 8, 9

Value = str | int | float | bool | tuple[int | float | bool, ...]


class NotGGUF(ValueError):
    """The file is something else; the message says what, as the end of “it is …”."""


class CutOff(ValueError):
    """The file ends too early; `least` is how many bytes it must have, where that is known."""

    def __init__(self, least: int | None = None) -> None:
        super().__init__(least)
        self.least = least


@dataclass(frozen=True, slots=True)
class GGUFHeader:
    """What stands before the weights; long values are left out."""

    values: Mapping[str, Value]
    tensors: int

    def text(self, key: str) -> str:
        """A value that is text; empty if there is none."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """A value that is a number, of one for each layer the greatest; 0 if there is none."""
        value = self.values.get(key, 0)
        greatest = max(value, default=0) if isinstance(value, tuple) else value
        return 0 if isinstance(greatest, str) else int(greatest)


def read_header(path: Path) -> GGUFHeader:
    """The header of the file; raises NotGGUF, CutOff or OSError."""
    with path.open("rb") as file:
        start = file.read(64)
        if not start.startswith(MAGIC):
            raise NotGGUF(_what(start))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _read(_Cursor(data))
            except (struct.error, OverflowError, IndexError) as exc:
                raise CutOff from exc


def _read(cursor: "_Cursor") -> GGUFHeader:
    """The header, and a look at where the weights end; struct.error where the file ends before."""
    cursor.skip(len(MAGIC))
    version = cursor.number(_KIND)
    if version not in VERSIONS:
        raise NotGGUF(f"a GGUF file of version {version}, of which llama.cpp knows 2 and 3")
    tensors, count = cursor.number(_COUNT), cursor.number(_COUNT)
    pairs = ((cursor.text(), cursor.value()) for _ in range(count))
    header = GGUFHeader({key: value for key, value in pairs if value is not None}, tensors)
    last = max((cursor.tensor_offset() for _ in range(tensors)), default=0)
    alignment = header.number("general.alignment") or ALIGNMENT
    weights = -(-cursor.at // alignment) * alignment
    if tensors and cursor.size <= weights + last:
        raise CutOff(weights + last)
    return header


class _Cursor:
    """A place in the file, moved on by each reading."""

    def __init__(self, data: mmap.mmap) -> None:
        self.at = 0
        self.size = len(data)
        self._data = data

    def skip(self, length: int) -> None:
        self.at += length

    def number(self, form: struct.Struct) -> int:
        (number,) = form.unpack_from(self._data, self.at)
        self.at += form.size
        return int(number)

    def text(self) -> str:
        """The text that comes next, or its beginning if it is long."""
        length = self.number(_COUNT)
        start = self._data[self.at : self.at + min(length, LONGEST_KEPT)]
        self.at += length
        return start.decode("utf-8", "replace")

    def value(self) -> Value | None:
        """The value that comes next; None if it is one to pass over."""
        kind = self.number(_KIND)
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self._array()
        form = _number_form(kind)
        (value,) = form.unpack_from(self._data, self.at)
        self.at += form.size
        return value  # type: ignore[no-any-return]

    def tensor_offset(self) -> int:
        """Where the weights of the tensor described next begin, counted from the first one's."""
        self.text()
        self.skip(_COUNT.size * self.number(_KIND) + _KIND.size)
        return self.number(_COUNT)

    def _array(self) -> Value | None:
        kind, count = self.number(_KIND), self.number(_COUNT)
        if kind == _STRING:
            self._skip_texts(count)
            return None
        form = _number_form(kind)
        start = self.at
        self.at += count * form.size
        if count > LONGEST_KEPT:
            return None
        return tuple(form.unpack_from(self._data, start + i * form.size)[0] for i in range(count))

    def _skip_texts(self, count: int) -> None:
        # Half a million in a large vocabulary: written for speed.
        data, at, length = self._data, self.at, _COUNT.unpack_from
        for _ in range(count):
            at += 8 + length(data, at)[0]
        self.at = at


def _number_form(kind: int) -> struct.Struct:
    if kind not in _NUMBERS:
        raise NotGGUF("a damaged GGUF file")
    return _NUMBERS[kind]


def _what(start: bytes) -> str:
    """What a file that begins like this is, as far as that helps."""
    if not start:
        return "empty"
    if start.lstrip()[:5].lower() in {b"<!doc", b"<html"}:
        return "a web page"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, without the model itself"
    return "no GGUF file"
