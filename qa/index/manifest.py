"""The manifest: what a generation holds and how it was made."""

import hashlib
import json
import time
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from qa.corpus.readers.corpus import READER_VERSION, Corpus, CorpusFile
from qa.errors import StoreDamaged, StoreError, StoreMismatch
from qa.index.layout import REBUILD, StoreLayout, replace_file

FORMAT = 3  # of everything in a generation's folder; stores of another format are not opened
# Nanoseconds: a file changed again so soon after it was read may keep its size and date.
_RACY_NS = 2_000_000_000
_CHECKSUM = "checksum"  # in the manifest's file: of all its other fields


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
    strays: int  # chunks that no query of Chroma's index finds, kept beside it
    stems: bool = True  # the keyword index cuts words to their stems, as English ones can be
    collection: str | None = None  # on a Chroma server; None: in this folder
    columns: dict[str, str] = field(default_factory=dict)  # by field, the user's own names
    sums: dict[str, str] = field(default_factory=dict)  # sha256 of the files that never change

    def write(self, folder: Path) -> None:
        """Write the manifest into a generation's folder: the last step of making one."""
        fields = asdict(self)
        content = json.dumps({**fields, _CHECKSUM: _checksum(fields)}, indent=1)
        replace_file(folder / "manifest.json", content.encode())

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
                return cls(**_intact(fields))
        except (ValueError, TypeError, KeyError) as exc:
            raise StoreDamaged(f"{path} is cut off or garbled.", hint=REBUILD) from exc
        raise StoreMismatch(
            f"The store has format {found}, this version of the program needs {FORMAT}.",
            hint=REBUILD,
        )

    def check(self, *, fingerprint: str, on_server: bool) -> None:
        """Raise StoreMismatch unless the settings are those that the generation was made with."""
        if problem := self._mismatch(fingerprint=fingerprint, on_server=on_server):
            raise StoreMismatch(problem, hint=REBUILD)

    def _mismatch(self, *, fingerprint: str, on_server: bool) -> str | None:
        if self.fingerprint != fingerprint:
            return (
                "The store was built with another embedding model or another version of it "
                f"({self.embedding})."
            )
        if on_server and self.collection is None:
            return (
                "QA_CHROMA_URL is set, but the store's vectors are on this machine. "
                "A rebuild puts them on the server."
            )
        if not on_server and self.collection is not None:
            return (
                "The store's vectors are on a Chroma server, but QA_CHROMA_URL is not set. "
                "Set it; or a rebuild puts the vectors on this machine."
            )
        return None


def _intact(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without their checksum; raises ValueError if it is not theirs."""
    checksum = fields.pop(_CHECKSUM, None)  # earlier versions wrote none
    if checksum not in {None, _checksum(fields)}:
        raise ValueError(_CHECKSUM)
    return fields


def _checksum(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def known_columns(store: Path, corpus: Path) -> dict[str, str]:
    """Return the user's column names by field, as the live generation was read; empty without."""
    layout = StoreLayout.of(store, corpus)
    try:
        name = layout.live()
        return dict(Manifest.read(layout.generation(name)).columns) if name else {}
    except (StoreError, OSError):
        return Origin.read(layout).columns  # opening the store raises what is wrong with it


@dataclass(frozen=True, slots=True)
class Origin:
    """What a store is of; unlike a manifest it outlives the generations."""

    corpus: Path | None  # None: it cannot be read, or no build has written it
    columns: dict[str, str]  # the user's own names by field

    def write(self, layout: StoreLayout) -> None:
        """Write it into the store's folder."""
        content = {"corpus": str(self.corpus), "columns": self.columns}
        replace_file(layout.origin, json.dumps(content).encode("ascii"))

    @classmethod
    def read(cls, layout: StoreLayout) -> "Origin":
        """Return what the store's folder says, nothing where that is damaged."""
        try:
            content = json.loads(layout.origin.read_bytes())
            corpus, columns = Path(content["corpus"]), dict(content["columns"])
        except (OSError, ValueError, TypeError, KeyError):
            return cls(None, {})
        # The folder's name has a digest of the path.
        fits = StoreLayout.of(layout.folder.parent, corpus) == layout
        return cls(corpus, columns) if fits else cls(None, {})


@dataclass(frozen=True, slots=True)
class FileState:
    """One file as it was when it was last looked into."""

    name: str
    size: int
    mtime_ns: int
    digest: str  # sha256 of its bytes
    settled: bool  # so long unchanged that a later change shows in mtime_ns


@dataclass(frozen=True, slots=True)
class CorpusState:
    """All files of a corpus, in order."""

    files: tuple[FileState, ...]

    @classmethod
    def of(cls, corpus: Corpus, known: "CorpusState | None" = None) -> "CorpusState":
        """Return the state of a corpus; only files that seem changed since `known` are read."""
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
        """Return the state that a generation was made from, None if it cannot be read."""
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
