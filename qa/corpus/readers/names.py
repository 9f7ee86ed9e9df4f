"""Authors' names, as `Given Family`."""

import re

from qa.corpus.readers import fields

_AND = re.compile(r",?\s+and\s+|\s+&\s+")
_NUMBER = re.compile(r"\s*\(\d{5,}\)")  # Scopus's, behind each name
_OTHERS = re.compile(r"(?:and )?others|et al\.?", re.IGNORECASE)


def names(text: str) -> list[str]:
    """Return the names in a list of them, however it is separated."""
    if (items := fields.listed(text)) is not None:
        return [name(item) for item in items]
    if ";" in text:
        return [name(item) for item in text.split(";")]
    pieces = _AND.split(text)
    if len(pieces) > 1 and all(piece.count(",") == 1 for piece in pieces):
        return [name(piece) for piece in pieces]
    return [item for piece in pieces for item in _between_commas(piece)]


def name(text: str) -> str:
    """Return a name as `Given Family`, from that or from `Family, Given` or `Family, Given, Jr`."""
    parts = [part.strip() for part in _NUMBER.sub("", text).split(",")]
    if len(parts) in (2, 3):
        family, given, *suffix = parts
        return " ".join(part for part in (given, family, *suffix) if part)
    text = ", ".join(parts)
    return "" if _OTHERS.fullmatch(text) else text


def _between_commas(text: str) -> list[str]:
    """Return `Liu R., Adler D.G.` as two names, but `Smith, John` as one."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 2 and " " not in parts[0]:
        return [name(text)]
    return [name(part) for part in parts]
