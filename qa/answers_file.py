"""The JSON lines that the answers to many questions are written to, a line as each is there.

A line is whole or it is not: one that was cut off by a kill or a full disk is taken away when the
file is opened the next time, and its question asked again.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qa.errors import QAError, UsageError

Document = Mapping[str, Any]

OURS = {"id", "question", "settings"}  # what every line has


class AnswersFileError(QAError):
    """The file for the answers cannot be used."""


class AnswersFile:
    """One file of answers, held by this process alone while `opened`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Document] = []

    @classmethod
    @contextmanager
    def opened(cls, path: Path, locks: Path) -> Iterator["AnswersFile"]:
        """Open the file, or begin it; what is in it already stands in `lines`.

        `locks` is a folder for the lock, so that nothing is left beside the file. Raises
        AnswersFileError, and UsageError where the file is of another kind.
        """
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file. Name one for the answers.")
        with _writing(path):
            locks.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
            lock = FileLock(locks / f"answers-{name}.lock", timeout=0)
        try:
            with lock:
                file = cls(path)
                file._read()
                yield file
        except Timeout as exc:
            raise AnswersFileError(
                f"Another run is writing {path}. Wait for it, or name another file."
            ) from exc

    def _read(self) -> None:
        with _writing(self.path):
            if not self.path.exists():
                self.path.touch()
            data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        self.lines = [_document(self.path, line) for line in whole.splitlines() if line.strip()]
        if len(whole) < len(data):
            with _writing(self.path), self.path.open("r+b") as file:
                file.truncate(len(whole))

    def rewrite(self, lines: Sequence[Document]) -> None:
        """Have these lines instead; the file is replaced at once or not at all."""
        if lines == self.lines:
            return
        part = self.path.with_name(f".{self.path.name}.part")
        with _writing(self.path):
            part.write_bytes(b"".join(map(_line, lines)))
            part.replace(self.path)
        self.lines = list(lines)

    def add(self, document: Document) -> None:
        """Write a line; it is on its way to the disk when this returns."""
        with _writing(self.path), self.path.open("ab") as file:
            file.write(_line(document))
            file.flush()
            os.fsync(file.fileno())


def _line(document: Document) -> bytes:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")


def _document(path: Path, line: bytes) -> Document:
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not document.keys() >= OURS:
        raise UsageError(f"{path} holds something else than answers. Name another file.")
    return document


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise AnswersFileError(
            f"{path} cannot be written: {exc.strerror or exc}. What was written before is kept; "
            "the same command goes on from there."
        ) from exc
