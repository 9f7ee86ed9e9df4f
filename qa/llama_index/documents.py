"""What a reader has loaded, the parts of one file put together."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import chain
from pathlib import PurePath

from qa.corpus.papers import Record, Skipped, title_key
from qa.corpus.readers import fields
from qa.corpus.readers.fields import COLUMN_NAMES, bare_name
from qa.corpus.readers.json import read_json
from qa.corpus.readers.markdown import read_markdown
from qa.corpus.readers.sniff import read_stream
from qa.errors import CorpusError, UsageError

LONGEST = 20_000  # characters: a longer text is a full text, of which the abstract is taken
_HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")  # between the halves of a word on two lines
_PAGE_MARKS = {"page_label", "total_pages"}
# Files that are one paper, where readers give their pages or sections one by one.
_OF_ONE_PAPER = {".pdf", ".docx", ".doc", ".odt", ".md", ".markdown", ".html", ".htm", ".epub"}
_TITLES = ("title", "Title", "Title of this paper")


@dataclass(frozen=True, slots=True)
class LoadedText:
    """What a reader has loaded: a text, and what it tells about it."""

    text: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    number: int = 1  # its place among the documents
    alone: bool = False  # it was cut out of a document, to be a text of its own
    pages: int = 0  # of how many parts it was put together; 0: it is whole

    @property
    def name(self) -> str:
        """What a user knows the document by: its file, its address, or its place."""
        address = self.metadata.get("URL") or self.metadata.get("url")
        return self.file_name or _said(address) or f"document {self.number}"

    @property
    def file_name(self) -> str:
        """The name of the file it was loaded from, without its folder; empty if it was none."""
        file = self.metadata.get("file_name") or self.metadata.get("file_path")
        return PurePath(_said(file)).name

    @property
    def is_full_text(self) -> bool:
        """Whether it is more than an abstract."""
        return self.pages > 0 or len(self.text) > LONGEST

    @property
    def is_page(self) -> bool:
        """Whether its reader says that it is a page."""
        return not self.alone and not _PAGE_MARKS.isdisjoint(self.metadata)

    @property
    def paper_file(self) -> tuple[str, ...]:
        """File and title of the paper that it may be a part of; empty if it is no part of one."""
        file = _said(self.metadata.get("file_path") or self.metadata.get("file_name"))
        suffix = PurePath(file).suffix.lower()
        if self.alone or not file or not (self.is_page or suffix in _OF_ONE_PAPER):
            return ()
        return file, *(_said(self.metadata.get(name)) for name in _TITLES)


def _said(value: object) -> str:
    """The text of a name; anything else, which may be an object of any program, says none."""
    return str(value) if isinstance(value, str | PurePath) else ""


def put_together(documents: Iterable[LoadedText]) -> Iterator[LoadedText]:
    """Yield the documents, in order, those that are parts of one paper's file as one."""
    files: dict[object, list[LoadedText]] = {}
    for place, document in enumerate(documents):
        files.setdefault(document.paper_file or place, []).append(document)
    for parts in files.values():
        if len(parts) == 1 and not parts[0].is_page:
            yield parts[0]
        else:
            text = _HYPHEN.sub("", "\n".join(part.text for part in parts))
            yield replace(parts[0], text=text, pages=len(parts))


_DEEPEST = 50  # lists and objects inside one another
_NOTHING = {"nan", "nat", "<na>", "inf", "infinity"}  # numbers of other libraries that are none


def readable(value: object) -> object:
    """The value in strings, finite numbers, lists and dicts; None for a number that is none.

    Raises an Exception of any kind where it cannot be read: it holds itself, or nests too deep, or
    an object in it cannot tell its own text.
    """
    if value is None or isinstance(value, str):
        return value
    content = json.dumps(value, default=_other, skipkeys=True)
    plain: object = json.loads(content, parse_constant=lambda _: None)
    if _depth(plain) > _DEEPEST:
        raise ValueError("nested too deep")
    return plain


