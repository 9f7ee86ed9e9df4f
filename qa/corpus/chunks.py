"""Chunks: the passages of an abstract that are embedded, each under its paper's title."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from qa.corpus.papers import Paper
from qa.corpus.sentences import Sentence, split_sentences
from qa.corpus.splitter import Cut, sentence_splitter
from qa.corpus.words import telling_words

# Goes up by one with every change after which the same abstract might be cut into other chunks or
# sentences: here, in the sentence splitter, or in the stop words.
CHUNKER_VERSION = 1

# Word pieces that an embedding model reads, less the two marks around a text. MiniLM's limit.
CHUNK_TOKENS = 254
# A title may take this share of a chunk: some "titles" are whole abstracts.
TITLE_SHARE = 0.5
_STEP = 16  # tokens by which a chunk may be longer than the equal share, then again

# An estimate of word pieces, within 10 % for English: long words come in pieces, signs alone.
_PIECE = re.compile(r"[a-zA-Z]{1,7}|[\u3040-\u9fff\uac00-\ud7af]|[^\W\d_]{1,2}|\d{1,2}|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of an abstract's sentences, whole ones where they fit, with the title before it."""

    id: str  # "<paper id>:<number>"
    paper_id: str
    number: int  # 1-based
    text: str  # the title and abstract[start:end]
    start: int
    end: int
    sentences: tuple[int, ...]  # numbers of the sentences that stand in it
    spans: tuple[tuple[int, int], ...]  # where in `text` each of them stands
    words: tuple[tuple[int, int], ...]  # where in `text` the words that tell something stand


def split_paper(paper: Paper, *, tokens: int = CHUNK_TOKENS) -> tuple[Chunk, ...]:
    """Return the chunks of a paper's abstract, each of at most about so many word pieces.

    Several chunks are of about equal length, so that none is a mere tail.
    """
    head = _head(paper.title, limit=int(tokens * TITLE_SHARE))
    spans = _spans(paper.abstract, paper.sentences, limit=tokens - count_tokens(head))
    return tuple(_chunk(paper, number, head, span) for number, span in enumerate(spans, start=1))


def fits_one_chunk(paper: Paper) -> bool:
    """Tell whether a paper is one chunk, which takes no splitter."""
    room = CHUNK_TOKENS - count_tokens(_head(paper.title, limit=int(CHUNK_TOKENS * TITLE_SHARE)))
    return not paper.sentences or count_tokens(paper.abstract) <= room


def count_tokens(text: str) -> int:
    """About how many word pieces an embedding model makes of a text."""
    return len(_PIECE.findall(text))


def _head(title: str, *, limit: int) -> str:
    pieces = list(_PIECE.finditer(title))
    if len(pieces) > limit:
        title = title[: pieces[limit].start()].rstrip()
    if not title:
        return ""
    return f"{title} " if title.endswith((".", "?", "!", ":")) else f"{title}. "


def _spans(text: str, whole: Sequence[Sentence], *, limit: int) -> list[tuple[int, int]]:
    """Offsets of the parts of an abstract: one if it fits, else as few and as equal as can be."""
    if not whole:
        return [(0, 0)]  # the title alone
    total = count_tokens(text)
    if total <= limit:  # the splitter would give it back as it is
        return [(whole[0].start, whole[-1].end)]
    fewest = -(-total // limit)
    for parts in (fewest, fewest + 1):
        for size in [*range(_STEP * (total // parts // _STEP + 1), limit, _STEP), limit]:
            spans = _cut(text, size=size)
            if len(spans) <= parts:
                return spans
    return _cut(text, size=limit)


def _sentence_pieces(text: str) -> list[str]:
    """Cut the whole text into as many pieces as sentences, each with the space that follows it."""
    bounds = [0, *(sentence.start for sentence in split_sentences(text)[1:]), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def _cut(text: str, *, size: int) -> list[tuple[int, int]]:
    """Let LlamaIndex's SentenceSplitter fill chunks of `size` tokens with our sentences."""
    spans = []
    end = 0
    for part in _splitter(size)(text):
        start = text.index(part, end)  # parts are slices of the text, without space around them
        end = start + len(part)
        spans.append((start, end))
    return spans


@cache
def _splitter(size: int) -> Cut:
    return sentence_splitter(size, tokens=_PIECE.findall, sentences=_sentence_pieces)


def _chunk(paper: Paper, number: int, head: str, span: tuple[int, int]) -> Chunk:
    start, end = span
    inside = [s for s in paper.sentences if s.start < end and s.end > start]
    shift = len(head) - start
    text = head + paper.abstract[start:end]
    return Chunk(
        id=f"{paper.id}:{number}",
        paper_id=paper.id,
        number=number,
        text=text,
        start=start,
        end=end,
        sentences=tuple(sentence.number for sentence in inside),
        spans=tuple((max(s.start, start) + shift, min(s.end, end) + shift) for s in inside),
        # The title's words once are enough.
        words=telling_words(text, since=0 if number == 1 else len(head)),
    )
