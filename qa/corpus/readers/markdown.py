"""Plain text and Markdown with one paper a file: a title line, then the abstract.

Notes of reference managers and of Obsidian have more: fields in YAML front matter or in lines
`Key:: value`, the abstract in a callout (`> [!abstract]`), links such as `[[Name|shown]]`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from qa.corpus.papers import WHOLE_FILE, Record, Skipped
from qa.corpus.readers.fields import COLUMN_NAMES, bare_name
from qa.corpus.readers.json import entry_of
from qa.corpus.readers.listing_page import is_abstract, is_title

LONGEST = 1 << 20  # characters of a file that are read; no abstract begins further down
_LONGEST_PLAIN = 6000  # characters of such an abstract in a text without any field
_SHORTEST_LINE = 30  # characters, on average, of the lines of prose
_OTHER_LINES = 0.1  # the largest share of lines in prose that begin like a list, table or code
_SHORTEST_ALIAS = 4  # words of an alias that can be a title
_LONGEST_LABEL = 3  # words beside a callout's sign that are its title, not its text
_LONGEST_UNMARKED = 20_000  # characters of an abstract that no heading marks
_SHORTEST_PROSE = 12  # words of a paragraph that may be an abstract without being marked as one
_USUAL_IN_PROSE = 0.9  # the least share of letters, digits, spaces and common punctuation
_LOWER_IN_PROSE = 0.4  # the least share of words that begin with a small letter

_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.{1,65536}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_YAML_FIELD = re.compile(r"([A-Za-z][\w -]{0,40}?)\s?:(?:\s+(.*)|$)")
_YAML_ITEM = re.compile(r"\s*-\s+(.*\S)")
_HEADING = re.compile(r"#{1,6}[ \t]+(.{1,500}?)[ \t]*#*")
_RULE = re.compile(r"[-=_*~]{3,}")
_FIELD = re.compile(
    r"[>*_+\- ]{0,9}(title|authors?|first ?author|year|date|published|doi|url|link|key ?words?|"
    r"venue|journal|conference|publication ?title|arxiv|arxiv id|cite ?key|item ?type|tags|status|"
    r"related|rating)[*_]{0,3}\s?::?[*_]{0,3}\s?(\S.*)",
    re.IGNORECASE,
)
_ABSTRACT = re.compile(r"[>*_ ]{0,9}abstract[*_ ]{0,9}[:.]{0,2}[*_ ]{0,9}", re.IGNORECASE)
_SUMMARY = re.compile(r"[>*_ ]{0,9}summary[*_ ]{0,9}[:.]{0,2}[*_ ]{0,9}", re.IGNORECASE)
_ABSTRACT_FIELD = re.compile(r"[>*_+\- ]{0,9}(?i:abstract)[*_]{0,3}\s?(?:::?|\.)[*_]{0,3}\s?(?=\S)")
_CALLOUT = re.compile(r">\s?\[!([\w -]{1,30})\][-+]?\s?(.*)")
_QUOTED = re.compile(r">[> ]{0,5}")
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
_NO_TITLE = re.compile(
    r"\W*(?:abstract|summary|(?:my )?notes?|metadata|info(?:rmation)?|details|overview|tl;?dr|"
    r"reference|citation|bibliography|untitled.*)\W*|@?\S*\d\S*|",  # or a citation key
    re.IGNORECASE,
)

_SHORT_CITE = re.compile(r"\bet al\b|\b(?:19|20)\d\d\)?$")  # aliases such as `Abe et al. 2020`
_COMMENT = re.compile(r"<!--.*?-->|%%.*?%%", re.DOTALL)
_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
_EMBEDDED = re.compile(r"!\[\[[^\[\]]{0,300}\]\]|!\[[^\[\]]{0,300}\]\([^()]{0,2000}\)")
_WIKILINK = re.compile(r"\[\[(?:[^\[\]|]{1,300}\|)?([^\[\]|]{1,300})\]\]")
_LINK = re.compile(r"(?<!\!)\[([^\[\]]{1,500})\]\((?:https?:|file:|zotero:|#|/)[^()\s]{0,2000}\)")
_EMPHASIS = re.compile(r"(?<!\w)(\*\*\*|\*\*|__|==|~~|\*)(?=\S)([^*\n]{1,5000}?)(?<=\S)\1(?!\w)")
_BLOCK_ID = re.compile(r"\s\^[\w-]{4,40}$")
_ONLY_LINKS = re.compile(r"(?:[-*+]\s|\[\[[^\[\]]{1,300}\]\]|#[\w/-]+|https?://\S+|[\s,;|·])+")
_TEMPLATE = re.compile(r"\{\{|<%")
_LIST_ITEM = re.compile(r"(?:[-*+]|\d{1,3}[.)])\s+\S")
_OF_A_PAPER = (_PART, _AFTER, _SUMMARY, _ABSTRACT)  # headings
_NO_PROSE = re.compile(  # how lines of lists, tables, settings, code and links begin
    r"(?:[-*+#]|\d{1,3}[.)])\s|[|$>%\[{<`]|//|/\*|#!|--?\w|\.\. |https?:|[\w-]{2,30}:\s|\w+\s?=\s"
)
_DAY = re.compile(r"\d{4}[-_. ]?\d{2}[-_. ]?\d{2}\b.*|\d{4}-w?\d{2}")  # names of daily notes
_SENTENCE_END = re.compile(r"\w[.!?\u2026)\"']+(?:\s|$)|\u3002")
_OTHER_TEXT = re.compile(  # licences, manuals, letters
    r"permission is hereby granted|redistribution and use in source|\bwarranty\b|licensed under|"
    r"\bcopyright \(c\)|\bredistribut|\bthis (?:package|directory|folder|file|library)\b|"
    r"\b(?:readme|makefile|usage:|mailing lists?|e-?mail)\b|https?://github",
    re.IGNORECASE,
)

# Fields that only papers have, and those of which two are needed.
_OF_PAPERS = {
    *("doi", "arxiv", "arxivid", "journal", "venue", "conference", "booktitle", "citekey"),
    *("citationkey", "itemtype", "publicationtitle", "pmid", "containertitle", "zotero", "eprint"),
}
_OFTEN_OF_PAPERS = {"author", "authors", "firstauthor", "year", "publication", "abstract"}
_KINDS = re.compile(
    r"#?(?:papers?|literature(?:[- ]?notes?)?|zotero|journal-?article)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Note:
    """A document taken apart."""

    members: Mapping[str, object]  # title, abstract and further fields, by bare names
    is_marked: bool  # the abstract is marked as one
    is_plain: bool  # nothing but a title and paragraphs, perhaps with the headings of a paper
    front_matter: Mapping[str, object]

    @property
    def abstract(self) -> str:
        return str(self.members.get("abstract") or "")

    @property
    def has_fields(self) -> bool:
        """Whether its fields are those of a paper."""
        names = self.members.keys()
        kinds = [self.members.get(key) for key in ("type", "tags", "category")]
        words = [
            str(word) for kind in kinds for word in (kind if isinstance(kind, list) else [kind])
        ]
        return (
            not names.isdisjoint(_OF_PAPERS)
            or len(names & _OFTEN_OF_PAPERS - {"abstract"}) > 1
            or any(map(_KINDS.fullmatch, words))
        )


def read_markdown(text: str, source: str) -> Iterator[Record | Skipped]:
    """Yield the one paper of the text, or why it is skipped."""
    paper = entry_of(_note(text, source).members, COLUMN_NAMES).record(source, WHOLE_FILE)
    # A note with a title and no more than a day is a note of anything.
    known = isinstance(paper, Record) and (paper.abstract or paper.authors or paper.doi)
    no_paper = isinstance(paper, Record) and not known
    yield Skipped(source, "no abstract", WHOLE_FILE) if no_paper else paper


def has_front_matter(head: str) -> bool:
    """Tell whether a document begins with fields in YAML."""
    found = _FRONT_MATTER.match(head)
    return found is not None and bool(_front_matter(found[1]))


def looks_like_paper(text: str, source: str, *, named_otherwise: bool) -> bool:
    """Tell whether a document is a paper: it has a marked abstract, fields, or prose below a title.

    `named_otherwise` is for a name that other documents have, such as a README: then only an
    abstract in its front matter counts. Notes of a day and lists are none.
    """
    note = _note(text, source)
    if _TEMPLATE.search(note.abstract[:200]):
        return False
    if named_otherwise:
        return bool(note.front_matter.get("abstract"))
    if note.is_marked:
        return bool(note.abstract)
    if _DAY.fullmatch(PurePosixPath(source).stem.lower()):
        return False
    if note.has_fields:
        return True
    return (
        note.is_plain
        and is_title(str(note.members["title"]))
        and len(note.abstract) <= _LONGEST_PLAIN
        and _is_prose(note.abstract)
    )


def _is_prose(text: str) -> bool:
    """Tell sentences from settings, tables, lists and terms of use."""
    if _OTHER_TEXT.search(text) or not _SENTENCE_END.search(text):
        return False
    words = text.split()
    if text.upper() == text.lower():  # a script without case, often without spaces
        return len(text) >= 4 * _SHORTEST_PROSE
    usual = sum(letter.isalnum() or letter in " .,;:-()'\"%" for letter in text)
    return (
        len(words) >= _SHORTEST_PROSE
        and usual >= _USUAL_IN_PROSE * len(text)
        and sum(word[:1].islower() for word in words) >= _LOWER_IN_PROSE * len(words)
    )


def _note(text: str, source: str) -> _Note:
    found = _FRONT_MATTER.match(text)
    front_matter = _front_matter(found[1]) if found else {}
    body = text[found.end() if found else 0 :]
    is_markdown = bool(found) or PurePosixPath(source).suffix.lower() != ".txt"
    if is_markdown:
        body = _EMBEDDED.sub("", _FENCE.sub("", _COMMENT.sub("", body)))
    lines = [line.strip() for line in body.split("\n")]
    title, below = _title(lines)
    named = _named(front_matter)
    if named and bare_name(title) != bare_name(named):
        below = lines  # the text begins with the abstract
    fields = {
        bare_name(field[1]): _without_markup(field[2])
        for line in lines
        if (field := _FIELD.fullmatch(line))
    }
    abstract, is_marked = _abstract(below)
    if is_markdown:
        title, abstract = _without_markup(title), _without_markup(abstract)
    members: dict[str, object] = {"abstract": abstract, **fields, **front_matter}
    members["title"] = named or fields.get("title") or title or PurePosixPath(source).stem
    return _Note(
        members=members,
        is_marked=is_marked or bool(front_matter.get("abstract")),
        is_plain=bool(title) and not front_matter and _is_plain(below),
        front_matter=front_matter,
    )


def _front_matter(text: str) -> dict[str, object]:
    """Return the fields in the YAML block at the top of a Markdown file, by bare names."""
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        content = _loose_yaml(text)  # `title: GPT-3: a study` and `author: [[Ann]]` are no YAML
    if not isinstance(content, dict):
        return {}
    found = {bare_name(str(key)): _plain_value(value) for key, value in content.items()}
    return {key: value for key, value in found.items() if key and value}


def _loose_yaml(text: str) -> dict[str, object]:
    """Return the lines `key: value` and `- item` of a block that is no YAML."""
    found: dict[str, object] = {}
    key = ""
    for line in text.split("\n"):
        if field := _YAML_FIELD.match(line):
            key, value = field[1], (field[2] or "").strip()
            found[key] = _loose_value(value)
        elif (item := _YAML_ITEM.match(line)) and not isinstance(found.get(key, ""), str):
            found[key].append(item[1].strip("\"'"))  # type: ignore[attr-defined]
        elif item and key and not found[key]:
            found[key] = [item[1].strip("\"'")]
        elif key and isinstance(found.get(key), str) and line.strip():
            found[key] = f"{found[key]} {line.strip()}".strip()
    return found


def _loose_value(text: str) -> str | list[str]:
    """Return the text without quotes, or the items of a list in brackets."""
    if text.startswith("[") and text.endswith("]") and not text.startswith("[["):
        return [item.strip(" \"'") for item in _linkless(text)[1:-1].split(",")]
    quoted = len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]
    return text[1:-1] if quoted else text.strip(">|")


def _linkless(text: str) -> str:
    """Return the text with what is shown of its links."""
    return _LINK.sub(r"\1", _WIKILINK.sub(r"\1", text)).strip()


def _plain_value(value: object) -> object:
    """Return a value of the front matter without Markdown's signs in its texts."""
    if isinstance(value, str):
        return _without_markup(value).strip()
    if isinstance(value, list):
        # YAML reads `[[Name]]` as a list in a list.
        flat = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in value]
        return [_plain_value(item) for item in flat]
    return value


