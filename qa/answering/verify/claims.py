"""Split an answer into claims: its sentences, list items and table rows, and what each cites."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from qa.answering.citations import Citation, find_citations
from qa.answering.verify.numbers import Quantity, Sort, find_quantities
from qa.corpus.sentences import split_sentences

_FENCE = re.compile(r"\s*(?:```|~~~)")
_RULE = re.compile(r"\s*(?:[-*_=]\s*){3,}\Z")
_HEADING = re.compile(r"\s*#{1,6}\s+")
_QUOTE = re.compile(r"\s*>\s?")
_ITEM = re.compile(
    r"(?P<indent>\s*)(?:[-*+•‣◦]|(?:\*\*|__)?\(?(?:\d{1,3}|[a-z])[.)](?:\*\*|__)?)\s+"
    r"(?:\[[ xX]\]\s+)?"
)
_ROW = re.compile(r"\s*\|.*\|\s*\Z")
_RULED = re.compile(r"(?=.*-.*\||.*\|.*-)[\s|:\-]+\Z")
_STOP = re.compile(r"[.!?。！？…:;][\"'”’»)*_\s]*\Z")  # noqa: RUF001
_BOLD_LINE = re.compile(r"\s*(?:\*\*|__)?[^*]+(?:\*\*|__)\s*:?\s*\Z")

# What may stand without a citation.
_CONNECTING = re.compile(
    r"(?:yes|no|none|partly|both|neither|in (?:short|summary|brief|sum|contrast|detail|conclusion)|"
    r"to sum up|overall|for (?:example|instance)|(?:it|that) depends|not stated|in other words|"
    r"see below|that said|on the other hand|details|summary|answer|sources?|references?|note)\W*",
    re.IGNORECASE,
)
_LEADING_IN = re.compile(
    r"\W*(?:the following|here (?:is|are)|below|listed below|these are)\b", re.IGNORECASE
)
_ABOUT_THE_PAPERS = re.compile(
    r"""\W*(?:(?:but|however|beyond\ th(?:is|at)|otherwise|also|still|yet|note(?:\ that)?)[,:]?\s+)?
    (?:(?:(?:none|neither)\ of\ the|the|these|those|neither|no|no\ other|no\ further)
        \s+(?:(?:other|given|listed|cited|available|provided|remaining|two|three|\d+)\s+)*
        (?:abstracts?|papers?|corpus|stud(?:y|ies)|works?|sources?|texts?|articles?|excerpts?)\b
      | none\ of\ (?:them|these|those)\b | nothing\ (?:else\ )?(?:in|about|on|is)\b
      | (?:it|this|that)(?:\ is|'s)\ (?=not|un(?:clear|known|stated|specified))
      | i\ (?:could|can|did)(?=\ not|n't) | there\ (?:is|are)(?=\ no\b)
      | (?:how|what|which|whether|why|when|where|who)\b.*\b(?:is|are)
          (?=\ not\ (?:stated|said|given|specified|reported|mentioned|described))
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_SILENT = re.compile(
    r"\b(?:not|no|none|nothing|neither|never|cannot|silent|unstated|unspecified)\b|n't\b|"
    r"\bun(?:clear|known)\b|\bleaves? (?:it |this |that )?open\b",
    re.IGNORECASE,
)
_TURN = re.compile(r";|\s[–—-]\s|\b(?:but|although|though|whereas|while|yet)\b", re.IGNORECASE)  # noqa: RUF001
_PAPERS = re.compile(
    r"(?:paper|abstract|work|stud(?:y|ie)|article|publication|preprint|entr(?:y|ie)|other)s?"
)


class Form(Enum):
    """What a claim is in the layout of the answer."""

    SENTENCE = "sentence"
    ROW = "row"
    HEADING = "heading"


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence, row or heading with the marker behind it: `answer[start:end] == text`."""

    text: str
    start: int
    end: int
    form: Form
    cites: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, item, row or heading: where its text stands, without bullet or number."""

    start: int
    end: int
    form: Form
    indent: int | None = None  # of an item; None: not an item
    is_rest: bool = False  # its beginning stands before the text that is split


def find_claims(answer: str, *, inside_block: bool = False) -> tuple[Claim, ...]:
    """Return the claims of an answer in order; a marker after a full stop belongs before it.

    `inside_block`: the text is the rest of an answer, cut behind a sentence in a paragraph or item.
    """
    citations = find_citations(answer)
    masked = _mask_markers(answer, citations)
    blocks = tuple(_blocks(answer, inside_block=inside_block))
    return tuple(
        claim
        for block, following in zip(blocks, [*blocks, None][1:], strict=True)
        for claim in _claims(answer, masked, _block_or_heading(answer, block, following), citations)
    )


def needs_no_citation(claim: Claim, *, last: bool) -> bool:
    """Tell whether a claim may stand without citation; `last`: nothing follows that it leads to."""
    text = claim.text.strip(" *_")
    if claim.form is Form.HEADING or not re.search(r"\w", text):
        return True
    if text.endswith((":", "?")) or _CONNECTING.fullmatch(text):
        return True
    if not last and (_LEADING_IN.match(text) or _only_counts_papers(text)):
        return True
    return _says_what_papers_do_not_say(text)


def counts_papers(quantity: Quantity) -> bool:
    """Tell whether a number counts papers: "five papers", "two other studies", "three of them"."""
    if quantity.count is None:
        return False
    words = quantity.following
    named = any(_PAPERS.fullmatch(word) for word in words)
    if words[:1] == ("of",):  # "two of them use it", "two of the listed papers", "two of these use"
        pronoun = words[1:2] and words[1] in {"them", "which", "these", "those"}
        things = words[2:3] and words[2].endswith("s")
        return named or bool(pronoun and not things)
    return named


def _blocks(answer: str, *, inside_block: bool) -> Iterator[_Block]:
    lines = list(_lines(answer))
    current: _Block | None = None
    was_quoted = False
    if inside_block:
        current = _Block(0, lines[0][1], Form.SENTENCE, is_rest=True)
        was_quoted = len(lines) > 1 and lines[1][2]
    for index, (start, end, quoted) in enumerate(lines[inside_block:], start=int(inside_block)):
        line = answer[start:end]
        block = _opened_block(line, start, end)
        empty = not line.strip() or _FENCE.match(line) or _RULE.match(line)
        if current is not None and (block is not None or empty or quoted != was_quoted):
            yield current
            current = None
        was_quoted = quoted
        if block is not None and block.form is not Form.SENTENCE:
            yield _row_or_table_head(answer, block, lines[index + 1 : index + 2])
        elif current is not None:
            current = replace(current, end=end)
        elif not empty:
            current = block or _Block(start, end, Form.SENTENCE)
    if current is not None:
        yield current


def _lines(answer: str) -> Iterator[tuple[int, int, bool]]:
    """Yield each line's start, past the ">" of a quotation, its end, and whether it has a ">"."""
    start = 0
    for line in answer.split("\n"):
        quote = _QUOTE.match(line)
        yield start + (quote.end() if quote else 0), start + len(line), quote is not None
        start += len(line) + 1


def _opened_block(line: str, start: int, end: int) -> _Block | None:
    """Return the heading, table row or list item that a line begins with, if any."""
    if match := _HEADING.match(line):
        return _Block(start + match.end(), end, Form.HEADING)
    if _ROW.match(line):
        return _Block(start, end, Form.ROW)
    if (match := _ITEM.match(line)) and not _RULE.match(line):
        return _Block(start + match.end(), end, Form.SENTENCE, len(match["indent"]))
    return None


def _row_or_table_head(
    answer: str, block: _Block, following: Sequence[tuple[int, int, bool]]
) -> _Block:
    """Make the head of a table, and the line under it, headings."""
    ruled = [_RULED.match(answer[start:end]) and end > start for start, end, _ in following]
    head = block.form is Form.ROW and (any(ruled) or _RULED.match(answer[block.start : block.end]))
    return _Block(block.start, block.end, Form.HEADING) if head else block


def _block_or_heading(answer: str, block: _Block, following: _Block | None) -> _Block:
    """Make a line a heading if all it does is to name what comes below it."""
    text = answer[block.start : block.end].strip()
    if block.form is not Form.SENTENCE or block.is_rest or find_citations(text):
        return block
    bold = _BOLD_LINE.match(text) and not _STOP.search(text.rstrip("*_ :"))
    label = following is not None and not _STOP.search(text) and len(text.split()) <= 8
    opens = block.indent is None or (
        following is not None and following.indent is not None and following.indent > block.indent
    )
    labels = bold or (label and opens and not re.search(r"\d", text))
    return _Block(block.start, block.end, Form.HEADING) if labels else block


def _mask_markers(answer: str, citations: Sequence[Citation]) -> str:
    """Return the answer, at full length, with its markers overwritten: they hide full stops.

    After a full stop they become spaces, elsewhere letters, which may end a sentence.
    """
    text = answer
    for citation in citations:
        before = text[: citation.start].rstrip(" ")
        letter = " " if _STOP.search(before[-12:]) else "w"
        start = citation.start if letter == " " else len(before)
        keep = start + 1 if start < citation.start else start
        filler = letter * (citation.end - keep)
        text = text[:keep] + filler + text[citation.end :]
    return text


def _claims(
    answer: str, masked: str, block: _Block, citations: Sequence[Citation]
) -> Iterator[Claim]:
    inside = [c for c in citations if block.start <= c.start < block.end]
    spans = _sentence_spans(masked, block)
    if not spans:
        spans = [(block.start, block.end)] if inside else []
    owners = [_owner(masked, spans, citation) for citation in inside]
    for index, span in enumerate(spans):
        own = [c for c, owner in zip(inside, owners, strict=True) if owner == index]
        start, end = min([span[0], *(c.start for c in own)]), max([span[1], *(c.end for c in own)])
        cites = frozenset[int]().union(*(c.numbers for c in own))
        yield Claim(answer[start:end], start, end, block.form, cites)


def _sentence_spans(masked: str, block: _Block) -> list[tuple[int, int]]:
    text = masked[block.start : block.end]
    if block.form is not Form.SENTENCE:
        stripped = text.strip()
        start = block.start + text.find(stripped)
        return [(start, start + len(stripped))] if stripped else []
    sentences = split_sentences(text, longest=len(text) + 1)
    return [(block.start + s.start, block.start + s.end) for s in sentences]


def _owner(masked: str, spans: Sequence[tuple[int, int]], citation: Citation) -> int:
    """Return which sentence a marker belongs to: the one before it, if it stands between two."""
    for index, (start, end) in enumerate(spans):
        if citation.start < start:
            subject = masked[start].islower()  # "[2] shows that …"
            return index if index == 0 or subject else index - 1
        if citation.start < end:
            return index
    return len(spans) - 1


def _only_counts_papers(text: str) -> bool:
    quantities = [q for q in find_quantities(text) if q.sort is not Sort.HINT]
    return len(quantities) == 1 and counts_papers(quantities[0])


def _says_what_papers_do_not_say(text: str) -> bool:
    about = _ABOUT_THE_PAPERS.match(text)
    if about is None:
        return False
    turn = _TURN.search(text, about.end())
    head, rest = (text[: turn.start()], text[turn.end() :]) if turn else (text, "")
    return _SILENT.search(head) is not None and len(rest.split()) < 4
