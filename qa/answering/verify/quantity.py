"""A quantity: a number in a text with the ways to read it, or a name that has digits."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from qa.answering.verify.number_forms import COUNT


class Unit(Enum):
    """What a value counts in; all but shares and factors is plain."""

    PLAIN = "plain"
    PERCENT = "percent"
    TIMES = "times"


class Sort(Enum):
    """How a quantity is written."""

    DIGITS = "digits"
    WORDS = "words"
    NAME = "name"  # its digits are part of a name
    HINT = "hint"  # both, single, once: states a number without claiming one


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a quantity."""

    value: Fraction
    unit: Unit = Unit.PLAIN


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text, or a name with digits: `text[start:end]` is how it is written."""

    written: str
    start: int
    end: int
    sort: Sort
    readings: frozenset[Reading] = frozenset()
    parts: tuple[Fraction, ...] = ()  # "1/4" may be a 1 and a 4, "1,2" a 1 and a 2
    before: str = ""  # the text before it, up to 30 characters
    following: tuple[str, ...] = ()  # up to four words after it, in lower case
    scale: int = 1  # what a "million" or "k" after it makes of it

    @property
    def bare(self) -> bool:
        """Tell whether it is a number with nothing that says what it counts in."""
        sorts = {Sort.DIGITS, Sort.WORDS}
        return (
            self.sort in sorts
            and self.scale == 1
            and {r.unit for r in self.readings} == {Unit.PLAIN}
        )

    @property
    def count(self) -> int | None:
        """Return the number if it is a bare integer, as a count or a year is."""
        if not self.bare or len(self.readings) > 1 or not COUNT.fullmatch(self.written):
            return None
        (reading,) = self.readings
        return int(reading.value) if reading.value.denominator == 1 else None
