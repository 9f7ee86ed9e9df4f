"""BibTeX files, parsed by bibtexparser one entry at a time.

The library would keep a whole file in memory, and a broken entry would spoil its neighbours.
`@string` definitions are given to the entries that use them, and the year and title of a volume to
the papers below it that refer to it by `crossref`.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from qa.corpus.papers import LONGEST_ENTRY, TOO_LONG, Record, Skipped
from qa.corpus.readers.fields import Entry, keyword_list
from qa.corpus.readers.latex import text_from_latex
from qa.corpus.words import author_name

if TYPE_CHECKING:
    from bibtexparser.model import Block, Field, String
    from bibtexparser.model import Entry as ParsedEntry

_Values = dict[str, list[str]]  # of an entry, by the field's name in lower case

_START = re.compile(r"\s{0,40}@\s{0,9}([A-Za-z]+)\s{0,9}[{(]")
_USED_NAME = re.compile(r"[=#]\s{0,9}([A-Za-z][^\s={}\"#,()]{0,199})")
_TITLE = re.compile(r"\btitle\s{0,9}=", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_PROCEEDINGS = {"proceedings", "mvproceedings"}
_VOLUMES = {"proceedings", "mvproceedings", "book", "mvbook", "collection", "mvcollection"}
_KEYWORDS = ("keywords", "keyword", "author_keywords", "keywords-plus")


def read_bibtex(lines: Iterable[str], source: str) -> Iterator[Record | Skipped]:
    """Yield each entry; `@string`, `@preamble` and `@comment` are no entries."""
    from bibtexparser.model import Entry as ParsedEntry
    from bibtexparser.model import ImplicitComment, ParsingFailedBlock, String

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # failures are Skipped entries
    strings: dict[str, String] = {}
    volumes: dict[str, _Values] = {}
    for start, piece in _pieces(lines):
        if len(piece) > LONGEST_ENTRY:
            yield Skipped(source, TOO_LONG, f"line {start}")
            continue
        for block in _blocks(piece):
            where = f"line {start + (block.start_line or 0)}"
            if isinstance(block, String):
                strings[block.key.lower()] = block
            elif isinstance(block, ParsedEntry):
                kind, values = block.entry_type.lower(), _values(block, strings)
                if kind in _VOLUMES:
                    volumes[block.key.lower()] = volumes[kind] = _inherited(values)
                if kind in _PROCEEDINGS and "abstract" not in values:
                    yield Skipped(source, "a volume, not a paper", where)
                    continue
                values = {**volumes.get(_volume_of(kind, values), {}), **values}
                yield _record(block.key, values, source, where)
            elif isinstance(block, ParsingFailedBlock) or (
                isinstance(block, ImplicitComment) and _TITLE.search(block.comment)
            ):
                yield Skipped(source, "malformed entry", where)


def _pieces(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and text from each `@kind{` to the next one.

    Of a text longer than LONGEST_ENTRY only a part that is longer than that is held.
    """
    start, piece, size = 1, list[str](), 0
    for number, line in enumerate(lines, start=1):
        if "@" in line and _START.match(line):
            if piece:
                yield start, "".join(piece)
            start, piece, size = number, [], 0
        if size <= LONGEST_ENTRY:
            piece.append(line)
            size += len(line)
    if piece:
        yield start, "".join(piece)


def _blocks(piece: str) -> Iterator["Block"]:
    """Yield the blocks of a piece, normally one; a failed one if the parser raises."""
    from bibtexparser.model import (
        DuplicateBlockKeyBlock,
        DuplicateFieldKeyBlock,
        ParsingFailedBlock,
    )
    from bibtexparser.splitter import Splitter

    try:
        blocks = Splitter(piece).split().blocks
    except Exception as error:  # noqa: BLE001 - its documentation says: whatever its bugs are
        blocks = [ParsingFailedBlock(error)]
    for block in blocks:
        usable: Block | None = block
        # A key or a field given twice is no reason to skip the paper.
        while isinstance(usable, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock):
            usable = usable.ignore_error_block
        yield usable or block


