"""A conversation saved to a file, as Markdown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from qa.conversation import Turn, asked_line
from qa.errors import ConfigError, UsageError
from qa.export.reference import answer_references
from qa.export.transcript import Section, transcript
from qa.library import Library
from qa.render import coverage_line

FORCE = " --force"


def save(turns: Sequence[Turn], library: Library, wanted: str) -> Path:
    """Write the questions and answers to a new file, or with `--force` over an old one.

    `wanted` is what was typed: the file's name, perhaps in quotes. Raises UsageError, ConfigError.
    """
    name = wanted.removesuffix(FORCE).strip().strip("\"'")
    if not name:
        raise UsageError("Say where to: /save answers.md")
    path, mode = Path(name), "w" if wanted.endswith(FORCE) else "x"
    text = transcript(f"Questions to {library.config.corpus.name}", _sections(turns, library))
    try:
        path = path.expanduser()
        with path.open(mode, encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError as exc:
        raise UsageError(f"{path} exists. To replace it: /save {name}{FORCE}") from exc
    except (OSError, RuntimeError) as exc:  # the latter for a home that there is not
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"{path} cannot be written: {reason}. Save elsewhere.") from exc
    return path


def _sections(turns: Sequence[Turn], library: Library) -> Iterator[Section]:
    for turn in turns:
        answer = turn.answer
        references = answer_references(answer, library.papers_of(answer.papers))
        asked = asked_line(turn.typed, turn.understood)
        yield Section(turn.typed, asked, answer, references, coverage_line(answer))
