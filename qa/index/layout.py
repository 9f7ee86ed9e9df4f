"""Where a store keeps what: one folder for each corpus, and in it one for each generation."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qa.errors import StoreDamaged

_GENERATION = re.compile(r"g-[0-9a-z-]{4,64}")


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """The paths of one corpus's store."""

    folder: Path

    @classmethod
    def of(cls, store: Path, corpus: Path) -> "StoreLayout":
        """Return the layout for a corpus, named for people and told apart by its whole path."""
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
    def collections(self) -> Path:
        """The names of collections on a Chroma server that this store has made."""
        return self.folder / "COLLECTIONS"

    def generation(self, name: str) -> Path:
        """Return a generation's folder."""
        return self.folder / name

    def live(self) -> str | None:
        """Return the live generation's name, or None before the first; may raise StoreDamaged."""
        try:
            name = self.current.read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (UnicodeDecodeError, IsADirectoryError):
            name = ""
        if not _GENERATION.fullmatch(name):
            raise StoreDamaged(f"{self.current} names no generation. Mend it with: qa rebuild")
        return name

    def publish(self, name: str) -> None:
        """Make a generation the live one, at once and for good."""
        sync_tree(self.generation(name))
        if self.current.is_dir():  # nothing of ours, and in the way
            shutil.rmtree(self.current)
        replace_file(self.current, f"{name}\n".encode())

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
    """Bring every file below a folder, and the folders themselves, to the disk."""
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
    return sum(
        Path(here, name).stat().st_size for here, _, names in os.walk(folder) for name in names
    )


def remove_tree(folder: Path) -> None:
    """Remove a folder, the manifest first: what is half removed must not look whole."""
    (folder / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
