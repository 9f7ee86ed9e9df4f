"""Collect the numbers and names that a paper states, and tell whether a quantity is among them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import takewhile

from qa.answering.verify.normalize import NormalizedText
from qa.answering.verify.numbers import NumberReading, Quantity, Sort, Unit, find_quantities

_FUNCTION_WORDS = (
    "a an and are as at be but by can compared for from has have in into is it its less more most "
    "of on or over per such than that the their then these this those through to under up using "
    "was we were when where which while who with within without"
)
_NOT_NOUNS = frozenset(_FUNCTION_WORDS.split())
_ENUMERATED = re.compile(r"(?:(?<=\s)|(?<=\())(\d{1,2})\)")
_ROMAN = re.compile(r"(?:(?<=\s)|(?<=\())(i{1,3}|iv|v|vi{1,3})\)")
_ROMANS = ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii"]
_ORDINAL = re.compile(r"\b(first|second|third|fourth|fifth|sixth)(?:ly)?\b", re.IGNORECASE)
_ORDINALS = ["", "first", "second", "third", "fourth", "fifth", "sixth"]
_ROUGHLY = re.compile(
    r"(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|close to|over|more than|"
    r"above|under|below|less than|up to|at least|circa|ca\.?|[~≈<>])\s*(?:a |the )?\Z",
    re.IGNORECASE,
)
_SAME_NAME = re.compile(
    r"(?P<stem>[^\W_](?:[\w-]*[^\W\d])?-?)\d+[A-Za-z]?(?:,| and| or|, and|, or) \Z"
)
_NAME_BEFORE = re.compile(r"(?P<stem>[^\W_]\w*)[ -]\Z")
_LARGEST_ROUNDING = Fraction(1, 40)  # of the rounded value


@dataclass(frozen=True, slots=True)
class PaperFacts:
    """The numbers and names of one text."""

    text: str  # normalized, in lower case
    readings: frozenset[NumberReading]
    hints: frozenset[NumberReading]  # of words such as both and single
    names: frozenset[str]
    counts: Mapping[str, frozenset[int]]  # by what is counted: {"layer": {8, 13}}
    enumerated: int  # the last number of a list such as (1) …, (2) …, (3) …

    def has(self, quantity: Quantity) -> bool:
        """Tell whether the text states the quantity, in this or another form."""
        if quantity.sort is Sort.NAME:
            return self.has_name(quantity.written)
        if any(self.has_name(name) for name in _names_around(quantity)):
            return True
        exact = self._has_value(quantity) and not self._contradicts(quantity)
        return exact or self._has_rounded(quantity)

    def has_name(self, name: str) -> bool:
        """Tell whether the text has the name, whatever hyphens or spaces are in it."""
        return _squashed(name) in self.names or _pattern(name).search(self.text) is not None

    def _has_value(self, quantity: Quantity) -> bool:
        plural = quantity.count is not None and _is_plural(quantity)
        alike = (r for reading in quantity.readings for r in _alike(reading, counted=plural))
        return (
            any(reading in self.readings for reading in alike)
            or ("/" in quantity.written and self._has_parts(quantity))
            or (quantity.count == self.enumerated > 1)
            or self._hints_at(quantity)
        )

    def _hints_at(self, quantity: Quantity) -> bool:
        """Tell whether words such as "both" state the number, of the same things."""
        if quantity.sort is Sort.WORDS:
            return not quantity.readings.isdisjoint(self.hints)
        return quantity.count is not None and quantity.count in self._counted(quantity)

    def _has_parts(self, quantity: Quantity) -> bool:
        return bool(quantity.parts) and all(
            NumberReading(part) in self.readings for part in quantity.parts
        )

    def _has_rounded(self, quantity: Quantity) -> bool:
        if not _ROUGHLY.search(quantity.before):
            return False
        return any(
            own.unit is reading.unit and _rounds_to(own.value, reading.value)
            for reading in quantity.readings
            for own in self.readings
        )

    def _contradicts(self, quantity: Quantity) -> bool:
        """Tell whether the text gives another number for the things that a quantity counts."""
        known = self._counted(quantity)
        return bool(known) and quantity.count is not None and quantity.count not in known

    def _counted(self, quantity: Quantity) -> frozenset[int]:
        """Return the numbers that the text gives for the things that a quantity counts."""
        known = (self.counts.get(noun, frozenset()) for noun in counted_nouns(quantity))
        return frozenset[int]().union(*known)


def facts_of(text: str) -> PaperFacts:
    """Return the numbers and names that a text states."""
    quantities = find_quantities(text)
    hints = {reading for q in quantities if q.sort is Sort.HINT for reading in q.readings}
    readings = {reading for q in quantities if q.sort is not Sort.HINT for reading in q.readings}
    readings |= {NumberReading(part) for q in quantities for part in q.parts}
    names = {q.written for q in quantities if q.sort is Sort.NAME}
    names |= {name for q in quantities for name in _names_around(q)}
    return PaperFacts(
        text=NormalizedText.of(text).text.lower(),
        readings=frozenset(readings),
        hints=frozenset(hints),
        names=frozenset(map(_squashed, names)),
        counts=_counts(quantities),
        enumerated=_enumerated(text),
    )


def counted_nouns(quantity: Quantity) -> tuple[str, ...]:
    """Return what a number may count, without plural s: the next word and the next plural."""
    words = list(takewhile(lambda word: word not in _NOT_NOUNS, quantity.following))
    nouns = [*words[:1], *[word for word in words if _plural(word)][:1]]
    return tuple(dict.fromkeys(noun.removesuffix("s") for noun in nouns))


def _counts(quantities: tuple[Quantity, ...]) -> dict[str, frozenset[int]]:
    counts: dict[str, frozenset[int]] = {}
    for quantity in quantities:
        known = {int(r.value) for r in quantity.readings if r.value.denominator == 1}
        for noun in counted_nouns(quantity) if quantity.sort is not Sort.NAME else ():
            counts[noun] = counts.get(noun, frozenset()) | known
    return counts


def _plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith("ss")


def _is_plural(quantity: Quantity) -> bool:
    return bool(quantity.following) and _plural(quantity.following[0])


def _alike(reading: NumberReading, *, counted: bool) -> Iterator[NumberReading]:
    """Yield the readings that mean the same: 0.945 and 94.5 %, "61.2" and 61.2 %."""
    yield reading
    value = reading.value
    is_whole = value.denominator == 1
    if reading.unit is Unit.PLAIN and not counted:
        yield NumberReading(value, Unit.PERCENT)
        yield NumberReading(value, Unit.TIMES)
        if value < 1:
            yield NumberReading(100 * value, Unit.PERCENT)
    elif not is_whole:
        yield NumberReading(value)
    if reading.unit is Unit.PERCENT and (value / 100).denominator != 1 and value < 100:
        yield NumberReading(value / 100)


def _rounds_to(exact: Fraction, rounded: Fraction) -> bool:
    """Tell whether a value is another one rounded: fewer digits, and at most 2.5 % off."""
    place = _last_place(rounded)
    if not place:
        return False
    error = abs(exact - rounded)
    near = error < place and error <= _LARGEST_ROUNDING * rounded
    return near and (exact / place).denominator != 1


def _last_place(value: Fraction) -> Fraction:
    """Return the place value of the last digit that is not zero: 1000 for 31,000, 0.1 for 1.5."""
    if not value or value.denominator > 10**6 or (10**6) % value.denominator:
        return Fraction(0)
    place = Fraction(1, 10**6)
    while (value / (place * 10)).denominator == 1:
        place *= 10
    return place


def _names_around(quantity: Quantity) -> Iterator[str]:
    """Yield the names that a number may be the end of: "Llama 3", the 100 of "CIFAR-10 and 100"."""
    if quantity.sort is not Sort.DIGITS:
        return
    if (match := _SAME_NAME.search(quantity.before)) or (
        (match := _NAME_BEFORE.search(quantity.before)) and match["stem"][:1].isupper()
    ):
        yield match["stem"] + quantity.written


def _squashed(name: str) -> str:
    return re.sub(r"[\s_^-]", "", name).lower()


@lru_cache(maxsize=1024)  # a name is looked for in one paper after another
def _pattern(name: str) -> re.Pattern[str]:
    letters = r"[\s_^-]{0,2}".join(map(re.escape, _squashed(name)))
    return re.compile(rf"(?<![a-z0-9]){letters}(?![a-rt-z0-9]|\.\d|s[a-z0-9])")


def _enumerated(text: str) -> int:
    numbers = [int(match[1]) for match in _ENUMERATED.finditer(text)]
    numbers += [_ROMANS.index(match[1]) for match in _ROMAN.finditer(text)]
    ordinals = {_ORDINALS.index(match[1].lower()) for match in _ORDINAL.finditer(text)}
    runs = [n for n in ordinals if set(range(1, n + 1)) <= ordinals]
    return max([0, *(n for n in numbers if n <= 20), *runs])
