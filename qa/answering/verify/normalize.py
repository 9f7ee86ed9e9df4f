"""Normalize text before comparing it: no LaTeX or Markdown signs, one kind of dash and quote."""
# ruff: noqa: RUF001 (typography has many signs for one thing)

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
class NormalizedText:
    """A text in normal form, and where each of its characters stands in the original."""

    text: str
    places: tuple[int, ...]  # one for each character, and one for the end

    @classmethod
    def of(cls, text: str) -> "NormalizedText":
        """Normalize a text: 1{,}024 becomes 1,024; 10¹⁹ and 10^{19} both become 10^19."""
        if text.isascii():  # as most texts are; this way is faster
            kept = [place for place, character in enumerate(text) if character not in _DROPPED]
            return cls(
                "".join([text[place] for place in kept]).replace("~", " "), (*kept, len(text))
            )
        characters: list[str] = []
        places: list[int] = []
        for place, character in enumerate(text):
            raised = character in _RAISED and not (place and text[place - 1] in _RAISED)
            for piece in ("^" if raised else "") + _normal_form(character):
                characters.append(piece)
                places.append(place)
        return cls("".join(characters), (*places, len(text)))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the start and end, in the original, of `self.text[start:end]`."""
        return self.places[start], self.places[end - 1] + 1


def _normal_form(character: str) -> str:
    if character in _DROPPED:
        return ""
    if character.isascii():
        return character
    if character.isdecimal():
        return str(int(character))
    return _RAISED.get(character) or _ONE_SIGN.get(character, character)
