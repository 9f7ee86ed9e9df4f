"""The manifest: what a generation holds and how it was made."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

from qa.corpus.papers import Skipped
from qa.corpus.readers.corpus import READER_VERSION, Corpus, CorpusFile
from qa.errors import StoreDamaged, StoreError, StoreMismatch
from qa.index.file_errors import MEND
from qa.index.layout import StoreLayout, replace_file

FORMAT = 3  # of everything in a generation's folder; a change makes `ask` refuse older ones


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one generation holds; its counts are what the parts must agree on."""

    format: int
    generation: str
    built_at: str  # ISO 8601, UTC
    corpus: str  # path
    corpus_digest: str  # of the files' names and bytes
    embedding: str  # the model's name
    dimension: int
    fingerprint: str  # changes whenever the model would give other vectors
    reader: str  # changes whenever the same files might be read as other papers
    chunker: int  # CHUNKER_VERSION; older stores have a text
    papers: int
    chunks: int
    sentences: int
    skipped: int  # entries of the corpus that are no papers
    patched: int  # chunks changed since the vectors were last indexed from nothing
    strays: int  # chunks that Chroma's index does not lead to, kept beside it
    collection: str | None = None  # on a Chroma server; None: in this folder
    columns: dict[str, str] = field(default_factory=dict)  # by field, the user's own names
    sums: dict[str, str] = field(default_factory=dict)  # sha256 of the files that never change

    def write(self, folder: Path) -> None:
        """Write the manifest into a generation's folder: the last step of making one."""
        replace_file(folder / "manifest.json", json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Return a generation's manifest.

        Raises FileNotFoundError, StoreDamaged, or StoreMismatch for another version's format.
        """
        path = folder / "manifest.json"
        try:
            fields = json.loads(path.read_bytes())
            found = fields["format"]
            if found == FORMAT:
                return cls(**fields)
        except (ValueError, TypeError, KeyError) as exc:
            raise StoreDamaged(f"{path} is cut off or garbled. {MEND}") from exc
        raise StoreMismatch(
            f"The store has format {found}, this version of the program needs {FORMAT}. "
            "Make a new one with: qa rebuild"
        )

    def check(self, *, fingerprint: str, on_server: bool) -> None:
        """Raise StoreMismatch unless the settings are those that the generation was made with."""
        if self.fingerprint != fingerprint:
            raise StoreMismatch(
                f"The store was built with another embedding model or another version of it "
                f"({self.embedding}). Build it for the one that is now set: qa rebuild"
            )
        if on_server and self.collection is None:
            raise StoreMismatch(
                "QA_CHROMA_URL is set, but the store's vectors are on this machine. "
                "Put them on the server with: qa rebuild"
            )
        if not on_server and self.collection is not None:
            raise StoreMismatch(
                "The store's vectors are on a Chroma server, but QA_CHROMA_URL is not set. "
                "Set it, or put the vectors on this machine with: qa rebuild"
            )


def known_columns(store: Path, corpus: Path) -> dict[str, str]:
    """Return by field the names that the live generation was read with; none without one."""
    layout = StoreLayout.of(store, corpus)
    try:
        name = layout.live()
        return dict(Manifest.read(layout.generation(name)).columns) if name else {}
    except (StoreError, OSError):
        return {}  # opening the store says what is wrong with it


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


KEPT = 1000  # entries; a broken export may have millions
_NAME = "skipped.json"
_TOLD = 4  # reasons in a line


@dataclass(frozen=True, slots=True)
class SkippedEntries:
    """The entries of a corpus that are no papers."""

    reasons: dict[str, int]  # how many for each reason, the most frequent first
    first: tuple[Skipped, ...]  # at most KEPT

    @classmethod
    def of(cls, entries: Sequence[Skipped]) -> "SkippedEntries":
        """Return what is kept of all these."""
        reasons = Counter(entry.reason for entry in entries)
        return cls(dict(reasons.most_common()), tuple(entries[:KEPT]))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.reasons.values())

    @property
    def line(self) -> str:
        """Their number and the reasons, in a line."""
        if not self.total:
            return "No entry was skipped."
        told = [f"{reason} ({count:,})" for reason, count in self.reasons.items()]
        more = f", {len(told) - _TOLD:,} other reasons" if len(told) > _TOLD else ""
        entries = "1 entry was" if self.total == 1 else f"{self.total:,} entries were"
        return f"{entries} skipped: {', '.join(told[:_TOLD])}{more}."

    def write(self, folder: Path) -> None:
        """Write it into a generation's folder."""
        content = {"reasons": self.reasons, "first": [astuple(entry) for entry in self.first]}
        replace_file(folder / _NAME, json.dumps(content).encode("ascii"))

    @classmethod
    def read(cls, folder: Path) -> "SkippedEntries":
        """Return what a generation keeps; nothing where it was made before there was this."""
        try:
            content = json.loads((folder / _NAME).read_bytes())
            return cls(content["reasons"], tuple(Skipped(*entry) for entry in content["first"]))
        except (OSError, ValueError, TypeError, KeyError):
            return cls({}, ())
