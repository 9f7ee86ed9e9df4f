"""Help for weak writers: citations that they forgot, and answers that are of no use.

Small models often say what is right and cite nothing, repeat themselves without end, or answer in
another language. What the program adds is marked by a finding, so that the reader sees it.
"""
# ruff: noqa: RUF001 (answers use quotation marks of many kinds)

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from qa.answering.citations import find_citations
from qa.answering.verify import Finding
from qa.answering.verify.claims import Claim, find_claims, needs_no_citation
from qa.answering.verify.numbers import Sort, find_quantities
from qa.answering.verify.paper_facts import PaperFacts, facts_of
from qa.corpus.words import STOP_WORDS, content_word_spans
from qa.retrieval.query import word_start

# A claim is a paper's where the paper has all its numbers and this share of its words.
WORDS_WITH_NUMBER, WORDS_ALONE = 0.5, 0.8
FEWEST_WORDS = 4  # of a claim without a number

REPEATED = 3  # times that a sentence may come, if it is this long
LONG_SENTENCE = 25  # characters
LONGEST = 40_000  # characters of an answer: a line on each of two hundred papers

FEW_STOP_WORDS = 0.03  # share of the words; English has some 0.4, and lists of titles 0.2
MANY_WORDS = 30  # from which on the share tells

# What may stand behind the last word of a claim before it is known whether a marker follows.
_TAIL = re.compile(r"(?:[\s.!?…:;,)\"'”’*_]|\[[^\]\n]{0,40}\]?)*\Z")


_SENTENCE_END = re.compile(r"[.!?]\s|\n")
_MARKER = re.compile(r"\[[^\]\n]{0,40}\]")
_OPEN_MARKER = re.compile(r"\[[^\]\n]{0,40}\]?")  # perhaps not complete yet
_HAS_WORD = re.compile(r"\w")
_WORD = re.compile(r"[^\W\d_]+")
LATIN = 0x24F  # the last letter of the Latin alphabets


@dataclass(frozen=True, slots=True)
class AddedCitation:
    """A marker that the program has put behind a claim: `claim` is the text before it."""

    n: int
    claim: str


class CitationRepair:
    """Passes an answer on as it comes, and adds [n] to claims without citation.

    Only where exactly one of the papers has the claim's numbers and words. `papers` are n: title
    and abstract in one text.
    """

    def __init__(self, papers: Mapping[int, str], question: str) -> None:
        self._papers = papers
        self._question = _stems(question)
        self._facts: dict[int, tuple[PaperFacts, frozenset[str]]] = {}
        self._text = ""
        self._passed = 0  # up to here the text has been returned
        self._settled = 0  # up to here claims are complete
        self.added: list[AddedCitation] = []

    def feed(self, piece: str) -> str:
        """Return what can be passed on of the answer once one more piece has come."""
        self._text += piece
        claims = self._open_claims()
        # Until the next claim has begun with a word, a marker may follow.
        begun = bool(claims) and _HAS_WORD.search(_OPEN_MARKER.sub("", claims[-1].text))
        out = self._complete(claims[:-1] if begun else ())
        return out + self._pass(_end_of_words(self._text))

    def flush(self) -> str:
        """Return the rest, when no more will come."""
        return self._complete(self._open_claims()) + self._pass(len(self._text))

    def _open_claims(self) -> list[Claim]:
        """Return the claims behind those that are complete, with their places in the answer."""
        start = self._settled
        claims = find_claims(self._text[start:], inside_block=start > 0)
        return [replace(c, start=start + c.start, end=start + c.end) for c in claims]

    def _complete(self, claims: Sequence[Claim]) -> str:
        """Return the text up to the end of these claims, with the citations that were missing."""
        out = ""
        for claim in claims:
            n = None
            if not claim.cites and not needs_no_citation(claim, last=False):
                n = self._only_paper(claim.text)
            if n is not None:
                out += f"{self._pass(claim.start + _end_of_words(claim.text))} [{n}]"
                self.added.append(AddedCitation(n, claim.text))
            out += self._pass(claim.end)
            self._settled = claim.end
        return out

    def _pass(self, end: int) -> str:
        start, self._passed = self._passed, max(self._passed, end)
        return self._text[start : self._passed]

    def _only_paper(self, claim: str) -> int | None:
        """Return the number of the one paper that has the claim's numbers and words."""
        stating = [n for n in self._papers if self._states(n, claim)]
        return stating[0] if len(stating) == 1 else None

    def _states(self, n: int, claim: str) -> bool:
        if n not in self._facts:
            self._facts[n] = facts_of(self._papers[n]), _stems(self._papers[n])
        facts, stems = self._facts[n]
        numbers = [q for q in find_quantities(claim) if q.sort is not Sort.HINT]
        # What the question says already tells no paper from another.
        words = (_stems(claim) - self._question) or _stems(claim)
        least = WORDS_WITH_NUMBER if numbers else WORDS_ALONE
        if not words or (not numbers and len(words) < FEWEST_WORDS):
            return False
        return all(map(facts.has, numbers)) and len(words & stems) >= least * len(words)


