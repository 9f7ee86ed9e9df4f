"""Papers: the records that readers deliver, the papers made of them, and a paper's id."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from qa.corpus.sentences import Sentence, split_sentences
from qa.errors import CorpusError

WHOLE_FILE = "whole file"  # the `where` of a Skipped that is a file, not one entry of it
LONGEST_ENTRY = 10_000_000  # characters; a longer entry, or cell of a table, is skipped
TOO_LONG = "longer than 10 MB"
ANOTHER_FILE = "Name another file or folder."
EXPORT = "Export the papers as BibTeX, RIS or CSV, or put title and abstract into a text file."


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a file that is a paper; several records may be the same paper."""

    title: str
    abstract: str  # empty: the file has the title only
    source: str  # the file it is in, relative to the corpus
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    doi: str | None = None  # bare and lower-case: 10.1000/xyz
    arxiv_id: str | None = None  # without version: 2401.01234
    url: str | None = None
    keywords: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # collections and tags of the library that its file is


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry of a file that could not be used as a paper, and why."""

    source: str
    reason: str  # "no abstract", "no title", "malformed entry"
    where: str  # "line 12", "entry smith2020", or WHOLE_FILE
    advice: str = ""  # of a whole file: a sentence that says what to do

    @property
    def why(self) -> str:
        """Return why it could not be used, and what to do."""
        return f"{self.reason}. {self.advice}" if self.advice else self.reason


class UnreadableFile(CorpusError):
    """A file does not hold papers that can be read.

    The message is the reason, without the file's name and without a full stop. `advice` is a
    sentence that says what to do instead. `missing_column` is the field for which a table has no
    known column: then the column's name is all that is needed.
    """

    def __init__(
        self, reason: str, advice: str = ANOTHER_FILE, *, missing_column: str | None = None
    ) -> None:
        super().__init__(reason)
        self.advice = "" if missing_column else advice
        self.missing_column = missing_column


@dataclass(frozen=True)
class Paper:
    """One paper of the corpus. Its id does not depend on its place in the corpus."""

    id: str  # 12 hexadecimal digits
    title: str
    abstract: str  # empty: no file has more than the title
    sources: tuple[str, ...]  # every file that has it, relative to the corpus, and its groups
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    doi: str | None = None
    arxiv_id: str | None = None
    url: str | None = None
    keywords: tuple[str, ...] = ()
    other_titles: tuple[str, ...] = ()  # that entries with its DOI or arXiv id have for it

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Return the sentences of `text`, numbered from 1, with character offsets into it.

        A title without an abstract is one sentence.
        """
        if self.title_only:
            return (Sentence(1, self.title, 0, len(self.title)),)
        return split_sentences(self.abstract)

    @property
    def title_only(self) -> bool:
        """Return whether the corpus has no abstract of the paper."""
        return not self.abstract

    @property
    def text(self) -> str:
        """Return what the paper is judged and quoted by: its abstract, else its title."""
        return self.abstract or self.title

    @property
    def link(self) -> str | None:
        """Return where the paper can be read: its own URL, else its DOI's, else arXiv's."""
        if self.url:
            return self.url
        if self.doi:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv_id}" if self.arxiv_id else None


def title_key(title: str) -> str:
    """Return the letters and digits of a title, without case: what equal titles have in common.

    Accents count here, unlike in `folded`: paper ids are made of this key and must not change.
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", title).casefold())


def paper_id(title: str, more: str | None = None) -> str:
    """Return a paper's id: 12 hexadecimal digits of the SHA-256 of its title.

    Where papers of a corpus share a title, `more` is what tells them apart: the abstract.
    """
    text = title_key(title) or title
    if more is not None:
        text += "\n" + title_key(more)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_paper(record: Record) -> Paper:
    """Return the record as a paper of its own, under the id of its title."""
    return Paper(
        id=paper_id(record.title),
        title=record.title,
        abstract=record.abstract,
        sources=(record.source, *(f"{record.source}/{group}" for group in record.groups)),
        authors=record.authors,
        year=record.year,
        venue=record.venue,
        doi=record.doi,
        arxiv_id=record.arxiv_id,
        url=record.url,
        keywords=record.keywords,
    )
