"""The ONNX graph computes what BERT is defined to compute, written here a second time in NumPy."""

import json
import math

import numpy as np
import onnxruntime
import pytest

from qa.index.embedding.minilm_graph import (
    HEADS,
    LAYERS,
    QUANTISED_LIMIT,
    WIDTH,
    build_graph,
    quantise,
    read_tensors,
)

WORDS = 200  # a small vocabulary; everything else has its real size
IDS = np.array([[101, 7, 199, 3, 3, 42, 0, 102]])


@pytest.fixture(scope="module")
def tensors():
    rng = np.random.default_rng(0)

    def normal(*shape, mean=0.0, spread=0.05):
        return rng.normal(mean, spread, shape).astype(np.float32)

    sizes = {"word": WORDS, "position": 512, "token_type": 2}
    made = {f"embeddings.{k}_embeddings.weight": normal(n, WIDTH) for k, n in sizes.items()}
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        linears = {
            f"{layer}.attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")
        }
        linears[f"{layer}.attention.output.dense"] = (WIDTH, WIDTH)
        linears[f"{layer}.intermediate.dense"] = (4 * WIDTH, WIDTH)
        linears[f"{layer}.output.dense"] = (WIDTH, 4 * WIDTH)
        for name, shape in linears.items():
            made |= {f"{name}.weight": normal(*shape), f"{name}.bias": normal(shape[0])}
    for name in norms:
        made |= {f"{name}.weight": normal(WIDTH, mean=1.0), f"{name}.bias": normal(WIDTH)}
    return made


def run(graph, ids):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(["tokens"], {"ids": ids})[0]


def bert(tensors, ids):
    """BERT's forward pass for one text: (n, width)."""

    def linear(value, name):
        return value @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(value, name):
        centred = value - value.mean(axis=-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return unit * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def softmax(value):
        powers = np.exp(value - value.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def heads(value):
        return value.reshape(len(value), HEADS, -1).swapaxes(0, 1)

    gelu = np.vectorize(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2)
    tables = [
        tensors[f"embeddings.{k}_embeddings.weight"] for k in ("word", "position", "token_type")
    ]
    hidden = tables[0][ids[0]] + tables[1][: ids.shape[1]] + tables[2][0]
    hidden = norm(hidden.astype(np.float64), "embeddings.LayerNorm")
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        parts = (
            heads(linear(hidden, f"{layer}.attention.self.{p}")) for p in ("query", "key", "value")
        )
        query, key, value = parts
        shares = softmax(query @ key.swapaxes(1, 2) / math.sqrt(WIDTH / HEADS))
        mixed = (shares @ value).swapaxes(0, 1).reshape(len(hidden), WIDTH)
        attended = linear(mixed, f"{layer}.attention.output.dense")
        hidden = norm(attended + hidden, f"{layer}.attention.output.LayerNorm")
        wide = gelu(linear(hidden, f"{layer}.intermediate.dense"))
        hidden = norm(linear(wide, f"{layer}.output.dense") + hidden, f"{layer}.output.LayerNorm")
    return hidden


def test_exact_graph_equals_the_definition_of_bert(tensors):
    tokens = run(build_graph(tensors, quantised=False), IDS)
    assert tokens.shape == (1, IDS.shape[1], WIDTH)
    np.testing.assert_allclose(tokens[0], bert(tensors, IDS), atol=1e-4)


def test_quantised_graph_stays_close_to_the_exact_one(tensors):
    small = build_graph(tensors, quantised=True)
    ours, exact = run(small, IDS)[0], bert(tensors, IDS)
    cosines = (ours * exact).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.min() > 0.98
    assert len(small) * 3 < len(build_graph(tensors, quantised=False))


def test_the_same_weights_make_the_same_file(tensors):
    assert build_graph(tensors, quantised=True) == build_graph(tensors, quantised=True)


def test_as_many_pieces_as_there_are_positions_fit(tensors):
    ids = np.zeros((1, 512), dtype=np.int64)
    assert run(build_graph(tensors, quantised=True), ids).shape == (1, 512, WIDTH)


def test_sums_of_two_products_of_quantised_weights_fit_16_bits():
    assert np.iinfo(np.int16).max >= 2 * 255 * QUANTISED_LIMIT


def test_quantised_rows_are_at_most_half_a_step_off():
    rows = np.array([[0.0, 0.5, -1.0], [100.0, 1.0, 0.3], [0.0, 0.0, 0.0]], dtype=np.float32)
    integers, scales = quantise(rows)
    assert (np.abs(integers * scales[:, None] - rows) <= scales[:, None] / 2 * 1.001).all()


def test_tensors_are_read_from_a_safetensors_file():
    floats, whole = np.arange(6, dtype="<f4"), np.arange(3, dtype="<i8")
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "ids": {"dtype": "I64", "shape": [3], "data_offsets": [24, 48]},
    }
    text = json.dumps(header).encode()
    file = len(text).to_bytes(8, "little") + text + floats.tobytes() + whole.tobytes()
    tensors = read_tensors(file)
    assert list(tensors) == ["a"]
    np.testing.assert_array_equal(tensors["a"], floats.reshape(2, 3))
