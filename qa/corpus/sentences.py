"""Sentences of an abstract, with their exact places in it.

A sentence is what is embedded, quoted as evidence and cited, so a boundary too many or too few is
seen by the user. The rules are made for abstracts: abbreviations, formulas, numbered lists.
"""
# ruff: noqa: RUF001 (the rules contain quotation marks, dashes and full stops of many scripts)

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

LONGEST = 600  # characters; a longer sentence is cut, so that it can be quoted


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Abbreviations whose full stop never ends a sentence.
_INSIDE = _words(
    "e.g eg i.e ie cf vs w.r.t wrt viz resp approx abbr ca incl excl esp avg fig figs eq eqs eqn "
    "eqns p.ej ej z.b d.h bzw p.ex u.a et Dr Prof Mr Mrs Ms Mx St Mt Sra Dra"  # but "1 ms", "in MT"
)
# Abbreviations whose full stop does not end a sentence if a number follows: "No. 5", but "the
# answer is no. However".
_BEFORE_NUMBER = _words(
    "no nos nr sec secs sect ref refs tab tabs ch vol vols p pp art alg thm lem prop def cor app "
    "núm pág ver"
)
# Abbreviations whose full stop ends a sentence only if one of _FIRST_WORDS follows. So it is with
# single letters (initials).
_DOUBTFUL = _words(
    "inc ltd corp jr sr a.k.a i.i.d iid s.t a.s w.l.o.g w.h.p u.s u.k u.s.a e.u "
    "ph.d m.sc b.sc a.m p.m st.d dept univ"
)
_FIRST_WORDS = _words(
    "a after all although an and another as at based because besides both building but by code "
    "codes compared consequently contrary current data despite due each empirical empirically "
    "especially even every existing experimental experiments extensive finally first firstly for "
    "from further furthermore given hence here how however if importantly in indeed inspired "
    "instead it its lastly many more moreover most motivated nevertheless next nonetheless not "
    "notably on one our overall prior recent recently results second secondly several similarly "
    "since so some specifically still such surprisingly that the their then there thereby "
    "therefore these they third this those though through thus to together two typically unlike "
    "unfortunately using we what when where whereas whether which while why with without yet you "
    "el la los las en este esta estos estas para por se sin con además nuestro nuestra"
)

# Signs of the same use become one sign, so that the patterns below are small and compile fast. One
# character stays one character: the places are those of the original text.
_WIDE_STOP = "\x1e"  # ends a sentence without a space after it
_ONE_SIGN = str.maketrans(
    dict.fromkeys("。！？｡।۔؟።։", _WIDE_STOP)
    | dict.fromkeys("“”„‘’", '"')
    | dict.fromkeys("」』）》", ")")
    | {"…": ".", "–": "-", "•": "*"}
)
_TAG = r"</?[A-Za-z][^<>]{0,60}>"
_CLOSING_TAG = r"</[A-Za-z][^<>]{0,60}>|<br ?/?>"
_CLOSERS = rf"(?:[\"'»)\]}}*_]|\[[\d,;\- ]{{1,20}}\]|{_CLOSING_TAG})*"
_BREAK = re.compile(
    rf"""(?=[\n.!?{_WIDE_STOP}])(?:  # fast: most characters fail here
      (?P<paragraph>\n[^\S\n]*\n\s*|\n(?=\s*(?:[-*]|\d{{1,2}}[.)])\s))
    | (?P<wide>{_WIDE_STOP}+[)\"']*)
    | (?P<joined>(?:(?<=[a-z]{{4}})|(?<=[\d)%]))\.;(?=\s+[A-Z]))  # parts of a structured abstract
    | (?P<stop>[.!?]+)(?P<close>{_CLOSERS})(?=\s|$|(?<=>))
    | (?P<glued>(?<=[a-z]{{4}})\.(?=(?:The|This|These|We|Our|In|It|However|To|Codes?)\b)))""",
    re.VERBOSE,
)
_OPENERS = re.compile(rf"\s*(?:[\"'«(\[{{*_¿¡$\\]|{_TAG})*")
_LAST_WORD = re.compile(r"[^\W_](?:[\w.]*[^\W_])?\Z")
_PLAIN_WORD = re.compile(r"\s[a-z]{4,}\Z")
_MATH = re.compile(r"\$(?=\S)[^$\n]{1,200}(?<=\S)\$(?!\d)")
_LIST_NUMBER = re.compile(r"(?:\A|[:;,\s])(?:\(?\d{1,2}|\((?:\d{1,2}|[a-z]|[ivx]+)\))\Z")
_TORN_DECIMAL = re.compile(r"\. \d+ ?\\?%")  # "83. 7% accuracy"
_MIXED_CASE = re.compile(r"[a-z]{1,3}[A-Z]")  # xLSTM, nnU-Net: a name, so it may open a sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: `abstract[start:end] == text`, without space around it."""

    number: int  # 1-based
    text: str
    start: int
    end: int


def split_sentences(text: str, *, longest: int = LONGEST) -> tuple[Sentence, ...]:
    """Return the sentences of a text in order; never empty for a text that is not blank.

    Every character that is not white space is in exactly one of them. A sentence of more than
    `longest` characters is cut. Takes linear time.
    """
    boundaries = _boundaries(text.translate(_ONE_SIGN))
    spans = _with_loose_signs(text, _trimmed(text, pairwise(boundaries)))
    pieces = (piece for start, end in spans for piece in _cut_long(text, start, end, longest))
    return tuple(
        Sentence(number, text[start:end], start, end)
        for number, (start, end) in enumerate(pieces, start=1)
    )


