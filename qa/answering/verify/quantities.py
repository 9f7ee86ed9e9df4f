"""Numbers as texts state them: sim30%, 10times, 1{,}024, 10^{19}, 1.3B, 2-3x, tenfold, half.

A quantity may have several readings (the 2 of "2-3x" is a 2 and a 2x). Digits inside a name
(GPT-2, CIFAR-10, S4) belong to the name.
"""
# ruff: noqa: RUF001 (the signs that numbers are written with are the matter here)

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from qa.answering.verify.flat_text import FlatText
from qa.answering.verify.number_forms import (
    AFTER_FACTOR,
    FACTORS,
    HINTS,
    LARGEST_EXPONENT,
    LISTED,
    MOST_DIGITS,
    ONE_OF_TWO,
    ORDERS,
    PARTS,
    SCALE,
    SCALED_PART,
    SCALES,
    TOKEN,
    UNIT,
    WORDS,
)
from qa.answering.verify.quantity import Quantity, Reading, Sort, Unit


@lru_cache(maxsize=2048)  # an answer is checked again with every sentence that comes
def find_quantities(text: str) -> tuple[Quantity, ...]:
    """Return the numbers of a text, and its names with digits, in order; links are left out."""
    flat = FlatText.of(text)
    found = list(_all(flat.text))
    return tuple(_placed(flat, quantity) for quantity in _share_units(flat.text, found))


def _all(text: str) -> Iterator[Quantity]:
    end = 0
    while match := TOKEN.search(text, end):
        end = match.end()
        for quantity in _read(text, match):
            end = max(end, quantity.end)
            yield quantity


def _placed(flat: FlatText, quantity: Quantity) -> Quantity:
    start, end = flat.span(quantity.start, quantity.end)
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


def _quantity(text: str, start: int, end: int, sort: Sort, *readings: Reading) -> Quantity:
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
    if len(digits) > MOST_DIGITS:
        return _quantity(text, match.start(), match.end(), Sort.NAME)
    decimal_comma = re.fullmatch(r"\d+,\d\d?", digits)
    value = Fraction(digits.replace(",", ".") if decimal_comma else re.sub(r"[ ,]", "", digits))
    quantity = _measured(text, match.start(), match.end(), value)
    others = {Reading(value, Unit.TIMES)} if match["by"] else set()
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):  # a thousand as other languages write it
        others |= {replace(reading, value=1000 * reading.value) for reading in quantity.readings}
    parts = [] if match["torn"] else [Fraction(p) for p in re.findall(r"\d+\.\d+|\d+", digits)]
    return replace(
        quantity,
        readings=quantity.readings | others,
        parts=tuple(parts) if len(parts) > 1 else (),
    )


def _words(text: str, match: re.Match[str]) -> Quantity:
    value = sum(WORDS[word] for word in re.split(r"[ -]", match["words"].lower()))
    return _measured(text, match.start(), match.end(), Fraction(value), Sort.WORDS)


def _measured(
    text: str, start: int, end: int, value: Fraction, sort: Sort = Sort.DIGITS
) -> Quantity:
    """Read what a number counts in from what follows it, or "a factor of" before it."""
    scale = 1
    while found := SCALE.match(text, end):
        scale *= SCALES[(found["letter"] or found["word"]).lower()]
        end = found.end()
    small = scale > 1 and text[end - 1] in "mb"  # metres, bits, or millions and billions
    readings, end = _readings(text, end, value * scale)
    if small:
        readings.add(Reading(value))
    if AFTER_FACTOR.search(text[max(0, start - 40) : start]):
        readings.add(Reading(value * scale, Unit.TIMES))
    return replace(_quantity(text, start, end, sort, *readings), scale=scale)


def _readings(text: str, end: int, value: Fraction) -> tuple[set[Reading], int]:
    unit = UNIT.match(text, end)
    if unit is None or unit["letters"]:
        return _orders(text, unit.end() if unit else end, value)
    if unit["times"]:
        return {Reading(value, Unit.TIMES)}, unit.end()
    if unit["points"]:
        return {Reading(value), Reading(value, Unit.PERCENT)}, unit.end()
    return {Reading(value, Unit.PERCENT)}, unit.end()