def _named(front_matter: Mapping[str, object]) -> str:
    """Return the title in the front matter, or an alias that can be one; else an empty text."""
    aliases = front_matter.get("aliases") or front_matter.get("alias") or []
    names = [str(name) for name in (aliases if isinstance(aliases, list) else [aliases])]
    long = [name for name in names if len(name.split()) >= _SHORTEST_ALIAS]
    texts = [str(front_matter.get("title") or ""), *(n for n in long if not _SHORT_CITE.search(n))]
    return next((text for text in texts if not _NO_TITLE.fullmatch(text)), "")


def _title(lines: list[str]) -> tuple[str, list[str]]:
    """Return the title and the lines below it; without a title, all lines."""
    at = next((at for at, line in enumerate(lines) if not _is_aside(line)), None)
    if at is None or is_abstract(lines[at]):
        return "", lines
    title = lines[at]
    if _CALLOUT.match(title) or _ABSTRACT_FIELD.match(title) or _LIST_ITEM.match(title):
        return "", lines
    at += 1
    if heading := _HEADING.fullmatch(title):
        if _NO_TITLE.fullmatch(heading[1]):
            return "", lines
        return heading[1], lines[at:]
    if _ABSTRACT.fullmatch(title):
        return "", lines
    for line in lines[at : at + 3]:
        if not _CONTINUED.match(line) or is_abstract(line):
            break
        title, at = f"{title} {line}", at + 1
    return title, lines[at:]


