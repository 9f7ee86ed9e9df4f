"""The fields of a paper, brought into one form from whatever form a file has them in."""

import ast
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qa.corpus.papers import Record, Skipped
from qa.corpus.words import author_name

# What files call each field, in the form of `bare_name`, the best name first: of several columns
# that a file has for one field, the first with content counts.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "title": (
        "title", "articletitle", "documenttitle", "papertitle", "primarytitle", "worktitle",
        "titleofpaper", "originaltitle", "publicationname", "displayname", "ti", "t1",
    ),
    "abstract": (
        "abstract", "abstracttext", "abstractnote", "paperabstract", "notesabstract", "abstracts",
        "abstracten", "abstractenglish", "englishabstract", "abstractinvertedindex",
        "originalabstract", "indexedabstract", "ab", "n2", "summary", "text", "description",
    ),
    "authors": (
        "authorsparsed", "authorfullnames", "authors", "author", "authornames", "authorlist",
        "authorsnames", "authorstring", "firstauthors", "creators", "creator", "authorships",
        "authorshipsauthordisplayname", "contributors", "af", "au", "firstauthor",
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
        "primarylocationsourcedisplayname", "pubtitle", "publication", "so", "t2", "jf", "source",
    ),
    "doi": ("doi", "digitalobjectidentifier", "articledoi", "doilink", "di"),
    "arxiv": ("arxivid", "arxiv", "arxivnumber", "eprint", "id"),
    "links": (
        "url", "link", "landingpageurl", "paperurl", "articleurl", "abstracturl", "htmlurl",
        "primarylocation", "urls", "links", "pdfurl", "pdflink", "openaccesspdf", "doilink",
        "openurllink", "documenturl", "plink", "fulltexturl", "entryid", "ur",
    ),
    "keywords": (
        "keywords", "authorkeywords", "keyword", "de", "kw", "tags", "manualtags", "indexkeywords",
        "fieldsofstudy", "categories", "meshterms", "subjects",
    ),
}  # fmt: skip

# Tags of HTML, JATS and MathML; `<mask>` and `a < b` are text.
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
# Control characters, soft hyphens, invisible spaces, and halves of surrogate pairs.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]"
)
# Normalizing to NFC takes quadratic time for so many combining marks in a row.
_MANY_MARKS = re.compile(r"[^\w\s\x00-\x7f]{200}")
# What exports write in place of a title or an abstract that they do not have.
_MISSING = re.compile(
    r"\W*(?:n/?a|nan|none|null|no (abstract|title)(?: (?:is )?(?:available|provided|found))?|"
    r"(abstract|title) (?:is )?(?:not |un)available|untitled)\W*",
    re.IGNORECASE,
)
# The label of an abstract before its text.
_LABEL = re.compile(r"(?:(?i:abstract)\s?[:.\u2013\u2014]|(?i:abstract)\s?-\s|ABSTRACT\s)\s*(?=\S)")
_YEAR = re.compile(  # with a month and a day behind it, perhaps without a sign between
    r"(?<!\d)(?:1[5-9]\d\d|20\d\d)(?=(?:(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01]))?(?!\d))"
)
# Embase's source: `Journal of Sleep (2019) 12:3 (45-56). Date of Publication: 1 Mar 2019`.
_SOURCE = re.compile(r"(.{2,300}?)\s\(((?:19|20)\d\d)\)(?:\s.*)?", re.DOTALL)
_DOI = re.compile(r"10\.\d{4,9}(?:\.\d{1,9}){0,9}/[^\s\"&]{1,300}")
_DOI_LINK = re.compile(r"doi(?:\.org/|[:=/]\s?)(?=10\.)", re.IGNORECASE)
_ARXIV = r"(\d{4}\.\d{4,5}|[a-z][a-z-]{1,12}(?:\.[a-z]{2})?/\d{7})(?:v\d{1,3})?(?!\d)"
_ARXIV_ID = re.compile(rf"(?:arxiv:\s?)?{_ARXIV}(?:\s?\[[^\]]{{1,40}}\])?", re.IGNORECASE)
_ARXIV_LINK = re.compile(
    rf"arxiv(?:\.org/(?:abs|pdf|html)/|:\s?|\.|\se-prints,?\s(?:arxiv:)?){_ARXIV}", re.IGNORECASE
)
_LINK = re.compile(r"https?://[^\s\"<>{}|\\^`]{3,2000}", re.IGNORECASE)