def _values(entry: "ParsedEntry", strings: Mapping[str, "String"]) -> _Values:
    """Return the values of each field, by its name in lower case."""
    values: _Values = {}
    for field in _resolved(entry, strings):
        values.setdefault(field.key.strip().lower(), []).append(str(field.value))
    return values


def _inherited(volume: _Values) -> _Values:
    """Return the values that the papers in a volume inherit from it."""
    shared = {key: value for key, value in volume.items() if key in {"year", "date", "booktitle"}}
    return {"booktitle": volume.get("title", []), **shared}


def _volume_of(kind: str, values: _Values) -> str:
    """Return the key of the volume that an entry inherits year and venue from; empty for none.

    PMLR's files begin with the proceedings; the papers below have neither year nor venue.
    """
    if "crossref" in values:
        return values["crossref"][0].strip().lower()
    bare = kind == "inproceedings" and not values.keys() & {"booktitle", "year", "date", "journal"}
    return "proceedings" if bare else ""


def _record(key: str, values: _Values, source: str, where: str) -> Record | Skipped:
    where = f"entry {key}, {where}" if key else where
    if any(len(set(values.get(key, ()))) > 1 for key in ("title", "abstract")):
        return Skipped(source, "malformed entry: two titles or abstracts", where)

    def one(*keys: str) -> str:
        return next((text for key in keys for text in values.get(key, ()) if text.strip()), "")

    title = ": ".join(text for text in (one("title"), one("subtitle")) if text)
    return Entry(
        title=text_from_latex(title),
        abstract=text_from_latex(one("abstract")),
        authors=[_name(text_from_latex(text)) for text in _AND.split(one("author", "authors"))],
        year=one("year", "date", "issued"),
        venue=text_from_latex(one("journal", "journaltitle", "booktitle", "series", "school")),
        doi=one("doi").replace("\\", ""),
        arxiv=one("eprint", "arxivid", "arxiv"),
        links=[one(key).replace("\\", "") for key in ("url", "link", "ee", "howpublished", "note")],
        keywords=[word for key in _KEYWORDS for word in keyword_list(text_from_latex(one(key)))],
    ).record(source, where)


def _resolved(entry: "ParsedEntry", strings: Mapping[str, "String"]) -> list["Field"]:
    """Return the fields without braces and quotes around them, with `@string` names replaced."""
    from bibtexparser.library import Library
    from bibtexparser.middlewares import default_parse_stack

    for field in entry.fields:
        field.value = _joined(str(field.value), strings)
    used = {name.lower() for name in _USED_NAME.findall(entry.raw or "")} & strings.keys()
    library = Library([*(strings[name] for name in sorted(used)), entry])
    for middleware in default_parse_stack():
        library = middleware.transform(library)
    return list(library.entries[0].fields)


def _joined(value: str, strings: Mapping[str, "String"]) -> str:
    """Return a value with its parts joined at each `#`, which bibtexparser does not do."""
    parts = [part.strip() for part in _parts(value)]
    if len(parts) < 2 or not all(parts):
        return value
    known = (str(strings[p.lower()].value) if p.lower() in strings else p for p in parts)
    bare = (p[1:-1] if p[:1] + p[-1:] in {"{}", '""'} else p for p in map(str.strip, known))
    return "{" + "".join(bare) + "}"


def _parts(value: str) -> list[str]:
    """Return the parts between `#` signs that are outside of braces and quotation marks."""
    if "#" not in value:
        return [value]
    cuts, depth, quoted = [-1], 0, False
    for at, character in enumerate(value):
        depth += (character == "{") - (character == "}")
        quoted ^= character == '"' and depth == 0
        if character == "#" and depth == 0 and not quoted:
            cuts.append(at)
    return [value[a + 1 : b] for a, b in pairwise([*cuts, len(value)])]


def _name(text: str) -> str:
    """Return a name as `Given Family`; three parts are `Family, Jr, Given` in BibTeX."""
    parts = text.split(",")
    return author_name(",".join((parts[0], parts[2], parts[1])) if len(parts) == 3 else text)
