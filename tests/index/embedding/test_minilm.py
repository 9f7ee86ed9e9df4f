"""The real all-MiniLM-L6-v2: its vectors are the published model's, and each span has its own."""

import base64
import subprocess
import sys

import numpy as np
import paths
import pytest
from local_model import minilm

from qa.index.embedding import open_embedder
from qa.index.embedding.base import Passage
from qa.index.embedding.minilm import PIECES

TEXTS = [
    "which papers train without backprop?",
    (
        "Backpropagation (BP) predominates in contemporary deep learning, although it is"
        " considered biologically implausible."
    ),
    (
        "We present PreNAS, a search-free approach that accentuates target models in one-shot"
        " training."
    ),
    "A recipe for tomato soup with basil.",
]
# Of the published weights in 32 bits, by an implementation that is not ours.
COSINES = [
    [1.000, 0.381, 0.262, 0.131],
    [0.381, 1.000, 0.252, 0.045],
    [0.262, 0.252, 1.000, 0.028],
    [0.131, 0.045, 0.028, 1.000],
]
FIRST = np.frombuffer(  # the first text's vector, in steps of 1/127 of its largest number
    base64.b85decode(
        "tnI)D^*gQ}<Pt4cAKs+w93?RjocAjE1SZg=47u*%;UEJt000&K5bnnzY}g$c+56tl&mq|f0aefs!}O287DC@NGxq9j"
        "{t*rQ{`UfqEz#;XH|zZ*{pTUy>NB$@)axN1A{Bf+{^tUWAI>8F$@mTP=kN#qt{Vu++q3}yDPHXo6cq^MB<QsxBy?-j"
        "!Cws&7U%TST1Wca+!_rH(fasNp2RTj;Q;;PCeG~-5cd1=&w>rnFi;jnNH4uf#0sqN75V7v0IEkY(Ej4jqWrAW7)|~1"
        "Itu~@6*=qx(clMD8b4Ay22LHO{TvqjvLO2S2M{J~4)p5w*Z|SUy(+Oo^I+^UH6jcx%j2u$5B?MmBhsxc>=~mv*A)5#"
        "{?zIc_AebrIO`lh;qLp-6DIRT7%j`c_|ZTkVFL01w?H}T^2--4^vgQ0%<DW2Q4{3RIs6@8C-)cuALb195CB9&fAy(e"
        "{@dB?Gvdjj-_84#MC2YT^v~!!1{x<g"
    ),
    dtype=np.int8,
).astype(np.float32)


def spans(*parts):
    """Return a passage of these sentences and their spans."""
    text, places = "", []
    for part in parts:
        places.append((len(text), len(text) + len(part)))
        text += f"{part} "
    return Passage(text, tuple(places))


def test_cosines_are_those_of_the_published_model():
    rows = minilm().embed(TEXTS)
    np.testing.assert_allclose(rows @ rows.T, COSINES, atol=0.04)


def test_vector_is_that_of_the_published_model_but_for_quantisation():
    assert minilm().embed(TEXTS[:1])[0] @ FIRST / np.linalg.norm(FIRST) > 0.98


def test_vectors_have_length_one_and_the_dimension():
    rows = minilm().embed(TEXTS)
    assert rows.shape == (len(TEXTS), minilm().dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_vector_does_not_depend_on_what_is_embedded_with_it():
    together = minilm().embed(TEXTS)
    alone = np.concatenate([minilm().embed([text]) for text in TEXTS])
    np.testing.assert_array_equal(together, alone)


def test_nothing_embeds_to_nothing():
    assert minilm().embed([]).shape == (0, 384)
    assert minilm().embed_passages([]) == []


def test_passage_has_a_row_for_the_whole_and_one_per_span():
    passages = [spans(*TEXTS), Passage(TEXTS[0], ())]
    first, second = minilm().embed_passages(passages)
    assert first.shape == (1 + len(TEXTS), 384)
    assert second.shape == (1, 384)
    np.testing.assert_array_equal(first[0], minilm().embed([passages[0].text])[0])
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)


def test_span_is_nearest_to_the_question_that_it_answers():
    rows = minilm().embed_passages([spans(*TEXTS[1:])])[0]
    questions = [
        "biological plausibility of backprop",
        "neural architecture search",
        "cooking with tomatoes",
    ]
    nearest = (minilm().embed(questions) @ rows[1:].T).argmax(axis=1)
    assert nearest.tolist() == [0, 1, 2]


def test_offsets_count_characters_of_the_text_not_of_its_normal_form():
    # The tokenizer drops accents, so all of these are the same to the model.
    plain, composed, combining = (
        spans(word, "A second sentence.") for word in ("cafe", "café", "cafe\u0301")
    )
    rows = minilm().embed_passages([plain, composed, combining])
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])


def test_spans_behind_what_the_model_reads_get_the_vector_of_the_whole():
    passage = spans("word " * (PIECES - 10) + "end.", "Tail one.", "Tail two " + "and on " * 20)
    read = minilm().embed_passages([passage, spans("short.", "Tail one.")])[0]
    assert not np.array_equal(read[1], read[0])
    passage = spans("word " * PIECES, "Tail.")
    unread = minilm().embed_passages([passage])[0]
    np.testing.assert_array_equal(unread[2], unread[0])


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\ud800 broken", "\x00", "🙂" * 600, "x" * 5000])
def test_any_text_has_a_vector(text):
    rows = minilm().embed_passages([Passage(text, ((0, len(text)),))])[0]
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_fingerprint_is_known_before_anything_is_loaded(tmp_path):
    embedder = open_embedder("all-minilm-l6-V2", api_key="k", base_url="http://x", cache=tmp_path)
    assert embedder.fingerprint == minilm().fingerprint
    assert (embedder.name, embedder.dimension) == ("all-MiniLM-L6-v2", 384)
    assert "53aa51172d14" in embedder.fingerprint
    assert list(tmp_path.iterdir()) == []


def test_asking_loads_neither_the_graph_writer_nor_the_client():
    minilm().embed(["fetch it if need be"])
    program = (
        "import sys; sys.path.append('tests/support'); import local_model as weights;"
        "model = weights.minilm(); print('onnxruntime' in sys.modules);"
        "model.embed(['one']); print('onnx' in sys.modules, 'openai' in sys.modules)"
    )
    folder = paths.ROOT
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_a_words_vector_is_the_one_it_has_within_the_text():
    text = "Sparse backpropagation-free training."
    places = ((0, 6), (7, 22), (23, 27), (28, 36))
    by_word, by_span = minilm().embed_passages(
        [Passage(text, ((0, len(text)),), places), Passage(text, ((0, len(text)), *places))]
    )
    np.testing.assert_allclose(by_word, by_span, atol=1e-6)
    (alone,) = minilm().embed_passages([Passage("Sparse soup.", (), ((0, 6),))])
    assert by_word[2] @ alone[1] < 0.95


def test_words_behind_what_the_model_reads_get_the_vector_of_the_whole():
    text = "word " * PIECES
    rows = minilm().embed_passages([Passage(text, (), ((0, 4), (len(text) - 5, len(text) - 1)))])[0]
    np.testing.assert_allclose(rows[2], rows[0], atol=1e-6)
    assert not np.allclose(rows[1], rows[0], atol=1e-2)
