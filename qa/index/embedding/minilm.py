"""all-MiniLM-L6-v2 on this machine's cores, with ONNX Runtime."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from qa.config import LOCAL_EMBEDDING, refuse_telemetry
from qa.errors import EmbeddingError
from qa.index.embedding.base import FloatArray, Passage, normalised, sums_of_ranges
from qa.index.embedding.weights import FOLDER, load_model
from qa.progress import ProgressListener

DIMENSION = 384
PIECES = 512  # word pieces of a text that the model reads; later spans get the whole text's vector

Offsets = Sequence[tuple[int, int]]  # start and end in the text of each word piece
Model = Callable[[str], tuple[FloatArray, Offsets]]  # vectors of the word pieces: (n, 384)


class MiniLM:
    """The model, downloaded and loaded when the first text is embedded."""

    name = LOCAL_EMBEDDING
    dimension = DIMENSION
    fingerprint = f"{FOLDER} int8 pieces<={PIECES} mean l2"

    def __init__(self, cache: Path, progress: ProgressListener) -> None:
        self._cache = cache
        self._progress = progress
        self._loading = Lock()
        self._model: Model | None = None

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row per text: (n, 384)."""
        rows = self.embed_passages([Passage(text, ()) for text in texts])
        return np.concatenate(rows) if rows else np.empty((0, DIMENSION), dtype=np.float32)

    def embed_passages(self, passages: Sequence[Passage]) -> list[FloatArray]:
        """Return (1 + spans + words, 384) per passage.

        The vector of a span or word is the mean of its word pieces' vectors within the whole text,
        so it needs no run of the model of its own.
        """
        if not passages:
            return []
        model = self._loaded()
        if len(passages) == 1:
            return [_rows(passages[0], model)]
        # Each text has one thread: on two cores this is one and a half times as fast as two threads
        # for every step of one text.
        with ThreadPoolExecutor(min(len(passages), _cores())) as pool:
            return list(pool.map(lambda passage: _rows(passage, model), passages))

    def _loaded(self) -> Model:
        with self._loading:
            if self._model is None:
                self._model = _load(self._cache, self._progress)
            return self._model


def _rows(passage: Passage, model: Model) -> FloatArray:
    vectors, offsets = model(passage.text)
    whole = vectors.mean(axis=0)
    # The first and the last piece mark the ends of the text and have no characters.
    starts = [start for start, _ in offsets[1:-1]]
    rows = [whole]
    for first, last in 1 + np.searchsorted(starts, passage.spans).reshape(-1, 2):
        rows.append(vectors[first:last].mean(axis=0) if first < last else whole)
    words = 1 + np.searchsorted(starts, passage.words).reshape(-1, 2)
    sums = sums_of_ranges(vectors, words[:, 0], words[:, 1])
    sums[words[:, 0] >= words[:, 1]] = whole
    return normalised(np.concatenate([rows, sums]))


def _load(cache: Path, progress: ProgressListener) -> Model:
    """Return the model, ready to embed; raises EmbeddingError."""
    refuse_telemetry()  # before the import, which is when it is decided
    import onnxruntime  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

    files = load_model(cache, progress)
    tokenizer = Tokenizer.from_buffer(files.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(PIECES)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(files.graph, options, ["CPUExecutionProvider"])
    except Exception as exc:  # its exceptions have no common base
        raise EmbeddingError(
            f"onnxruntime {onnxruntime.__version__} cannot run the embedding model"
            f" ({str(exc)[:200]}): try `pip install --upgrade onnxruntime`"
        ) from exc

    # A question is embedded twice in a row: for its own vector, and for those of its words.
    @lru_cache(maxsize=1)
    def run(text: str) -> tuple[FloatArray, Offsets]:
        # Half of a surrogate pair, from a bad file name or escape, becomes "?".
        encoding = tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8"))
        ids = np.array([encoding.ids], dtype=np.int64)
        vectors: FloatArray = session.run(["tokens"], {"ids": ids})[0][0]
        return vectors, encoding.offsets

    return run


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
