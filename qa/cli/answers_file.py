"""Questions as they are given: one in a line, or many in a file."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from qa.errors import QAError, UsageError
from qa.retrieval.query import LONGEST, checked_question, encodable, on_one_line

LIKE_JSON = re.compile(r'\{\s*"')  # how a line begins that is no question as it stands


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """A question of a file; `fault` says why it cannot be asked."""

    id: str  # the file's own, or the number of the line
    line: int  # from 1
    text: str
    fault: str | None = None


def questions_of_file(text: str) -> list[FileQuestion]:
    """The questions of a file: one a line, or JSON lines with `question` and perhaps `id`.

    Where the first is JSON all must be; after plain ones, a line is JSON if it looks like it.
    Empty lines and those that begin with # are passed over. Raises UsageError if none is left.
    """
    # Not splitlines(), for which a line ends at some signs that JSON may have in its texts.
    whole = re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))
    lines = [(n, line.strip()) for n, line in enumerate(whole, 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if not lines:
        raise UsageError("The file has no question: write one in each line.")
    all_json = lines[0][1].startswith("{")
    entries = (
        _entry(n, line) if all_json or LIKE_JSON.match(line) else _plain(n, line)
        for n, line in lines
    )
    return list(_distinct(entries))


def _plain(number: int, line: str) -> FileQuestion:
    return _listed(str(number), number, line)


def _entry(number: int, line: str) -> FileQuestion:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return _faulty(str(number), number, line, "The line is not JSON.")
    question = entry.get("question") if isinstance(entry, dict) else None
    if not isinstance(question, str):
        return _faulty(str(number), number, line, "The line has no question.")
    id_ = entry.get("id")
    return _listed(encodable(str(number if id_ is None else id_)), number, question)


def _listed(id_: str, number: int, text: str) -> FileQuestion:
    try:
        return FileQuestion(id_, number, checked_question(text))
    except UsageError as exc:
        return _faulty(id_, number, text, str(exc))


def _faulty(id_: str, number: int, text: str, fault: str) -> FileQuestion:
    return FileQuestion(id_, number, on_one_line(text)[:LONGEST], fault)


def _distinct(questions: Iterator[FileQuestion]) -> Iterator[FileQuestion]:
    """The questions; one whose id stood before is at fault, for its answer could not be told."""
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            fault = question.fault or f"The id {question.id} stands before in the file."
            yield replace(question, id=f"{question.id}@{question.line}", fault=fault)
        else:
            seen.add(question.id)
            yield question


Document = Mapping[str, Any]

OURS = {"id", "question", "settings"}  # what every line has
FAR = 2**31 - 2  # the byte that is locked on Windows, behind any answers


class AnswersFileError(QAError):
    """The file for the answers cannot be used."""


class AnswersFile:
    """One file of answers, held by this process alone while `opened`.

    The lock is on the file itself: it goes for runs with other settings too, and leaves nothing.
    """

    def __init__(self, path: Path) -> None:
        """Begin the file if there is none; raises AnswersFileError where another run has it."""
        self.path = path
        self.lines: list[Document] = []
        self._hold = _held(path)

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator["AnswersFile"]:
        """Open the file, or begin it; what is in it already stands in `lines`.

        Raises AnswersFileError, and UsageError where the file is of another kind.
        """
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file. Name one for the answers.")
        with _writing(path):
            file = cls(path)
        try:
            file._read()
            yield file
        finally:
            file._hold.close()

    def _read(self) -> None:
        with _writing(self.path):
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
            self._replace(part)
        self.lines = list(lines)

    def _replace(self, part: Path) -> None:
        if sys.platform == "win32":  # where a file is not replaced while it is open, by nobody
            self._hold.close()
            part.replace(self.path)
            self._hold = _held(self.path)
        else:
            hold = _held(part)  # before it is in its place, where other runs find it
            try:
                part.replace(self.path)
            except OSError:
                hold.close()
                raise
            self._hold.close()
            self._hold = hold

    def add(self, document: Document) -> None:
        """Write a line; it is on its way to the disk when this returns."""
        with _writing(self.path):
            if not _is_at(self._hold, self.path):  # somebody has moved or deleted it meanwhile
                hold = _held(self.path)
                self._hold.close()
                self._hold = hold
            with self.path.open("ab") as file:
                file.write(_line(document))
                file.flush()
                os.fsync(file.fileno())


def _held(path: Path) -> IO[bytes]:
    """The file, begun if there is none and kept from other runs as long as it is open.

    Raises AnswersFileError where another run has it, OSError where it cannot be written.
    """
    while True:
        file = path.open("ab")
        if not _lock(file):
            file.close()
            raise AnswersFileError(
                f"Another run is writing {path}. Wait for it, or name another file."
            )
        if _is_at(file, path):
            return file
        file.close()  # another run has replaced it between our opening and locking


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> bool:
        """Lock without waiting: one byte, for those that are locked nobody else can read."""
        import msvcrt

        os.lseek(file.fileno(), FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _lock(file: IO[bytes]) -> bool:
        """Lock without waiting; True where the file system knows no such locks."""
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


def _line(document: Document) -> bytes:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")


def _document(path: Path, line: bytes) -> Document:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
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
