"""Faults of files, databases and disks, told in one line with the way out."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qa.config import rebuild_command
from qa.errors import StoreDamaged, StoreError

REBUILD = "qa rebuild"  # ends the advice that `advising` completes
MEND = f"Mend it with: {REBUILD}"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def naming_corpus(corpus: Path) -> Iterator[None]:
    """Make the advice to rebuild, at the end of an error, name the corpus that is meant."""
    try:
        yield
    except StoreError as exc:
        told = str(exc)
        if told.endswith(REBUILD):
            exc.args = (told.removesuffix(REBUILD) + rebuild_command(corpus),)
        raise


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Translate what can go wrong while a store's file is read."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StoreDamaged(f"{path} cannot be read ({exc}). {MEND}") from exc
    except FileNotFoundError as exc:
        raise StoreDamaged(f"{exc.filename or path} is missing. {MEND}") from exc
    except OSError as exc:
        raise StoreError(f"{path} cannot be read: {exc.strerror or exc}. {_way_out(exc)}") from exc


@contextmanager
def writing_errors(folder: Path) -> Iterator[None]:
    """Translate what can go wrong while a store is written; the old generation is untouched."""
    try:
        yield
    except sqlite3.Error as exc:
        if "full" in str(exc):
            raise StoreError(_full(folder)) from exc
        raise StoreError(f"The store in {folder} could not be written ({exc}). {_KEPT}") from exc
    except OSError as exc:
        if exc.errno in _FULL:
            raise StoreError(_full(folder)) from exc
        what = f"{exc.filename or folder} could not be written: {exc.strerror or exc}."
        raise StoreError(f"{what} {_way_out(exc)}") from exc


_KEPT = f"What was embedded so far is kept; go on with: {REBUILD}"


def _full(folder: Path) -> str:
    return f"The disk is full: the store in {folder} could not be written. Free some space. {_KEPT}"


def _way_out(exc: OSError) -> str:
    if exc.errno in _FORBIDDEN:
        return "Allow this user to use the folder, or name another one in QA_STORE."
    return "Check the disk, or name another folder in QA_STORE."
