"""Papers: what the readers deliver, when two records are one paper, and what a paper is called."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from qa.sentences import Sentence, split_sentences

SHINGLE = 3  # words a shingle: shorter ones are shared by unrelated abstracts of one field
SAME_ABSTRACT = 0.5  # share of the shorter abstract's shingles that the longer one must have


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


def merge(paper: Paper, record: Record) -> Paper:
    """The paper with what the record adds: the longer abstract, missing fields, its source."""
    other = as_paper(record)
    fuller, poorer = sorted((paper, other), key=_fullness, reverse=True)
    return replace(
        fuller,
        sources=tuple(dict.fromkeys(paper.sources + other.sources)),
        authors=max(fuller.authors, poorer.authors, key=len),
        keywords=fuller.keywords or poorer.keywords,
        year=fuller.year or poorer.year,
        venue=fuller.venue or poorer.venue,
        doi=fuller.doi or poorer.doi,
        arxiv_id=fuller.arxiv_id or poorer.arxiv_id,
        url=fuller.url or poorer.url,
    )


def _fullness(paper: Paper) -> tuple[int, str, str]:
    return len(paper.abstract), paper.abstract, paper.title


class Deduplicator:
    """Tells which of the papers seen so far a record is.

    It keeps keys, not texts: `fetch(slot)` gives back the paper that `learn(slot, paper)` told of,
    from wherever the caller keeps it, so that a corpus need not fit into memory.
    """

    def __init__(self, fetch: Callable[[int], Paper]) -> None:
        self._fetch = fetch
        self._slots: defaultdict[bytes, list[int]] = defaultdict(list)

    def match(self, record: Record) -> int | None:
        """The slot of the paper that the record is, or None if it is a new one.

        A shared DOI or arXiv id is not enough (exports give a whole volume's papers its DOI), nor
        is a shared title ("Editorial"): the titles or ids must agree and the abstracts overlap.
        """
        same_key = dict.fromkeys(slot for key in _keys(record) for slot in self._slots.get(key, ()))
        for slot in same_key:
            if same_abstract(record.abstract, self._fetch(slot).abstract):
                return slot
        return None

    def learn(self, slot: int, paper: Paper | Record) -> None:
        """Remember the paper's keys under its slot."""
        for key in _keys(paper):
            if slot not in self._slots[key]:
                self._slots[key].append(slot)


def _keys(paper: Paper | Record) -> Iterable[bytes]:
    names = [f"title:{title_key(paper.title)}"]
    names += [f"doi:{paper.doi}"] if paper.doi else []
    names += [f"arxiv:{paper.arxiv_id}"] if paper.arxiv_id else []
    return [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]


def same_abstract(a: str, b: str) -> bool:
    """Whether two abstracts are one text, perhaps cut off or revised in one of them."""
    if a == b:
        return True
    first, second = _shingles(a), _shingles(b)
    shared = len(first & second)
    return shared >= SAME_ABSTRACT * min(len(first), len(second))


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))}


def unique_papers(records: Iterable[Record]) -> list[Paper]:
    """The distinct papers among the records, in the order of their first record."""
    papers: list[Paper] = []
    known = Deduplicator(papers.__getitem__)
    for record in records:
        slot = known.match(record)
        if slot is None:
            slot = len(papers)
            papers.append(as_paper(record))
        else:
            papers[slot] = merge(papers[slot], record)
        known.learn(slot, record)
    return with_final_ids(papers)


def with_final_ids(papers: list[Paper]) -> list[Paper]:
    """The papers, those that share a title told apart by their abstracts, in whatever order."""
    titles = [paper_id(paper.title) for paper in papers]
    shared = {title for title, count in Counter(titles).items() if count > 1}
    return [
        replace(paper, id=paper_id(paper.title, paper.abstract if title in shared else None))
        for paper, title in zip(papers, titles, strict=True)
    ]
