"""What a reader has loaded, the parts of one file put together."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

LONGEST = 20_000  # characters: a longer text is a full text, of which the abstract is taken
_HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")  # between the halves of a word on two lines
_PAGE_MARKS = {"page_label", "total_pages"}
# Files that are one paper, where readers give their pages or sections one by one.
_OF_ONE_PAPER = {".pdf", ".docx", ".doc", ".odt", ".md", ".markdown", ".html", ".htm", ".epub"}
_TITLES = ("title", "Title", "Title of this paper")


@dataclass(frozen=True, slots=True)
class Loaded:
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


def put_together(documents: Iterable[Loaded]) -> Iterator[Loaded]:
    """Yield the documents, in order, those that are parts of one paper's file as one."""
    files: dict[object, list[Loaded]] = {}
    for place, document in enumerate(documents):
        files.setdefault(document.paper_file or place, []).append(document)
    for parts in files.values():
        if len(parts) == 1 and not parts[0].is_page:
            yield parts[0]
        else:
            text = _HYPHEN.sub("", "\n".join(part.text for part in parts))
            yield replace(parts[0], text=text, pages=len(parts))
