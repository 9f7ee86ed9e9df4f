"""The two files of `ask --file`: the questions that are read, and the answers that are kept."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qa.answering.safe_text import clean_line
from qa.errors import QAError, UsageError
from qa.index.layout import replace_file
from qa.retrieval.query import LONGEST, checked_question, encodable

JSON_START = re.compile(r'\{\s*"')  # no plain question begins like this
ANSWER_KEYS = {"id", "question", "settings"}  # that every line of answers has

Document = Mapping[str, Any]  # one line of answers: what `ask --json` prints, and its question


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """A question of a file; `fault` says why it cannot be asked."""

    id: str  # the file's own, or the number of the line
    line: int  # from 1
    text: str
    fault: str | None = None


def questions_of_file(text: str) -> list[FileQuestion]:
    """Return the questions of a file: one a line, or JSON lines with `question` and perhaps `id`.

    If the first line is JSON, all must be; after a plain one, a line is JSON if it looks like it.
    Empty lines and lines that begin with # are left out. Raises UsageError if none is left.
    """
    # Not splitlines(), which also splits at characters that a JSON text may contain.
    every = re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))
    lines = [(number, line.strip()) for number, line in enumerate(every, 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise UsageError("The file has no question: write one in each line.")
    all_json = lines[0][1].startswith("{")
    questions = (
        _json_question(number, line)
        if all_json or JSON_START.match(line)
        else _question(str(number), number, line)
        for number, line in lines
    )
    return list(_with_distinct_ids(questions))


def _json_question(number: int, line: str) -> FileQuestion:
    entry = _parsed(line)
    if entry is None:
        return _faulty(str(number), number, line, "The line is not JSON.")
    question = entry.get("question") if isinstance(entry, dict) else None
    if not isinstance(question, str):
        return _faulty(str(number), number, line, "The line has no question.")
    id_ = entry.get("id")
    return _question(encodable(str(number if id_ is None else id_)), number, question)


def _question(id_: str, number: int, text: str) -> FileQuestion:
    try:
        return FileQuestion(id_, number, checked_question(text))
    except UsageError as exc:
        return _faulty(id_, number, text, str(exc))


def _faulty(id_: str, number: int, text: str, fault: str) -> FileQuestion:
    return FileQuestion(id_, number, clean_line(text)[:LONGEST], fault)


def _with_distinct_ids(questions: Iterator[FileQuestion]) -> Iterator[FileQuestion]:
    """Yield the questions; one with the id of an earlier one gets a fault and another id."""
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            fault = question.fault or f"The id {question.id} stands before in the file."
            yield replace(question, id=f"{question.id}@{question.line}", fault=fault)
        else:
            seen.add(question.id)
            yield question


class AnswersFileError(QAError):
    """The file for the answers cannot be used."""


class AnswersFile:
    """A file of answers as JSON lines, kept from other runs as long as it is open."""

    def __init__(self, path: Path, lines: Sequence[Document]) -> None:
        self.path = path
        self.lines = list(lines)  # that were in the file when it was opened, or rewritten

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator["AnswersFile"]:
        """Open the file, or begin it if there is none.

        Raises AnswersFileError where another run has it or it cannot be written, UsageError where
        it holds something else.
        """
        path = path.resolve()  # two names of one file have one lock
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file. Name one for the answers.")
        with _write_errors(path):
            path.open("ab").close()
        with _locked(path):
            yield cls(path, _read(path))

    def rewrite(self, lines: Sequence[Document]) -> None:
        """Replace the file's lines, all at once or not at all."""
        if lines != self.lines:
            with _write_errors(self.path):
                replace_file(self.path, b"".join(map(encoded, lines)))
            self.lines = list(lines)

    def add(self, document: Document) -> None:
        """Append a line; it is on the disk when this returns."""
        with _write_errors(self.path), self.path.open("ab") as file:
            file.write(encoded(document))
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of an answers file: a hidden file beside it, removed at the end."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with _write_errors(path):
        try:
            lock.acquire(timeout=0)
        except Timeout as exc:
            raise AnswersFileError(
                f"Another run is writing {path}. Wait for it, or name another file."
            ) from exc
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows, where releasing removes it
            Path(lock.lock_file).unlink()
        lock.release()


def _read(path: Path) -> list[Document]:
    """Return the file's lines, and cut off one that a killed run left incomplete."""
    with _write_errors(path):
        content = path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
    documents = [_parsed(line) for line in complete.splitlines() if line.strip()]
    if not all(isinstance(d, dict) and d.keys() >= ANSWER_KEYS for d in documents):
        raise UsageError(f"{path} holds something else than answers. Name another file.")
    if len(complete) < len(content):
        with _write_errors(path):
            os.truncate(path, len(complete))
    return documents


def _parsed(line: str | bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what a line of JSON holds, None if it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def encoded(document: Document) -> bytes:
    """Return a document as a line of JSON in UTF-8, without halves of surrogate pairs."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "replace")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise AnswersFileError(
            f"{path} cannot be written: {exc.strerror or exc}. What was written before is kept; "
            "the same command goes on from there."
        ) from exc
