"""Text that the wire can carry: half a character, as in odd file names, would end the server."""

from typing import Any


def sound_text(text: str) -> str:
    """The text with ? for what UTF-8 cannot encode, of the same length."""
    return text.encode("utf-8", "replace").decode()


def sound(document: Any) -> Any:  # noqa: ANN401 - JSON of any form
    """The document with all its texts made so."""
    match document:
        case str():
            return sound_text(document)
        case dict():
            return {key: sound(value) for key, value in document.items()}
        case list():
            return [sound(value) for value in document]
    return document
