"""Check an answer against the abstracts it cites, claim by claim, as it is being written."""
# ruff: noqa: RUF001 (answers use quotation marks and stops of many kinds)

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from qa.answering.citations import MarkerBuffer, cut_off_marker, find_citations
from qa.answering.verify import Finding
from qa.answering.verify.claims import Claim, Form, counts_papers, find_claims, needs_no_citation
from qa.answering.verify.numbers import Quantity, Sort, find_quantities
from qa.answering.verify.paper_facts import PaperFacts, facts_of
from qa.answering.verify.quotes import find_quotations, stands_in
from qa.answering.verify.titles import (
    NamedTitle,
    find_named_titles,
    nearest_title,
    papers_with_title,
)

# Where a word ends: before white space; Chinese and the like have none, each character counts.
_WORD_END = re.compile(r"(?<=\S)(?=[\s\u2e80-\uffef])")
_MAY_END_CLAIM = re.compile(r"[.!?…。！？｡।۔؟።։\n]")
_MARKERS = r"(?:[\[【［][^\]】］]*[\]】］]|\W)*"
_LAST_STOP = re.compile(rf"[.!?…。！？｡।۔؟።։][^\w\[【［]*(?={_MARKERS}\Z)")  # and what closes
_NO_WORD = re.compile(rf"{_MARKERS}\Z")
_ROW_BEGINS = re.compile(r"\s*(?:>\s?)?\|")
_BULLET = r"\n[^\S\n]*(?:[-*+•‣◦]|(?:\*\*|__)?\(?(?:\d{1,3}|[a-z])[.)](?:\*\*|__)?|#{1,6})"
_GAP = re.compile(rf"\s*(?:{_BULLET}\s*)?\Z")  # between two claims
_LONGEST_GAP = 80  # characters
_LONGEST_TITLE = 300  # characters
_LONGEST_MARKER = 400  # characters

_UNIT_OF_ONE = re.compile(r"\b(?:only|just|exactly|needs?|requires?|takes?|after|within)\s+\Z")
_PAPER_NUMBER = re.compile(r"\b(?:papers?|abstracts?|number)\s+#?\Z", re.IGNORECASE)
_LINK = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'”’)\]]+")
_BLANK = "\ue000"  # in place of markers and titles, whose numbers are no claims


_Fault = tuple[str, str, int, int]  # kind, detail, start, end of a finding


@dataclass(frozen=True, slots=True)
class Checked:
    """A stretch of an answer that can be shown, and what was found in the claims that it ends."""

    text: str
    findings: tuple[Finding, ...]


