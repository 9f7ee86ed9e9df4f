import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.config import bundled
from qa.corpus.chunking import CHUNK_TOKENS, CHUNKER_VERSION, count_tokens, split_paper
from qa.corpus.papers import Record, as_paper
from qa.corpus.readers.corpus import read_corpus

SENTENCE = "The quick brown fox jumps over the lazy dog near the old river bank today. "


def paper(abstract, title="A title"):
    return as_paper(Record(title=title, abstract=abstract, source="x.txt"))


def test_a_short_abstract_is_one_chunk_under_its_title():
    (chunk,) = split_paper(paper("One sentence. And another one."))
    assert chunk.text == "A title. One sentence. And another one."
    assert (chunk.number, chunk.start, chunk.end) == (1, 0, 30)
    assert chunk.id == f"{chunk.paper_id}:1"


@pytest.mark.parametrize(
    ("title", "text"), [("Why?", "Why? We"), ("So: it is", "So: it is. We"), ("", "We")]
)
def test_the_title_ends_like_a_sentence(title, text):
    (chunk,) = split_paper(paper("We tell.", title))
    assert chunk.text.startswith(text)


def test_spans_are_the_sentences():
    subject = paper(SENTENCE * 60)
    for chunk in split_paper(subject):
        for number, (start, end) in zip(chunk.sentences, chunk.spans, strict=True):
            assert chunk.text[start:end] == subject.sentences[number - 1].text


def test_a_long_abstract_is_cut_between_sentences_into_like_parts():
    subject = paper(SENTENCE * 60)
    chunks = split_paper(subject)
    starts = {sentence.start for sentence in subject.sentences}
    sizes = [count_tokens(chunk.text) for chunk in chunks]
    assert len(chunks) == 4
    assert all(chunk.start in starts for chunk in chunks)
    assert max(sizes) <= CHUNK_TOKENS
    assert max(sizes) < 1.5 * min(sizes)


def test_every_sentence_is_in_exactly_one_chunk():
    subject = paper(SENTENCE * 45)
    numbers = [number for chunk in split_paper(subject) for number in chunk.sentences]
    assert numbers == list(range(1, 46))


def test_a_text_without_any_stop_or_space_is_cut_all_the_same():
    subject = paper("x" * 9000)
    chunks = split_paper(subject)
    assert "".join(subject.abstract[chunk.start : chunk.end] for chunk in chunks) == "x" * 9000
    assert all(count_tokens(chunk.text) <= CHUNK_TOKENS for chunk in chunks)


def test_a_title_as_long_as_an_abstract_leaves_room_for_the_abstract():
    (chunk, *_) = split_paper(paper("We tell. " * 30, title="word " * 500))
    assert count_tokens(chunk.text) <= CHUNK_TOKENS
    assert "We tell." in chunk.text


def test_chinese_is_counted_by_sign():
    assert count_tokens("深度学习") == 4
    assert len(split_paper(paper("深度学习的模型需要大量数据。" * 60))) > 1


def test_the_same_paper_has_the_same_chunks():
    assert split_paper(paper(SENTENCE * 50)) == split_paper(paper(SENTENCE * 50))


def test_other_chunks_have_another_version():
    """A change of the chunks must raise CHUNKER_VERSION: stores keep chunks of the same version."""
    records = (r for r in read_corpus(bundled("seeds")).records() if isinstance(r, Record))
    chunks = [asdict(c) for r in records for c in split_paper(as_paper(r), tokens=64)]
    digest = hashlib.sha256(json.dumps(chunks, sort_keys=True).encode()).hexdigest()
    assert (CHUNKER_VERSION, digest[:16]) == (2, "3b82dd11f0c4d206")


def test_a_paper_without_abstract_is_its_title():
    (chunk,) = split_paper(paper(" ", "Only a title"))
    assert chunk.text.strip() == "Only a title."
    assert (chunk.start, chunk.end, chunk.sentences) == (0, 0, ())


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=3000), st.text(max_size=200), st.sampled_from([24, 64, 254]))
def test_chunks_hold_every_character_once(abstract, title, tokens):
    subject = paper(abstract, title)
    kept = ""
    end = 0
    for number, chunk in enumerate(split_paper(subject, tokens=tokens), start=1):
        assert chunk.number == number
        assert not abstract[end : chunk.start].strip()
        assert chunk.text.endswith(abstract[chunk.start : chunk.end])
        kept += abstract[chunk.start : chunk.end]
        end = chunk.end
    assert "".join(kept.split()) == "".join(abstract.split())


@pytest.mark.parametrize("count", [60, 90])
def test_a_long_abstract_is_cut_by_llamaindexs_splitter(count):
    from llama_index.core.node_parser import SentenceSplitter

    subject = paper("".join(f"{SENTENCE}{'Much indeed. ' * (n % 7)}" for n in range(count)), "")
    bounds = [0, *(sentence.start for sentence in subject.sentences[1:]), len(subject.abstract)]
    pieces = [subject.abstract[start:end] for start, end in pairwise(bounds)]
    cuts = [
        SentenceSplitter(
            chunk_size=size,
            chunk_overlap=0,
            tokenizer=lambda text: [""] * count_tokens(text),
            chunking_tokenizer_fn=lambda _: pieces,
        ).split_text(subject.abstract)
        for size in range(CHUNK_TOKENS - 64, CHUNK_TOKENS + 1)
    ]
    chunks = [subject.abstract[chunk.start : chunk.end] for chunk in split_paper(subject)]
    assert len(chunks) > 3
    assert chunks in cuts


def test_short_abstracts_need_no_llamaindex():
    program = (
        "import sys\n"
        "from qa.corpus.chunking import split_paper\n"
        "from qa.corpus.papers import Record, as_paper\n"
        "split_paper(as_paper(Record('t', 'We tell.', 'x')))\n"
        "assert 'llama_index.core' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_words_are_those_of_the_abstract_and_once_those_of_the_title():
    subject = paper(SENTENCE * 60, title="Foxes and dogs")
    first, *others = split_paper(subject)
    words = [[c.text[start:end] for start, end in c.words] for c in (first, *others)]
    assert words[0][:4] == ["Foxes", "dogs", "quick", "brown"]
    assert sum(part.count("Foxes") for part in words) == 1
    assert sum(part.count("quick") for part in words) == 60


def test_title_without_abstract_is_one_chunk_and_its_only_sentence():
    paper = as_paper(Record("Tides: what do we know? A review", "", "a.ris"))
    (chunk,) = split_paper(paper)
    assert [sentence.text for sentence in paper.sentences] == [paper.title]
    assert (chunk.text, chunk.sentences) == (f"{paper.title}.", (1,))
    assert chunk.spans == ((0, len(chunk.text)),)
    (long,) = split_paper(as_paper(Record("tide " * 1000, "", "a.ris")))
    assert count_tokens(long.text) <= CHUNK_TOKENS
