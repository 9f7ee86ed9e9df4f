"""The forms in which texts write numbers: words, signs, units, and what LaTeX leaves of them."""
# ruff: noqa: RUF001 (the signs that numbers are written with are the matter here)

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_SMALL.split())}
_TENS = {word: 10 * value for value, word in enumerate(_ROUND.split(), start=2)}
WORDS = _ONES | _TENS | {"a": 1, "an": 1}
SCALES = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12, "mn": 10**6, "bn": 10**9}
SCALES |= {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
SCALES["trillion"] = 10**12
_SCALE_WORD = "hundred|thousand|million|billion|trillion|dozen"
PARTS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "tenth": 10}
FACTORS = {"twice": 2, "thrice": 3, "doubl": 2, "tripl": 3, "quadrupl": 4, "halv": 2}
HINTS = {"both": 2, "pair": 2, "pairs": 2, "dual": 2, "couple": 2, "once": 1, "single": 1}
ONE_OF_TWO = re.compile(r"\b(?:first|second|former|latter|other|upper|lower)\s\Z")  # … half
LARGEST_EXPONENT = 400
MOST_DIGITS = 40

_WORD = "|".join(sorted({*_ONES, *_TENS}, key=len, reverse=True))
_DIGIT_WORD = "|".join(list(_ONES)[1:10])
_PART = "thirds?|quarters?|fourths?|fifths?|tenths?"
TOKEN = re.compile(
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
  | (?<![\w-])(?P<hint>{"|".join(HINTS)})\b
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
SCALE = re.compile(
    rf"(?P<letter>[kKMBT]|bn|mn|[mb])(?![A-Za-z0-9])|[\s-]+(?P<word>{_SCALE_WORD})s?\b"
)
UNIT = re.compile(
    r"""[\s-]*(?:(?:absolute|relative|percentage)\s+){0,2}
        (?:(?P<percent>%|per\ ?cent\b|pct\b)(?:[-\s]points?\b)?
          |(?P<points>percentage\b|points?\b|pp\b))
      | (?P<times>[xX×](?!\w)|\s[xX×](?!\w)(?!\s?\d)|[\s-]*(?:times|fold)(?!\w))
      | (?P<letters>[A-Za-z]+)""",
    re.VERBOSE,
)
ORDERS = re.compile(r"[\s-]+orders?[\s-]of[\s-]magnitude")
AFTER_FACTOR = re.compile(
    r"\b(?:factors?|speed-?ups?)\s+(?:(?:of|between|from|by|up to|about|around|over|at least|"
    r"more than|nearly)\s+)*(?:\d+(?:\.\d+)?x?\s+(?:and|to)\s+)?\Z"
)
LISTED = re.compile(r"\s*(?:,\s*(?:and|or)?|-+|/|to|and|or|vs\.?|versus|&)\s*[+<>]?\s*")
COUNT = re.compile(r"[\d, ]+|[A-Za-z -]+")
SCALED_PART = re.compile(r"(?:\A|[-_])(\d+(?:\.\d+)?)([kKMBT])\Z")