class AnswerChecker:
    """Checks each claim of an answer once, as soon as it is complete.

    The answer comes in pieces; how it is cut makes no difference. The texts that `feed` and
    `finish` return are together the answer without white space at its end. They never end within
    a word or a marker.
    """

    def __init__(
        self,
        papers: Mapping[int, tuple[str, str]],
        *,
        question: str = "",
        has_title: Callable[[str], bool] = lambda _: False,
        counts: Collection[int] = (),
    ) -> None:
        """Take what an answer may rest on.

        `papers` are those it may cite, n: (title, abstract); `has_title` tells whether some paper
        of the corpus has a title; `counts` are numbers of papers that the answer may name, such as
        how many were read.
        """
        self._papers = papers
        self._titles = {n: title for n, (title, _) in papers.items()}
        self._sources = {n: f"{title}\n{abstract}" for n, (title, abstract) in papers.items()}
        self._facts: dict[int, PaperFacts] = {}
        self._question = question
        self._question_facts = facts_of(question)
        self._has_title = has_title
        self._counts = frozenset(counts)
        self._title_patterns = [
            _any_spacing(t) for t in self._titles.values() if find_quantities(t)
        ]

        self._text = ""
        self._word = ""  # the last one, not complete yet
        self._markers = MarkerBuffer()
        self._undecided: int | None = None  # where a claim may have ended
        self._released = 0  # up to here the text can be shown
        self._returned = 0  # up to here `feed` has returned it

        self._claims: list[Claim] = []  # complete and checked
        self._counting: list[tuple[int, Quantity]] = []  # claims that count papers, by place
        self._quotes_from = self._titles_from = 0  # before it none is open
        self._findings: list[Finding] = []
        self._new: list[Finding] = []

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings so far, in the order of the text."""
        return tuple(sorted(self._findings, key=lambda f: (f.start, f.end, f.kind)))

    def feed(self, piece: str) -> Checked:
        """Take the next piece of the answer."""
        *words, self._word = _WORD_END.split(self._word + piece)
        for word in words:
            self._add(self._markers.feed(word))
        return self._news()

    def finish(self) -> Checked:
        """Take it that the answer is complete."""
        self._add(self._markers.feed(self._word) + self._markers.flush())
        self._word = ""
        open_claims = self._open_claims(self._text)
        for place, claim in enumerate(open_claims, start=1):
            self._check(claim, is_last=place == len(open_claims))
        self._released = len(self._text.rstrip())
        self._record(self._faults_of_stretch(self._checked, len(self._text)), self._released)
        self._record(self._wrong_counts(), self._released)
        if cut := cut_off_marker(self._text):
            fault = ("unknown_citation", "The last citation is cut off.", *cut)
            self._record([fault], self._released)
        return self._news()

    def _news(self) -> Checked:
        text, self._returned = self._text[self._returned : self._released], self._released
        findings, self._new = tuple(self._new), []
        return Checked(text, findings)

    # When a claim is complete

    @property
    def _checked(self) -> int:
        """Up to here claims are complete and checked."""
        return self._claims[-1].end if self._claims else 0

    def _open_claims(self, text: str) -> list[Claim]:
        """Return the claims of a text behind those that are checked."""
        start = self._checked
        inside = bool(self._claims) and self._claims[-1].form is Form.SENTENCE
        claims = find_claims(text[start:], inside_block=inside)
        return [replace(c, start=start + c.start, end=start + c.end) for c in claims]

    def _add(self, text: str) -> None:
        """Take one word, or some that a marker holds together, and check claims before it.

        A claim is complete when the next one has begun with a word: until then markers may follow.
        A table's row is complete when the next one is: it may turn out to be the table's head.
        """
        start = len(self._text)
        self._text += text
        line = self._text.rfind("\n") + 1
        in_row = _ROW_BEGINS.match(self._text, line) is not None
        if in_row:
            self._check_all_but_last(self._open_claims(self._text[:line]))
        elif self._undecided is not None or _MAY_END_CLAIM.search(text):
            claims = self._open_claims(self._text)
            if claims and not _NO_WORD.match(claims[-1].text):
                self._check_all_but_last(claims)
        if in_row:
            self._undecided = line
        elif "\n" in text and (_GAP.match(text) or _NO_WORD.match(text)):
            self._undecided = start if self._undecided is None else self._undecided
        elif stop := _LAST_STOP.search(text):
            self._undecided = start + stop.end()
        elif not _NO_WORD.match(text):
            self._undecided = None
        shown = len(self._text) if self._undecided is None else self._undecided
        self._released = max(self._released, _without_gap(self._text, shown))

    def _check_all_but_last(self, claims: list[Claim]) -> None:
        for claim in claims[:-1]:
            self._check(claim, is_last=False)

    def _check(self, claim: Claim, *, is_last: bool) -> None:
        start = self._checked
        self._claims.append(claim)
        faults = [
            *self._uncited(claim, is_last=is_last),
            *self._wrong_numbers(claim),
            *self._faults_of_stretch(start, claim.end),
        ]
        self._record(faults, max(claim.end, self._released))

    def _faults_of_stretch(self, start: int, end: int) -> Iterator[_Fault]:
        """Yield what is wrong between two places; a quotation may begin before `start`."""
        yield from self._unknown_citations(start, end)
        yield from self._misquotes(end)
        yield from self._wrong_titles(end)
        yield from self._unknown_links(start, end)

    def _record(self, faults: Iterable[_Fault], mark: int) -> None:
        found = [Finding(*fault, mark=mark) for fault in sorted(faults, key=lambda f: f[2:])]
        self._findings += found
        self._new += found

    # What is wrong with a claim

    def _unknown_citations(self, start: int, end: int) -> Iterator[_Fault]:
        for citation in find_citations(self._text[start:end]):
            for reference in citation.references:
                if not reference.known(self._papers):
                    at, to = start + reference.start, start + reference.end
                    detail = f"[{self._text[at:to]}] is not the number of a paper."
                    yield "unknown_citation", detail, at, to

    def _uncited(self, claim: Claim, *, is_last: bool) -> Iterator[_Fault]:
        if not claim.cites and not needs_no_citation(claim, last=is_last):
            detail = f"No paper is cited for {_short(claim.text)}"
            yield "uncited_sentence", detail, claim.start, claim.end

    def _wrong_numbers(self, claim: Claim) -> Iterator[_Fault]:
        """Yield numbers that no cited abstract has; keep those that count papers for the end."""
        for quantity in self._quantities(claim):
            if not counts_papers(quantity) and self._is_no_claim(claim, quantity):
                continue
            papers = self._papers_behind(claim.start, claim.end)
            if any(self._facts_of(n).has(quantity) for n in papers):
                continue
            if counts_papers(quantity):
                self._counting.append((len(self._claims) - 1, quantity))
                continue
            detail = f"“{quantity.written}” does not stand in {self._abstract_of(papers)}."
            yield "unsupported_number", detail, quantity.start, quantity.end

    def _quantities(self, claim: Claim) -> Iterator[Quantity]:
        """Yield the numbers of a claim, placed in the answer; not those of markers and titles."""
        text = claim.text
        for citation in find_citations(text):
            text = _blanked(text, citation.start, citation.end)
        found = find_quantities(text)
        if found and self._title_patterns:
            for start, end in self._titles_within(claim):
                text = _blanked(text, start, end)
            found = find_quantities(text)
        for quantity in found:
            if quantity.sort is not Sort.HINT:
                start, end = claim.start + quantity.start, claim.start + quantity.end
                yield replace(quantity, start=start, end=end)

    def _titles_within(self, claim: Claim) -> Iterator[tuple[int, int]]:
        """Yield where a claim has listed papers' titles with numbers, or the ends of such."""
        start = max(0, claim.start - _LONGEST_TITLE)
        for pattern in self._title_patterns:
            for match in pattern.finditer(self._text, start, claim.end):
                if match.end() > claim.start:
                    yield max(0, match.start() - claim.start), match.end() - claim.start

    def _is_no_claim(self, claim: Claim, quantity: Quantity) -> bool:
        """Tell whether a number says nothing that an abstract would have to say."""
        if quantity.count == 0 and quantity.sort is Sort.WORDS:
            return True
        if quantity.count == 1 and quantity.sort is Sort.WORDS:  # "one" mostly counts nothing
            return not _UNIT_OF_ONE.search(quantity.before)
        if _counts_cited(quantity, claim):
            return True
        if quantity.count in self._papers and _PAPER_NUMBER.search(quantity.before):
            return True
        return not claim.cites and self._question_facts.has(quantity)

    def _wrong_counts(self) -> Iterator[_Fault]:
        for place, quantity in self._counting:
            if quantity.count != 1 and quantity.count not in self._right_counts(place):
                detail = f"“{quantity.written}” is not how many papers are cited."
                yield "wrong_count", detail, quantity.start, quantity.end

    def _right_counts(self, place: int) -> set[int]:
        """Return how many papers a claim may mean: all, or those cited up to a next heading."""
        everywhere = {n for claim in self._claims for n in claim.cites if n in self._papers}
        section = set(self._claims[place].cites)
        right = {len(self._papers), len(everywhere), len(section)} | self._counts
        for following in self._claims[place + 1 :]:
            if following.form is Form.HEADING or following.text.rstrip("* _").endswith(":"):
                break
            section |= following.cites
            right.add(len(section))
        return right

    def _misquotes(self, end: int) -> Iterator[_Fault]:
        quotations, self._quotes_from = find_quotations(self._text, self._quotes_from, end)
        for quotation in quotations:
            papers = self._papers_behind(quotation.start, quotation.end)
            texts = *(self._sources[n] for n in papers), self._question, *self._titles.values()
            if any(stands_in(quotation.text, text) for text in texts):
                continue
            if papers_with_title(quotation.text, self._titles) or self._has_title(quotation.text):
                continue
            detail = f"{_short(quotation.text)} does not stand so in {self._abstract_of(papers)}."
            yield "misquote", detail, quotation.start, quotation.end

    def _wrong_titles(self, end: int) -> Iterator[_Fault]:
        titles, self._titles_from = find_named_titles(self._text, self._titles_from, end)
        for named in titles:
            right = papers_with_title(named.text, self._titles)
            if right:
                if self._is_cited_wrong(named, right):
                    detail = f"{_short(named.text)} is {self._named(right)}."
                    yield "wrong_title", detail, named.start, named.end
            elif unknown := self._unknown_title(named):
                yield "unknown_title", unknown, named.start, named.end

    def _is_cited_wrong(self, named: NamedTitle, right: Collection[int]) -> bool:
        """Tell whether the marker behind a title leads to another paper."""
        following = self._text[named.end : named.end + _LONGEST_MARKER]
        marker = next(iter(find_citations(following)), None)
        if not named.marked or marker is None or marker.numbers & set(right):
            return False
        cited = marker.numbers & set(self._papers)
        return not any(stands_in(named.text, self._sources[n]) for n in cited)

    def _unknown_title(self, named: NamedTitle) -> str | None:
        """Return what to say of a title that no paper has; None if it is none, or one has it."""
        nearest = None
        if len(named.text.split()) > 2:
            nearest = nearest_title(named.text, self._titles.values())
        if not nearest and not named.looks_like_title:
            return None
        papers = self._papers_behind(*named.places)
        if any(stands_in(named.text, self._sources[n]) for n in papers):
            return None
        if self._has_title(named.text):
            return None
        detail = f"No paper is called {_short(named.text)}"
        return f"{detail}; the nearest is {_short(nearest)}" if nearest else detail

    def _unknown_links(self, start: int, end: int) -> Iterator[_Fault]:
        for match in _LINK.finditer(self._text, start, end):
            link = match[0].rstrip(".,;:!?*_")
            if not any(link in self._sources[n] for n in self._papers_behind(*match.span())):
                detail = f"{link} does not stand in the abstracts."
                yield "unknown_link", detail, match.start(), match.start() + len(link)

    def _papers_behind(self, start: int, end: int) -> list[int]:
        """Return the papers that a stretch rests on: those cited with it, else any."""
        cites: set[int] = set()
        for claim in reversed(self._claims):
            if claim.end <= start:
                break
            if claim.start < end:
                cites |= claim.cites & self._papers.keys()
        return sorted(cites or self._papers)

    def _facts_of(self, n: int) -> PaperFacts:
        if n not in self._facts:
            self._facts[n] = facts_of(self._sources[n])
        return self._facts[n]

    def _abstract_of(self, numbers: Collection[int]) -> str:
        return f"the abstract of {self._named(numbers)}"

    def _named(self, numbers: Collection[int]) -> str:
        """Return how a warning calls these papers."""
        if len(numbers) == len(self._papers) > 1:
            return "any of the papers"
        return " or ".join(f"[{n}]" for n in sorted(numbers)) or "any paper"


def _any_spacing(title: str) -> re.Pattern[str]:
    """Return a pattern of a title that leaves the signs between its words open."""
    words = map(re.escape, re.findall(r"\w+", title))
    return re.compile(r"\W{1,3}".join(words), re.IGNORECASE)


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + _BLANK * (end - start) + text[end:]


def _counts_cited(quantity: Quantity, claim: Claim) -> bool:
    """Tell whether a number says how many papers are cited: "four extend it [1][3][4][8]"."""
    counts_things = any(word.endswith("s") for word in quantity.following[:1])
    words = quantity.sort is Sort.WORDS and not counts_things
    return words and len(claim.cites) > 1 and quantity.count == len(claim.cites)


def _without_gap(text: str, end: int) -> int:
    """Return where the text before `end` ends, white space and a next item's bullet left off."""
    gap = _GAP.search(text, max(0, end - _LONGEST_GAP), end)
    return gap.start() if gap else end


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= 80 else f"“{line[:79].rstrip()}…”"