def _boundaries(text: str) -> Iterator[int]:
    """Yield the offsets at which sentences begin, and the end of the text."""
    closed = _closed_until(text)
    yield 0
    start = 0
    for match in _BREAK.finditer(text):
        if _ends_sentence(text, start, match, closed):
            start = match.end()
            yield start
    yield len(text)


def _ends_sentence(text: str, start: int, match: re.Match[str], closed: dict[int, int]) -> bool:
    if any(match[kind] is not None for kind in ("paragraph", "wide", "joined")):
        return True
    if match["glued"] is not None:  # "platforms.Code is", but not "tf.keras.In"
        before = text[max(start, match.start() - 40) : match.start()]
        return match.start() not in closed and _PLAIN_WORD.search(before) is not None
    if match.start() in closed and closed[match.start()] > match.end():
        return False
    return _stop_ends(text, start, match)


def _stop_ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether a stop ends a sentence, by the words before and after it."""
    index = _following(text, match.end())
    following = text[index : index + 24]
    if not following:
        return True
    before = text[max(start, match.start() - 24) : match.start()]
    capital = not following[0].islower() or _MIXED_CASE.match(following) is not None
    if match["stop"] != ".":
        return capital
    if text[index - 1] in "([" and before.endswith("et al"):
        return False
    if _LIST_NUMBER.search(before) and _opens_list_item(text, start, match.start()):
        return False
    if _TORN_DECIMAL.match(text, match.start()) and before[-1:].isdigit():
        return False
    return _full_stop_ends(before, following, capital=capital, closed=bool(match["close"]))


def _full_stop_ends(before: str, following: str, *, capital: bool, closed: bool) -> bool:
    """Tell whether a single full stop ends a sentence.

    `capital`: the following word may begin one. `closed`: a bracket or quote closes after the stop.
    """
    found = _LAST_WORD.search(before)
    word = found[0] if found else ""
    key = word.lower()
    if {word, word[:1].lower() + word[1:]} & _INSIDE:
        return False
    if key in _BEFORE_NUMBER and following[0].isdigit():
        return False
    if key in {"al", "etal"}:  # "Lu et al. Traditional …", but "Xie et al. 2020"
        return following[0].isupper()
    if not closed and (key in _DOUBTFUL or (len(word) == 1 and word.isalpha() and word.isupper())):
        return capital and _first_word(following) in _FIRST_WORDS
    if not capital:  # careless writing: "… in each layer. the weights …"
        return not closed and _PLAIN_WORD.search(before) is not None
    return True


def _first_word(text: str) -> str:
    return re.split(r"[^\w]", text, maxsplit=1)[0].lower()


def _following(text: str, index: int) -> int:
    """Return where the next word starts, after space, opening brackets and quotes."""
    match = _OPENERS.match(text, index)
    return match.end() if match else index


def _opens_list_item(text: str, start: int, stop: int) -> bool:
    """Tell whether the number before a stop is a list's, as in "two steps: 1. We … 2. We …"."""
    head = _LIST_NUMBER.sub("", text[start:stop]).rstrip()
    return not head or head.endswith((":", ";"))


def _closed_until(text: str) -> dict[int, int]:
    """Return for each stop inside brackets or a formula where these end, by the stop's offset.

    A bracket that is not closed within 400 characters does not count.
    """
    spans = [match.span() for match in _MATH.finditer(text)]
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in re.finditer(r"[()\[\]]", text):
        if match[0] in opened:
            opened[match[0]].append(match.start())
        elif starts := opened["(" if match[0] == ")" else "["]:
            start = starts.pop()
            if match.end() - start <= 400:
                spans.append((start, match.end()))
    return _stops_inside(text, spans)


def _stops_inside(text: str, spans: list[tuple[int, int]]) -> dict[int, int]:
    """Return for each stop inside any of the spans the last end of these, by the stop's offset."""
    inside: dict[int, int] = {}
    reach = iter(sorted(spans))
    span = next(reach, None)
    end = -1
    for match in re.finditer(r"[.!?]+", text):
        while span is not None and span[0] <= match.start():
            end = max(end, span[1])
            span = next(reach, None)
        if match.start() < end:
            inside[match.start()] = end
    return inside


def _trimmed(text: str, spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans without the space around them; blank ones are left out."""
    for start, end in spans:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            begin = start + piece.index(stripped[0])
            yield begin, begin + len(stripped)


def _with_loose_signs(text: str, spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Add pieces without a letter or digit to the sentence before them."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and not any(character.isalnum() for character in text[start:end]):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _cut_long(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the parts of a span, each of at most `longest` characters."""
    while end - start > longest:
        limit = start + min(longest, (end - start) * 2 // 3)
        cut = _cut_point(text, start + (limit - start) // 2, limit)
        head = text[start:cut].rstrip()
        yield start, start + len(head)
        start = cut + len(text[cut:end]) - len(text[cut:end].lstrip())
    yield start, end


def _cut_point(text: str, low: int, high: int) -> int:
    """Return where to cut between two offsets: after a semicolon, else a comma, else a space."""
    for pattern in (";", ",", " "):
        found = max(text.rfind(pattern + space, low, high) for space in (" ", "\n"))
        if found >= 0:
            return found + 1
    return high
