"""References: papers with a citation key, and with what an answer says of them."""

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
_LONG = 3  # letters of a title word
_KEY_ID = 4  # hexadecimal digits of the paper's id: `qa show` finds the paper by them


SAID = {  # how an entry's note begins; the question follows
    Relevance.YES: "Answers",
    Relevance.PARTLY: "Answers in part",
    Likelihood.LIKELY: "Likely to answer",
    Likelihood.POSSIBLE: "May answer",
}


@dataclass(frozen=True, slots=True)
class ExportedPaper:
    """A paper as it is cited; all its texts are single lines without control characters."""

    n: int
    key: str
    paper: Paper
    entry: ListedPaper | None = None  # what the answer says of it
    note: str = ""  # the same in a sentence, with the evidence

    @property
    def in_proceedings(self) -> bool:
        """Whether the venue is a conference, as far as its name tells."""
        return bool(self.paper.venue and _PROCEEDINGS.search(self.paper.venue))

    @property
    def quotes(self) -> list[str]:
        """The sentences that prove what the answer says."""
        return [clean_line(item.text) for item in self.entry.evidence] if self.entry else []


@dataclass(frozen=True, slots=True)
class Name:
    """An author's name in its parts; a name that is not a person's is a family name alone."""

    family: str
    given: str = ""
    suffix: str = ""


def references(papers: Sequence[Paper]) -> list[ExportedPaper]:
    """The papers under their citation keys, numbered from 1."""
    tidy = [_tidy(paper) for paper in papers]
    return [
        ExportedPaper(n, key, paper)
        for n, (key, paper) in enumerate(zip(citation_keys(tidy), tidy, strict=True), start=1)
    ]


def answer_references(answer: Answer, papers: Sequence[Paper]) -> list[ExportedPaper]:
    """The papers of an answer, in its order, each with its evidence."""
    by_id = {paper.id: paper for paper in papers}
    cited = references([by_id[entry.id] for entry in answer.papers])
    return [
        replace(reference, n=entry.n, entry=entry, note=_note(answer, entry))
        for reference, entry in zip(cited, answer.papers, strict=True)
    ]


def _note(answer: Answer, entry: ListedPaper) -> str:
    said = SAID[entry.relevance or entry.likelihood or Likelihood.POSSIBLE]
    quotes = " ".join(f"“{item.text}”" for item in entry.evidence)
    return clean_line(f"{said} “{answer.question}”: {quotes}")


def _tidy(paper: Paper) -> Paper:
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
    """Keys that stay the same in every export: author, year, title word and the id's start."""
    keys = [_key(paper) for paper in papers]
    shared = {key for key, count in Counter(keys).items() if count > 1}
    return [
        key[:-_KEY_ID] + paper.id if key in shared else key
        for key, paper in zip(keys, papers, strict=True)
    ]


def _key(paper: Paper) -> str:
    family = _plain(name_parts(paper.authors[0]).family) if paper.authors else ""
    words = [word for word in map(_plain, content_words(paper.title)) if len(word) >= _LONG]
    words = words[: 1 if family else 3]
    parts = (family, str(paper.year or ""), *words)
    return f"{''.join(parts) or 'paper'}-{paper.id[:_KEY_ID]}"


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub("", folded(text))


def name_parts(name: str) -> Name:
    """The parts of `Given Family`; the family name begins at a small word such as `van`."""
    words = name.split()
    if len(words) < 2 or _CORPORATE.search(name):
        return Name(name)
    suffix = words.pop() if words[-1].lower() in _SUFFIXES and len(words) > 2 else ""
    inner = range(1, len(words) - 1)
    start = next((at for at in inner if words[at][:1].islower()), len(words) - 1)
    return Name(" ".join(words[start:]), " ".join(words[:start]), suffix)