def added_findings(added: Sequence[AddedCitation], text: str) -> tuple[Finding, ...]:
    """Return a finding for each marker that was added to the text of the answer."""
    found, place = [], 0
    for citation in added:
        words = citation.claim[: _end_of_words(citation.claim)]
        marked = f"{words} [{citation.n}]"
        start = text.find(marked, place)
        if start < 0:
            continue
        place = start + len(marked)
        detail = (
            f"The program added [{citation.n}]: the sentence cited nothing, and of the papers "
            "listed this one alone has its numbers and words."
        )
        found.append(Finding("citation_added", detail, start + len(words) + 1, place, mark=place))
    return tuple(found)


class RepetitionGuard:
    """Notices an answer that does not end: the same sentences again and again, or far too many."""

    def __init__(self) -> None:
        self._line = ""
        self._length = 0
        self._seen: Counter[str] = Counter()

    def feed(self, piece: str) -> bool:
        """Take the next piece; return whether the answer should be ended here."""
        self._length += len(piece)
        *complete, self._line = _SENTENCE_END.split(self._line + piece)
        for sentence in complete:
            plain = " ".join(_MARKER.sub("", sentence).lower().split())
            if len(plain) >= LONG_SENTENCE:
                self._seen[plain] += 1
        return self._length > LONGEST or REPEATED in self._seen.values()


def why_useless(text: str, question: str) -> str | None:
    """Return why an answer cannot be used, to follow "the model's answer"; None: it can.

    Citations of no paper are marked by the check: they do not make the rest useless.
    """
    if not find_citations(text):
        return "cites none of the papers"
    if not _HAS_WORD.search(_MARKER.sub("", text)):
        return "has citations and no words"
    if _language_differs(text, question):
        return "is in another language than the question"
    return None


def _language_differs(text: str, question: str) -> bool:
    """Tell whether a question in English was answered in something else."""
    asked = _WORD.findall(question.lower())
    if not any(word in STOP_WORDS for word in asked):
        return False
    letters = [c for c in text if c.isalpha()]
    if sum(ord(c) > LATIN for c in letters) > len(letters) / 2:
        return True
    words = _WORD.findall(text.lower())
    common = sum(word in STOP_WORDS for word in words)
    return len(words) >= MANY_WORDS and common < FEW_STOP_WORDS * len(words)


def _stems(text: str) -> frozenset[str]:
    words = (text[start:end].lower() for start, end in content_word_spans(text))
    return frozenset(word_start(word) for word in words if not word.isdecimal())


def _end_of_words(text: str) -> int:
    """Return where the last word ends: behind it stand signs and markers only."""
    tail = _TAIL.search(text)
    return tail.start() if tail else len(text)