def _is_aside(line: str) -> bool:
    """Tell whether a line is empty, a rule, a field, or nothing but links and tags."""
    if not line or _RULE.fullmatch(line):
        return True
    return _FIELD.fullmatch(line) is not None or _ONLY_LINKS.fullmatch(line) is not None


def _abstract(lines: list[str]) -> tuple[str, bool]:
    """Return the abstract, and whether it is marked as one; else the text below the title."""
    for at, line in enumerate(lines):
        if (callout := _CALLOUT.match(line)) and callout[1].lower() == "abstract":
            label = callout[2].strip(" *_:")
            first = "" if len(label.split()) <= _LONGEST_LABEL else label
            return _joined([first, *_quoted(lines[at + 1 :])]), True
    for mark, is_marked in ((_ABSTRACT, True), (_SUMMARY, False)):
        for at, line in enumerate(lines):
            heading = _HEADING.fullmatch(line)
            if mark.fullmatch(heading[1] if heading else line):
                return _joined(_until_next_heading(lines[at + 1 :])), is_marked
            if is_marked and (label_found := _ABSTRACT_FIELD.match(line)):
                # A field ends with its line.
                below = [] if "::" in label_found[0] else lines[at + 1 :]
                rest = [line[label_found.end() :], *below]
                return _joined(_until_next_heading(rest)), True
    text = _joined(_until_next_heading(_without_byline(_own_lines(lines))))
    return (text if len(text) <= _LONGEST_UNMARKED else ""), False


