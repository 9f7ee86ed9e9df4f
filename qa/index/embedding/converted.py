"""The model as this program runs it, made once from the original weights and kept in the cache."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qa.errors import EmbeddingError
from qa.index.embedding.embedder import LOCAL_MODEL
from qa.index.embedding.weights import (
    MODEL_FILE,
    SHA256,
    TOKENIZER_FILE,
    Weights,
    find_weights,
    sha256,
)
from qa.progress import Listener, Progress

GRAPH_VERSION = 1  # of what graph.py writes: raise it whenever vectors change
FOLDER = f"{LOCAL_MODEL}-{SHA256[MODEL_FILE][:12]}-v{GRAPH_VERSION}"
GRAPH_FILE, SUMS_FILE = "model.onnx", "SHA256SUMS"
SCRATCH = "fetching-"  # beginning of the names of folders that are of no use once nobody works


@dataclass(frozen=True, slots=True)
class Model:
    """What it takes to embed."""

    graph: bytes  # ONNX
    tokenizer: bytes  # JSON


def load_model(cache: Path, listener: Listener) -> Model:
    """Return the model, making it first where the cache has none or a damaged one.

    Several processes may do so at once: one makes it, the others wait. Raises EmbeddingError.
    """
    model = _read(cache / FOLDER)
    if model is not None:
        return model
    try:
        with _alone(cache, listener):
            return _read(cache / FOLDER) or _make(cache, listener)
    except OSError as exc:
        raise EmbeddingError(
            f"cannot keep the embedding model in {cache} ({exc.strerror or exc}):"
            " make room for 200 MB there, or set QA_CACHE to another folder"
        ) from exc


def _read(folder: Path) -> Model | None:
    """Return the model in a folder, or None if it is missing, cut off or damaged."""
    try:
        lines = (folder / SUMS_FILE).read_text(encoding="ascii").splitlines()
        files = [(folder / name).read_bytes() for name in (GRAPH_FILE, TOKENIZER_FILE)]
    except (OSError, ValueError):
        return None
    return Model(*files) if lines == _sums(*files) else None


def _sums(graph: bytes, tokenizer: bytes) -> list[str]:
    """Return the lines of a file for `sha256sum --check`."""
    return [f"{sha256(graph)}  {GRAPH_FILE}", f"{sha256(tokenizer)}  {TOKENIZER_FILE}"]


@contextmanager
def _alone(cache: Path, listener: Listener) -> Iterator[None]:
    """Keep other processes from making the model at the same time."""
    from filelock import FileLock, Timeout

    cache.mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache / "embedding-model.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        stage = "waiting for another process that is fetching the embedding model"
        listener(Progress(stage, 0, None, "bytes"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(cache: Path, listener: Listener) -> Model:
    for leftover in cache.glob(f"{SCRATCH}*"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as name:
        scratch = Path(name)
        (scratch / "originals").mkdir()
        weights = find_weights(scratch / "originals", listener)
        listener(Progress("converting the embedding model", 0, None, "bytes"))
        model = _convert(weights)
        _keep(model, scratch / "converted", cache / FOLDER)
    return model


def _convert(weights: Weights) -> Model:
    # ONNX is imported for this only, once per machine.
    from qa.index.embedding.graph import build_graph, read_tensors

    return Model(build_graph(read_tensors(weights.model), quantised=True), weights.tokenizer)


def _keep(model: Model, new: Path, folder: Path) -> None:
    """Write the model to a new folder, and give that its lasting name in one step."""
    new.mkdir()
    (new / GRAPH_FILE).write_bytes(model.graph)
    (new / TOKENIZER_FILE).write_bytes(model.tokenizer)
    sums = _sums(model.graph, model.tokenizer)
    (new / SUMS_FILE).write_text("\n".join(sums) + "\n", encoding="ascii")
    shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    new.replace(folder)
