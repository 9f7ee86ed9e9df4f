"""Papers out of what LlamaIndex's readers load: texts of all kinds, each with its metadata."""

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

_LONGEST_ABSTRACT = 20_000  # characters; a longer text is a full text that contains an abstract
_SEARCHED = 1 << 20  # characters of a full text in which its abstract is looked for
_LONGEST_TITLE = 90  # characters of a title that is made of a text's first words
_DEEPEST = 50  # lists and objects inside one another that are read in metadata
_MOST_NAMES = 5  # documents that a notice names

_NO_FILE = "documents"  # the source of papers that come from no file
_PAGE_KEYS = {"page_label", "total_pages"}  # metadata of a page
# Files that are one paper, where readers give their pages or sections one by one.
_ONE_PAPER_FILES = {".pdf", ".docx", ".doc", ".odt", ".md", ".markdown", ".html", ".htm", ".epub"}
_BINARY_STARTS = ("%PDF", "PK\x03\x04", "{\\rtf")

# What readers call a field, beside the names that tables and JSON have for it.
_MORE_NAMES = {"titleofthispaper": "title", "journalitwaspublishedin": "journal"}
_KNOWN_NAMES = {*chain.from_iterable(COLUMN_NAMES.values()), "externalids"}
_TITLE_KEYS = ("title", "Title", "Title of this paper")
_NOT_NUMBERS = {"nan", "nat", "<na>", "inf", "infinity"}  # how other libraries write a missing one
_COLUMNS_EXAMPLE = "{'title': 'headline'}"

