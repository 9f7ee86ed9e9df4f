"""LlamaIndex's sentence splitter, without the rest of LlamaIndex.

A package of LlamaIndex imports all that is in it, from agents to databases: 0.9 s and 35 MB more
than the splitter needs. Here the packages around it are put in place with their code put off; once
the splitter is there they are taken away again, so that whoever wants LlamaIndex gets it whole.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qa.corpus.papers import Paper
from qa.corpus.sentences import Sentence, split_sentences
from qa.corpus.words import content_word_spans

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.node_parser import SentenceSplitter


_CORE = "llama_index.core"
_PACKAGES = (_CORE, f"{_CORE}.node_parser", f"{_CORE}.node_parser.text")


Cut = Callable[[str], list[str]]  # text → its parts
Make = Callable[[int, Cut, Cut], Cut]


def sentence_splitter(size: int, *, tokens: Cut, sentences: Cut) -> Cut:
    """Return what cuts a text into chunks of at most so many tokens, without overlap."""
    return _maker()(size, tokens, sentences)


@cache
def _maker() -> Make:
    """Return what makes splitters: alone where LlamaIndex is not there yet, or of the whole."""
    if _CORE not in sys.modules:
        try:
            return _alone()
        except (ImportError, AttributeError):  # another LlamaIndex than the one known here
            pass
        finally:
            _forget()
    from llama_index.core.node_parser import SentenceSplitter

    return _making(SentenceSplitter)


def _alone() -> Make:
    for name in _PACKAGES:
        _put_off(name)
    vars(sys.modules[_CORE])["global_handler"] = None  # as it is until somebody sets one
    from llama_index.core.node_parser.text.sentence import SentenceSplitter

    make = _making(SentenceSplitter)
    make(100, str.split, str.split)("a text")  # what it imports on the way, it has to import now
    return make


def _making(splitter: "type[SentenceSplitter]") -> Make:
    callbacks = _callbacks()

    def make(size: int, tokens: Cut, sentences: Cut) -> Cut:
        return splitter(
            chunk_size=size,
            chunk_overlap=0,
            # Both are given, always: the defaults download a tokenizer and nltk's models.
            tokenizer=tokens,
            chunking_tokenizer_fn=sentences,
            callback_manager=callbacks,
        ).split_text

    return make


def _forget() -> None:
    """Undo all that has been imported of LlamaIndex's core."""
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{_CORE}.")]:
        del sys.modules[name]
    if "llama_index" in sys.modules:
        vars(sys.modules["llama_index"]).pop("core", None)


def _callbacks() -> "CallbackManager":
    """Return what tells nobody anything: without a handler it would look for one everywhere."""
    from llama_index.core.callbacks.base import CallbackManager
    from llama_index.core.callbacks.base_handler import BaseCallbackHandler

    class Nobody(BaseCallbackHandler):
        def start_trace(self, *_: object, **__: object) -> None: ...
        def end_trace(self, *_: object, **__: object) -> None: ...
        def on_event_end(self, *_: object, **__: object) -> None: ...
        def on_event_start(self, *_: object, event_id: str = "", **__: object) -> str:
            return event_id

    return CallbackManager([Nobody([], [])])


def _put_off(name: str) -> None:
    """Have a package in place, so that its modules can be imported, without running its code."""
    from importlib.util import find_spec, module_from_spec

    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"there is no {name}", name=name)
    package = module_from_spec(spec)
    package.__class__ = _PutOff
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, package)


class _PutOff(ModuleType):
    """A package that runs its code when something is wanted of it that is not there."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever is in it)
        self.__class__ = ModuleType  # type: ignore[assignment]
        if self.__spec__ is not None and self.__spec__.loader is not None:
            self.__spec__.loader.exec_module(self)
        return getattr(self, name)


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
        words=content_word_spans(text, since=0 if number == 1 else len(head)),
    )
