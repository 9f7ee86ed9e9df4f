"""Leases: how a reader keeps the generation it has opened from being removed."""

import os
import time
from pathlib import Path
from typing import IO

_AGE = 24 * 3600.0  # seconds after which a generation goes where files cannot be lock-shared


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
        """Give the lease back."""
        self._file.close()


def offer_lease(folder: Path) -> None:
    """Make a generation one that readers can take a lease on."""
    _lease_file(folder).touch()


def withdraw_lease(folder: Path) -> bool:
    """Tell whether no reader holds a lease, and from then on let none take one."""
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
    """Lock without waiting; True where the system or file system knows no such locks."""
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
        import fcntl  # noqa: F401 (locks tell; no need for age)
    except ImportError:
        return time.time() - path.stat().st_mtime > _AGE
    return True
