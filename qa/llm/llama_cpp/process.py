"""The process that runs llama.cpp; it serves until its standard input closes.

    python -P process.py    # reads one line of JSON, writes the server's address

It is a process of its own, so that a crash or lack of memory is an error message and not the end of
the program. However the program ends, standard input closes then, and this process ends too.
It imports nothing of this project, and so starts fast.
"""

import json
import os
import signal
import sys
import threading
from typing import Any

ERRORS_ONLY = 1  # how much llama.cpp logs
GPUS = ("GPU", "IGPU")  # how the names of device types end
# How often idle threads look for work before they sleep, where llama.cpp uses OpenMP. By default it
# is so often that they take a busy machine's processors from each other: a tenth of the speed.
SPIN_COUNT = "1000"


def main() -> None:
    """Serve the model that standard input names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this
    settings = json.loads(sys.stdin.readline())
    _end_with_input()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # so that nothing llama.cpp prints is taken for the address
        server = _serve(settings)
        out.write(f"{server.listening_address}\n")
    threading.Event().wait()


def _end_with_input() -> None:
    """Make this process end when standard input closes."""
    threading.Thread(target=_read_to_the_end, daemon=True).start()
    if sys.platform == "linux":
        import fcntl

        # While a model loads, up to a minute, no other thread of Python runs. But the signal that
        # standard input has changed (SIGIO) ends a process that does not handle it.
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def _read_to_the_end() -> None:
    sys.stdin.read()
    os._exit(0)  # without waiting for the threads of llama.cpp


def _serve(settings: dict[str, Any]) -> Any:  # noqa: ANN401 - the package has no types
    os.putenv("GOMP_SPINCOUNT", SPIN_COUNT)  # it is read when the library is loaded
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
    params.cache_ram_mib = 0  # it is for conversations that are continued; ours are not
    params.verbosity = ERRORS_ONLY
    params.warmup = False  # the first call does it
    params.ui = params.endpoint_slots = False
    return xllamacpp.Server(params)


def _devices() -> list[dict[str, Any]]:
    import xllamacpp

    devices: list[dict[str, Any]] = xllamacpp.get_device_info()
    return devices


if __name__ == "__main__":
    main()
