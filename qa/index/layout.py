"""The files of a store: where they lie, how they are replaced, and the errors of reading them."""

import errno
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from qa.errors import Action, Hint, StoreDamaged, StoreError

REBUILD = Hint(Action.REBUILD)  # of a corpus that `naming_corpus` fills in
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CACHE_KEPT = "What was embedded so far is kept."
_STORE = re.compile(r".+-[0-9a-f]{8}")
_GENERATION = re.compile(r"g-[0-9a-z-]{4,64}")


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """The paths of one corpus's store."""

    folder: Path

    @classmethod
    def of(cls, store: Path, corpus: Path) -> "StoreLayout":
        """Return the layout for a corpus; a digest of its whole path is part of the name."""
        resolved = corpus.expanduser().resolve()
        name = re.sub(r"[^a-z0-9]+", "-", resolved.stem.lower())[:32].strip("-") or "corpus"
        return cls(store / f"{name}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]}")

    @property
    def current(self) -> Path:
        """The file that names the live generation."""
        return self.folder / "CURRENT"

    @property
    def lock(self) -> Path:
        """The file that the one writer holds locked."""
        return self.folder / "LOCK"

    @property
    def cache(self) -> Path:
        """The embedding cache."""
        return self.folder / "embeddings.sqlite"

    @property
    def origin(self) -> Path:
        """The file that says what the store is of."""
        return self.folder / "origin.json"

    @property
    def collections(self) -> Path:
        """The names of collections on a Chroma server that this store has made."""
        return self.folder / "COLLECTIONS"

    def generation(self, name: str) -> Path:
        """Return a generation's folder."""
        return self.folder / name

    def live(self) -> str | None:
        """Return the live generation's name, None if there is none yet; raises StoreDamaged."""
        try:
            name = self.current.read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (UnicodeDecodeError, IsADirectoryError):
            name = ""
        if not _GENERATION.fullmatch(name):
            raise StoreDamaged(f"{self.current} names no generation.", hint=REBUILD)
        return name

    def publish(self, name: str) -> None:
        """Make a generation the live one in one step that outlives a power cut."""
        sync_tree(self.generation(name))
        if self.current.is_dir():  # no program of ours has made it
            shutil.rmtree(self.current)
        replace_file(self.current, f"{name}\n".encode())

    def is_store(self) -> bool:
        """Return whether the folder looks like one that a build of ours has made."""
        named_so = _STORE.fullmatch(self.folder.name) and not self.folder.is_symlink()
        parts = (self.current, self.origin, self.cache)
        return bool(named_so) and any(path.is_file() for path in parts)

    def generations(self) -> Iterator[str]:
        """Yield the names of all generations that have a folder, finished or not."""
        for path in sorted(self.folder.glob("g-*")):
            if path.is_dir() and _GENERATION.fullmatch(path.name):
                yield path.name


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content so that any reader sees the old or the new, also after a crash.

    The permissions stay. Raises OSError, which leaves the old content and nothing of the new.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            if path.exists():
                shutil.copymode(path, fresh)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Wait until every file below a folder, and the folders themselves, are on the disk."""
    for here, _, names in os.walk(folder):
        for name in names:
            _sync(Path(here, name))
        _sync(Path(here))
    _sync(folder.parent)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size_on_disk(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # other processes may be at work
                total += Path(here, name).stat().st_size
    return total


def remove_tree(folder: Path) -> None:
    """Remove a folder, the manifest first: a folder removed in part must not look complete."""
    (folder / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


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
        if getattr(exc, "sqlite_errorcode", None) in _IN_USE:
            raise StoreError(f"{path} is in use by many processes. Ask again.") from exc
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
