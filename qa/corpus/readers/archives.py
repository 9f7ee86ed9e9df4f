"""Compressed files and archives, opened as the streams of what is in them."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from qa.corpus.readers.hidden import hidden
from qa.errors import CorpusError

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
# Documents that are zip archives inside, by a name that only they have among their members.
_DOCUMENTS = ("[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF")


def unpacked(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and stream of each file inside, which is the file itself when it is no archive.

    Raises one of BROKEN when the archive is damaged, CorpusError when it holds no texts.
    """
    magic = stream.read(6)
    stream.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        yield name, cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    elif magic == b"\xfd7zXZ\x00":
        yield name, cast("BinaryIO", lzma.LZMAFile(stream))  # noqa: SIM115 - closed by its reader
    elif magic.startswith(b"BZh"):
        yield name, cast("BinaryIO", bz2.BZ2File(stream))
    elif magic.startswith((_ZIP, _EMPTY_ZIP)):
        yield from _members(stream, name)
    else:
        yield name, stream


def _members(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO]]:
    with _archive(stream) as archive:
        inside = archive.namelist()
        if any(mark in inside for mark in _DOCUMENTS):
            raise CorpusError("it is an office document or a program")
        for member in sorted(inside):
            parts = PurePosixPath(member).parts
            if not member.endswith("/") and not any(hidden(part) for part in parts):
                with _member(archive, member) as content:
                    for inner, unpacked_content in unpacked(content, member):
                        yield f"{name}/{inner}", unpacked_content


def _archive(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (ValueError, NotImplementedError) as error:  # what a damaged directory leads to
        raise CorpusError(f"damaged: {error}") from error


def _member(archive: zipfile.ZipFile, member: str) -> BinaryIO:
    try:
        return cast("BinaryIO", archive.open(member))
    except (ValueError, RuntimeError) as error:  # a password, or an unknown compression
        raise CorpusError(f"its {member} cannot be opened: {error}") from error
