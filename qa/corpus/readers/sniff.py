"""Detection of a file's format, by its content first and its name second.

To add a format, add a row to BINARY_FORMATS or TEXT_FORMATS. Both are ordered from the most certain
sign to the least: the first row that recognises a file reads it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from qa.corpus.papers import ANOTHER_FILE, EXPORT, Record, Skipped, UnreadableFile
from qa.corpus.readers.bibtex import read_bibtex
from qa.corpus.readers.csv import TableHeader, find_header, has_long_cells, read_table
from qa.corpus.readers.encoding import DecodedText
from qa.corpus.readers.json import read_json
from qa.corpus.readers.listing_page import looks_like_listing_page, read_listing_page
from qa.corpus.readers.markdown import LONGEST, has_front_matter, looks_like_paper, read_markdown
from qa.corpus.readers.tagged import ENDNOTE, NBIB, RIS, WEB_OF_SCIENCE, TaggedFormat, read_tagged
from qa.corpus.readers.xml_formats import ROOTS, read_xml

Entries = Iterator[Record | Skipped]
FormatListener = Callable[[str], None]  # gets the name of the format that a file is read as

_NO_FORMAT = "it is in no format that papers come in"
_CHUNK = 1 << 16  # characters
_BIBTEX_WITHIN = 1000  # characters: BibTeX further down a document says how to cite it

_BEGINS_JSON = re.compile(r"[\s\ufeff\x1e]*(?:\{\s*[\"}]|\[\s*[{\]])")
_BEGINS_XML = re.compile(rf"\s*(?:<\?xml\b|<!DOCTYPE\b|<(?:\w+:)?(?:{'|'.join(ROOTS)})[\s>])")
_BEGINS_HTML = re.compile(
    r"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
# Of bibliographies: how an entry begins.
_BIBTEX = re.compile(
    r"^\ufeff?\s{0,20}@\s{0,9}[A-Za-z]{2,30}\s{0,9}[{(]\s{0,9}[^\s{}()]", re.MULTILINE
)
_RIS = re.compile(r"^\ufeff?TY {1,2}- ?[A-Z]", re.MULTILINE)
_NBIB = re.compile(r"^\ufeff?PMID ?- ?\d", re.MULTILINE)
_CIW = re.compile(r"^PT [A-Z]\n[A-Z][A-Z0-9] ", re.MULTILINE)
_ENW = re.compile(r"^\ufeff?%0 [A-Z]", re.MULTILINE)
_BEGINS_ENTRY = (_RIS, _NBIB, _CIW, _ENW, _BIBTEX)

_DOCUMENTS = {"", ".txt", ".text", ".md", ".markdown", ".mkd", ".rst", ".abs"}
_TABLES = {".csv", ".tsv", ".tab"}
_CODE = {
    *(".py", ".pyi", ".ipynb", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".c", ".h", ".cc"),
    *(".cpp", ".hpp", ".java", ".kt", ".go", ".rs", ".rb", ".php", ".pl", ".sh", ".ps1", ".bat"),
    *(".r", ".jl", ".m", ".sql", ".css", ".scss", ".tex", ".sty", ".cls", ".bst", ".aux"),
    *(".toml", ".ini", ".cfg", ".conf", ".lock", ".log", ".yml", ".yaml", ".cff"),
}
# Names of documents that are often in a folder of papers, but are none.
_NO_PAPERS = re.compile(
    r"(?:\d*readme|licen[sc]es?|copying|copyright|changelog|changes|history|news|contributing|notice|"
    r"code_of_conduct|security|authors|contributors|credits|install|todo|requirements|constraints|"
    r"metadata|record|wheel|pkg-info|top_level|entry_points|sources|index|contents)(?:[-_. ].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class BinaryFile:
    """A file that is no text, at its beginning."""

    stream: BinaryIO
    name: str
    columns: Mapping[str, str]  # the user's column names, by field


@dataclass(frozen=True, slots=True)
class BinaryFormat:
    """A format that is no text: `read` is for the files that begin so.

    Without it a file is refused; `advice` then is a conversion that works for this format.
    """

    name: str
    begins: bytes
    advice: str = EXPORT
    at: int = 0  # the offset of `begins`
    read: Callable[[BinaryFile], Entries] | None = None


def _read_pdf(file: BinaryFile) -> Entries:
    from qa.corpus.readers.pdf import read_pdf

    return read_pdf(file.stream, file.name)


def _read_database(file: BinaryFile) -> Entries:
    from qa.corpus.readers.zotero import read_zotero

    return read_zotero(file.stream, file.name)


def _read_office(file: BinaryFile) -> Entries:
    """Read a workbook; raise UnreadableFile for another document that is a ZIP archive inside."""
    from qa.corpus.readers.xlsx import is_workbook, read_xlsx

    if is_workbook(file.stream):
        return read_xlsx(file.stream, file.name, file.columns)
    kind, advice = _OFFICE.get(PurePosixPath(file.name.lower()).suffix, _OTHER_OFFICE)
    raise UnreadableFile(f"it is {kind}", advice)


_AS_PDF = "Save it as PDF: `soffice --headless --convert-to pdf FILE`."
_AS_WORKBOOK = "Save it as a workbook: `soffice --headless --convert-to xlsx FILE`."
_AS_TEXT_IN_PDF = "Make a PDF with its text: `img2pdf FILE | ocrmypdf - NEW.pdf`."
_TO_CSV = "Write it as CSV: `duckdb -c \"COPY (FROM 'FILE') TO 'papers.csv'\"`."
_PRINT = "Open it in a browser and print it to PDF."
# Documents that are ZIP archives inside, by suffix.
_OFFICE = {
    ".docx": ("a Word document", _AS_PDF),
    ".pptx": ("a presentation", _AS_PDF),
    ".odt": ("a text document", _AS_PDF),
    ".odp": ("a presentation", _AS_PDF),
    ".ods": ("a spreadsheet in OpenDocument", _AS_WORKBOOK),
    ".xlsb": ("a binary workbook", _AS_WORKBOOK),
    ".epub": ("an e-book", "Make a PDF of it with Calibre: `ebook-convert FILE NEW.pdf`."),
}
_OTHER_OFFICE = ("an office document or a program", _AS_PDF)
BINARY_FORMATS = (
    BinaryFormat("PDF", b"%PDF", read=_read_pdf),
    BinaryFormat("an image", b"\x89PNG", _AS_TEXT_IN_PDF),
    BinaryFormat("an image", b"\xff\xd8\xff", _AS_TEXT_IN_PDF),
    BinaryFormat("an image", b"GIF8", _AS_TEXT_IN_PDF),
    BinaryFormat("an RTF document", b"{\\rtf", _AS_PDF),
    BinaryFormat("an old office document", b"\xd0\xcf\x11\xe0", _AS_PDF),
    BinaryFormat("workbook", b"PK\x03\x04", read=_read_office),  # other archives are unpacked
    BinaryFormat("Zotero", b"SQLite format 3", read=_read_database),
    BinaryFormat("a program", b"\x7fELF", ANOTHER_FILE),
    BinaryFormat("a 7z archive", b"7z\xbc\xaf\x27\x1c", "Unpack it: `7z x FILE`."),
    BinaryFormat("a RAR archive", b"Rar!", "Unpack it: `unrar x FILE`."),
    BinaryFormat("compressed with zstd", b"\x28\xb5\x2f\xfd", "Unpack it: `zstd -d FILE`."),
    BinaryFormat("a tar archive", b"ustar", "Unpack it: `tar -xf FILE`.", at=257),
    BinaryFormat("a Parquet file", b"PAR1", _TO_CSV),
)


@dataclass(frozen=True)
class TextFile:
    """A text file with what its format is told by."""

    text: DecodedText
    name: str
    columns: Mapping[str, str]  # the user's column names, by field

    @property
    def head(self) -> str:
        """The beginning of the text."""
        return self.text.head

    @cached_property
    def suffix(self) -> str:
        """The last suffix that is not a compression's: `.bib` for `refs.bib.gz`."""
        path = PurePosixPath(self.name.lower())
        while path.suffix in (".gz", ".xz", ".bz2"):
            path = path.with_suffix("")
        return path.suffix

    @property
    def is_named_otherwise(self) -> bool:
        """Whether it has a name of documents that are often beside papers, but are none."""
        return _NO_PAPERS.fullmatch(PurePosixPath(self.name).stem) is not None

    @cached_property
    def header(self) -> TableHeader | None:
        """The header of a table."""
        return find_header(self.head, self.columns, any_rows=self.suffix in _TABLES)

    @cached_property
    def first_entry(self) -> re.Match[str] | None:
        """The beginning of the first entry of a bibliography, by one of _BEGINS_ENTRY."""
        found = filter(None, (begins.search(self.head) for begins in _BEGINS_ENTRY))
        first = min(found, key=lambda match: match.start(), default=None)
        if first and first.re is _BIBTEX and self.suffix in _DOCUMENTS:
            return first if first.start() < _BIBTEX_WITHIN else None
        return first


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A format of text files: `read` is for the files that `recognises` is true for."""

    name: str
    recognises: Callable[[TextFile], bool]
    read: Callable[[TextFile], Entries]


def _is_code(file: TextFile) -> bool:
    return file.suffix in _CODE


def _is_json(file: TextFile) -> bool:
    return _BEGINS_JSON.match(file.head) is not None


def _is_html(file: TextFile) -> bool:
    return _BEGINS_HTML.match(file.head) is not None


def _is_xml(file: TextFile) -> bool:
    return _BEGINS_XML.match(file.head) is not None


def _is_note(file: TextFile) -> bool:
    return file.suffix in _DOCUMENTS and has_front_matter(file.head)


def _read_note(file: TextFile) -> Entries:
    if not _is_paper(file):
        raise UnreadableFile(_NO_FORMAT, EXPORT)
    return _read_paper(file)


def _is_table(file: TextFile, delimiters: str) -> bool:
    """Tell whether a header names title and abstract, above any entry of a bibliography.

    In a file that is named as a table, title and three other fields are enough if no column
    may hold the abstracts under another name.
    """
    header = file.header
    if header is None or header.delimiter not in delimiters:
        return False
    if header.missing and not (
        file.suffix in _TABLES and header.is_bibliography and not has_long_cells(file.head, header)
    ):
        return False
    entry = file.first_entry
    return entry is None or header.line <= file.head.count("\n", 0, entry.start())


def _has_entries(file: TextFile, begins: re.Pattern[str]) -> bool:
    return file.first_entry is not None and file.first_entry.re is begins


def _is_page(file: TextFile) -> bool:
    return (
        file.suffix in _DOCUMENTS
        and not file.is_named_otherwise
        and looks_like_listing_page(file.head.split("\n"))
    )


def _has_suffix(file: TextFile, suffixes: Collection[str]) -> bool:
    return file.suffix in suffixes


def _is_paper(file: TextFile) -> bool:
    """Tell whether a document without any mark of a format is one paper."""
    return file.suffix in _DOCUMENTS and looks_like_paper(
        file.head, file.name, named_otherwise=file.is_named_otherwise
    )


def _refuse_code(_: TextFile) -> Entries:
    raise UnreadableFile(_NO_FORMAT, EXPORT)


def _refuse_html(_: TextFile) -> Entries:
    raise UnreadableFile("it is a web page", _PRINT)


def _refuse_table(file: TextFile) -> Entries:
    """Raise UnreadableFile that says which column a table lacks."""
    if file.header is not None:
        missing, names = file.header.missing, ", ".join(map(str.strip, file.header.names))
    else:
        # The line with the most delimiters is probably the header.
        lines = file.head.split("\n")[:10]
        line = max(lines, key=lambda line: len(re.findall(r"[,;|\t]", line)))
        missing, names = "title", " ".join(line.split())
    reason = f"no column for the {missing} among {names[:300]}"
    raise UnreadableFile(reason, missing_column=missing)


def _read_xml(file: TextFile) -> Entries:
    return read_xml(file.text.chunks(_CHUNK), file.name)


def _read_json(file: TextFile) -> Entries:
    return read_json(file.text.chunks(_CHUNK), file.name, file.columns)


def _read_table(file: TextFile) -> Entries:
    return read_table(file.text, file.name, cast("TableHeader", file.header))


def _read_bibtex(file: TextFile) -> Entries:
    return read_bibtex(file.text, file.name)


def _read_page(file: TextFile) -> Entries:
    return read_listing_page(file.text, file.name)


def _read_paper(file: TextFile) -> Entries:
    return read_markdown(next(file.text.chunks(LONGEST)), file.name)


def _tagged(form: TaggedFormat) -> Callable[[TextFile], Entries]:
    return lambda file: read_tagged(file.text, file.name, form)


TEXT_FORMATS = (
    TextFormat("source code", _is_code, _refuse_code),
    TextFormat("JSON", _is_json, _read_json),
    TextFormat("a web page", _is_html, _refuse_html),
    TextFormat("XML", _is_xml, _read_xml),
    TextFormat("Markdown note", _is_note, _read_note),
    # A header that names title and abstract makes a table, whatever the cells hold.
    TextFormat("CSV", partial(_is_table, delimiters=",;|"), _read_table),
    TextFormat("TSV", partial(_is_table, delimiters="\t"), _read_table),
    TextFormat("RIS", partial(_has_entries, begins=_RIS), _tagged(RIS)),
    TextFormat("PubMed", partial(_has_entries, begins=_NBIB), _tagged(NBIB)),
    TextFormat("Web of Science", partial(_has_entries, begins=_CIW), _tagged(WEB_OF_SCIENCE)),
    TextFormat("EndNote", partial(_has_entries, begins=_ENW), _tagged(ENDNOTE)),
    TextFormat("BibTeX", partial(_has_entries, begins=_BIBTEX), _read_bibtex),
    # The content does not tell: the name may.
    TextFormat("CSV", partial(_has_suffix, suffixes=_TABLES), _refuse_table),
    TextFormat("RIS", partial(_has_suffix, suffixes={".ris"}), _tagged(RIS)),
    TextFormat("PubMed", partial(_has_suffix, suffixes={".nbib"}), _tagged(NBIB)),
    TextFormat("Web of Science", partial(_has_suffix, suffixes={".ciw"}), _tagged(WEB_OF_SCIENCE)),
    TextFormat("EndNote", partial(_has_suffix, suffixes={".enw"}), _tagged(ENDNOTE)),
    TextFormat(
        "BibTeX", partial(_has_suffix, suffixes={".bib", ".bibtex", ".biblatex"}), _read_bibtex
    ),
    # Text without any mark: its shape tells.
    TextFormat("web page", _is_page, _read_page),
    TextFormat("text of one paper", _is_paper, _read_paper),
)


def read_stream(
    stream: BinaryIO,
    name: str,
    columns: Mapping[str, str],
    note: Callable[[str], None],
    on_format: FormatListener = lambda _: None,
) -> Entries:
    """Yield the entries of a file, whose name is used where its content does not tell the format.

    `columns` are the user's column names, by field; `note` gets what was guessed about the
    encoding. Raises UnreadableFile if the file holds no papers.
    """
    head = stream.read(512)
    stream.seek(0)
    if not head:
        raise UnreadableFile("it is empty")
    for binary in BINARY_FORMATS:
        if head.startswith(binary.begins, binary.at):
            if binary.read is None:
                raise UnreadableFile(f"it is {binary.name}", binary.advice)
            on_format(binary.name)
            yield from binary.read(BinaryFile(stream, name, columns))
            return
    with DecodedText(stream, note) as text:
        if not text.head.strip():
            raise UnreadableFile("it is empty")
        file = TextFile(text, name, columns)
        for form in TEXT_FORMATS:
            if form.recognises(file):
                on_format(form.name)
                yield from form.read(file)
                return
        raise UnreadableFile(_NO_FORMAT, EXPORT)
