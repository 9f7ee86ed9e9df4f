"""Papers as they are exported: with a citation key, and with what an answer says of them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qa.answering.results import Answer, ListedPaper
from qa.answering.safe_text import clean_line
from qa.corpus.papers import Paper
from qa.corpus.words import folded
from qa.retrieval.query import content_words
from qa.retrieval.relevance import Likelihood, Relevance

_PROCEEDINGS = re.compile(
    r"\b(?:proc(?:eedings|\.)|conference|workshop|symposium)\b", re.IGNORECASE
)
_CORPORATE = re.compile(
    r"\b(?:collaborations?|consortium|group|team|project|committee|university|institute|initiative|"
    r"network|society|association|foundation|lab(?:oratory|s)?|inc|gmbh|ltd)\b",
    re.IGNORECASE,
)
_SUFFIXES = {"jr", "jr.", "sr", "sr.", "ii", "iii", "iv"}
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")
_SHORTEST_WORD = 3  # letters of a title's word in a citation key
_ID_DIGITS = 4  # of the paper's id in a citation key: `qa show` finds the paper by them

RELATIONS = {  # how the note of a paper begins; the question follows
    Relevance.YES: "Answers",
    Relevance.PARTLY: "Answers in part",
    Likelihood.LIKELY: "Likely to answer",
    Likelihood.POSSIBLE: "May answer",
}


@dataclass(frozen=True, slots=True)
class ExportedPaper:
    """A paper under its citation key; its texts are single lines without control characters."""

    n: int
    key: str
    paper: Paper
    listed: ListedPaper | None = None  # what an answer says of it
    note: str = ""  # the same in a sentence, with the evidence

    @property
    def in_proceedings(self) -> bool:
        """Return whether the venue is a conference, as far as its name tells."""
        return bool(self.paper.venue and _PROCEEDINGS.search(self.paper.venue))

    @property
    def quotes(self) -> list[str]:
        """Return the sentences of the abstract that the answer rests on."""
        return [clean_line(item.text) for item in self.listed.evidence] if self.listed else []


@dataclass(frozen=True, slots=True)
class AuthorName:
    """An author's name in its parts; an organisation has a family name alone."""

    family: str
    given: str = ""
    suffix: str = ""


def exported_papers(papers: Sequence[Paper]) -> list[ExportedPaper]:
    """Return the papers under their citation keys, numbered from 1."""
    cleaned = [_cleaned(paper) for paper in papers]
    return [
        ExportedPaper(n, key, paper)
        for n, (key, paper) in enumerate(zip(citation_keys(cleaned), cleaned, strict=True), start=1)
    ]


def answer_papers(answer: Answer, papers: Sequence[Paper]) -> list[ExportedPaper]:
    """Return the papers of an answer, in its order, each with its evidence.

    `papers` are at least those, in any order.
    """
    by_id = {paper.id: paper for paper in papers}
    exported = exported_papers([by_id[listed.id] for listed in answer.papers])
    return [
        replace(paper, n=listed.n, listed=listed, note=_note(answer, listed))
        for paper, listed in zip(exported, answer.papers, strict=True)
    ]


def _note(answer: Answer, listed: ListedPaper) -> str:
    relation = RELATIONS[listed.relevance or listed.likelihood or Likelihood.POSSIBLE]
    quotes = " ".join(f"“{item.text}”" for item in listed.evidence)
    by = " by its title only" if listed.title_only else ""
    return clean_line(f"{relation} “{answer.question}”{by}: {quotes}")


def _cleaned(paper: Paper) -> Paper:
    return replace(
        paper,
        title=clean_line(paper.title),
        abstract=clean_line(paper.abstract),
        authors=tuple(map(clean_line, paper.authors)),
        venue=clean_line(paper.venue) if paper.venue else None,
        doi=clean_line(paper.doi) if paper.doi else None,
        url=clean_line(paper.url) if paper.url else None,
        keywords=tuple(map(clean_line, paper.keywords)),
    )


def citation_keys(papers: Sequence[Paper]) -> list[str]:
    """Return a key for each paper: author, year, title word and the start of its id.

    A paper has the same key in every export. Keys that would be equal get the whole id.
    """
    keys = [_key(paper) for paper in papers]
    shared = {key for key, count in Counter(keys).items() if count > 1}
    return [
        key[:-_ID_DIGITS] + paper.id if key in shared else key
        for key, paper in zip(keys, papers, strict=True)
    ]


def _key(paper: Paper) -> str:
    family = _plain(name_parts(paper.authors[0]).family) if paper.authors else ""
    words = [
        word for word in map(_plain, content_words(paper.title)) if len(word) >= _SHORTEST_WORD
    ]
    words = words[: 1 if family else 3]
    parts = (family, str(paper.year or ""), *words)
    return f"{''.join(parts) or 'paper'}-{paper.id[:_ID_DIGITS]}"


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub("", folded(text))


def name_parts(name: str) -> AuthorName:
    """Return the parts of `Given Family`; a family name begins at a word such as `van`."""
    words = name.split()
    if len(words) < 2 or _CORPORATE.search(name):
        return AuthorName(name)
    suffix = words.pop() if words[-1].lower() in _SUFFIXES and len(words) > 2 else ""
    inner = range(1, len(words) - 1)
    start = next((at for at in inner if words[at][:1].islower()), len(words) - 1)
    return AuthorName(" ".join(words[start:]), " ".join(words[:start]), suffix)