def _other(value: object) -> object:
    """What JSON does not know, as something that it does."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    text = str(value)
    return None if text.lower().lstrip("+-") in _NOTHING else text


def _depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


_HEAD = 1 << 20  # characters of a full text in which its abstract is looked for
_LONGEST_NAME = 90  # characters of a title that is made of a text's first words

# What readers call a field, beside the names that tables and JSON have for it.
_ALSO = {"titleofthispaper": "title", "journalitwaspublishedin": "journal"}
_KNOWN = {*chain.from_iterable(COLUMN_NAMES.values()), "externalids"}
_SUMMARY = re.compile(  # of a paper on arXiv, as LlamaIndex's reader puts it
    r"The following is a summary of the paper: (?P<title>.{1,500}?)\n\nSummary: (?P<text>.+)",
    re.DOTALL,
)
_BINARY = ("%PDF", "PK\x03\x04", "{\\rtf")


def papers_in(document: LoadedText, columns: Mapping[str, str]) -> Sequence[Record | Skipped]:
    """The papers in a document, or why it holds none; `columns` are the user's names by field."""
    try:
        told = _told(document.metadata, columns)
    except Exception:  # noqa: BLE001 - in metadata are objects of any program
        return [Skipped(document.name, "metadata that cannot be read", "document")]
    text = document.text.strip()
    if text.startswith(_BINARY) or "\0" in text[:1000]:
        return [Skipped(document.name, "no text but the file's bytes", "document")]
    if found := _SUMMARY.fullmatch(text):
        told, text = {**told, "title": found["title"]}, found["text"]
    if not text or ("abstract" in columns and told.get("abstract")):
        return [_paper(told, document)]
    title = _title(told)
    if not title and not document.pages:
        return _as_file(text, told, document)
    if document.is_full_text:
        return [_full_text(text, told, document)]
    return [_paper({**told, "abstract": _below(title, text)}, document)]


def _told(metadata: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, object]:
    """What the metadata say of the paper, under names that JSON readers know.

    Raises whatever an object in them raises that is read.
    """
    told: dict[str, object] = {}
    for key, value in metadata.items():
        name = bare_name(str(key))
        name = _ALSO.get(name, name)
        if name == "source":  # a page's number, a file, an address: a venue it is not
            is_link = isinstance(value, str) and value.startswith(("http://", "https://"))
            name = "url" if is_link else ""
        if name in _KNOWN and (plain := readable(value)) is not None:
            told.setdefault(name, plain)
    given = {bare_name(str(key)): value for key, value in metadata.items()}
    own = {
        COLUMN_NAMES[field][0]: readable(given.get(bare_name(name)))
        for field, name in columns.items()
    }
    return told | {name: value for name, value in own.items() if value is not None}


def _title(told: Mapping[str, object]) -> str:
    titles = (told[name] for name in COLUMN_NAMES["title"] if told.get(name))
    return fields.value_or_empty(str(next(titles, "")), "title")


def _but_abstract(told: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if name not in COLUMN_NAMES["abstract"]}


def _paper(told: Mapping[str, object], document: LoadedText) -> Record | Skipped:
    """The paper that these fields make, read as an object of a JSON file is."""
    content = json.dumps(told)
    paper = next(read_json([content], document.name, {}))
    if isinstance(paper, Record):
        return paper
    if paper.reason == "no title":
        return _paper({**told, "title": _made_title(document)}, document)
    return replace(paper, reason="no text" if paper.reason == "no abstract" else paper.reason)


def _made_title(document: LoadedText) -> str:
    """A title for a paper that tells none: its file's name, else its first words."""
    if document.file_name:
        return PurePath(document.file_name).stem
    words = fields.plain(document.text) or "Untitled document"
    return words if len(words) <= _LONGEST_NAME else f"{words[:_LONGEST_NAME].rpartition(' ')[0]} …"


def _below(title: str, text: str) -> str:
    """The text without the title that some readers put before it."""
    first, _, below = text.partition("\n")
    if title_key(first) == title_key(title):
        return below
    rest = text.removeprefix(title).lstrip(" .:-")
    goes_on = rest[:1].islower()  # the text's first sentence, and not its title
    return text if goes_on else rest


def _full_text(text: str, told: Mapping[str, object], document: LoadedText) -> Record | Skipped:
    """The paper by its title and abstract, or by its beginning where it marks no abstract."""
    for part in (text[:_HEAD], text[:LONGEST]):
        paper = next(read_markdown(part, document.name))
        if isinstance(paper, Record):
            return _paper({**fields_of(paper), **_but_abstract(told)}, document)
    beginning = text[:LONGEST]
    return _paper({**told, "abstract": beginning.rpartition(". ")[0] or beginning}, document)


