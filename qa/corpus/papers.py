"""Papers: what the readers deliver, when two records are one paper, and what a paper is called."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from qa.corpus.sentences import Sentence, split_sentences


@dataclass(frozen=True, slots=True)
class Record:
    """One paper as one place of one file tells it; several records may be the same paper."""

    title: str
    abstract: str
    source: str  # the file it stands in, relative to the corpus
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    doi: str | None = None  # bare and lower-case: 10.1000/xyz
    arxiv_id: str | None = None  # without version: 2401.01234
    url: str | None = None
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry of a file that could not be used as a paper, and why."""

    source: str
    reason: str  # "no abstract", "no title", "malformed entry"
    where: str  # "line 12", "entry smith2020"


@dataclass(frozen=True)
class Paper:
    """One paper of the corpus, under an id that does not depend on its place in it."""

    id: str  # 12 hexadecimal digits
    title: str
    abstract: str
    sources: tuple[str, ...]  # every file that has it, relative to the corpus
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    doi: str | None = None
    arxiv_id: str | None = None
    url: str | None = None
    keywords: tuple[str, ...] = ()

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The abstract's sentences, numbered from 1, with character offsets into it."""
        return split_sentences(self.abstract)

    @property
    def link(self) -> str | None:
        """Where the paper can be read: its own URL, else its DOI's, else arXiv's."""
        if self.url:
            return self.url
        if self.doi:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv_id}" if self.arxiv_id else None


def title_key(title: str) -> str:
    """The title's letters and digits alone, so that case, accents' form and dashes do not count."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", title).casefold())


def paper_id(title: str, abstract: str | None = None) -> str:
    """A paper's id: of its title alone, or of both where papers of the corpus share a title."""
    text = title_key(title) or title
    if abstract is not None:
        text += "\n" + title_key(abstract)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_paper(record: Record) -> Paper:
    """The record as a paper of its own, under the id of its title."""
    return Paper(
        id=paper_id(record.title),
        title=record.title,
        abstract=record.abstract,
        sources=(record.source,),
        authors=record.authors,
        year=record.year,
        venue=record.venue,
        doi=record.doi,
        arxiv_id=record.arxiv_id,
        url=record.url,
        keywords=record.keywords,
    )
