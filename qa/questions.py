"""Questions as they are given: one in a line, or many in a file."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from qa.errors import UsageError

LONGEST = 2000  # characters; far above any question, far below any model's context


@dataclass(frozen=True, slots=True)
class ListedQuestion:
    """A question of a file; `fault` says why it cannot be asked."""

    id: str  # the file's own, or the number of the line
    line: int  # from 1
    text: str
    fault: str | None = None


def checked_question(text: str) -> str:
    """The question in one line; raises UsageError if there is none, or if it is a book."""
    if not isinstance(text, str):
        raise UsageError(f"The question is {text!r:.80}, which is no text.")
    question = " ".join(text.split())
    if not question:
        raise UsageError('The question is empty. Ask like this: ask "which papers ...?"')
    if len(question) > LONGEST:
        raise UsageError(
            f"The question has {len(question):,} characters; {LONGEST:,} are the most. "
            "Ask it more briefly."
        )
    return question


def listed_questions(text: str) -> list[ListedQuestion]:
    """The questions of a file: one a line, or JSON lines with `question` and perhaps `id`.

    Empty lines and those that begin with # are passed over. Raises UsageError if none is left.
    """
    # Not splitlines(), for which a line ends at some signs that JSON may have in its texts.
    whole = re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))
    lines = [(n, line.strip()) for n, line in enumerate(whole, 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if not lines:
        raise UsageError("The file has no question: write one in each line.")
    read = _entry if lines[0][1].startswith("{") else _plain
    return list(_distinct(read(n, line) for n, line in lines))


def _plain(number: int, line: str) -> ListedQuestion:
    return _listed(str(number), number, line)


def _entry(number: int, line: str) -> ListedQuestion:
    try:
        entry = json.loads(line)
    except ValueError:
        return ListedQuestion(str(number), number, line, "The line is not JSON.")
    question = entry.get("question") if isinstance(entry, dict) else None
    if not isinstance(question, str):
        return ListedQuestion(str(number), number, line, "The line has no question.")
    id_ = entry.get("id")
    return _listed(str(number if id_ is None else id_), number, question)


def _listed(id_: str, number: int, text: str) -> ListedQuestion:
    try:
        return ListedQuestion(id_, number, checked_question(text))
    except UsageError as exc:
        return ListedQuestion(id_, number, " ".join(text.split())[:LONGEST], str(exc))


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
