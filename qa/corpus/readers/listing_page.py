"""Pages of paper listings saved as text: a short title line, then a long abstract line, and so on.

Such a page is copied with a browser's "select all". Between the papers are headings, dates,
counters and buttons. The button before the first title has no space after it
(`SubscribeLaCache: ...`).
"""

import re
from collections.abc import Iterable, Iterator

from qa.corpus.papers import LONGEST_ENTRY, TOO_LONG, Record, Skipped
from qa.corpus.readers import fields
from qa.corpus.readers.fields import Entry

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
# Lines of the page itself.
_PAGE_LINE = re.compile(
    rf"""(?:
      new | subscribe | upvote[sd]? | previous | next | view\ all | trending(?:\ papers)?
    | (?:daily|weekly|monthly|trending|top)\ papers | papers
    | get\ trending\ papers\ in\ your\ email\ inbox.{{0,40}}
    | by\s?AK\b.{{0,60}}
    | (?:submitted|published|posted)\ (?:by|on|at)\b.{{0,60}}
    | [-+·•|/#]* \s* \d[\d.,]* \s* [km]? \s* [-·•|/]*
    | [-+·•|/]+
    | \d+ \s (?:author|comment|upvote|vote|like|paper)s?
    | \d+ \s (?:minute|hour|day|week|month)s? \s ago
    | (?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s{_MONTH}\s\d{{1,2}}(?:,?\s\d{{4}})?
    | (?:on\s)? {_MONTH} \s \d{{1,2}} (?:,?\s\d{{4}})?
    | (?:on\s)? \d{{1,2}} \s {_MONTH} (?:\s\d{{4}})?
    | {_MONTH} \s \d{{4}} | \d{{4}}-\d{{2}}(?:-\d{{2}})?
    | week \s (?:\d+|of\b.{{0,30}})
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_INVITATION = re.compile(r"get trending papers in your email inbox", re.IGNORECASE)
_SECTION = re.compile(
    r"\W*(?:\d\.?\s)?(?:abstract|introduction|background|objectives?|aims?|methods?|results?|"
    r"discussion|conclusions?|summary|keywords?|references|related work)\W*",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"[\"'\u201c\u2018(\[$\xbf\xa1]{0,3}[^\W_](?!\.|\)|\d?\.\d).{2,300}?[^\s:;,.{}\\`=]\.?"
)
_MARKUP = re.compile(
    r"[-*+>|#<`$%]|\d{1,3}[.)]\s|https?://|\.\.\s"
)  # how lines of other texts begin
_LONGEST_TITLE = 40  # words
_PLAUSIBLE = 0.8  # the least share of the abstracts on a page that have a line like a title above
_SUBSCRIBE = re.compile(r"Subscribe(?=\S)(?![a-z])")


def read_listing_page(lines: Iterable[str], source: str) -> Iterator[Record | Skipped]:
    """Yield each title with the abstract below it; lines of the page itself are left out."""
    title, title_line, begun, invited = "", 0, False, False
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_ENTRY:
            yield Skipped(source, TOO_LONG, f"line {title_line or number}")
            title, title_line = "", 0
            continue
        text = fields.plain(line)
        if not text or _PAGE_LINE.fullmatch(text):
            invited = invited or _INVITATION.match(text) is not None
            continue
        if is_abstract(text):
            entry = Entry(title=title, abstract=text)
            yield entry.record(source, f"line {title_line or number}")
            title, title_line, begun = "", 0, True
            continue
        if title and begun:
            yield Skipped(source, "no abstract", f"line {title_line}")
        title, title_line = _without_button(text, begun=begun, invited=invited), number
    if title and begun:
        yield Skipped(source, "no abstract", f"line {title_line}")


def is_abstract(text: str) -> bool:
    """Tell an abstract from a title: by its length, in doubt by its full stop."""
    words = text.count(" ") + 1
    if words >= 40 or len(text) >= 300:
        return True
    return words >= 20 and text.endswith((".", "!", "?", ".)", '."'))


def is_title(text: str) -> bool:
    """Tell whether a line can be a title: no sentence, list item, command, path or heading."""
    return _TITLE.fullmatch(text) is not None and len(text.split()) <= _LONGEST_TITLE


def looks_like_listing_page(lines: Iterable[str]) -> bool:
    """Tell whether lines are a page's: its invitation, or titles and abstracts in turn."""
    shape, title, plausible = "", "", 0
    for line in lines:
        text = fields.plain(line)
        if _INVITATION.match(text):
            return True
        if _SECTION.fullmatch(text):
            return False  # one paper with its sections
        if not text or _PAGE_LINE.fullmatch(text):
            continue
        shape += "A" if is_abstract(text) else "t"
        plausible += shape.endswith("tA") and is_title(title) and not _MARKUP.match(text)
        title = text
    pairs = shape.count("tA")
    in_turn = "tAtAtA" in shape or shape == "tAtA"
    return in_turn and plausible >= _PLAUSIBLE * max(pairs, shape.count("A"))


def _without_button(title: str, *, begun: bool, invited: bool) -> str:
    """Return the title without the button's label, which only the first title of a page has."""
    if begun:
        return title
    if invited:
        return title.removeprefix("Subscribe")
    return _SUBSCRIBE.sub("", title, count=1) if _SUBSCRIBE.match(title) else title
