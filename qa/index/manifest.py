"""The manifest: what a generation holds and how it was made."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from qa.errors import StoreDamaged, StoreMismatch
from qa.index.faults import MEND
from qa.index.layout import replace_file

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
