"""A Chroma server for tests, as `chroma run` starts it."""

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from qa.index.chroma_server import ChromaServer

CHROMA = shutil.which("chroma", path=str(Path(sys.executable).parent)) or shutil.which("chroma")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(folder, port):
    """A Chroma server of its own, until the block ends."""
    words = [CHROMA, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        answered = threading.Event()
        while not answered.wait(0.1) and process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{url}/api/v2/heartbeat", timeout=5).close()
                answered.set()
        yield ChromaServer(url)
    finally:
        process.kill()
        process.wait()
