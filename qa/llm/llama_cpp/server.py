"""The llama.cpp server of a model file: what it gets of the machine, its process and its end."""

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

PACKAGE = "xllamacpp"
SCRIPT = Path(__file__).with_name("process.py")

# What a model gets of the machine.
CONTEXT = 8_192  # tokens of one call: forty papers by their evidence sentences, and the answer
SLOTS = 4  # calls at once: more make each one slower than they gain together
CACHE_MEMORY = 2 << 30  # bytes for the context of all calls, beside the weights
BYTES_PER_TOKEN = 256 << 10  # of context where the file does not say: those of a large model
CONTEXT_STEP = 256  # tokens: llama.cpp rounds to multiples
BYTES_PER_NUMBER = 2  # in the cache of the context
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # the share of the processors that a container may use

KILLED = -9  # the exit code of a process that the system has ended
EXIT_SECONDS = 1.0  # in which a process that broke its connections has ended, if it does
LOG_TAIL = 20_000  # bytes of the log in which the reason for its end is looked for
LOADING_ERROR = re.compile(r"error loading model: (.+)")
LOGGED_ERROR = re.compile(r"^[\d.]+ E (.+)", re.MULTILINE)
# Ctrl-C in a terminal goes to every process of the group: the server gets a group of its own.
OWN_GROUP: dict[str, int] = {"start_new_session": True}
if sys.platform == "win32":
    OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}


@dataclass(frozen=True, slots=True)
class Capacity:
    """The context and the number of calls that llama.cpp is started with."""

    context: int  # tokens of one call, prompt and reply
    slots: int  # calls at once

    @classmethod
    def of(cls, file: ModelFile) -> "Capacity":
        """Return as much context as answers need, the model was trained with and memory allows."""
        affordable = CACHE_MEMORY // (_bytes_per_token(file) or BYTES_PER_TOKEN)
        context = min(CONTEXT, file.trained_context or CONTEXT, max(affordable, CONTEXT_STEP))
        context = max(CONTEXT_STEP, context // CONTEXT_STEP * CONTEXT_STEP)
        return cls(context, max(1, min(SLOTS, affordable // context)))


def threads() -> int | None:
    """Return how many processors this process may use; None for all, which llama.cpp counts."""
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    allowed = min(allowed, _quota() or machine)
    return allowed if allowed < machine else None


class LocalServer:
    """llama.cpp with one model, on loopback, until `close` or the end of the program.

    Making one starts the process; `ready` waits for it. Raises ConfigError.
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
            **OWN_GROUP,  # type: ignore[call-overload] # which of the two depends on the platform
        )
        self._end = weakref.finalize(self, _end, self._process, self._log)
        self._address: Future[str] = Future()
        _send_settings(self._process, self._settings(capacity))
        listening = (self._process.stdout, self._address)
        threading.Thread(target=_read_address, args=listening, daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return not self._end.alive or self._process.poll() is not None

    async def ready(self) -> None:
        """Wait until the model is loaded; raises ConfigError if it cannot be."""
        address = await asyncio.shield(asyncio.wrap_future(self._address))
        if not address:
            raise ConfigError(self._load_error())
        self.base_url = f"{address}/v1"

    async def why_ended(self) -> str | None:
        """Return why the process has ended, in a line; None if it has not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, EXIT_SECONDS)
        if not self.ended:
            return None
        return f"The llama.cpp process that runs {self._file.name} has ended: {self._reason()}"

    def close(self) -> None:
        """End the process."""
        self._end()

    def _settings(self, capacity: Capacity) -> dict[str, object]:
        path = str(self._file.path.absolute())
        return {"path": path, "key": self.api_key, "threads": threads(), **asdict(capacity)}

    def _load_error(self) -> str:
        if not self._end.alive:
            return f"The model file {self._file.path} is not in use any more."
        self._process.wait()
        return f"The file {self._file.path} cannot be used by llama.cpp: {self._reason()}"

    def _reason(self) -> str:
        """Return why the process ended and what to do, as the end of a sentence."""
        code = self._process.poll() or 0
        if self._end.alive and code != KILLED:
            self._log.seek(0, 2)
            self._log.seek(max(0, self._log.tell() - LOG_TAIL))
            return reason(self._log.read().decode("utf-8", "replace"), code)
        return (
            "the system ended it, probably for lack of memory. Use a smaller model file, or close "
            "other programs."
        )


def require_llama() -> None:
    """Raise ConfigError unless llama.cpp is installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(
            "A model file needs llama.cpp, which is not installed: pip install 'ask-papers[local]'"
        )


def reason(log: str, exit_code: int) -> str:
    """Return why llama.cpp ended, from its log and exit code, as the end of a sentence."""
    loading, logged = LOADING_ERROR.findall(log), LOGGED_ERROR.findall(log)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    words = (loading or logged or lines or [_exit_words(exit_code)])[-1].rstrip(".")
    if "unknown model architecture" in words or "unknown pre-tokenizer" in words:
        return f"{words}. A newer llama.cpp may know it: pip install --upgrade {PACKAGE}"
    if "not within the file bounds" in words:
        return "it is cut off or damaged. Download it again."
    if "alloc" in log and "fail" in log:
        return f"there is not enough memory ({words}). Use a smaller model file."
    return f"{words}. Try another model file, or: pip install --upgrade {PACKAGE}"


def _quota() -> int | None:
    """Return the processors that the container may use, rounded up; None without a limit."""
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _bytes_per_token(file: ModelFile) -> int:
    """Return the bytes of cache per token: a key and a value for each key-value head and layer."""
    heads = file.number("attention.head_count")
    width = file.number("embedding_length") // heads if heads else 0
    key = file.number("attention.key_length") or width
    value = file.number("attention.value_length") or width
    kept = file.number("attention.head_count_kv") or heads
    return file.number("block_count") * kept * (key + value) * BYTES_PER_NUMBER


def _exit_words(code: int) -> str:
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended with code {code}"


def _send_settings(process: subprocess.Popen[bytes], settings: dict[str, object]) -> None:
    """Send the settings; standard input stays open, for the process ends with it."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(OSError):  # it has ended: `ready` will say why
        process.stdin.write(f"{json.dumps(settings)}\n".encode())
        process.stdin.flush()


def _read_address(stdout: IO[bytes], address: Future[str]) -> None:
    """Read the line with the server's address; empty if the process ends without one."""
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
