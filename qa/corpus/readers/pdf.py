"""Papers in PDF: title, authors and abstract of the first pages, and never the full text."""

import atexit
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from qa.corpus.papers import WHOLE_FILE, Record, Skipped, UnreadableFile
from qa.corpus.readers.pdf_front_page import Line, Page, read_front_page

MAX_SIZE = 200_000_000  # bytes of a PDF
SECONDS = 20.0  # for one PDF; a common one takes a twentieth of a second
_PROGRAM = Path(__file__).with_name("pdf_lines.py")
_SEARCHABLE = "Make its text searchable first: `ocrmypdf FILE NEW.pdf`."
_DECRYPT = "Take the password off: `qpdf --decrypt --password=PASSWORD FILE NEW.pdf`."
_REPAIR = "Repair it: `qpdf FILE NEW.pdf`, or print it to a new PDF."


def read_pdf(stream: BinaryIO, source: str) -> Iterator[Record | Skipped]:
    """Yield the paper in a PDF; raises UnreadableFile for one that has none or cannot be read."""
    content = stream.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise UnreadableFile(
            f"it is a PDF of more than {MAX_SIZE // 1_000_000} MB",
            "Take its first pages: `qpdf FILE --pages . 1-3 -- NEW.pdf`.",
        )
    found = _worker().lines_of(content)
    if found.get("error") == "password":
        raise UnreadableFile("it is a PDF with a password", _DECRYPT)
    if "error" in found:
        raise UnreadableFile(f"it is a PDF that cannot be read: {found['error']}", _REPAIR)
    pages = [_page(page) for page in found["pages"]]
    if not any(line.words for page in pages for line in page.lines):
        raise UnreadableFile("it is a PDF without text, as a scanner makes it", _SEARCHABLE)
    entry = read_front_page(pages, found["title"] or "")
    if entry is None:
        raise UnreadableFile(
            "it is a PDF whose first pages have no title and abstract",
            "Put title and abstract into a text file.",
        )
    yield entry.record(source, WHOLE_FILE)


def _page(page: dict[str, Any]) -> Page:
    lines = [Line(**line) for line in page["lines"]]
    return Page(page["width"], page["height"], lines, page["turned"])


class _Worker:
    """The program that reads PDFs; it is started again after one that it did not survive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def lines_of(self, content: bytes) -> dict[str, Any]:
        """Return what the program says of a PDF."""
        with self._lock:
            process = self._running()
            reply = b""
            try:
                _send(process, content)
                reply = self._replies.get(timeout=SECONDS)
            except queue.Empty:
                self.stop()
                return {"error": f"it takes more than {SECONDS:.0f} seconds"}
            except OSError:  # it ended while it was sent to
                pass
            if not reply:
                self.stop()
                return {"error": "it takes too much memory, or is made to do harm"}
            answer: dict[str, Any] = json.loads(reply)
            return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            # With -P no module of the user's folder, nor of the program's, takes another's place.
            self._process = subprocess.Popen(  # noqa: S603 (a program of our own)
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._replies = queue.SimpleQueue()
            arguments = (self._process, self._replies)
            threading.Thread(target=_pass_replies, args=arguments, daemon=True).start()
        return self._process

    def stop(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def _send(process: subprocess.Popen[bytes], content: bytes) -> None:
    if process.stdin is not None:
        process.stdin.write(len(content).to_bytes(8, "big") + content)
        process.stdin.flush()


def _pass_replies(process: subprocess.Popen[bytes], replies: "queue.SimpleQueue[bytes]") -> None:
    """Put every line that the program writes into the queue, and an empty one when it ends."""
    try:
        for line in process.stdout or ():
            replies.put(line)
    except (OSError, ValueError):  # closed by `stop`
        pass
    replies.put(b"")


@cache
def _worker() -> _Worker:
    worker = _Worker()
    atexit.register(worker.stop)
    return worker
