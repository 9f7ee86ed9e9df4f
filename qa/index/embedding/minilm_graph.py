"""MiniLM as an ONNX graph, written from the original weights, for one text at a time.

A graph for one text needs no padding and no attention mask, so the vectors of a text cannot
depend on what else is embedded with it; several texts run side by side on the cores instead.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from qa.index.embedding.base import FloatArray

WIDTH, LAYERS, HEADS = 384, 6, 12
EPSILON = 1e-12  # of the layer normalisations
MICROSOFT = "com.microsoft"

# 7 bits: with 8, processors without VNNI add products in 16 bits that overflow.
QUANTISED_LIMIT = 64

Tensors = Mapping[str, FloatArray]


def read_tensors(safetensors: bytes) -> dict[str, FloatArray]:
    """Return the float32 tensors of a safetensors file, as views of it."""
    size = int.from_bytes(safetensors[:8], "little")
    header: dict[str, dict[str, Any]] = json.loads(safetensors[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            values = np.frombuffer(memoryview(safetensors)[start:end], dtype="<f4")
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def build_graph(tensors: Tensors, *, quantised: bool) -> bytes:
    """Return the model as ONNX: `ids` (1, n) int64 → `tokens` (1, n, 384), n at most 512.

    Quantised to integers of one byte it is a quarter as large and faster; cosine to the exact
    model about 0.994.
    """
    graph = _Graph(tensors, quantised=quantised)
    hidden = _embeddings(graph)
    for number in range(LAYERS):
        hidden = _layer(graph, f"encoder.layer.{number}", hidden)
    graph.add("Identity", [hidden], "tokens")
    onnx: bytes = graph.model().SerializeToString()
    return onnx


def quantise(rows: FloatArray, limit: int = 127) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Return integers from -limit to limit and a scale per row: integers x scale ≈ row."""
    scales = np.maximum(np.abs(rows).max(axis=1), np.float32(1e-12)) / np.float32(limit)
    return np.rint(rows / scales[:, None]).astype(np.int8), scales


class _Graph:
    """An ONNX graph in the making; a value goes by the name of the node that makes it."""

    def __init__(self, tensors: Tensors, *, quantised: bool) -> None:
        self.tensors = tensors
        self.quantised = quantised
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def add(self, kind: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """Add a node; returns the name of its (first) output."""
        domain = MICROSOFT if kind == "DynamicQuantizeMatMul" else ""
        self._nodes.append(
            helper.make_node(kind, inputs, outputs, name=outputs[0], domain=domain, **attributes)
        )
        return outputs[0]

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        """Add a constant; returns its name. A name stands for the same values everywhere."""
        if name not in self._constants:
            array = np.ascontiguousarray(values)
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def sizes(self, name: str, *values: int) -> str:
        """Add a constant of whole numbers, as shapes and positions need it."""
        return self.constant(name, np.array(values, dtype=np.int64))

    def linear(self, value: str, weight: FloatArray, bias: FloatArray, name: str) -> str:
        """Add value x weightᵀ + bias; weight is (out, in)."""
        bias_name = self.constant(f"{name}.bias", bias)
        if not self.quantised:
            matrix = self.constant(f"{name}.weight", weight.T)
            product = self.add("MatMul", [value, matrix], f"{name}.product")
            return self.add("Add", [product, bias_name], name)
        integers, scales = quantise(weight, QUANTISED_LIMIT)
        inputs = [
            value,
            self.constant(f"{name}.weight", integers.T),
            self.constant(f"{name}.scales", scales),
            self.constant(f"{name}.zeros", np.zeros(len(scales), dtype=np.int8)),
            bias_name,
        ]
        return self.add("DynamicQuantizeMatMul", inputs, name)

    def add_and_normalise(self, left: str, right: str, norm: str) -> str:
        """Add the layer normalisation of left + right, with the weights called `norm`.

        InstanceNormalization over the tokens computes the same as LayerNormalization, and in
        ONNX Runtime takes a fifth of its time.
        """
        total = self.add("Add", [left, right], f"{norm}.sum")
        inputs = [total, "token_ones", "token_zeros"]
        unit = self.add("InstanceNormalization", inputs, f"{norm}.unit", epsilon=EPSILON)
        weight = self.constant(f"{norm}.weight", self.tensors[f"{norm}.weight"])
        bias = self.constant(f"{norm}.bias", self.tensors[f"{norm}.bias"])
        return self.add("Add", [self.add("Mul", [unit, weight], f"{norm}.scaled"), bias], norm)

    def model(self) -> ModelProto:
        """Return the finished, checked model."""
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "n"])
        tokens = helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, "n", WIDTH])
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "MiniLM", [ids], [tokens], constants)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
        # The oldest format that has all of this, so that older runtimes read it too.
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        checker.check_model(model)
        return model


