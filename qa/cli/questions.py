"""Questions as they are given: one in a line, or many in a file."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from qa.errors import UsageError
from qa.retrieval.question import LONGEST, _in_a_line, _sound, checked_question

LIKE_JSON = re.compile(r'\{\s*"')  # how a line begins that is no question as it stands


@dataclass(frozen=True, slots=True)
class ListedQuestion:
    """A question of a file; `fault` says why it cannot be asked."""

    id: str  # the file's own, or the number of the line
    line: int  # from 1
    text: str
    fault: str | None = None


def listed_questions(text: str) -> list[ListedQuestion]:
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


def _plain(number: int, line: str) -> ListedQuestion:
    return _listed(str(number), number, line)


def _entry(number: int, line: str) -> ListedQuestion:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return _faulty(str(number), number, line, "The line is not JSON.")
    question = entry.get("question") if isinstance(entry, dict) else None
    if not isinstance(question, str):
        return _faulty(str(number), number, line, "The line has no question.")
    id_ = entry.get("id")
    return _listed(_sound(str(number if id_ is None else id_)), number, question)


def _listed(id_: str, number: int, text: str) -> ListedQuestion:
    try:
        return ListedQuestion(id_, number, checked_question(text))
    except UsageError as exc:
        return _faulty(id_, number, text, str(exc))


def _faulty(id_: str, number: int, text: str, fault: str) -> ListedQuestion:
    return ListedQuestion(id_, number, _in_a_line(text)[:LONGEST], fault)


def _distinct(questions: Iterator[ListedQuestion]) -> Iterator[ListedQuestion]:
    """The questions; one whose id stood before is at fault, for its answer could not be told."""
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            fault = question.fault or f"The id {question.id} stands before in the file."
            yield replace(question, id=f"{question.id}@{question.line}", fault=fault)
        else:
            seen.add(question.id)
            yield question