def _quoted(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a callout, without the sign before them."""
    for line in lines:
        if not line.startswith(">") or _CALLOUT.match(line):
            return
        text = _QUOTED.sub("", line)
        if text != "." and not _FIELD.fullmatch(text):
            yield text


def _own_lines(lines: Sequence[str]) -> list[str]:
    """Return the lines above the first heading that is not one of an abstract, without fields."""
    own: list[str] = []
    for line in lines:
        heading = _HEADING.fullmatch(line)
        if heading and own and any(own) and not _PART.fullmatch(heading[1]):
            break
        if heading and not (_PART.fullmatch(heading[1]) or _SUMMARY.fullmatch(heading[1])):
            break
        if not _FIELD.fullmatch(line):
            own.append(line)
    return own


def _until_next_heading(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of an abstract, without fields, rules and a heading before the first line."""
    begun = False
    for line in lines:
        heading = _HEADING.fullmatch(line)
        content = heading[1] if heading else _QUOTED.sub("", line)
        if _AFTER.fullmatch(content) or (heading and begun and not _PART.fullmatch(content)):
            return
        if begun and (_CALLOUT.match(line) or _RULE.fullmatch(line)):
            return
        if heading and not begun:
            continue
        if _CALLOUT.match(line) or (content and _is_aside(content)):
            continue
        begun = begun or bool(content)
        yield content


def _without_byline(lines: list[str]) -> list[str]:
    """Return the lines from the first paragraph that can be an abstract; without one, all lines."""
    begin = 0
    for at, line in enumerate(lines):
        begin = begin if line else at + 1
        if line and is_abstract(" ".join(lines[begin : at + 1])):
            return lines[begin:]
    return lines


def _is_plain(lines: Sequence[str]) -> bool:
    """Tell whether lines are paragraphs, with no headings but those of a paper."""
    text = [line for line in lines if line and not _FIELD.fullmatch(line)]
    headings = [heading[1] for line in text if (heading := _HEADING.fullmatch(line))]
    if any(not any(mark.fullmatch(name) for mark in _OF_A_PAPER) for name in headings):
        return False
    other = sum(_NO_PROSE.match(line) is not None for line in text) - len(headings)
    length = sum(map(len, text)) / len(text) if text else 0
    return other <= _OTHER_LINES * len(text) and length >= _SHORTEST_LINE


def _joined(lines: Iterable[str]) -> str:
    return " ".join(_BLOCK_ID.sub("", line) for line in lines)


def _without_markup(text: str) -> str:
    """Return the text without Markdown's signs for links and emphasis."""
    text = _linkless(text)
    for _ in range(2):  # `**_both_**`
        text = _EMPHASIS.sub(r"\2", text)
    return text