def _embeddings(graph: _Graph) -> str:
    tensors = graph.tensors
    length = graph.add("Shape", ["ids"], "length", start=1, end=2)
    zeros = graph.add("ConstantOfShape", [length], "token_zeros")
    graph.add("Add", [zeros, graph.constant("one", np.float32(1))], "token_ones")
    # There is one text and no second segment, so its embedding is part of every position's.
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    table = tensors["embeddings.position_embeddings.weight"] + segment
    start = graph.sizes("start", 0)
    inputs = [graph.constant("positions", table), start, length, start]
    places = graph.add("Slice", inputs, "places")
    return graph.add_and_normalise(_words(graph), places, "embeddings.LayerNorm")


def _words(graph: _Graph) -> str:
    words = graph.tensors["embeddings.word_embeddings.weight"]
    if not graph.quantised:
        return graph.add("Gather", [graph.constant("words", words), "ids"], "pieces")
    integers, scales = quantise(words)
    picked = graph.add("Gather", [graph.constant("words", integers), "ids"], "picked")
    scale = graph.add("Gather", [graph.constant("word_scales", scales[:, None]), "ids"], "scale")
    values = graph.add("Cast", [picked], "values", to=TensorProto.FLOAT)
    return graph.add("Mul", [values, scale], "pieces")


def _layer(graph: _Graph, layer: str, hidden: str) -> str:
    def linear(value: str, name: str) -> str:
        weight, bias = (graph.tensors[f"{layer}.{name}.{part}"] for part in ("weight", "bias"))
        return graph.linear(value, weight, bias, f"{layer}.{name}")

    attended = linear(_attention(graph, f"{layer}.attention", hidden), "attention.output.dense")
    hidden = graph.add_and_normalise(attended, hidden, f"{layer}.attention.output.LayerNorm")
    wide = graph.add("Gelu", [linear(hidden, "intermediate.dense")], f"{layer}.gelu")
    return graph.add_and_normalise(
        linear(wide, "output.dense"), hidden, f"{layer}.output.LayerNorm"
    )


def _attention(graph: _Graph, name: str, hidden: str) -> str:
    query, key, value = _query_key_value(graph, name, hidden)
    scores = graph.add("MatMul", [query, key], f"{name}.scores")
    shares = graph.add("Softmax", [scores], f"{name}.shares", axis=-1)
    mixed = graph.add("MatMul", [shares, value], f"{name}.mixed")
    together = graph.add("Transpose", [mixed], f"{name}.together", perm=[0, 2, 1, 3])
    return graph.add("Reshape", [together, graph.sizes("joined", 0, 0, WIDTH)], f"{name}.joined")


def _query_key_value(graph: _Graph, name: str, hidden: str) -> tuple[str, str, str]:
    """Return query (1, heads, n, 32), key (1, heads, 32, n) and value (1, heads, n, 32)."""
    parts = ("query", "key", "value")
    # The scores' factor 1/√32 goes into the query's weights.
    factors = (np.float32((WIDTH // HEADS) ** -0.5), np.float32(1), np.float32(1))

    def stacked(kind: str) -> FloatArray:
        tensors = [graph.tensors[f"{name}.self.{part}.{kind}"] for part in parts]
        return np.concatenate([t * factor for t, factor in zip(tensors, factors, strict=True)])

    # One product for all three: its input is quantised once.
    all_three = graph.linear(hidden, stacked("weight"), stacked("bias"), f"{name}.all_three")
    flat = [f"{name}.{part}.flat" for part in parts]
    graph.add("Split", [all_three, graph.sizes("thirds", *[WIDTH] * 3)], *flat, axis=-1)
    orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    shape = graph.sizes("by_head", 0, 0, HEADS, WIDTH // HEADS)
    by_head = [graph.add("Reshape", [f, shape], f"{f}.by_head") for f in flat]
    query, key, value = (
        graph.add("Transpose", [heads], f"{name}.{part}", perm=order)
        for heads, part, order in zip(by_head, parts, orders, strict=True)
    )
    return query, key, value
