"""Dedupe."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from qa.corpus.papers import Paper, Record, as_paper, title_key

SHINGLE = 3  # words a shingle: shorter ones are shared by unrelated abstracts of one field
SAME_ABSTRACT = 0.5  # share of the shorter abstract's shingles that the longer one must have


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