def _orders(text: str, end: int, value: Fraction) -> tuple[set[Reading], int]:
    orders = ORDERS.match(text, end)
    if orders and value.denominator == 1 and value <= 30:
        return {Reading(value), Reading(Fraction(10) ** int(value), Unit.TIMES)}, orders.end()
    return {Reading(value)}, end


def _power(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """Read 10^19, 3 x 10^5 and 1e-5; what is too large to be a number is taken for a name."""
    head, exponent = re.split(r"[\^eE]\s*(?=[-+\d])", match[0])
    *factor, base = (
        re.split(r"\s*(?:[xX×*]|times|cdot)\s*", head) if "^" in match[0] else [head, "10"]
    )
    readable = len(exponent) <= 5 and len(base) <= 5 and len(head) <= MOST_DIGITS
    if readable and abs(int(exponent)) <= LARGEST_EXPONENT and Fraction(base):
        value = Fraction("".join(factor) or 1) * Fraction(base) ** int(exponent)
        yield _measured(text, match.start(), match.end(), value)
    else:
        yield _quantity(text, match.start(), match.end(), Sort.NAME)


def _fraction(text: str, match: re.Match[str]) -> Quantity:
    top, _, bottom = match["fraction"].partition("/")
    if len(match["fraction"]) > MOST_DIGITS or not bottom.strip("0"):
        return _quantity(text, match.start(), match.end(), Sort.NAME)
    share = Fraction(int(top), int(bottom))
    quantity = _measured(text, match.start(), match.end(), share)
    readings = quantity.readings | {Reading(100 * share, Unit.PERCENT)}
    return replace(quantity, readings=readings, parts=(Fraction(top), Fraction(bottom)))


def _special(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """Read the words that state a number without naming it, such as half, twice and both."""
    start, end = match.span()
    if match["share"]:
        sort = Sort.HINT if ONE_OF_TWO.search(text[max(0, start - 10) : start]) else Sort.WORDS
        yield _quantity(text, start, end, sort, *_share(match["share"].lower()))
    elif match["factor"]:
        stem = next(stem for stem in FACTORS if match["factor"].lower().startswith(stem))
        yield _quantity(text, start, end, Sort.WORDS, *_factor(stem))
    elif match["magnitude"]:
        yield _quantity(text, start, end, Sort.WORDS, Reading(Fraction(10), Unit.TIMES))
    elif match["hint"]:
        count = Fraction(HINTS[match["hint"].lower()])
        yield _quantity(text, start, end, Sort.HINT, Reading(count))


def _share(written: str) -> Iterator[Reading]:
    top, _, part = written.replace("-", " ").rpartition(" ")
    share = Fraction(WORDS.get(top, 1), PARTS[part.rstrip("s")])
    yield Reading(share)
    yield Reading(Fraction(round(100 * share)), Unit.PERCENT)  # 33 % is said to be a third
    yield Reading(100 * share, Unit.PERCENT)
    yield Reading(share, Unit.TIMES)
    if share == Fraction(1, 2):
        yield Reading(Fraction(2), Unit.TIMES)  # half the memory is two times less


def _factor(stem: str) -> Iterator[Reading]:
    yield Reading(Fraction(FACTORS[stem]), Unit.TIMES)
    if FACTORS[stem] == 2:
        yield Reading(Fraction(50 if stem == "halv" else 100), Unit.PERCENT)
        yield Reading(Fraction(1, 2), Unit.TIMES)
        yield Reading(Fraction(1, 2))


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
    scaled = SCALED_PART.search(written)
    readings = [Reading(Fraction(scaled[1]) * SCALES[scaled[2].lower()])] if scaled else []
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
        if quantity.bare and LISTED.fullmatch(text[quantity.end : after.start] or "."):
            shared.append(_like(quantity, after))
        else:
            shared.append(quantity)
    return shared[::-1]


def _like(quantity: Quantity, after: Quantity) -> Quantity:
    units = {reading.unit for reading in after.readings}
    alike = {Reading(r.value * after.scale, unit) for r in quantity.readings for unit in units}
    return replace(quantity, readings=quantity.readings | alike, scale=after.scale)
