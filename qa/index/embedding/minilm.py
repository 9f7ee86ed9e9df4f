"""all-MiniLM-L6-v2 on this machine's cores, with ONNX Runtime."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from qa.config import refuse_telemetry
from qa.errors import EmbeddingError
from qa.index.embedding.base import LOCAL_MODEL, FloatArray, Passage, added_up, normalised
from qa.index.embedding.weights import FOLDER, load_model
from qa.progress import ProgressListener

DIMENSION = 384
PIECES = 512  # word pieces of a text that are read; what is behind gets the whole text's vector

Offsets = Sequence[tuple[int, int]]  # of each word piece: start and end in the text


class MiniLM:
    """The model, fetched and loaded when the first text comes."""

    name = LOCAL_MODEL
    dimension = DIMENSION
    fingerprint = f"{FOLDER} int8 pieces<={PIECES} mean l2"

    def __init__(self, cache: Path, listener: ProgressListener) -> None:
        self._cache = cache
        self._listener = listener
        self._loading = Lock()
        self._read: Callable[[str], tuple[FloatArray, Offsets]] | None = None

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row per text: (n, 384)."""
        rows = self.embed_passages([Passage(text, ()) for text in texts])
        return np.concatenate(rows) if rows else np.empty((0, DIMENSION), dtype=np.float32)

    def embed_passages(self, passages: Sequence[Passage]) -> list[FloatArray]:
        """Return (1 + spans + words, 384) per passage.

        The vector of a span or word is the mean of its own word pieces as the model sees them
        within the whole text, so it costs nothing more.
        """
        if not passages:
            return []
        read = self._reader()
        if len(passages) == 1:
            return [_rows(passages[0], read)]
        # A text is one thread's work from beginning to end: on two cores one and a half times as
        # fast as letting both work on each step of it.
        with ThreadPoolExecutor(min(len(passages), _cores())) as pool:
            return list(pool.map(lambda passage: _rows(passage, read), passages))

    def _reader(self) -> Callable[[str], tuple[FloatArray, Offsets]]:
        with self._loading:
            if self._read is None:
                self._read = _load(self._cache, self._listener)
            return self._read


def _rows(passage: Passage, read: Callable[[str], tuple[FloatArray, Offsets]]) -> FloatArray:
    vectors, offsets = read(passage.text)
    whole = vectors.mean(axis=0)
    # The first and last piece mark the text's ends and stand for no character.
    starts = [start for start, _ in offsets[1:-1]]
    rows = [whole]
    for first, last in 1 + np.searchsorted(starts, passage.spans).reshape(-1, 2):
        rows.append(vectors[first:last].mean(axis=0) if first < last else whole)
    words = 1 + np.searchsorted(starts, passage.words).reshape(-1, 2)
    sums = added_up(vectors, words[:, 0], words[:, 1])
    sums[words[:, 0] >= words[:, 1]] = whole
    return normalised(np.concatenate([rows, sums]))


def _load(cache: Path, listener: ProgressListener) -> Callable[[str], tuple[FloatArray, Offsets]]:
    """Return what makes of a text a vector per word piece, (n, 384), and the pieces' offsets."""
    refuse_telemetry()  # which is decided when the library is loaded
    import onnxruntime  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

    model = load_model(cache, listener)
    tokenizer = Tokenizer.from_buffer(model.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(PIECES)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.graph, options, ["CPUExecutionProvider"])
    except Exception as exc:  # its exceptions have no common base
        raise EmbeddingError(
            f"onnxruntime {onnxruntime.__version__} cannot run the embedding model"
            f" ({str(exc)[:200]}): try `pip install --upgrade onnxruntime`"
        ) from exc

    # A question is read twice in a row: for its own vector, and for those of its words.
    @lru_cache(maxsize=1)
    def read(text: str) -> tuple[FloatArray, Offsets]:
        # Half a surrogate pair, as a bad file name or escape leaves it, becomes "?".
        encoding = tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8"))
        ids = np.array([encoding.ids], dtype=np.int64)
        vectors: FloatArray = session.run(["tokens"], {"ids": ids})[0][0]
        return vectors, encoding.offsets

    return read


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
