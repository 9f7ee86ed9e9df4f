"""The fields of a paper in one form, whatever the file they came from."""

import ast
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qa.corpus.papers import Record, Skipped

_TAG = re.compile(
    r"</?(?:jats:|mml:)?(?:p|i|b|u|em|strong|sub|sup|sc|br|div|span|title|sec|abstract|italic|bold|"
    r"list|list-item|h[1-6]|ul|ol|li|a|tt|code|math|m(?:i|o|n|row|sub|sup|subsup|frac|text|sqrt|"
    r"root|style|over|under|underover|space|fenced|table|tr|td)|semantics|annotation)"
    r"(?:\s+[\w:-]{1,40}\s?=[^<>]{0,500})?\s?/?>",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"</?(?:jats:)?(?:p|br|div|title|sec|list-item|li|h[1-6])\b", re.IGNORECASE)
_HEADING = re.compile(r"<(?:jats:)?title>\s*abstract\s*</(?:jats:)?title>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});")
_JUNK = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]"
)
_MARKS = re.compile(r"[^\w\s\x00-\x7f]{200}")  # NFC sorts marks, in the square of their number
_NOTHING = re.compile(
    r"\W*(?:n/?a|nan|none|null|no (abstract|title)(?: (?:is )?(?:available|provided|found))?|"
    r"(abstract|title) (?:is )?(?:not |un)available|untitled)\W*",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?:(?i:abstract)\s?[:.\u2013\u2014]|(?i:abstract)\s?-\s|ABSTRACT\s)\s*(?=\S)")
_YEAR = re.compile(r"(?<!\d)(?:1[5-9]\d\d|20\d\d)(?!\d)")
_DOI = re.compile(r"10\.\d{4,9}(?:\.\d{1,9}){0,9}/[^\s\"&]{1,300}")
_DOI_LINK = re.compile(r"doi(?:\.org/|[:=/]\s?)(?=10\.)", re.IGNORECASE)
_ARXIV = r"(\d{4}\.\d{4,5}|[a-z][a-z-]{1,12}(?:\.[a-z]{2})?/\d{7})(?:v\d{1,3})?(?!\d)"
_ARXIV_ID = re.compile(rf"(?:arxiv:\s?)?{_ARXIV}(?:\s?\[[^\]]{{1,40}}\])?", re.IGNORECASE)
_ARXIV_LINK = re.compile(
    rf"arxiv(?:\.org/(?:abs|pdf|html)/|:\s?|\.|\se-prints,?\s(?:arxiv:)?){_ARXIV}", re.IGNORECASE
)
_LINK = re.compile(r"https?://[^\s\"<>{}|\\^`]{3,2000}", re.IGNORECASE)


def plain(text: str) -> str:
    """Return the text without markup: tags gone, entities resolved, NFC, single spaces."""
    for _ in range(2):  # many exports escape twice: &amp;lt;
        if "&" in text:
            text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "<" in text:
        text = _HEADING.sub("", text)
        text = _TAG.sub(lambda tag: " " if _BLOCK.match(tag[0]) else "", text)
    if not text.isascii() and not _MARKS.search(text):
        text = unicodedata.normalize("NFC", text)
    return " ".join(_JUNK.sub("", text).split())


def present(text: str, what: str = "") -> str:
    """Return the plain text, or nothing where it says no more than that there is no `what`."""
    text = plain(text)
    found = _NOTHING.fullmatch(text) if len(text) < 40 else None
    named = (found[1] or found[2] or what).lower() if found else ""
    return "" if found and named == what else text


def unlabelled(abstract: str) -> str:
    """Return the abstract without the word `Abstract` before it."""
    return _LABEL.sub("", abstract, count=1) if _LABEL.match(abstract) else abstract


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that are not empty, each once, in order."""
    return tuple(dict.fromkeys(text for text in texts if text))


def year_of(text: str) -> int | None:
    """Return the first year named in a date of any form."""
    found = _YEAR.search(text)
    return int(found[0]) if found else None


def doi_of(text: str, links: Iterable[str]) -> str | None:
    """Return the DOI in the text, else in the links, bare and in lower case."""
    if (found := _DOI.search(_slashed(text))) is not None:
        return _closed(found[0]).lower()
    for link in map(_slashed, links):
        if (mark := _DOI_LINK.search(link)) and (found := _DOI.match(link, mark.end())):
            return _closed(found[0]).lower()
    return None


def arxiv_of(number: str, links: Iterable[str]) -> str | None:
    """Return the arXiv number, without version: bare in `number`, or named as one in `links`."""
    found = _ARXIV_ID.fullmatch(number.strip())
    for link in () if found else (number, *links):
        if found := _ARXIV_LINK.search(link):
            break
    return found[1].lower() if found else None


def link_of(links: Iterable[str]) -> str | None:
    """Return the first web address in the links."""
    for link in links:
        if found := _LINK.search(link):
            return _closed(found[0])
    return None


def words(text: str) -> list[str]:
    """Return the keywords in a list of them, however it is separated."""
    if (items := listed(text)) is not None:
        return items
    for mark in (";", "\n", "|", ","):
        if mark in text:
            return text.split(mark)
    return [text]


def listed(text: str) -> list[str] | None:
    """Return the items of a list as programs print it: `['a', 'b']` or `["a", "b"]`."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]") and len(text) < 20_000):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            items = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return [str(item) for item in items] if isinstance(items, list) else None
    return None


def _slashed(text: str) -> str:
    return text.replace("%2F", "/").replace("%2f", "/") if "%" in text else text


