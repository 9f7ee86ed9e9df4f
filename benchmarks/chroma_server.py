"""Measures a Chroma server as this program uses one: writing, asking, memory, disk.

A `chroma run` of its own is started on this machine and filled with random vectors around random
centres, through the same code that `qa rebuild` and `ask` use. The last line is one JSON object.

    python benchmarks/chroma_server.py [--vectors N] [--dimension D] [--queries N]
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from qa.index.chroma import VectorsWriter, open_collection
from qa.index.chroma_server import ChromaServer
from qa.index.layout import size_on_disk

ASKED = 526  # chunks that a ranking asks for, where a paper has 1.7 of them
CENTRES = 1000
NAME = "benchmark"
START = 60.0  # seconds in which the server must answer


def main() -> None:
    """Measure, and print the figures as one JSON object."""
    given = _arguments()
    rng = np.random.default_rng(0)
    vectors = _vectors(rng, given.vectors, given.dimension)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _running(folder) as (server, process):
            began = time.perf_counter()
            _write(server, vectors)
            wrote = time.perf_counter() - began
            full = _resident_mib(process)
        with _running(folder) as (server, process):  # as after a night: nothing in memory
            times = _ask(server, vectors[rng.choice(len(vectors), given.queries)])
            figures = {
                "vectors": given.vectors,
                "written_per_s": round(given.vectors / wrote),
                "disk_mib": round(size_on_disk(folder) / 2**20),
                "memory_after_writing_mib": round(full),
                "memory_while_asked_mib": round(_resident_mib(process)),
                "first_query_ms": round(times[0], 1),
                "query_ms": round(median(times[1:]), 1),
            }
    for what, amount in figures.items():
        print(f"{what:<26} {amount:>12,}")
    print(json.dumps(figures))


def _vectors(rng: np.random.Generator, count: int, dimension: int) -> NDArray[np.float32]:
    centres = rng.standard_normal((CENTRES, dimension), np.float32)
    rows = centres[rng.integers(CENTRES, size=count)]
    rows += rng.standard_normal((count, dimension), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _write(server: ChromaServer, vectors: NDArray[np.float32]) -> None:
    with closing(VectorsWriter.on_server(server, NAME, rows=len(vectors))) as writer:
        for part in writer.batches(len(vectors)):
            numbers = range(part.start, part.stop)
            ids = [f"{number:012x}:1" for number in numbers]
            writer.upsert(ids, vectors[part], [{"paper": id_[:12], "year": 2026} for id_ in ids])


def _ask(server: ChromaServer, vectors: NDArray[np.float32]) -> list[float]:
    """Return the milliseconds of each query, the first one's with opening the collection."""
    times = []
    began = time.perf_counter()
    with closing(open_collection(server, NAME)) as collection:
        for vector in vectors:
            collection.query(vector, min(ASKED, len(vectors)), only=None)
            times.append(1000 * (time.perf_counter() - began))
            began = time.perf_counter()
    return times


@contextmanager
def _running(folder: Path) -> Iterator[tuple[ChromaServer, int]]:
    """Give a server on a folder, and its process number, until the block ends."""
    chroma = shutil.which("chroma", path=str(Path(sys.executable).parent))
    if chroma is None:
        sys.exit(f"There is no `chroma` beside {sys.executable}: run `pip install .` there first.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [chroma, "run", "--path", str(folder), "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = ChromaServer(f"http://127.0.0.1:{port}")
        _wait(f"{server.url}/api/v2/heartbeat")
        yield server, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < START:
        with suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.1)
    sys.exit("The Chroma server did not start.")


def _resident_mib(process: int) -> float:
    """Return the memory that a process holds now; Linux alone tells."""
    status = Path("/proc", str(process), "status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384, help="MiniLM's are 384")
    parser.add_argument("--queries", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    main()
