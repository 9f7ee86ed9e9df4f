"""What is wrong with an answer, as a list of findings; the kinds are told in `qa.check`."""
# ruff: noqa: RUF001 (quotation marks of many kinds)

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from qa.answering.citations import Citation, cut_off_marker, find_citations
from qa.answering.verify.claims import Claim, Form, counts_papers, find_claims, needs_no_citation
from qa.answering.verify.numbers import Quantity, Sort, find_quantities
from qa.answering.verify.paper_facts import facts_of
from qa.answering.verify.quotes import find_quotations, stands_in
from qa.answering.verify.titles import NamedTitle, bearers, find_named_titles, nearest_title

_UNIT_OF_ONE = re.compile(r"\b(?:only|just|exactly|needs?|requires?|takes?|after|within)\s+\Z")
_PAPER_NUMBER = re.compile(r"\b(?:papers?|abstracts?|number)\s+#?\Z", re.IGNORECASE)
_LINK = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'”’)\]]+")
_BLANK = "\ue000"  # in place of markers and titles, whose numbers are no claims


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with an answer, and where: it concerns `answer[start:end]`."""

    kind: str  # one of those in the docstring of qa.check
    detail: str  # a sentence for the reader
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer under check, with what it may rest on."""

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    titles: tuple[tuple[int, str], ...]
    papers: Mapping[int, tuple[str, str]]
    question: str
    is_title: Callable[[str], bool] | None
    counts: frozenset[int]

    def source(self, n: int) -> str:
        """Return all that a paper says."""
        title, abstract = self.papers[n]
        return f"{title}\n{abstract}"

    def behind(self, start: int, end: int) -> list[int]:
        """Return the papers that a stretch rests on: those cited with it, else any."""
        near = [claim for claim in self.claims if claim.start < end and start < claim.end]
        cites = {n for claim in near for n in claim.cites if n in self.papers}
        return sorted(cites or self.papers)

    def named(self, numbers: Collection[int]) -> str:
        """Return how a warning calls these papers."""
        if len(numbers) == len(self.papers) > 1:
            return "any of the papers"
        return " or ".join(f"[{n}]" for n in sorted(numbers)) or "any paper"


