"""Text without the signs of LaTeX and Markdown, and with one sign where typography has many."""
# ruff: noqa: RUF001 (the many signs are the matter here)

from dataclasses import dataclass

_DROPPED = frozenset("\\${}*`\xad\u200b\u200c\u200d\u2060\ufeff")
_ONE_SIGN = (
    dict.fromkeys("−–—‐‑‒", "-")
    | dict.fromkeys("\xa0\u2002\u2003\u2007\u2009\u202f~≈∼", " ")
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("’‘´", "'")
    | {"⁄": "/", "％": "%", "٪": "%", "ℓ": "l", "½": " 1/2", "¼": " 1/4", "¾": " 3/4"}
    | {"⅓": " 1/3", "⅔": " 2/3", "…": "..."}
)
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))


@dataclass(frozen=True, slots=True)
class FlatText:
    """The flat form of a text, and where in the text each of its characters came from."""

    text: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> "FlatText":
        """Return the flat form: 1{,}024 becomes 1,024 and both 10¹⁹ and 10^{19} become 10^19."""
        if text.isascii():  # most are, and this is faster
            kept = [place for place, character in enumerate(text) if character not in _DROPPED]
            return cls(
                "".join([text[place] for place in kept]).replace("~", " "), (*kept, len(text))
            )
        characters: list[str] = []
        places: list[int] = []
        for place, character in enumerate(text):
            raised = character in _RAISED and not (place and text[place - 1] in _RAISED)
            for piece in ("^" if raised else "") + _flat(character):
                characters.append(piece)
                places.append(place)
        return cls("".join(characters), (*places, len(text)))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of the flat text stands in the text it was made from."""
        return self.places[start], self.places[end - 1] + 1


def _flat(character: str) -> str:
    if character in _DROPPED:
        return ""
    if character.isascii():
        return character
    if character.isdecimal():
        return str(int(character))
    return _RAISED.get(character) or _ONE_SIGN.get(character, character)
