"""Chunking: an abstract cut into the texts that are embedded, each with the paper's title.

An abstract that fits the embedding model is one chunk. A longer one is cut between sentences by
LlamaIndex's SentenceSplitter, which is imported only then: it takes about a second.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from qa.corpus.papers import Paper
from qa.corpus.sentences import Sentence, split_sentences
from qa.corpus.words import content_word_spans

# Goes up by one with every change after which the same abstract might be cut into other chunks or
# sentences: here, in the sentence splitter, or in the stop words.
CHUNKER_VERSION = 2

# Word pieces in a chunk at most. MiniLM's sentence model takes 256, two of them marks.
CHUNK_TOKENS = 254
# A title may take this share of a chunk: some "titles" are whole abstracts.
TITLE_SHARE = 0.5
_STEP = 16  # tokens: how finely the size of equal chunks is searched

# An estimate of word pieces, within 10 % for English: long words are several pieces, and each sign
# is one.
_PIECE = re.compile(r"[a-zA-Z]{1,7}|[\u3040-\u9fff\uac00-\ud7af]|[^\W\d_]{1,2}|\d{1,2}|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of an abstract with the paper's title before it: what is embedded as one text.

    It is made of whole sentences, except where one sentence is longer than a chunk.
    """

    id: str  # "<paper id>:<number>"
    paper_id: str
    number: int  # 1-based
    text: str  # the title and abstract[start:end]
    start: int
    end: int
    sentences: tuple[int, ...]  # numbers of the sentences that are in it, as a whole or in part
    spans: tuple[tuple[int, int], ...]  # (start, end) in `text` of each of these sentences
    words: tuple[tuple[int, int], ...]  # (start, end) in `text` of its content words


def split_paper(paper: Paper, *, tokens: int = CHUNK_TOKENS) -> tuple[Chunk, ...]:
    """Return the chunks of a paper, each of at most about `tokens` word pieces.

    There are as few chunks as possible, of about equal length. A paper without an abstract is one
    chunk: its title, which is its only sentence.
    """
    if paper.title_only:
        return (_title_chunk(paper, limit=tokens - 1),)
    title = _title_before_abstract(paper.title, limit=int(tokens * TITLE_SHARE))
    spans = _spans(paper.abstract, paper.sentences, limit=tokens - count_tokens(title))
    return tuple(_chunk(paper, number, title, span) for number, span in enumerate(spans, start=1))


def count_tokens(text: str) -> int:
    """Return about how many word pieces an embedding model makes of a text."""
    return len(_PIECE.findall(text))


def _title_before_abstract(title: str, *, limit: int) -> str:
    """Return the title, cut to `limit` word pieces and ended like a sentence."""
    pieces = list(_PIECE.finditer(title))
    if len(pieces) > limit:
        title = title[: pieces[limit].start()].rstrip()
    if not title:
        return ""
    return f"{title} " if title.endswith((".", "?", "!", ":")) else f"{title}. "


def _spans(text: str, sentences: Sequence[Sentence], *, limit: int) -> list[tuple[int, int]]:
    """Return (start, end) of each part of an abstract: as few and as equal as possible."""
    if not sentences:
        return [(0, 0)]  # the title alone
    total = count_tokens(text)
    if total <= limit:
        return [(sentences[0].start, sentences[-1].end)]
    fewest = -(-total // limit)
    for parts in (fewest, fewest + 1):
        for size in [*range(_STEP * (total // parts // _STEP + 1), limit, _STEP), limit]:
            spans = _cut(text, size=size)
            if len(spans) <= parts:
                return spans
    return _cut(text, size=limit)


def _cut(text: str, *, size: int) -> list[tuple[int, int]]:
    """Return (start, end) of the parts of a text, each of at most `size` tokens."""
    spans = []
    end = 0
    for part in _splitter(size)(text):
        start = text.index(part, end)  # parts are slices of the text, without space around them
        end = start + len(part)
        spans.append((start, end))
    return spans


@cache
def _splitter(size: int) -> Callable[[str], list[str]]:
    """Return LlamaIndex's splitter, with our count of tokens and our sentences."""
    from llama_index.core.node_parser import SentenceSplitter

    return SentenceSplitter(
        chunk_size=size,
        chunk_overlap=0,
        # Both are always given: the defaults download a tokenizer and NLTK's models.
        tokenizer=_PIECE.findall,
        chunking_tokenizer_fn=_sentence_pieces,
    ).split_text


def _sentence_pieces(text: str) -> list[str]:
    """Return the sentences of a text, each with the space after it: together the whole text."""
    bounds = [0, *(sentence.start for sentence in split_sentences(text)[1:]), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def _title_chunk(paper: Paper, *, limit: int) -> Chunk:
    text = _title_before_abstract(paper.title, limit=limit).rstrip()
    return Chunk(
        id=f"{paper.id}:1",
        paper_id=paper.id,
        number=1,
        text=text,
        start=0,
        end=0,
        sentences=(1,),
        spans=((0, len(text)),),
        words=content_word_spans(text),
    )


def _chunk(paper: Paper, number: int, title: str, span: tuple[int, int]) -> Chunk:
    start, end = span
    inside = [s for s in paper.sentences if s.start < end and s.end > start]
    shift = len(title) - start
    text = title + paper.abstract[start:end]
    return Chunk(
        id=f"{paper.id}:{number}",
        paper_id=paper.id,
        number=number,
        text=text,
        start=start,
        end=end,
        sentences=tuple(sentence.number for sentence in inside),
        spans=tuple((max(s.start, start) + shift, min(s.end, end) + shift) for s in inside),
        # The title's words are taken from the first chunk only.
        words=content_word_spans(text, since=0 if number == 1 else len(title)),
    )
