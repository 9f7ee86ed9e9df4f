"""Make text safe to print: what a corpus, a model or a server says cannot control the terminal.

Escape sequences are removed as a whole, and so are control characters, overrides of the text
direction, and characters of no width. Line ends of every kind become newlines.
"""

import re

_LIMIT = 256  # characters; a longer "sequence" is text after a stray escape character

_STRING = rf"[^\x07\x1b\x9c\n]{{0,{_LIMIT}}}"  # what OSC, DCS, SOS, PM and APC carry
_SEQUENCE = re.compile(
    rf"""\x1b\[[0-?]{{0,{_LIMIT}}}[ -/]{{0,8}}[@-~] | \x9b[0-?]{{0,{_LIMIT}}}[ -/]{{0,8}}[@-~]
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING}(?:\x07|\x1b\\|\x9c)
    | \x1b[ -/]{{0,8}}[0-~]""",
    re.VERBOSE,
)
# The start of a sequence, or of a line end, that the next piece may complete.
_UNFINISHED = re.compile(
    rf"""(?:(?:\x1b\[|\x9b)[0-?]{{0,{_LIMIT}}}[ -/]{{0,8}}
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING}\x1b?
    | \x1b[ -/]{{0,8}} | \r)\Z""",
    re.VERBOSE,
)
_LINE_END = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")  # cannot be encoded: printing it would fail


def clean(text: str) -> str:
    """Return the text without anything that could control a terminal; newlines and tabs stay."""
    text = _LINE_END.sub("\n", _SEQUENCE.sub("", text))
    return _SURROGATE.sub("\ufffd", _HARMFUL.sub("", text))


def clean_line(text: str) -> str:
    """Return the clean text on one line, with single spaces: for titles, names and addresses."""
    return " ".join(clean(text).split())


class CleanStream:
    """Cleans text that comes in pieces: the results are together `clean` of the whole text."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that is safe to show now."""
        text = self._held + piece
        unfinished = _unfinished(text)
        self._held = text[unfinished:]
        return clean(text[:unfinished])

    def flush(self) -> str:
        """Return the rest, when no more will come."""
        held, self._held = self._held, ""
        return clean(held)


def _unfinished(text: str) -> int:
    """Return where a sequence starts that is not complete yet; else the text's length."""
    start = max(0, len(text) - 2 * _LIMIT)
    match = _UNFINISHED.search(text, start)
    return match.start() if match else len(text)
