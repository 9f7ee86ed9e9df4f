"""The papers in a document.

A text whose title is known is that paper's abstract. Any other text is read as a file with this
content would be, so one may hold a whole bibliography. Of a full text the abstract is taken.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import PurePath

from qa.corpus.papers import Record, Skipped, title_key
from qa.corpus.readers import fields
from qa.corpus.readers.document import read_document
from qa.corpus.readers.formats import read_stream
from qa.corpus.readers.headers import NAMES, bare
from qa.corpus.readers.works import read_works
from qa.errors import CorpusError
from qa.llama_index.corpus_folder import fields_of
from qa.llama_index.loaded import LONGEST, Loaded
from qa.llama_index.metadata import readable

_HEAD = 1 << 20  # characters of a full text in which its abstract is looked for
_LONGEST_NAME = 90  # characters of a title that is made of a text's first words

# What readers call a field, beside the names that tables and JSON have for it.
_ALSO = {"titleofthispaper": "title", "journalitwaspublishedin": "journal"}
_KNOWN = {*chain.from_iterable(NAMES.values()), "externalids"}
_SUMMARY = re.compile(  # of a paper on arXiv, as LlamaIndex's reader puts it
    r"The following is a summary of the paper: (?P<title>.{1,500}?)\n\nSummary: (?P<text>.+)",
    re.DOTALL,
)
_BINARY = ("%PDF", "PK\x03\x04", "{\\rtf")


def papers_in(document: Loaded, columns: Mapping[str, str]) -> Sequence[Record | Skipped]:
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
        name = bare(str(key))
        name = _ALSO.get(name, name)
        if name == "source":  # a page's number, a file, an address: a venue it is not
            is_link = isinstance(value, str) and value.startswith(("http://", "https://"))
            name = "url" if is_link else ""
        if name in _KNOWN and (plain := readable(value)) is not None:
            told.setdefault(name, plain)
    given = {bare(str(key)): value for key, value in metadata.items()}
    own = {NAMES[field][0]: readable(given.get(bare(name))) for field, name in columns.items()}
    return told | {name: value for name, value in own.items() if value is not None}


def _title(told: Mapping[str, object]) -> str:
    titles = (told[name] for name in NAMES["title"] if told.get(name))
    return fields.present(str(next(titles, "")), "title")


def _but_abstract(told: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if name not in NAMES["abstract"]}


def _paper(told: Mapping[str, object], document: Loaded) -> Record | Skipped:
    """The paper that these fields make, read as an object of a JSON file is."""
    content = json.dumps(told)
    paper = next(read_works([content], document.name, {}))
    if isinstance(paper, Record):
        return paper
    if paper.reason == "no title":
        return _paper({**told, "title": _made_title(document)}, document)
    return replace(paper, reason="no text" if paper.reason == "no abstract" else paper.reason)


def _made_title(document: Loaded) -> str:
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


def _full_text(text: str, told: Mapping[str, object], document: Loaded) -> Record | Skipped:
    """The paper by its title and abstract, or by its beginning where it marks no abstract."""
    for part in (text[:_HEAD], text[:LONGEST]):
        paper = next(read_document(part, document.name))
        if isinstance(paper, Record):
            return _paper({**fields_of(paper), **_but_abstract(told)}, document)
    beginning = text[:LONGEST]
    return _paper({**told, "abstract": beginning.rpartition(". ")[0] or beginning}, document)


def _as_file(text: str, told: Mapping[str, object], document: Loaded) -> Sequence[Record | Skipped]:
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
