"""Read the numbers of a text in every form: digits, words, shares, factors, names with digits."""
# ruff: noqa: RUF001 (numbers are written with many signs)

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

from qa.answering.verify.normalize import NormalizedText

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_SMALL.split())}
_TENS = {word: 10 * value for value, word in enumerate(_ROUND.split(), start=2)}
_WORDS = _ONES | _TENS | {"a": 1, "an": 1}
_SCALES = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12, "mn": 10**6, "bn": 10**9}
_SCALES |= {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_SCALES["trillion"] = 10**12
_SCALE_WORD = "hundred|thousand|million|billion|trillion|dozen"
_PARTS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "tenth": 10}
_FACTORS = {"twice": 2, "thrice": 3, "doubl": 2, "tripl": 3, "quadrupl": 4, "halv": 2}
_HINTS = {"both": 2, "pair": 2, "pairs": 2, "dual": 2, "couple": 2, "once": 1, "single": 1}
_ONE_OF_TWO = re.compile(r"\b(?:first|second|former|latter|other|upper|lower)\s\Z")  # … half
_LARGEST_EXPONENT = 400
_MOST_DIGITS = 40

_WORD = "|".join(sorted({*_ONES, *_TENS}, key=len, reverse=True))
_DIGIT_WORD = "|".join(list(_ONES)[1:10])
_PART = "thirds?|quarters?|fourths?|fifths?|tenths?"
_TOKEN = re.compile(
    rf"""(?P<link>https?://\S+|www\.\S+|\b[\w.-]{{1,80}}\.(?:com|org|io|net|ai|ly|edu|gov)/\S+)
  # numbers of a list, and of references: (1) first, (2) then, [55]
  | (?P<listing>(?<!\w)\((?:1?\d|20)\)
      |(?:(?<=[.;:,]\ )|(?<=\band\ )|(?<=["'])|\A)\d{{1,2}}\)(?=\s)|\[\d{{1,3}}\])
  # signs that half-stripped LaTeX leaves as words
  | (?<![A-Za-z])(?:simeq|sim|approx|leq?|geq?|pm|mp|to|cdot|lt|gt|times)(?=\d)
  | (?<![\w-])(?P<share>half\b
      |(?:one|two|three|four)[ -](?:half|halves|{_PART})\b|an?[ ](?:half|{_PART})(?=[ ]of\b))
  | (?<![\w-])(?P<factor>twice|thrice|(?:doubl|tripl|quadrupl|halv)(?:e|ed|ing)|(?:doubl|tripl)es
      |(?:quadrupl|halv)es(?=[ ](?:the|its|their)\b))\b
  | (?<![\w-])(?P<magnitude>orders?[ -]of[ -]magnitude)
  | (?<![\w-])(?P<hint>{"|".join(_HINTS)})\b
  | (?<![\w-])(?P<words>an?(?=[ ](?:{_SCALE_WORD})\b)
      |(?:{"|".join(_TENS)})[ -](?:{_DIGIT_WORD})\b|(?:{_WORD})(?=fold|\b))
  | (?P<science>\d+(?:\.\d+)?\s*(?:[xX×*]|times|cdot)\s*10\^\s*-?\d+
      |\d+(?:\.\d+)?[eE][+-]?\d+(?!\w))
  | (?P<power>\d+\^-?\d+)
  | (?P<fraction>(?<![\w./])\d+/\d+(?![\d/.]*\d))
  | (?P<torn>(?<![\w.])\d{{1,3}}\.\ \d+(?=\s?%))
  | (?P<by>×)?(?P<number>(?<!\w)\d{{1,3}}(?:(?:,\d{{3}})+(?!\d)|(?:\ \d{{3}})+(?![\d.]))(?:\.\d+)?
      |(?<![\w,])\d+,\d{{1,2}}(?![\w,.])|\d+(?:\.\d+)?|(?<!\d)\.\d+)
  | (?P<name>(?<![^\W_])[^\W\d_]\w*(?:(?:[-^@]|\.(?=\d))\w+)*(?:/\d+[A-Za-z]*\b)*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SCALE = re.compile(
    rf"(?P<letter>[kKMBT]|bn|mn|[mb])(?![A-Za-z0-9])|[\s-]+(?P<word>{_SCALE_WORD})s?\b"
)
_UNIT = re.compile(
    r"""[\s-]*(?:(?:absolute|relative|percentage)\s+){0,2}
        (?:(?P<percent>%|per\ ?cent\b|pct\b)(?:[-\s]points?\b)?
          |(?P<points>percentage\b|points?\b|pp\b))
      | (?P<times>[xX×](?!\w)|\s[xX×](?!\w)(?!\s?\d)|[\s-]*(?:times|fold)(?!\w))
      | (?P<letters>[A-Za-z]+)""",
    re.VERBOSE,
)
_ORDERS = re.compile(r"[\s-]+orders?[\s-]of[\s-]magnitude")
_AFTER_FACTOR = re.compile(
    r"\b(?:factors?|speed-?ups?)\s+(?:(?:of|between|from|by|up to|about|around|over|at least|"
    r"more than|nearly)\s+)*(?:\d+(?:\.\d+)?x?\s+(?:and|to)\s+)?\Z"
)
_LISTED = re.compile(r"\s*(?:,\s*(?:and|or)?|-+|/|to|and|or|vs\.?|versus|&)\s*[+<>]?\s*")
_COUNT = re.compile(r"[\d, ]+|[A-Za-z -]+")
_SCALED_PART = re.compile(r"(?:\A|[-_])(\d+(?:\.\d+)?)([kKMBT])\Z")


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
class NumberReading:
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
    readings: frozenset[NumberReading] = frozenset()
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
        if not self.bare or len(self.readings) > 1 or not _COUNT.fullmatch(self.written):
            return None
        (reading,) = self.readings
        return int(reading.value) if reading.value.denominator == 1 else None


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """Return the numbers of a text, and its names with digits, in order; links are left out."""
    normalized = NormalizedText.of(text)
    found = list(_all(normalized.text))
    return tuple(_placed(normalized, quantity) for quantity in _share_units(normalized.text, found))


def _all(text: str) -> Iterator[Quantity]:
    end = 0
    while match := _TOKEN.search(text, end):
        end = match.end()
        for quantity in _read(text, match):
            end = max(end, quantity.end)
            yield quantity


def _placed(normalized: NormalizedText, quantity: Quantity) -> Quantity:
    start, end = normalized.span(quantity.start, quantity.end)
    return replace(quantity, start=start, end=end)


def _read(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    if match["name"]:
        yield from _name(text, match)
    elif match["number"] or match["torn"]:
        yield _number(text, match)
    elif match["words"]:
        yield _words(text, match)
    elif match["science"] or match["power"]:
        yield from _power(text, match)
    elif match["fraction"]:
        yield _fraction(text, match)
    else:
        yield from _special(text, match)


def _quantity(text: str, start: int, end: int, sort: Sort, *readings: NumberReading) -> Quantity:
    phrase = re.split(r"[^\w\s'-]", text[end : end + 60], maxsplit=1)[0]
    following = re.findall(r"[^\W\d_]+", phrase)[:4]
    return Quantity(
        written=text[start:end],
        start=start,
        end=end,
        sort=sort,
        readings=frozenset(readings),
        before=text[max(0, start - 30) : start],
        following=tuple(word.lower() for word in following),
    )


def _number(text: str, match: re.Match[str]) -> Quantity:
    digits = match["torn"] or match["number"]
    if len(digits) > _MOST_DIGITS:
        return _quantity(text, match.start(), match.end(), Sort.NAME)
    decimal_comma = re.fullmatch(r"\d+,\d\d?", digits)
    value = Fraction(digits.replace(",", ".") if decimal_comma else re.sub(r"[ ,]", "", digits))
    quantity = _measured(text, match.start(), match.end(), value)
    others = {NumberReading(value, Unit.TIMES)} if match["by"] else set()
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):  # a thousand as other languages write it
        others |= {replace(reading, value=1000 * reading.value) for reading in quantity.readings}
    parts = [] if match["torn"] else [Fraction(p) for p in re.findall(r"\d+\.\d+|\d+", digits)]
    return replace(
        quantity,
        readings=quantity.readings | others,
        parts=tuple(parts) if len(parts) > 1 else (),
    )


def _words(text: str, match: re.Match[str]) -> Quantity:
    value = sum(_WORDS[word] for word in re.split(r"[ -]", match["words"].lower()))
    return _measured(text, match.start(), match.end(), Fraction(value), Sort.WORDS)


def _measured(
    text: str, start: int, end: int, value: Fraction, sort: Sort = Sort.DIGITS
) -> Quantity:
    """Read what a number counts in from what follows it, or "a factor of" before it."""
    scale = 1
    while found := _SCALE.match(text, end):
        scale *= _SCALES[(found["letter"] or found["word"]).lower()]
        end = found.end()
    small = scale > 1 and text[end - 1] in "mb"  # metres, bits, or millions and billions
    readings, end = _readings(text, end, value * scale)
    if small:
        readings.add(NumberReading(value))
    if _AFTER_FACTOR.search(text[max(0, start - 40) : start]):
        readings.add(NumberReading(value * scale, Unit.TIMES))
    return replace(_quantity(text, start, end, sort, *readings), scale=scale)


def _readings(text: str, end: int, value: Fraction) -> tuple[set[NumberReading], int]:
    unit = _UNIT.match(text, end)
    if unit is None or unit["letters"]:
        return _orders(text, unit.end() if unit else end, value)
    if unit["times"]:
        return {NumberReading(value, Unit.TIMES)}, unit.end()
    if unit["points"]:
        return {NumberReading(value), NumberReading(value, Unit.PERCENT)}, unit.end()
    return {NumberReading(value, Unit.PERCENT)}, unit.end()


def _orders(text: str, end: int, value: Fraction) -> tuple[set[NumberReading], int]:
    orders = _ORDERS.match(text, end)
    if orders and value.denominator == 1 and value <= 30:
        return {
            NumberReading(value),
            NumberReading(Fraction(10) ** int(value), Unit.TIMES),
        }, orders.end()
    return {NumberReading(value)}, end


def _power(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """Read 10^19, 3 x 10^5 and 1e-5; what is too large to be a number is taken for a name."""
    head, exponent = re.split(r"[\^eE]\s*(?=[-+\d])", match[0])
    *factor, base = (
        re.split(r"\s*(?:[xX×*]|times|cdot)\s*", head) if "^" in match[0] else [head, "10"]
    )
    readable = len(exponent) <= 5 and len(base) <= 5 and len(head) <= _MOST_DIGITS
    if readable and abs(int(exponent)) <= _LARGEST_EXPONENT and Fraction(base):
        value = Fraction("".join(factor) or 1) * Fraction(base) ** int(exponent)
        yield _measured(text, match.start(), match.end(), value)
    else:
        yield _quantity(text, match.start(), match.end(), Sort.NAME)


def _fraction(text: str, match: re.Match[str]) -> Quantity:
    top, _, bottom = match["fraction"].partition("/")
    if len(match["fraction"]) > _MOST_DIGITS or not bottom.strip("0"):
        return _quantity(text, match.start(), match.end(), Sort.NAME)
    share = Fraction(int(top), int(bottom))
    quantity = _measured(text, match.start(), match.end(), share)
    readings = quantity.readings | {NumberReading(100 * share, Unit.PERCENT)}
    return replace(quantity, readings=readings, parts=(Fraction(top), Fraction(bottom)))


def _special(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """Read the words that state a number without naming it, such as half, twice and both."""
    start, end = match.span()
    if match["share"]:
        sort = Sort.HINT if _ONE_OF_TWO.search(text[max(0, start - 10) : start]) else Sort.WORDS
        yield _quantity(text, start, end, sort, *_share(match["share"].lower()))
    elif match["factor"]:
        stem = next(stem for stem in _FACTORS if match["factor"].lower().startswith(stem))
        yield _quantity(text, start, end, Sort.WORDS, *_factor(stem))
    elif match["magnitude"]:
        yield _quantity(text, start, end, Sort.WORDS, NumberReading(Fraction(10), Unit.TIMES))
    elif match["hint"]:
        count = Fraction(_HINTS[match["hint"].lower()])
        yield _quantity(text, start, end, Sort.HINT, NumberReading(count))


def _share(written: str) -> Iterator[NumberReading]:
    top, _, part = written.replace("-", " ").rpartition(" ")
    share = Fraction(_WORDS.get(top, 1), _PARTS[part.rstrip("s")])
    yield NumberReading(share)
    yield NumberReading(Fraction(round(100 * share)), Unit.PERCENT)  # 33 % is said to be a third
    yield NumberReading(100 * share, Unit.PERCENT)
    yield NumberReading(share, Unit.TIMES)
    if share == Fraction(1, 2):
        yield NumberReading(Fraction(2), Unit.TIMES)  # half the memory is two times less


def _factor(stem: str) -> Iterator[NumberReading]:
    yield NumberReading(Fraction(_FACTORS[stem]), Unit.TIMES)
    if _FACTORS[stem] == 2:
        yield NumberReading(Fraction(50 if stem == "halv" else 100), Unit.PERCENT)
        yield NumberReading(Fraction(1, 2), Unit.TIMES)
        yield NumberReading(Fraction(1, 2))


def _name(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """Read a name up to its last digits: ResNet-50-based is ResNet-50, CIFAR-10/100 are two."""
    if not any(character.isdigit() for character in match["name"]):
        return
    first, *others = match["name"].split("/")
    if not any(character.isdigit() for character in first):  # ViT-B/16
        first, others = match["name"], []
    parts = re.split(r"(?=[-^@_])", first)
    while not any(character.isdigit() for character in parts[-1]):
        parts.pop()
    written = re.sub(r"(?<=\d)s\Z", "", "".join(parts))
    scaled = _SCALED_PART.search(written)
    readings = [NumberReading(Fraction(scaled[1]) * _SCALES[scaled[2].lower()])] if scaled else []
    end = match.start() + len(written)
    yield _quantity(text, match.start(), end, Sort.NAME, *readings)
    for other in others:
        name = _quantity(text, match.start(), match.end(), Sort.NAME)
        yield replace(name, written=re.sub(r"\d+[A-Za-z]*\Z", "", written) + other)


def _share_units(text: str, quantities: Sequence[Quantity]) -> list[Quantity]:
    """Give each bare number of a list or range also the unit of the number after it."""
    shared: list[Quantity] = []
    for quantity in reversed(quantities):
        after = shared[-1] if shared else quantity
        if quantity.bare and _LISTED.fullmatch(text[quantity.end : after.start] or "."):
            shared.append(_like(quantity, after))
        else:
            shared.append(quantity)
    return shared[::-1]


def _like(quantity: Quantity, after: Quantity) -> Quantity:
    units = {reading.unit for reading in after.readings}
    alike = {
        NumberReading(r.value * after.scale, unit) for r in quantity.readings for unit in units
    }
    return replace(quantity, readings=quantity.readings | alike, scale=after.scale)