_HYPHENATION = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_ARXIV_SUMMARY = re.compile(  # as LlamaIndex's reader of arXiv writes it
    r"The following is a summary of the paper: (?P<title>.{1,500}?)\n\nSummary: (?P<text>.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LoadedText:
    """A text that a reader has loaded, with its metadata."""

    text: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    number: int = 1  # its place among the documents
    is_chunk: bool = False  # it was cut out of a document, to be a text of its own
    pages: int = 0  # of how many parts it was joined; 0: it is whole

    @property
    def name(self) -> str:
        """What a user knows the document by: its file, its address, or its place."""
        address = self.metadata.get("URL") or self.metadata.get("url")
        return self.file_name or _as_text(address) or f"document {self.number}"

    @property
    def file_name(self) -> str:
        """The name of the file it was loaded from, without its folder; empty if there is none."""
        file = self.metadata.get("file_name") or self.metadata.get("file_path")
        return PurePath(_as_text(file)).name

    @property
    def is_full_text(self) -> bool:
        """Whether it is more than an abstract."""
        return self.pages > 0 or len(self.text) > _LONGEST_ABSTRACT

    @property
    def is_page(self) -> bool:
        """Whether its metadata say that it is a page."""
        return not self.is_chunk and not _PAGE_KEYS.isdisjoint(self.metadata)

    @property
    def paper_file(self) -> tuple[str, ...]:
        """File and title of the paper that it may be a part of; empty if it is part of none."""
        file = _as_text(self.metadata.get("file_path") or self.metadata.get("file_name"))
        suffix = PurePath(file).suffix.lower()
        if self.is_chunk or not file or not (self.is_page or suffix in _ONE_PAPER_FILES):
            return ()
        return file, *(_as_text(self.metadata.get(key)) for key in _TITLE_KEYS)


@dataclass(frozen=True, slots=True)
class ImportedDocuments:
    """What became of documents: their papers, those without any, and how many are full texts."""

    papers: tuple[Record, ...]
    skipped: tuple[Skipped, ...]
    full_texts: int

    @property
    def notices(self) -> list[str]:
        """What was shortened or left out, one line each."""
        lines = []
        if self.full_texts:
            are = "is a full text" if self.full_texts == 1 else "are full texts"
            what = "of each the abstract is taken, or the beginning if it marks none"
            lines.append(f"{self.full_texts:,} of the documents {are}: {what}.")
        for reason in dict.fromkeys(entry.reason for entry in self.skipped):
            names = [entry.source for entry in self.skipped if entry.reason == reason]
            distinct = list(dict.fromkeys(names))
            shown = ", ".join(distinct[:_MOST_NAMES])
            more = ", …" if len(distinct) > _MOST_NAMES else ""
            lines.append(f"{len(names):,} skipped, {reason}: {shown}{more}")
        return lines


def import_documents(
    documents: Iterable[LoadedText], columns: Mapping[str, str] | None = None
) -> ImportedDocuments:
    """Return the papers in the documents; parts of one paper's file are read as one.

    `columns` gives by field (`title`, `abstract`, `year` ...) the user's own name for it in the
    documents' metadata. Raises UsageError for a field that does not exist.
    """
    own_names = _checked_columns({} if columns is None else columns)
    papers: list[Record] = []
    skipped: list[Skipped] = []
    full_texts = 0
    for document in _join_parts(documents):
        found = _papers_in(document, own_names)
        source = document.file_name or _NO_FILE
        papers += (replace(entry, source=source) for entry in found if isinstance(entry, Record))
        skipped += (entry for entry in found if isinstance(entry, Skipped))
        full_texts += document.is_full_text and len(found) == 1 and isinstance(found[0], Record)
    return ImportedDocuments(tuple(papers), tuple(skipped), full_texts)


def fields_of(paper: Record) -> dict[str, object]:
    """Return what is known of a paper, under the names that the JSON reader knows."""
    known = {
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
    return {key: value for key, value in known.items() if value}


def _checked_columns(columns: object) -> dict[str, str]:
    """Return the user's own names by field; raise UsageError for anything else."""
    if not isinstance(columns, Mapping):
        raise UsageError(f"columns is {_brief(columns)}; give a dict, such as {_COLUMNS_EXAMPLE}.")
    own_names: dict[str, str] = {}
    for key, name in columns.items():
        if not isinstance(key, str) or not isinstance(name, str):
            given = f"{_brief(key)}: {_brief(name)}"
            raise UsageError(
                f"columns has {{{given}}}; both must be text, such as {_COLUMNS_EXAMPLE}."
            )
        own_names[key] = name
    if unknown := sorted(own_names.keys() - COLUMN_NAMES.keys()):
        raise UsageError(
            f"There is no field {unknown[0]}: the fields are {', '.join(COLUMN_NAMES)}."
        )
    return own_names


def _brief(value: object) -> str:
    """Return a text or None as it is, anything else by its type: its repr may be long, or fail."""
    return repr(value) if value is None or isinstance(value, str) else type(value).__name__


def _as_text(value: object) -> str:
    """Return a text or a path as text, and nothing for an object of any other type."""
    return str(value) if isinstance(value, str | PurePath) else ""


def _join_parts(documents: Iterable[LoadedText]) -> Iterator[LoadedText]:
    """Yield the documents in order; those that are parts of one paper's file as one document."""
    files: dict[object, list[LoadedText]] = {}
    for place, document in enumerate(documents):
        files.setdefault(document.paper_file or place, []).append(document)
    for parts in files.values():
        if len(parts) == 1 and not parts[0].is_page:
            yield parts[0]
        else:
            text = _HYPHENATION.sub("", "\n".join(part.text for part in parts))
            yield replace(parts[0], text=text, pages=len(parts))


def _papers_in(document: LoadedText, own_names: Mapping[str, str]) -> Sequence[Record | Skipped]:
    """Return the papers in a document, or why it holds none."""
    try:
        known = _known_fields(document.metadata, own_names)
    except Exception:  # noqa: BLE001 - metadata may hold objects of any program
        return [Skipped(document.name, "metadata that cannot be read", "document")]
    text = document.text.strip()
    if text.startswith(_BINARY_STARTS) or "\0" in text[:1000]:
        return [Skipped(document.name, "no text but the file's bytes", "document")]
    if summary := _ARXIV_SUMMARY.fullmatch(text):
        known, text = {**known, "title": summary["title"]}, summary["text"]
    if not text or ("abstract" in own_names and known.get("abstract")):
        return [_paper(known, document)]
    title = _title(known)
    if not title and not document.pages:
        return _papers_of_file(text, known, document)
    if document.is_full_text:
        return [_paper_of_full_text(text, known, document)]
    return [_paper({**known, "abstract": _without_title(title, text)}, document)]


def _known_fields(
    metadata: Mapping[str, object], own_names: Mapping[str, str]
) -> dict[str, object]:
    """Return what the metadata say of the paper, under names that the JSON reader knows.

    Raises whatever an object in them raises when it is read.
    """
    known: dict[str, object] = {}
    for key, value in metadata.items():
        name = bare_name(str(key))
        name = _MORE_NAMES.get(name, name)
        if name == "source":  # readers put a page's number, a file or an address here, not a venue
            is_link = isinstance(value, str) and value.startswith(("http://", "https://"))
            name = "url" if is_link else ""
        if name in _KNOWN_NAMES and (plain := _plain_value(value)) is not None:
            known.setdefault(name, plain)
    given = {bare_name(str(key)): value for key, value in metadata.items()}
    own = {
        COLUMN_NAMES[field][0]: _plain_value(given.get(bare_name(name)))
        for field, name in own_names.items()
    }
    return known | {name: value for name, value in own.items() if value is not None}


def _plain_value(value: object) -> object:
    """Return the value in strings, finite numbers, lists and dicts; None for a missing number.

    Raises an Exception of any kind where it cannot be read: it contains itself, it nests too deep,
    or an object in it has no text.
    """
    if value is None or isinstance(value, str):
        return value
    content = json.dumps(value, default=_json_value, skipkeys=True)
    plain: object = json.loads(content, parse_constant=lambda _: None)
    if _depth(plain) > _DEEPEST:
        raise ValueError("nested too deep")
    return plain


def _json_value(value: object) -> object:
    """Return something that JSON knows for what it does not know."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    text = str(value)
    return None if text.lower().lstrip("+-") in _NOT_NUMBERS else text


def _depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _title(known: Mapping[str, object]) -> str:
    titles = (known[name] for name in COLUMN_NAMES["title"] if known.get(name))
    return fields.value_or_empty(str(next(titles, "")), "title")


def _without_title(title: str, text: str) -> str:
    """Return the text without the title that some readers put before it."""
    first, _, below = text.partition("\n")
    if title_key(first) == title_key(title):
        return below
    rest = text.removeprefix(title).lstrip(" .:-")
    is_sentence = rest[:1].islower()  # the text's first sentence begins like the title
    return text if is_sentence else rest


def _without_abstract(known: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in known.items() if name not in COLUMN_NAMES["abstract"]}


def _paper(known: Mapping[str, object], document: LoadedText) -> Record | Skipped:
    """Return the paper that these fields make, read as an object of a JSON file is."""
    if not _title(known):
        known = {**known, "title": _made_up_title(document)}
    paper = next(read_json([json.dumps(known)], document.name, {}))
    if isinstance(paper, Skipped):
        return replace(paper, reason="no text" if paper.reason == "no abstract" else paper.reason)
    return paper if paper.abstract else Skipped(paper.source, "no text", "document")


def _made_up_title(document: LoadedText) -> str:
    """Return the name of the document's file, or else its first words."""
    if document.file_name:
        return PurePath(document.file_name).stem
    words = fields.plain(document.text) or "Untitled document"
    short = len(words) <= _LONGEST_TITLE
    return words if short else f"{words[:_LONGEST_TITLE].rpartition(' ')[0]} …"


def _paper_of_full_text(
    text: str, known: Mapping[str, object], document: LoadedText
) -> Record | Skipped:
    """Return the paper by its title and abstract, or by its beginning if no abstract is marked."""
    for part in (text[:_SEARCHED], text[:_LONGEST_ABSTRACT]):
        paper = next(read_markdown(part, document.name))
        if isinstance(paper, Record) and paper.abstract:
            return _paper({**fields_of(paper), **_without_abstract(known)}, document)
    beginning = text[:_LONGEST_ABSTRACT]
    return _paper({**known, "abstract": beginning.rpartition(". ")[0] or beginning}, document)


def _papers_of_file(
    text: str, known: Mapping[str, object], document: LoadedText
) -> Sequence[Record | Skipped]:
    """Return the papers in a text, read as a corpus file with this content would be."""
    content = BytesIO(text.encode(errors="replace"))
    try:
        found = list(read_stream(content, "document.txt", {}, lambda _: None))
    except CorpusError:
        found = []
    entries = [replace(entry, source=document.name) for entry in found]
    if len(entries) == 1 and isinstance(entries[0], Record):
        return [_paper({**_without_abstract(known), **fields_of(entries[0])}, document)]
    if any(isinstance(entry, Record) or entry.where != "whole file" for entry in entries):
        return entries
    if document.is_full_text:
        return [_paper_of_full_text(text, known, document)]
    return [_paper({**known, "abstract": text}, document)]
