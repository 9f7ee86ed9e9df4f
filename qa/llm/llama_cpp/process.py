"""The process that runs llama.cpp; it serves until its standard input closes.

    python -P process.py    # reads one line of JSON, writes the server's address

A process of its own, so that a crash or lack of memory is an error message and not the end of the
program; and its end is that of the program, however that came, for then standard input closes.
It imports nothing of this project, and so starts fast.
"""

import json
import os
import signal
import sys
import threading
from typing import Any

ERRORS_ALONE = 1  # how much llama.cpp says
GPUS = ("GPU", "IGPU")
# How often idle threads look for work before they sleep, where llama.cpp uses OpenMP. By default it
# is so often that on a busy machine they keep each other from working: a tenth of the speed.
SPINS = "1000"


def main() -> None:
    """Serve the model that standard input names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this
    settings = json.loads(sys.stdin.readline())
    _end_with_input()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # whatever llama.cpp prints is no address
        server = _serve(settings)
        out.write(f"{server.listening_address}\n")
    threading.Event().wait()


def _end_with_input() -> None:
    """See to it that this process ends when standard input closes."""
    threading.Thread(target=_read_to_the_end, daemon=True).start()
    if sys.platform == "linux":
        import fcntl

        # While a model loads, which may take a minute, no thread of Python gets a turn: but the
        # signal that standard input has changed ends a process that does not handle it.
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def _read_to_the_end() -> None:
    sys.stdin.read()
    os._exit(0)  # its threads take their time


def _serve(settings: dict[str, Any]) -> Any:  # noqa: ANN401 - the package has no types
    os.putenv("GOMP_SPINCOUNT", SPINS)  # which is read when the library is loaded
    import xllamacpp  # type: ignore[import-untyped]

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.api_keys = [settings["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    if settings["threads"]:
        params.cpuparams.n_threads = settings["threads"]
    # llama.cpp puts as many layers on a GPU as fit; looking for that takes time without one.
    params.fit_params = any(device["type"].name.endswith(GPUS) for device in _devices())
    params.cache_ram_mib = 0  # for conversations that are taken up again; these are not
    params.verbosity = ERRORS_ALONE
    params.warmup = False  # the first call warms up as well
    params.ui = params.endpoint_slots = False
    return xllamacpp.Server(params)


def _devices() -> list[dict[str, Any]]:
    import xllamacpp

    devices: list[dict[str, Any]] = xllamacpp.get_device_info()
    return devices


if __name__ == "__main__":
    main()
