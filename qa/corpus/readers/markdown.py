"""Plain text and Markdown with one paper a file: a title line, then the abstract."""

import re
from collections.abc import Iterator

from qa.corpus.papers import WHOLE_FILE, Record, Skipped
from qa.corpus.readers.fields import COLUMN_NAMES, bare_name
from qa.corpus.readers.json import entry_of
from qa.corpus.readers.listing_page import is_abstract

LONGEST = 1 << 20  # characters of a file that are read; no abstract begins further down
_LONGEST_UNMARKED = 20_000  # characters of an abstract that no heading marks

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.{1,65536}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"#{1,6}[ \t]+(.{1,500}?)[ \t]*#*")
_RULE = re.compile(r"[-=_*~]{3,}")
_FIELD = re.compile(
    r"[>*_+\- ]{0,9}(title|authors?|year|date|published|doi|url|link|keywords?|venue|journal|"
    r"conference|arxiv|arxiv id)[*_]{0,3}\s?:[*_]{0,3}\s?(\S.*)",
    re.IGNORECASE,
)
_ABSTRACT = re.compile(r"[>*_ ]{0,9}(?:abstract|summary)[*_ ]{0,9}[:.]?[*_ ]{0,9}", re.IGNORECASE)
_ABSTRACT_FIELD = re.compile(r"[>*_ ]{0,9}(?i:abstract)[*_]{0,3}\s?[:.][*_]{0,3}\s?(?=\S)")
_PART = re.compile(  # headings inside an abstract
    r"\W*(?:background|context|introduction and aims|purpose|objectives?|aims?|design|setting|"
    r"(?:materials and )?methods?|main outcomes?|results?|findings|conclusions?|"
    r"interpretation|significance|limitations|trial registration)\W*",
    re.IGNORECASE,
)
_AFTER = re.compile(  # headings that end an abstract
    r"\W*(?:[1I]\.?\s)?(?:introduction|key ?words?|references|bibliography|acknowledge?ments?|"
    r"notes|contents)\W*",
    re.IGNORECASE,
)
_CONTINUED = re.compile(r"[a-z(]")  # how the second line of a long title begins


def read_markdown(text: str, source: str) -> Iterator[Record | Skipped]:
    """Yield the one paper of the text, or why it is skipped."""
    found = _FRONT_MATTER.match(text)
    front_matter = _front_matter(found[1]) if found else {}
    lines = [line.strip() for line in text[found.end() if found else 0 :].split("\n")]
    title, below = _title(lines)
    if "title" in front_matter and bare_name(title) != bare_name(str(front_matter["title"])):
        below = lines  # the text begins with the abstract
    fields = {bare_name(field[1]): field[2] for line in lines if (field := _FIELD.fullmatch(line))}
    members = {"title": title, "abstract": _abstract(below), **fields, **front_matter}
    paper = entry_of(members, COLUMN_NAMES).record(source, WHOLE_FILE)
    # A note with a title and no more than a day is a note of anything.
    known = isinstance(paper, Record) and (paper.abstract or paper.authors or paper.doi)
    no_paper = isinstance(paper, Record) and not known
    yield Skipped(source, "no abstract", WHOLE_FILE) if no_paper else paper


def _front_matter(text: str) -> dict[str, object]:
    """Return the fields in the YAML block at the top of a Markdown file, by bare names."""
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {bare_name(str(key)): value for key, value in content.items() if value}


def _title(lines: list[str]) -> tuple[str, list[str]]:
    """Return the title and the lines below it; without a title, all lines."""
    at = next((at for at, line in enumerate(lines) if line and not _RULE.fullmatch(line)), None)
    if at is None or is_abstract(lines[at]):
        return "", lines
    title, at = lines[at], at + 1
    if heading := _HEADING.fullmatch(title):
        return heading[1], lines[at:]
    for line in lines[at : at + 3]:
        if not _CONTINUED.match(line) or is_abstract(line):
            break
        title, at = f"{title} {line}", at + 1
    return title, lines[at:]


def _abstract(lines: list[str]) -> str:
    """Return the text below the heading of the abstract, else the text below the title."""
    for at, line in enumerate(lines):
        heading = _HEADING.fullmatch(line)
        if _ABSTRACT.fullmatch(heading[1] if heading else line):
            return " ".join(_until_next_heading(lines[at + 1 :]))
        if label := _ABSTRACT_FIELD.match(line):
            return " ".join(_until_next_heading([line[label.end() :], *lines[at + 1 :]]))
    rest = [line for line in lines if not _FIELD.fullmatch(line)]
    text = " ".join(_until_next_heading(_without_byline(rest)))
    return text if len(text) <= _LONGEST_UNMARKED else ""


def _until_next_heading(lines: list[str]) -> Iterator[str]:
    """Yield the lines of an abstract, without fields, rules and a heading before the first line."""
    begun = False
    for line in lines:
        heading = _HEADING.fullmatch(line)
        content = heading[1] if heading else line
        if _AFTER.fullmatch(content) or (heading and begun and not _PART.fullmatch(content)):
            return
        if _FIELD.fullmatch(line) or _RULE.fullmatch(line) or (heading and not begun):
            continue
        begun = begun or bool(line)
        yield content


def _without_byline(lines: list[str]) -> list[str]:
    """Return the lines from the first paragraph that can be an abstract; without one, all lines."""
    begin = 0
    for at, line in enumerate(lines):
        begin = begin if line else at + 1
        if line and is_abstract(" ".join(lines[begin : at + 1])):
            return lines[begin:]
    return lines