def _as_file(
    text: str, told: Mapping[str, object], document: LoadedText
) -> Sequence[Record | Skipped]:
    """The papers in a text, read as a file with this content would be."""
    content = BytesIO(text.encode(errors="replace"))
    try:
        found = list(read_stream(content, "document.txt", {}, lambda _: None))
    except CorpusError:
        found = []
    papers = [replace(entry, source=document.name) for entry in found]
    if len(papers) == 1 and isinstance(papers[0], Record):
        return [_paper({**_but_abstract(told), **fields_of(papers[0])}, document)]
    if any(isinstance(entry, Record) or entry.where != "whole file" for entry in papers):
        return papers
    if document.is_full_text:
        return [_full_text(text, told, document)]
    return [_paper({**told, "abstract": text}, document)]


_NO_FILE = "documents"  # the source of papers that come from no file
_NAMED = 5  # documents that a line about them names
_COLUMNS = "{'title': 'headline'}"


@dataclass(frozen=True, slots=True)
class ImportedDocuments:
    """What became of documents: their papers, those without any, and how many are full texts."""

    papers: tuple[Record, ...]
    skipped: tuple[Skipped, ...]
    full_texts: int

    @property
    def trouble_lines(self) -> list[str]:
        """What was shortened or left out, a line each."""
        lines = []
        if self.full_texts:
            are = "is a full text" if self.full_texts == 1 else "are full texts"
            what = "of each the abstract is taken, or the beginning if it marks none"
            lines.append(f"{self.full_texts:,} of the documents {are}: {what}.")
        for reason in dict.fromkeys(entry.reason for entry in self.skipped):
            names = [entry.source for entry in self.skipped if entry.reason == reason]
            distinct = list(dict.fromkeys(names))
            more = ", …" if len(distinct) > _NAMED else ""
            lines.append(f"{len(names):,} skipped, {reason}: {', '.join(distinct[:_NAMED])}{more}")
        return lines


def import_documents(
    documents: Iterable[LoadedText], columns: Mapping[str, str] | None = None
) -> ImportedDocuments:
    """The papers in the documents.

    `columns` gives by field (`title`, `abstract`, `year` ...) the user's own name for it in the
    documents' metadata. Raises UsageError for a field that there is not.
    """
    own = _checked({} if columns is None else columns)
    papers: list[Record] = []
    skipped: list[Skipped] = []
    full_texts = 0
    for document in put_together(documents):
        found = papers_in(document, own)
        source = document.file_name or _NO_FILE
        papers += (replace(entry, source=source) for entry in found if isinstance(entry, Record))
        skipped += (entry for entry in found if isinstance(entry, Skipped))
        full_texts += document.is_full_text and len(found) == 1 and isinstance(found[0], Record)
    return ImportedDocuments(tuple(papers), tuple(skipped), full_texts)


def _checked(columns: object) -> dict[str, str]:
    """The user's own names by field; raises UsageError for what are none."""
    if not isinstance(columns, Mapping):
        raise UsageError(f"columns is {_brief(columns)}; give a dict, such as {_COLUMNS}.")
    own: dict[str, str] = {}
    for key, name in columns.items():
        if not isinstance(key, str) or not isinstance(name, str):
            given = f"{_brief(key)}: {_brief(name)}"
            raise UsageError(f"columns has {{{given}}}; both must be text, such as {_COLUMNS}.")
        own[key] = name
    if unknown := sorted(own.keys() - COLUMN_NAMES.keys()):
        raise UsageError(
            f"There is no field {unknown[0]}: the fields are {', '.join(COLUMN_NAMES)}."
        )
    return own


def _brief(thing: object) -> str:
    """A text or None as it is, anything else by its type: it may be long, or fail to tell."""
    return repr(thing) if thing is None or isinstance(thing, str) else type(thing).__name__


def fields_of(paper: Record) -> dict[str, object]:
    """What is known of a paper, as JSON readers know it."""
    told = {
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": paper.authors,
        "year": paper.year,
        "venue": paper.venue,
        "doi": paper.doi,
        "arxiv": paper.arxiv_id,
        "url": paper.url,
        "keywords": paper.keywords,
    }
    return {key: value for key, value in told.items() if value}