def _closed(text: str) -> str:
    """Return an address or DOI without the punctuation of the sentence around it."""
    text = text.rstrip(".,;:'\"")
    while text and text[-1] in ")]}>" and text.count(text[-1]) > text.count(_OPENING[text[-1]]):
        text = text[:-1].rstrip(".,;:'\"")
    return text


_OPENING = {")": "(", "]": "[", "}": "{", ">": "<"}


_NOT_LETTERS = re.compile(r"[\W_]+")

# For each field its names without spaces and signs, the best first: of several that a file has,
# the first with content counts.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "title": (
        "title", "articletitle", "documenttitle", "papertitle", "primarytitle", "worktitle",
        "titleofpaper", "publicationname", "displayname", "ti", "t1",
    ),
    "abstract": (
        "abstract", "abstracttext", "abstractnote", "paperabstract", "notesabstract", "abstracts",
        "abstracten", "abstractenglish", "abstractinvertedindex",
        "indexedabstract", "ab", "n2", "summary", "text", "description",
    ),
    "authors": (
        "authorsparsed", "authorfullnames", "authors", "author", "authornames", "authorlist",
        "authorsnames", "authorstring", "firstauthors", "creators", "creator", "authorships",
        "af", "au",
    ),
    "year": (
        "year", "publicationyear", "pubyear", "publishedyear", "yearpublished", "yearofpublication",
        "py", "issued", "publicationdate", "datepublished", "publisheddate", "published", "date",
        "coverdate", "pubdate", "dateofpublication", "publishedat", "y1", "versions", "updatedate",
    ),
    "venue": (
        "sourcetitle", "journal", "journalname", "journaltitle", "containertitle", "venue",
        "publicationtitle", "journalbook", "booktitle", "secondarytitle", "conference",
        "conferencename", "publicationvenue", "primarylocation", "hostvenue", "journalref",
        "so", "t2", "jf", "source",
    ),
    "doi": ("doi", "digitalobjectidentifier", "articledoi", "doilink", "di"),
    "arxiv": ("arxivid", "arxiv", "arxivnumber", "eprint", "id"),
    "links": (
        "url", "link", "landingpageurl", "paperurl", "articleurl", "abstracturl", "htmlurl",
        "primarylocation", "urls", "links", "pdfurl", "pdflink", "openaccesspdf", "doilink",
        "openurllink", "entryid", "ur",
    ),
    "keywords": (
        "keywords", "authorkeywords", "keyword", "de", "kw", "tags", "manualtags", "indexkeywords",
        "fieldsofstudy", "categories", "meshterms",
    ),
}  # fmt: skip


def bare_name(name: str) -> str:
    """Return a name as NAMES has it: `Author(s)` and `author_s` are `authors`."""
    return _NOT_LETTERS.sub("", name).lower()


def bare_names(own: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return NAMES with the user's own names, by field, in place of the known ones."""
    return {**COLUMN_NAMES, **{field: (bare_name(name),) for field, name in own.items()}}


_AND = re.compile(r",?\s+and\s+|\s+&\s+")
_NUMBER = re.compile(r"\s*\(\d{5,}\)")  # Scopus's, behind each name
_OTHERS = re.compile(r"(?:and )?others|et al\.?", re.IGNORECASE)


def names(text: str) -> list[str]:
    """Return the names in a list of them, however it is separated."""
    if (items := listed(text)) is not None:
        return [name(item) for item in items]
    if ";" in text:
        return [name(item) for item in text.split(";")]
    pieces = _AND.split(text)
    if len(pieces) > 1 and all(piece.count(",") == 1 for piece in pieces):
        return [name(piece) for piece in pieces]
    return [item for piece in pieces for item in _between_commas(piece)]


def name(text: str) -> str:
    """Return a name as `Given Family`, from that or from `Family, Given` or `Family, Given, Jr`."""
    parts = [part.strip() for part in _NUMBER.sub("", text).split(",")]
    if len(parts) in (2, 3):
        family, given, *suffix = parts
        return " ".join(part for part in (given, family, *suffix) if part)
    text = ", ".join(parts)
    return "" if _OTHERS.fullmatch(text) else text


def _between_commas(text: str) -> list[str]:
    """Return `Liu R., Adler D.G.` as two names, but `Smith, John` as one."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 2 and " " not in parts[0]:
        return [name(text)]
    return [name(part) for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The fields of an entry, as written; empty where there are none."""

    title: str = ""
    abstract: str = ""
    authors: Iterable[str] = ()  # each `Given Family`
    year: str = ""  # any date with a year in it
    venue: str = ""
    doi: str = ""
    arxiv: str = ""
    links: Iterable[str] = ()  # addresses; a DOI or an arXiv number may stand in one, too
    keywords: Iterable[str] = ()

    def paper(self, source: str, where: str) -> Record | Skipped:
        """Return the record, or why the entry is none: a paper has a title and an abstract."""
        title = present(self.title, "title")
        abstract = unlabelled(present(self.abstract, "abstract"))
        if not title or not abstract:
            return Skipped(source, "no abstract" if title else "no title", where)
        links = [link for link in self.links if link]
        venue = present(self.venue)
        return Record(
            title=title,
            abstract=abstract,
            source=source,
            authors=distinct(plain(name) for name in self.authors),
            year=year_of(self.year),
            venue=venue or None,
            doi=doi_of(self.doi, links),
            arxiv_id=arxiv_of(self.arxiv, [self.doi, *links, venue]),
            url=link_of(links),
            keywords=distinct(plain(word).strip(" .;,*") for word in self.keywords),
        )
