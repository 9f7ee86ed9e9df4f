"""BibTeX files, parsed by bibtexparser one entry at a time.

Entry by entry because the library keeps a whole file in memory, and because an entry that is
broken then cannot take its neighbours along. `@string` definitions go with the entries that use
them, and a volume's year and title with the papers below it that refer to it by `crossref`.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.fields import Entry, keyword_list
from qa.corpus.readers.latex import text_from_latex
from qa.corpus.words import author_name

if TYPE_CHECKING:
    from bibtexparser.model import Block, Field, String
    from bibtexparser.model import Entry as ParsedEntry

_Values = dict[str, list[str]]

_START = re.compile(r"\s{0,40}@\s{0,9}([A-Za-z]+)\s{0,9}[{(]")
_USED_NAME = re.compile(r"[=#]\s{0,9}([A-Za-z][^\s={}\"#,()]{0,199})")
_TITLE = re.compile(r"\btitle\s{0,9}=", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_VOLUMES = {"proceedings", "mvproceedings", "book", "mvbook", "collection", "mvcollection"}
_KEYWORDS = ("keywords", "keyword", "author_keywords", "keywords-plus")


def read_bibtex(lines: Iterable[str], source: str) -> Iterator[Record | Skipped]:
    """Yield each entry; `@string`, `@preamble` and `@comment` are no entries."""
    from bibtexparser.model import Entry as ParsedEntry
    from bibtexparser.model import ImplicitComment, ParsingFailedBlock, String

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # we say ourselves what failed
    strings: dict[str, String] = {}
    volumes: dict[str, _Values] = {}
    for start, piece in _pieces(lines):
        for block in _blocks(piece):
            where = f"line {start + (block.start_line or 0)}"
            if isinstance(block, String):
                strings[block.key.lower()] = block
            elif isinstance(block, ParsedEntry):
                kind, values = block.entry_type.lower(), _values(block, strings)
                if kind in _VOLUMES:
                    volumes[block.key.lower()] = volumes[kind] = _inherited(values)
                values = {**volumes.get(_volume_of(kind, values), {}), **values}
                yield _paper(block.key, values, source, where)
            elif isinstance(block, ParsingFailedBlock) or (
                isinstance(block, ImplicitComment) and _TITLE.search(block.comment)
            ):
                yield Skipped(source, "malformed entry", where)


def _pieces(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and text of what stands from one `@kind{` to the next."""
    start, held = 1, list[str]()
    for number, line in enumerate(lines, start=1):
        if _START.match(line):
            if held:
                yield start, "".join(held)
            start, held = number, []
        held.append(line)
    if held:
        yield start, "".join(held)


def _blocks(piece: str) -> Iterator["Block"]:
    """Yield the blocks of a piece, one normally; a failed one where the parser gave up."""
    from bibtexparser.model import (
        DuplicateBlockKeyBlock,
        DuplicateFieldKeyBlock,
        ParsingFailedBlock,
    )
    from bibtexparser.splitter import Splitter

    try:
        blocks = Splitter(piece).split().blocks
    except Exception as error:  # noqa: BLE001 - it raises whatever its bugs are, by its own word
        blocks = [ParsingFailedBlock(error)]
    for block in blocks:
        known: Block | None = block
        # A key or a field given twice is no reason to drop the paper.
        while isinstance(known, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock):
            known = known.ignore_error_block
        yield known or block


def _values(entry: "ParsedEntry", strings: Mapping[str, "String"]) -> _Values:
    """Return what each field says, by its name in lower case."""
    values: _Values = {}
    for field in _resolved(entry, strings):
        values.setdefault(field.key.strip().lower(), []).append(str(field.value))
    return values


def _inherited(volume: _Values) -> _Values:
    """Return what the papers in a volume take from it."""
    taken = {key: said for key, said in volume.items() if key in {"year", "date", "booktitle"}}
    return {"booktitle": volume.get("title", []), **taken}


def _volume_of(kind: str, values: _Values) -> str:
    """Return the key of the volume that an entry takes its year and venue from, or nothing.

    PMLR's files have the proceedings first, and below them papers that say nothing of either.
    """
    if "crossref" in values:
        return values["crossref"][0].strip().lower()
    bare = kind == "inproceedings" and not values.keys() & {"booktitle", "year", "date", "journal"}
    return "proceedings" if bare else ""


def _paper(key: str, values: _Values, source: str, where: str) -> Record | Skipped:
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
    ).paper(source, where)


def _resolved(entry: "ParsedEntry", strings: Mapping[str, "String"]) -> list["Field"]:
    """Return the fields without braces and quotes around them, the names of strings replaced."""
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
    """Return a value whose parts are joined by `#` as one; bibtexparser leaves them apart."""
    parts = [part.strip() for part in _parts(value)]
    if len(parts) < 2 or not all(parts):
        return value
    known = (str(strings[p.lower()].value) if p.lower() in strings else p for p in parts)
    bare = (p[1:-1] if p[:1] + p[-1:] in {"{}", '""'} else p for p in map(str.strip, known))
    return "{" + "".join(bare) + "}"


def _parts(value: str) -> list[str]:
    """Return what stands between the `#` signs that are in no braces and no quotation marks."""
    parts, depth, quoted = [""], 0, False
    for sign in value:
        depth += (sign == "{") - (sign == "}")
        quoted ^= sign == '"' and depth == 0
        if sign == "#" and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _name(text: str) -> str:
    """Return a name as `Given Family`; three parts are `Family, Jr, Given` in BibTeX."""
    parts = text.split(",")
    return author_name(",".join((parts[0], parts[2], parts[1])) if len(parts) == 3 else text)
