"""The lock that lets only one process at a time write a store."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from qa.errors import StoreLocked
from qa.index.layout import Layout, replace_file


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that is writing a store."""

    pid: int
    host: str
    since: str  # ISO 8601, with time zone

    def __str__(self) -> str:
        since = datetime.fromisoformat(self.since).astimezone()
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{where}, since {since:%Y-%m-%d %H:%M:%S}"


@contextmanager
def writer_lock(
    layout: Layout, *, wait: float | None, waiting: Callable[[Holder | None], None] | None
) -> Iterator[None]:
    """Hold a store's lock; the system gives it free if the process dies, however it dies.

    `wait` is in seconds, None as long as it takes; `waiting` hears once for whom we wait.
    Raises StoreLocked when the time is over.
    """
    from filelock import FileLock, Timeout

    layout.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(layout.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting is not None and wait != 0:
            waiting(holder(layout))
        try:
            lock.acquire(timeout=-1 if wait is None else wait, poll_interval=0.1)
        except Timeout as exc:
            raise StoreLocked(_locked(layout)) from exc
    note = _note(layout)
    try:
        myself = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat())
        replace_file(note, json.dumps(asdict(myself)).encode())
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holder(layout: Layout) -> Holder | None:
    """Return who noted holding the lock last; only sure to hold it when acquiring has failed."""
    try:
        return Holder(**json.loads(_note(layout).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # the lock was taken or given back this very moment


def is_locked(layout: Layout) -> bool:
    """Tell whether a process is writing the store."""
    from filelock import FileLock, Timeout

    if not layout.lock.exists():
        return False
    try:
        with FileLock(layout.lock).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _note(layout: Layout) -> Path:
    return layout.folder / "WRITER"


def _locked(layout: Layout) -> str:
    who = holder(layout) or "another process"
    return (
        f"The store is being rebuilt by {who}. Questions are still answered, from the "
        "generation before; when that process has ended, run: qa rebuild"
    )
