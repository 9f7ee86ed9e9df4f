"""Locks: one process at a time writes a store, and no generation is removed while it is read."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from qa.errors import StoreLocked
from qa.index.layout import REBUILD, StoreLayout, replace_file

# Seconds after which an old generation is removed on a system without shared file locks.
_UNUSED_AFTER = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class LockHolder:
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
    layout: StoreLayout, *, wait: float | None, waiting: Callable[[LockHolder | None], None] | None
) -> Iterator[None]:
    """Hold a store's lock; the system releases it when the process ends, also when it is killed.

    `wait` is how long to wait for another process, in seconds; None: without limit. `waiting` is
    called once with that process before waiting begins. Raises StoreLocked when the time is over.
    """
    from filelock import FileLock, Timeout

    layout.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(layout.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting is not None and wait != 0:
            waiting(lock_holder(layout))
        try:
            lock.acquire(timeout=-1 if wait is None else wait, poll_interval=0.1)
        except Timeout as exc:
            raise _locked(layout) from exc
    layout.folder.mkdir(parents=True, exist_ok=True)  # whom we waited for may have removed it
    note = _holder_file(layout)
    try:
        myself = LockHolder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat())
        replace_file(note, json.dumps(asdict(myself)).encode())
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def lock_holder(layout: StoreLayout) -> LockHolder | None:
    """Return the process that took the lock last; it holds it only if acquiring has failed."""
    try:
        return LockHolder(**json.loads(_holder_file(layout).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # the lock was taken or released this very moment


def is_locked(layout: StoreLayout) -> bool:
    """Return whether a process is writing the store."""
    from filelock import FileLock, Timeout

    if not layout.lock.exists():
        return False
    try:
        with FileLock(layout.lock).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _holder_file(layout: StoreLayout) -> Path:
    return layout.folder / "WRITER"


def _locked(layout: StoreLayout) -> StoreLocked:
    holder = lock_holder(layout) or "another process"
    return StoreLocked(
        f"The store is being rebuilt by {holder}. If there was one before, "
        "questions are still answered from it. Wait until that process has ended.",
        hint=REBUILD,
    )


class Lease:
    """A shared lock on a generation's LEASE file, held until closed or the process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lease; raises FileNotFoundError if the generation is gone or just going."""
        self._file = _lease_file(folder).open("rb")
        locked = _flock(self._file, shared=True)
        # The writer may be removing it: locked just now, or gone between our opening and locking.
        if not locked or os.fstat(self._file.fileno()).st_nlink == 0:
            self.close()
            raise FileNotFoundError(_lease_file(folder))

    def close(self) -> None:
        """Release the lease."""
        self._file.close()


def offer_lease(folder: Path) -> None:
    """Let readers take a lease on a generation."""
    _lease_file(folder).touch()


def withdraw_lease(folder: Path) -> bool:
    """Let no reader take a lease any more; return False if one holds a lease now."""
    path = _lease_file(folder)
    try:
        with path.open("rb+") as file:
            if not _flock(file, shared=False) or not _old_enough(path):
                return False
            path.unlink()
    except FileNotFoundError:
        pass  # never finished, or withdrawn by a writer that was killed
    return True


def _lease_file(folder: Path) -> Path:
    return folder / "LEASE"


def _flock(file: IO[bytes], *, shared: bool) -> bool:
    """Lock without waiting, return success; True where the file system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _old_enough(path: Path) -> bool:
    try:
        import fcntl  # noqa: F401 (with locks, age does not matter)
    except ImportError:
        return time.time() - path.stat().st_mtime > _UNUSED_AFTER
    return True
