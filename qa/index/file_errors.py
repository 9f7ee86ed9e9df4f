"""Errors of files, databases and disks, translated into errors of the vector store."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from qa.errors import Action, Hint, StoreDamaged, StoreError

REBUILD = Hint(Action.REBUILD)  # of a corpus that `naming_corpus` fills in
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_CACHE_KEPT = "What was embedded so far is kept."


@contextmanager
def naming_corpus(corpus: Path) -> Iterator[None]:
    """Put the corpus into the hint of a StoreError, unless the hint has one."""
    try:
        yield
    except StoreError as exc:
        if exc.hint is not None and exc.hint.corpus is None:
            exc.hint = replace(exc.hint, corpus=corpus)
        raise


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Translate what can go wrong while a store's file is read."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StoreDamaged(f"{path} cannot be read ({exc}).", hint=REBUILD) from exc
    except FileNotFoundError as exc:
        raise StoreDamaged(f"{exc.filename or path} is missing.", hint=REBUILD) from exc
    except OSError as exc:
        raise StoreError(f"{path} cannot be read: {_reason(exc)}") from exc


@contextmanager
def writing_errors(folder: Path) -> Iterator[None]:
    """Translate what can go wrong while a store is written; the old generation is untouched."""
    try:
        yield
    except sqlite3.Error as exc:
        if "full" in str(exc):  # SQLite's own words: Python gives them no class of their own
            raise _disk_full(folder) from exc
        message = f"The store in {folder} could not be written ({exc}). {_CACHE_KEPT}"
        raise StoreError(message, hint=REBUILD) from exc
    except OSError as exc:
        if exc.errno in _DISK_FULL:
            raise _disk_full(folder) from exc
        name = exc.filename or folder
        raise StoreError(f"{name} could not be written: {_reason(exc)}") from exc


def _disk_full(folder: Path) -> StoreError:
    return StoreError(
        f"The disk is full: the store in {folder} could not be written. {_CACHE_KEPT} "
        "Free some space first.",
        hint=REBUILD,
    )


def _reason(exc: OSError) -> str:
    """Return what the system says, and what the user can do about it."""
    if exc.errno in _FORBIDDEN:
        advice = "Allow this user to use the folder, or name another one in QA_STORE."
    else:
        advice = "Check the disk, or name another folder in QA_STORE."
    return f"{exc.strerror or exc}. {advice}"
