"""Question."""

from qa.errors import UsageError

LONGEST = 2000  # characters; far above any question, far below any model's context


def checked_question(text: str) -> str:
    """The question in one line; raises UsageError if there is none, or if it is a book."""
    if not isinstance(text, str):
        raise UsageError(f"The question is {text!r:.80}, which is no text.")
    question = _in_a_line(text)
    if not question:
        raise UsageError('The question is empty. Ask like this: ask "which papers ...?"')
    if len(question) > LONGEST:
        raise UsageError(
            f"The question has {len(question):,} characters; {LONGEST:,} are the most. "
            "Ask it more briefly."
        )
    return question


def _in_a_line(text: str) -> str:
    return " ".join(_sound(text).split())


def _sound(text: str) -> str:
    """The text without halves of surrogate pairs, which no file and no server takes."""
    return text.encode("utf-8", "replace").decode()
