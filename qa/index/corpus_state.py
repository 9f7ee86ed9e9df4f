"""The state of a corpus's files, by which a change is noticed without reading papers."""

import hashlib
import json
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from qa.corpus.readers.corpus import READER_VERSION, Corpus, CorpusFile
from qa.index.layout import replace_file

# A file changed again within this time of being read may keep its size and time of change.
_RACY_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileState:
    """One file as it was when it was last looked into."""

    name: str
    size: int
    mtime_ns: int
    digest: str  # sha256 of its bytes
    settled: bool  # its time of change was old enough to be trusted


@dataclass(frozen=True, slots=True)
class CorpusState:
    """All files of a corpus, in order."""

    files: tuple[FileState, ...]

    @classmethod
    def of(cls, corpus: Corpus, known: "CorpusState | None" = None) -> "CorpusState":
        """Return the state of a corpus, looking only into files that seem changed since `known`."""
        before = {file.name: file for file in known.files} if known else {}
        return cls(tuple(_state(corpus, file, before.get(file.name)) for file in corpus.files))

    @property
    def digest(self) -> str:
        """A digest of the files' names and contents; times do not count."""
        content = json.dumps([(file.name, file.digest) for file in self.files])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def write(self, folder: Path) -> None:
        """Write the state into a generation's folder."""
        content = json.dumps([astuple(file) for file in self.files])
        replace_file(folder / "corpus.json", content.encode("ascii"))

    @classmethod
    def read(cls, folder: Path) -> "CorpusState | None":
        """Return the state that a generation was made from, None if it cannot be told."""
        try:
            rows = json.loads((folder / "corpus.json").read_bytes())
            return cls(tuple(FileState(*row) for row in rows))
        except (OSError, ValueError, TypeError):
            return None


def reader_fingerprint(corpus: Corpus) -> str:
    """Return a name for how files become papers: the readers' version and the corpus's columns."""
    content = json.dumps([READER_VERSION, sorted(corpus.columns.items())])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _state(corpus: Corpus, file: CorpusFile, known: FileState | None) -> FileState:
    same = known and known.settled and (known.size, known.mtime_ns) == (file.size, file.mtime_ns)
    if known and same:
        return known
    path = corpus.path / file.name if corpus.path.is_dir() else corpus.path
    settled = time.time_ns() - file.mtime_ns > _RACY_NS
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return FileState(file.name, file.size, file.mtime_ns, digest, settled)
