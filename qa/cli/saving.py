"""A conversation saved to a file, as Markdown."""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from qa.answering.conversation import Turn, asked_line
from qa.cli.display.render import coverage_line
from qa.errors import ConfigError, UsageError
from qa.export.reference import answer_references
from qa.export.transcript import Section, transcript
from qa.library import Library

FORCE = " --force"


def save(turns: Sequence[Turn], library: Library, wanted: str) -> Path:
    """Write the questions and answers to a new file, or with `--force` over an old one.

    `wanted` is what was typed: the file's name, perhaps in quotes. Raises UsageError, ConfigError.
    """
    name = wanted.removesuffix(FORCE).strip().strip("\"'")
    if not name:
        raise UsageError("Say where to: /save answers.md")
    path, write = Path(name), _replace if wanted.endswith(FORCE) else _create
    text = transcript(f"Questions to {library.config.corpus.name}", _sections(turns, library))
    try:
        path = path.expanduser()
        write(path, text.encode(errors="replace"))
    except FileExistsError as exc:
        raise UsageError(f"{path} exists. To replace it: /save {name}{FORCE}") from exc
    except (OSError, RuntimeError) as exc:  # the latter for a home that there is not
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"{path} cannot be written: {reason}. Save elsewhere.") from exc
    return path


def _create(path: Path, content: bytes) -> None:
    """Write a new file, the whole of it or none; raises FileExistsError for one that there is."""
    file = path.open("xb")
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # some systems tell only then that the disk is full
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(path: Path, content: bytes) -> None:
    """Put a file in another's place, which stays as it is until the new one is whole."""
    path = path.resolve()  # what a link leads to is replaced, and not the link
    if path.exists() and not path.is_file():  # a device, in whose place nothing may be put
        path.write_bytes(content)
        return
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    _create(part, content)
    try:
        if path.exists():
            path.open("ab").close()  # raises for a file that may not be written
            shutil.copymode(path, part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sections(turns: Sequence[Turn], library: Library) -> Iterator[Section]:
    for turn in turns:
        answer = turn.answer
        references = answer_references(answer, library.papers_of(answer.papers))
        asked = asked_line(turn.typed, turn.understood)
        yield Section(turn.typed, asked, answer, references, coverage_line(answer))