_AND = re.compile(r",?\s+and\s+|\s+&\s+")
_NOT_LETTERS = re.compile(r"[\W_]+")
_OPENING = {")": "(", "]": "[", "}": "{", ">": "<"}
_LONGEST_LIST = 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The fields of an entry as its file has them; empty where it has none."""

    title: str = ""
    abstract: str = ""
    authors: Iterable[str] = ()  # each `Given Family`
    year: str = ""  # any date with a year in it
    venue: str = ""
    doi: str = ""
    arxiv: str = ""
    links: Iterable[str] = ()  # addresses; they may contain the DOI or the arXiv number
    keywords: Iterable[str] = ()

    def record(self, source: str, where: str, *, bare_titles: bool = True) -> Record | Skipped:
        """Return the record, or a Skipped if the entry has no title.

        `source` is its file, `where` its place in the file. Without `bare_titles` a title of which
        nothing else is known is skipped: in a file of anything it need not be a paper's.
        """
        title = value_or_empty(self.title, "title")
        if not title:
            return Skipped(source, "no title", where)
        links = [link for link in self.links if link]
        venue, year = _venue_and_year(value_or_empty(self.venue), self.year)
        record = Record(
            title=title,
            abstract=_without_label(value_or_empty(self.abstract, "abstract")),
            source=source,
            authors=_distinct(plain(name) for name in self.authors),
            year=year,
            venue=venue or None,
            doi=doi_of(self.doi, links),
            arxiv_id=arxiv_of(self.arxiv, [self.doi, *links, venue]),
            url=_link_of(links),
            keywords=_distinct(plain(word).strip(" .;,*") for word in self.keywords),
        )
        if not record.abstract and not bare_titles and not _says_more(record):
            return Skipped(source, "no abstract", where)
        return record


def _says_more(record: Record) -> bool:
    """Return whether something is known that only papers have."""
    known = record.authors, record.year, record.venue, record.doi, record.arxiv_id
    return any(known)


def _venue_and_year(venue: str, date: str) -> tuple[str, int | None]:
    """Return the venue and the year, which may stand in the venue if there is no date."""
    year = year_of(date)
    source = _SOURCE.fullmatch(venue)
    if year is None and source:
        return source[1], int(source[2])
    return venue, year


def bare_name(name: str) -> str:
    """Return a column's name as COLUMN_NAMES has it: `authors` for `Author(s)` and `author_s`."""
    return _NOT_LETTERS.sub("", name).lower()


def column_names(own: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return COLUMN_NAMES with the user's own names, by field, in place of the known ones."""
    return {**COLUMN_NAMES, **{field: (bare_name(name),) for field, name in own.items()}}


def plain(text: str) -> str:
    """Return the text without tags, entities and invisible characters, in NFC, on one line."""
    for _ in range(2):  # many exports escape twice: &amp;lt;
        if "&" in text:
            text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "<" in text:
        text = _HEADING.sub("", text)
        text = _TAG.sub(lambda tag: " " if _BLOCK.match(tag[0]) else "", text)
    if not text.isascii() and not _MANY_MARKS.search(text):
        text = unicodedata.normalize("NFC", text)
    return " ".join(_INVISIBLE.sub("", text).split())


def value_or_empty(text: str, field: str = "") -> str:
    """Return the plain text of a field; empty if it only says that there is none, such as `N/A`."""
    text = plain(text)
    found = _MISSING.fullmatch(text) if len(text) < 40 else None
    missing = (found[1] or found[2] or field).lower() if found else ""
    return "" if found and missing == field else text


def _without_label(abstract: str) -> str:
    """Return the abstract without the word `Abstract` before it."""
    return _LABEL.sub("", abstract, count=1) if _LABEL.match(abstract) else abstract


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that are not empty, each once, in order."""
    return tuple(dict.fromkeys(text for text in texts if text))


def author_names(text: str) -> list[str]:
    """Return the names in a list of authors, each as `Given Family`, whatever separates them."""
    if (items := _printed_list(text)) is not None:
        return [author_name(item) for item in items]
    for separator in ";|":
        if separator in text:
            return [author_name(item) for item in text.split(separator)]
    pieces = _AND.split(text)
    if len(pieces) > 1 and all(piece.count(",") == 1 for piece in pieces):
        return [author_name(piece) for piece in pieces]
    return [name for piece in pieces for name in _names_between_commas(piece)]


def _names_between_commas(text: str) -> list[str]:
    """Return `Liu R., Adler D.G.` as two names, but `Smith, John` as one."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 2 and " " not in parts[0]:
        return [author_name(text)]
    return [author_name(part) for part in parts]


def keyword_list(text: str) -> list[str]:
    """Return the keywords in a list of them, whatever separates them."""
    if (items := _printed_list(text)) is not None:
        return items
    for separator in (";", "\n", "|", ","):
        if separator in text:
            return text.split(separator)
    return [text]


def _printed_list(text: str) -> list[str] | None:
    """Return the items of a list in JSON or Python syntax: `["a", "b"]`, `['a', 'b']`."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]") and len(text) < _LONGEST_LIST):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            items = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return [str(item) for item in items] if isinstance(items, list) else None
    return None


def year_of(text: str) -> int | None:
    """Return the first year in a date of any form."""
    found = _YEAR.search(text)
    return int(found[0]) if found else None


def doi_of(text: str, links: Iterable[str]) -> str | None:
    """Return the DOI in the text, else in the links, bare and in lower case."""
    if (found := _DOI.search(_with_slashes(text))) is not None:
        return _without_punctuation(found[0]).lower()
    for link in map(_with_slashes, links):
        if (mark := _DOI_LINK.search(link)) and (found := _DOI.match(link, mark.end())):
            return _without_punctuation(found[0]).lower()
    return None


def _with_slashes(text: str) -> str:
    return text.replace("%2F", "/").replace("%2f", "/") if "%" in text else text


def arxiv_of(number: str, links: Iterable[str]) -> str | None:
    """Return the arXiv number without its version.

    `number` may be the bare number. In links it counts only where they name arXiv.
    """
    found = _ARXIV_ID.fullmatch(number.strip())
    for link in () if found else (number, *links):
        if found := _ARXIV_LINK.search(link):
            break
    return found[1].lower() if found else None


def _link_of(links: Iterable[str]) -> str | None:
    """Return the first web address in the links."""
    for link in links:
        if found := _LINK.search(link):
            return _without_punctuation(found[0])
    return None


def _without_punctuation(text: str) -> str:
    """Return an address or DOI without the punctuation of the sentence around it."""
    text = text.rstrip(".,;:'\"")
    while text and text[-1] in ")]}>" and text.count(text[-1]) > text.count(_OPENING[text[-1]]):
        text = text[:-1].rstrip(".,;:'\"")
    return text