def check_answer(
    answer: str,
    papers: Mapping[int, tuple[str, str]],
    *,
    question: str = "",
    is_title: Callable[[str], bool] | None = None,
    counts: Collection[int] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong with an answer, in the order of its text.

    `papers` are those it may cite, n: (title, abstract); `is_title` tells whether some other paper
    of the corpus has that title; `counts` are numbers of papers that it may name, such as how many
    were read.
    """
    checked = _Answer(
        answer,
        find_claims(answer),
        tuple(find_citations(answer)),
        tuple((n, title) for n, (title, _) in papers.items()),
        papers,
        question,
        is_title,
        frozenset(counts),
    )
    checks = (_citations, _uncited, _numbers, _counts, _quotations, _titles, _links)
    findings = (finding for check in checks for finding in check(checked))
    return tuple(sorted(findings, key=lambda finding: (finding.start, finding.end, finding.kind)))


def _citations(answer: _Answer) -> Iterator[Finding]:
    for citation in answer.citations:
        for reference in citation.references:
            if not reference.known(answer.papers):
                start, end = reference.start, reference.end
                detail = f"[{answer.text[start:end]}] is not the number of a paper."
                yield Finding("unknown_citation", detail, start, end)
    if cut := cut_off_marker(answer.text):
        yield Finding("unknown_citation", "The last citation is cut off.", *cut)


def _uncited(answer: _Answer) -> Iterator[Finding]:
    for place, claim in enumerate(answer.claims, start=1):
        if not claim.cites and not needs_no_citation(claim, last=place == len(answer.claims)):
            detail = f"No paper is cited for {_short(claim.text)}"
            yield Finding("uncited_sentence", detail, claim.start, claim.end)


def _numbers(answer: _Answer) -> Iterator[Finding]:
    for claim, quantity in _quantities(answer):
        behind = answer.behind(claim.start, claim.end)
        if counts_papers(quantity) or _is_no_claim(answer, claim, quantity):
            continue
        if not any(facts_of(answer.source(n)).has(quantity) for n in behind):
            detail = f"“{quantity.written}” does not stand in {_abstract_of(answer, behind)}."
            yield Finding("unsupported_number", detail, quantity.start, quantity.end)


def _abstract_of(answer: _Answer, numbers: Collection[int]) -> str:
    return f"the abstract of {answer.named(numbers)}"


def _quantities(answer: _Answer) -> Iterator[tuple[Claim, Quantity]]:
    """Yield the numbers of an answer with the claims they stand in, placed in the answer."""
    blanked = _blanked(answer)
    for claim in answer.claims:
        for quantity in find_quantities(blanked[claim.start : claim.end]):
            start, end = claim.start + quantity.start, claim.start + quantity.end
            if quantity.sort is not Sort.HINT:
                yield claim, replace(quantity, start=start, end=end)


def _blanked(answer: _Answer) -> str:
    """Return the answer without markers and without the listed papers' titles, at full length."""
    spans = [(citation.start, citation.end) for citation in answer.citations]
    for title, _ in answer.papers.values():
        if find_quantities(title):
            words = r"\W{1,3}".join(re.escape(word) for word in re.findall(r"\w+", title))
            spans += [m.span() for m in re.finditer(words, answer.text, re.IGNORECASE)]
    text = answer.text
    for start, end in spans:
        text = text[:start] + _BLANK * (end - start) + text[end:]
    return text


def _is_no_claim(answer: _Answer, claim: Claim, quantity: Quantity) -> bool:
    """Tell whether a number says nothing that an abstract would have to say."""
    if quantity.count == 0 and quantity.sort is Sort.WORDS:
        return True
    if quantity.count == 1 and quantity.sort is Sort.WORDS:  # "one" mostly counts nothing
        return not _UNIT_OF_ONE.search(quantity.before)
    if _counts_cited(quantity, claim):
        return True
    if quantity.count in answer.papers and _PAPER_NUMBER.search(quantity.before):
        return True
    return not claim.cites and facts_of(answer.question).has(quantity)


def _counts_cited(quantity: Quantity, claim: Claim) -> bool:
    """Tell whether a number says how many papers are cited: "four extend it [1][3][4][8]"."""
    counts_things = any(word.endswith("s") for word in quantity.following[:1])
    words = quantity.sort is Sort.WORDS and not counts_things
    return words and len(claim.cites) > 1 and quantity.count == len(claim.cites)


def _counts(answer: _Answer) -> Iterator[Finding]:
    for claim, quantity in _quantities(answer):
        if not counts_papers(quantity) or quantity.count == 1:
            continue
        behind = answer.behind(claim.start, claim.end)
        stated = any(facts_of(answer.source(n)).has(quantity) for n in behind)
        if quantity.count not in _papers_counted(answer, claim) and not stated:
            detail = f"“{quantity.written}” is not how many papers are cited."
            # To the end: while an answer is still being written, its count may yet come right.
            yield Finding("wrong_count", detail, quantity.start, answer.claims[-1].end)


def _papers_counted(answer: _Answer, claim: Claim) -> set[int]:
    """Return how many papers may be meant: all, or those cited from here to a next heading."""
    everywhere = {n for other in answer.claims for n in other.cites if n in answer.papers}
    section = set(claim.cites)
    right = {len(answer.papers), len(everywhere), len(section)} | answer.counts
    for following in answer.claims[answer.claims.index(claim) + 1 :]:
        if following.form is Form.HEADING or following.text.rstrip("* _").endswith(":"):
            break
        section |= following.cites
        right.add(len(section))
    return right


def _quotations(answer: _Answer) -> Iterator[Finding]:
    for quotation in find_quotations(answer.text):
        behind = answer.behind(quotation.start, quotation.end)
        said = answer.question, *(title for title, _ in answer.papers.values())
        if any(stands_in(quotation.text, answer.source(n)) for n in behind):
            continue
        if any(stands_in(quotation.text, text) for text in said) or _is_title(
            answer, quotation.text
        ):
            continue
        detail = f"{_short(quotation.text)} does not stand so in {_abstract_of(answer, behind)}."
        yield Finding("misquote", detail, quotation.start, quotation.end)


def _is_title(answer: _Answer, text: str) -> bool:
    return bool(bearers(text, answer.titles) or (answer.is_title and answer.is_title(text)))


def _titles(answer: _Answer) -> Iterator[Finding]:
    for named in find_named_titles(answer.text):
        if _is_title(answer, named.text):
            yield from _wrong_title(answer, named)
            continue
        behind = answer.behind(*named.places)
        if any(stands_in(named.text, answer.source(n)) for n in behind):
            continue
        nearest = nearest_title(named.text, [title for title, _ in answer.papers.values()])
        if nearest and len(named.text.split()) > 2:
            detail = f"No paper is called {_short(named.text)}; the nearest is {_short(nearest)}"
            yield Finding("unknown_title", detail, named.start, named.end)
        elif named.looks_like_title:
            detail = f"No paper is called {_short(named.text)}"
            yield Finding("unknown_title", detail, named.start, named.end)


def _wrong_title(answer: _Answer, named: NamedTitle) -> Iterator[Finding]:
    """Find a title whose marker leads to another paper."""
    right = bearers(named.text, answer.titles)
    marker = next((c for c in answer.citations if c.end > named.end), None)
    if not named.marked or not right or marker is None or right & marker.numbers:
        return
    if any(stands_in(named.text, answer.source(n)) for n in marker.numbers & set(answer.papers)):
        return
    detail = f"{_short(named.text)} is {answer.named(right)}."
    yield Finding("wrong_title", detail, named.start, named.end)


def _links(answer: _Answer) -> Iterator[Finding]:
    for match in _LINK.finditer(answer.text):
        link = match[0].rstrip(".,;:!?*_")
        sources = [answer.source(n) for n in answer.behind(*match.span())]
        if not any(link in source for source in sources):
            detail = f"{link} does not stand in the abstracts."
            yield Finding("unknown_link", detail, match.start(), match.start() + len(link))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= 80 else f"“{line[:79].rstrip()}…”"
