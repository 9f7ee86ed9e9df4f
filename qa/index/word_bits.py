"""Word vectors as they are stored: of each number its sign, as one bit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qa.index.embedding.embedder import FloatArray, added_up

Bits = NDArray[np.uint8]


def packed(words: Sequence[str], vectors: FloatArray) -> Bits:
    """Return the signs of word vectors, (different words, dimension / 8).

    `vectors` are (words, dimension); a word that stands there several times gets their mean.
    """
    if not words:
        return np.empty((0, -(-vectors.shape[1] // 8)), np.uint8)
    distinct = {word: number for number, word in enumerate(dict.fromkeys(words))}
    numbers = np.array([distinct[word] for word in words])
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(len(distinct) + 1))
    return np.packbits(added_up(vectors[order], bounds[:-1], bounds[1:]) > 0, axis=1)


def as_bits(content: bytes, dimension: int) -> Bits:
    """Return what `packed` returned, from its bytes."""
    return np.frombuffer(content, np.uint8).reshape(-1, -(-dimension // 8))
