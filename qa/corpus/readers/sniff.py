"""Detection of a file's format, by its content first and its name second."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from qa.corpus.papers import EXPORT, UNPACK, Record, Skipped, UnreadableFile
from qa.corpus.readers.bibtex import read_bibtex
from qa.corpus.readers.csv import find_header, read_table
from qa.corpus.readers.encoding import DecodedText
from qa.corpus.readers.json import read_json
from qa.corpus.readers.listing_page import looks_like_listing_page, read_listing_page
from qa.corpus.readers.markdown import LONGEST, read_markdown
from qa.corpus.readers.tagged import ENDNOTE, NBIB, RIS, WEB_OF_SCIENCE, TaggedFormat, read_tagged

_CHUNK = 1 << 16  # characters
_BIBTEX_WITHIN = 1000  # characters: BibTeX further down a document says how to cite it

# How files begin, by format.
_BEGINS_TAGGED: tuple[tuple[re.Pattern[str], TaggedFormat], ...] = (
    (re.compile(r"^\ufeff?TY {1,2}- ?[A-Z]", re.MULTILINE), RIS),
    (re.compile(r"^PMID ?- ?\d", re.MULTILINE), NBIB),
    (re.compile(r"^PT [A-Z]\n[A-Z][A-Z0-9] ", re.MULTILINE), WEB_OF_SCIENCE),
    (re.compile(r"^%0 [A-Z]", re.MULTILINE), ENDNOTE),
)
_BEGINS_BIBTEX = re.compile(r"(?m)^\s{0,20}@\s{0,9}[A-Za-z]{2,30}\s{0,9}[{(]\s{0,9}[^\s{}()]")
_BEGINS_JSON = re.compile(r"[\s\ufeff\x1e]*(?:\{\s*[\"}]|\[\s*[{\]])")
_BEGINS_MARKUP = re.compile(r"\s*<(?:\?xml|!doctype|html|feed|rss|pubmed\w+)[\s>]", re.IGNORECASE)

# Suffixes, by format.
_DOCUMENTS = {"", ".txt", ".text", ".md", ".markdown", ".mkd", ".rst", ".abs"}
_TAGGED = {".ris": RIS, ".nbib": NBIB, ".ciw": WEB_OF_SCIENCE, ".enw": ENDNOTE}
_BIBTEX = {".bib", ".bibtex", ".biblatex"}
_TABLES = {".csv", ".tsv", ".tab"}

# Names of documents that are often in a folder of papers, but are none.
_NO_PAPERS = re.compile(
    r"readme|licen[sc]e|copying|changelog|changes|contributing|notice|authors|todo|requirements.*",
    re.IGNORECASE,
)

# First bytes of formats that are not read, what they are called, and what to do with them.
_UNREADABLE = (
    (b"%PDF", "a PDF", EXPORT),
    (b"\x89PNG", "an image", EXPORT),
    (b"\xff\xd8\xff", "an image", EXPORT),
    (b"GIF8", "an image", EXPORT),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"\xd0\xcf\x11\xe0", "an office document", EXPORT),
    (b"SQLite format 3", "a database", EXPORT),
    (b"\x7fELF", "a program", EXPORT),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (b"PAR1", "a Parquet file", EXPORT),
)
_TAR, _TAR_AT = b"ustar", 257  # tar's mark, and the offset at which it is


def read_stream(
    stream: BinaryIO, name: str, columns: Mapping[str, str], note: Callable[[str], None]
) -> Iterator[Record | Skipped]:
    """Yield the entries of a file, whose name is used where its content does not tell the format.

    `columns` are the user's column names, by field; `note` gets what was guessed about the
    encoding. Raises UnreadableFile if the file holds no papers.
    """
    head = stream.read(512)
    stream.seek(0)
    if not head:
        raise UnreadableFile("it is empty")
    for magic, kind, advice in _UNREADABLE:
        if head.startswith(magic):
            raise UnreadableFile(f"it is {kind}", advice)
    if head.startswith(_TAR, _TAR_AT):
        raise UnreadableFile("it is a tar archive", UNPACK)
    with DecodedText(stream, note) as text:
        yield from _read_text(text, name, columns)


def _read_text(
    text: DecodedText, name: str, columns: Mapping[str, str]
) -> Iterator[Record | Skipped]:
    suffix = _suffix(name)
    if not text.head.strip():
        raise UnreadableFile("it is empty")
    for begins, tagged in _BEGINS_TAGGED:
        if begins.search(text.head):
            return read_tagged(text, name, tagged)
    if _BEGINS_JSON.match(text.head):
        return read_json(text.chunks(_CHUNK), name, columns)
    if _is_bibtex(text.head, suffix):
        return read_bibtex(text, name)
    if _BEGINS_MARKUP.match(text.head):
        reason = "it is XML or HTML: export the papers as RIS, BibTeX or CSV instead"
        raise UnreadableFile(reason, advice="")
    if looks_like_listing_page(text.head.split("\n")):
        return read_listing_page(text, name)
    header = find_header(text.head, columns)
    if header and not header.missing:
        return read_table(text, name, header)
    if header and suffix in _TABLES:
        raise _no_column(header.missing, ", ".join(cell.strip() for cell in header.names))
    return _read_by_name(text, name, suffix)


def _read_by_name(text: DecodedText, name: str, suffix: str) -> Iterator[Record | Skipped]:
    """Yield the entries of a file whose content does not tell its format."""
    if suffix in _TAGGED:
        return read_tagged(text, name, _TAGGED[suffix])
    if suffix in _BIBTEX:
        return read_bibtex(text, name)
    if suffix in _DOCUMENTS and not _NO_PAPERS.fullmatch(PurePosixPath(name).stem):
        return read_markdown(next(text.chunks(LONGEST)), name)
    if suffix in _TABLES:
        # The line with the most delimiters is probably the header.
        lines = text.head.split("\n")[:10]
        header = max(lines, key=lambda line: len(re.findall(r"[,;|\t]", line)))
        raise _no_column("title", " ".join(header.split()))
    raise UnreadableFile("it is in no format that papers come in", EXPORT)


def _no_column(field: str, names: str) -> UnreadableFile:
    reason = f"no column for the {field} among {names[:300]}"
    return UnreadableFile(reason, missing_column=field)


def _suffix(name: str) -> str:
    """Return the last suffix that is not a compression's: `.bib` for `refs.bib.gz`."""
    path = PurePosixPath(name.lower())
    while path.suffix in (".gz", ".xz", ".bz2"):
        path = path.with_suffix("")
    return path.suffix


def _is_bibtex(head: str, suffix: str) -> bool:
    found = _BEGINS_BIBTEX.search(head)
    return found is not None and (suffix not in _DOCUMENTS or found.start() < _BIBTEX_WITHIN)
