"""What one command costs, process start included: time, CPU time, memory of its process tree.

Each command is started by a fresh small Python process (this file as a script), because the kernel
lets a child inherit its parent's peak memory, and counts children's usage once per process.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY = 0.05  # seconds between two looks at the process tree
MIB = 1024 * 1024


class CommandError(Exception):
    """A measured command ended with an exit code that its caller did not expect."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The cost of one run."""

    seconds: float  # wall clock
    cpu_seconds: float  # user and system, all processes
    peak_mib: float  # resident memory of the process tree at its largest
    output: str = ""  # what it wrote to stdout


def measure(
    command: Sequence[str], environment: Mapping[str, str], *, accepted: Sequence[int] = (0,)
) -> Measurement:
    """Run a command once; raises CommandError with the end of its stderr."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "usage.json")
        done = subprocess.run(
            [sys.executable, "-I", __file__, str(result), *command],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in accepted:
            raise CommandError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}"
            )
        usage = json.loads(result.read_text())
    return Measurement(output=done.stdout, **usage)


def _tree_mib(root: int) -> float:
    """Return the resident memory of a process and its descendants now, 0 without /proc."""
    pages, waiting = 0, [root]
    while waiting:
        process = Path("/proc", str(waiting.pop()))
        try:
            pages += int((process / "statm").read_text().split()[1])
            for thread in (process / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (OSError, IndexError):
            continue  # it ended while we looked, or this is no Linux
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def _watch(root: int, ended: threading.Event, peaks: list[float]) -> None:
    while not ended.wait(SAMPLE_EVERY):
        peaks.append(_tree_mib(root))


def _run(result: Path, command: Sequence[str]) -> int:
    """Run the command, write its usage to the result file, and return its exit code."""
    began, ended, peaks = time.perf_counter(), threading.Event(), [0.0]
    child = subprocess.Popen(command)
    watcher = threading.Thread(target=_watch, args=(child.pid, ended, peaks))
    watcher.start()
    code = child.wait()
    seconds = time.perf_counter() - began
    ended.set()
    watcher.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    # The kernel's figure is exact but of the largest process alone; the samples see their sum.
    usage = {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": max(used.ru_maxrss * unit / MIB, *peaks),
    }
    result.write_text(json.dumps(usage))
    return code


if __name__ == "__main__":
    sys.exit(_run(Path(sys.argv[1]), sys.argv[2:]))
