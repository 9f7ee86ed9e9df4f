"""How much of the machine a local model gets: tokens of context, questions at once, processors."""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from qa.errors import ConfigError
from qa.llm.llama_cpp.model_file import ModelFile

CONTEXT = 8_192  # tokens of one call: forty papers by their proving sentences, and the answer
SLOTS = 4  # calls at once: more makes each slower than all together gain
MEMORY = 2 << 30  # bytes that the context may take beside the weights
UNKNOWN = 256 << 10  # bytes a token, where the file does not say: those of a large model
STEP = 256  # tokens; llama.cpp rounds to this
HALF = 2  # bytes of a number in the context's cache
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # how containers are kept to a part of the processors


@dataclass(frozen=True, slots=True)
class Capacity:
    """What llama.cpp is told to take."""

    context: int  # tokens of one call, prompt and reply
    slots: int  # calls at once

    @classmethod
    def of(cls, file: ModelFile) -> "Capacity":
        """As much context as the work needs, the model was trained on and memory allows."""
        affordable = MEMORY // (_bytes_per_token(file) or UNKNOWN)
        context = min(CONTEXT, file.trained_context or CONTEXT, max(affordable, STEP))
        context = max(STEP, context // STEP * STEP)
        return cls(context, max(1, min(SLOTS, affordable // context)))


def threads() -> int | None:
    """Processors to use where this process may not use all; None: llama.cpp counts the cores."""
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    allowed = min(allowed, _quota() or machine)
    return allowed if allowed < machine else None


def _quota() -> int | None:
    """The processors that the container may use, rounded up; None if that is not limited."""
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _bytes_per_token(file: ModelFile) -> int:
    """What the cache keeps for each token: a key and a value, of each layer's heads."""
    heads = file.number("attention.head_count")
    width = file.number("embedding_length") // heads if heads else 0
    key = file.number("attention.key_length") or width
    value = file.number("attention.value_length") or width
    kept = file.number("attention.head_count_kv") or heads
    return file.number("block_count") * kept * (key + value) * HALF


PACKAGE = "xllamacpp"
SCRIPT = Path(__file__).with_name("process.py")
KILLED = -9  # the exit code of a process that the system has ended
MOMENT = 1.0  # seconds in which a process that broke its connections has ended, if it does
LOG_TAIL = 20_000  # bytes
# Ctrl-C in a terminal goes to every process of the group: this one is not of it.
APART: dict[str, int] = {"start_new_session": True}
if sys.platform == "win32":
    APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
LOADING = re.compile(r"error loading model: (.+)")
LOGGED = re.compile(r"^[\d.]+ E (.+)", re.MULTILINE)


class LocalServer:
    """llama.cpp with one model, on loopback, until `close` or the end of the program.

    It is being started when this is made; wait for it by `ready`. Raises ConfigError.
    """

    def __init__(self, file: ModelFile, capacity: Capacity) -> None:
        require_llama()
        self._file = file
        self.api_key = secrets.token_urlsafe(24)  # so that no other user of the machine asks it
        self.base_url = ""  # known when it is ready
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            **APART,  # type: ignore[call-overload] # which of the two depends on the platform
        )
        self._end = weakref.finalize(self, _end, self._process, self._log)
        self._address: Future[str] = Future()
        _tell(self._process, self._settings(capacity))
        listening = (self._process.stdout, self._address)
        threading.Thread(target=_listen, args=listening, daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return not self._end.alive or self._process.poll() is not None

    async def ready(self) -> None:
        """Wait until the model is loaded; raises ConfigError if it cannot be."""
        address = await asyncio.shield(asyncio.wrap_future(self._address))
        if not address:
            raise ConfigError(self._rejection())
        self.base_url = f"{address}/v1"

    async def why_ended(self) -> str | None:
        """Why the process has ended, in a line; None if it has not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, MOMENT)
        if not self.ended:
            return None
        return f"llama.cpp, which runs {self._file.name}, has ended: {self._reason()}"

    def close(self) -> None:
        """End the process."""
        self._end()

    def _settings(self, capacity: Capacity) -> dict[str, object]:
        path = str(self._file.path.absolute())
        return {"path": path, "key": self.api_key, "threads": threads(), **asdict(capacity)}

    def _rejection(self) -> str:
        if not self._end.alive:
            return f"{self._file.path} is not in use any more."
        self._process.wait()
        return f"llama.cpp cannot use {self._file.path}: {self._reason()}"

    def _reason(self) -> str:
        """Why the process ended and what to do, as far as that can be told."""
        code = self._process.poll() or 0
        if self._end.alive and code != KILLED:
            self._log.seek(0, 2)
            self._log.seek(max(0, self._log.tell() - LOG_TAIL))
            said = self._log.read().decode("utf-8", "replace")
            return reason(said, code)
        return (
            "the system ended it, mostly for lack of memory. Use a smaller model file, or close "
            "other programs."
        )


def require_llama() -> None:
    """Raise ConfigError unless llama.cpp is installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(
            "A model file needs llama.cpp, which is not installed: pip install 'ask-papers[local]'"
        )


def reason(said: str, code: int) -> str:
    """Why llama.cpp ended, from what it said and its exit code; the end of a sentence."""
    loading, logged = LOADING.findall(said), LOGGED.findall(said)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = (loading or logged or lines or [_signal(code)])[-1].rstrip(".")
    if "unknown model architecture" in words or "unknown pre-tokenizer" in words:
        return f"{words}. A newer llama.cpp may know it: pip install --upgrade {PACKAGE}"
    if "not within the file bounds" in words:
        return "it is cut off or damaged. Download it again."
    if "alloc" in said and "fail" in said:
        return f"there is not enough memory ({words}). Use a smaller model file."
    return f"{words}. Try another model file, or: pip install --upgrade {PACKAGE}"


def _signal(code: int) -> str:
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended with code {code}"


def _tell(process: subprocess.Popen[bytes], settings: dict[str, object]) -> None:
    """Send the settings; standard input stays open, for its end is the process's end."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(OSError):  # it has ended: `ready` will say why
        process.stdin.write(f"{json.dumps(settings)}\n".encode())
        process.stdin.flush()


def _listen(stdout: IO[bytes], address: Future[str]) -> None:
    """Wait for the line that says where the server is; it stays empty if there will be none."""
    line = b""
    with contextlib.suppress(OSError, ValueError):
        line = stdout.readline()
    address.set_result(line.decode().strip())


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, log):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
