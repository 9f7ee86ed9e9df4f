"""Find the GGUF file of a chat model, and check it before llama.cpp is started."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from qa.errors import ConfigError
from qa.llm.llama_cpp.gguf import CutOff, GGUFHeader, NotGGUF, read_header

SUFFIX = ".gguf"
PART = re.compile(r"-(\d{5})-of-(\d{5})$")  # how the names of a model in several files end
MAX_PARTS = 1_000  # files of one model
SAMPLES, SAMPLE = 16, 65_536  # places of a file, and bytes at each, for its fingerprint
# What a GGUF file can hold instead of a chat model, by its type or architecture.
NO_CHAT_MODEL = {
    "adapter": "an adapter, a supplement to another model",
    "mmproj": "the part of a model that sees images",
    "clip": "the part of a model that sees images",
    "imatrix": "statistics for the making of model files",
    "vocab": "a vocabulary without a model",
}
EMBEDDING_ARCHITECTURE = re.compile(r"bert|embedding|t5encoder")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file of a chat model, or the first of several that hold it together."""

    path: Path
    header: GGUFHeader
    size: int  # bytes, of all its files together
    fingerprint: str  # of the content: the same model under another name has the same

    @classmethod
    def find(cls, name: str) -> "ModelFile":
        """Return the file that the setting names; for any of several parts, the first one.

        Raises ConfigError for one that is missing, cut off, or no chat model.
        """
        path = _path(name)
        try:
            _check_place(path)
            parts = _parts(path)
            headers = [_header(part) for part in parts]
            size = sum(part.stat().st_size for part in parts)
            found = cls(parts[0], headers[0], size, _fingerprint(parts))
        except OSError as exc:
            raise ConfigError(
                f"The model file {path} cannot be read: {exc.strerror or exc}."
            ) from exc
        if why := _no_chat(found.header):
            raise ConfigError(
                f"The file {path} is {why}: set QA_MODEL to the file of a chat model, which mostly "
                "has “instruct” or “it” in its name."
            )
        return found

    @property
    def name(self) -> str:
        """What answers call the model."""
        return PART.sub("", self.path.stem)

    @property
    def trained_context(self) -> int:
        """The context length that the model was trained with, in tokens; 0 if not given."""
        return self.number("context_length")

    def number(self, key: str) -> int:
        """Return a number that the header has for the model's architecture; 0 if none."""
        return self.header.number(f"{self.header.text('general.architecture')}.{key}")


def is_model_file(model: str | None, base_url: str | None) -> bool:
    """Return whether the setting means a file here, and not a model of the server at `base_url`.

    Servers of llama.cpp name their models by file names: with a server set, the file must exist.
    """
    if model is None or not model.lower().endswith(SUFFIX):
        return False
    return base_url is None or _exists(_path(model))


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~name/model.gguf, and nobody has that name
        return Path(name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise ConfigError(
            f"The path {path} is a folder: set QA_MODEL to the model file in it.{_others_in(path)}"
        )
    if not path.is_file():
        raise ConfigError(
            f"There is no model file {path}: check QA_MODEL.{_others_in(path.parent)}"
        )


def _others_in(folder: Path) -> str:
    """Return the names of the model files in the folder as a sentence; empty if none."""
    try:
        names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() == SUFFIX)
    except OSError:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" In {folder.absolute()} there is {', '.join(names[:3])}{more}." if names else ""


def _parts(path: Path) -> tuple[Path, ...]:
    match = PART.search(path.stem)
    if match is None:
        return (path,)
    start, count = path.stem[: match.start()], int(match[2])
    parts = [
        path.with_name(f"{start}-{i:05}-of-{match[2]}{path.suffix}")
        for i in range(1, min(count, MAX_PARTS) + 1)
    ]
    missing = [part.name for part in parts if not part.exists()]
    if missing or not parts:
        some = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise ConfigError(
            f"The file {path} is one of {count} that make up a model; beside it there is no "
            f"{some}: download the rest into the same folder."
        )
    return tuple(parts)


def _header(path: Path) -> GGUFHeader:
    try:
        return read_header(path)
    except NotGGUF as exc:
        raise ConfigError(
            f"The file {path} is {exc}: set QA_MODEL to a model file in the GGUF format, or "
            "download it again."
        ) from exc
    except CutOff as exc:
        there = path.stat().st_size
        least = f" of at least {megabytes(exc.least)}" if exc.least else ""
        raise ConfigError(
            f"The file {path} is cut off ({megabytes(there)}{least} are there): download it again."
        ) from exc


def _no_chat(header: GGUFHeader) -> str:
    """Return what the file is instead of a chat model; empty for a chat model."""
    kind, architecture = header.text("general.type"), header.text("general.architecture")
    other = NO_CHAT_MODEL.get(kind) or NO_CHAT_MODEL.get(architecture)
    if other:
        return other
    # A pooling type is written for models that embed or rerank, whatever they are built from.
    if EMBEDDING_ARCHITECTURE.search(architecture) or header.number(f"{architecture}.pooling_type"):
        return "a model that embeds text and does not chat"
    return "" if header.tensors else NO_CHAT_MODEL["vocab"]


def _fingerprint(parts: tuple[Path, ...]) -> str:
    """Return a digest of 1 MB of each part: two models differ in all their weights."""
    digest = hashlib.sha256()
    for part in parts:
        size = part.stat().st_size
        digest.update(size.to_bytes(8, "little"))
        with part.open("rb") as file:
            for i in range(SAMPLES):
                file.seek(max(0, size - SAMPLE) * i // (SAMPLES - 1))
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def megabytes(size: int) -> str:
    """Return a number of bytes as people read it."""
    if size < 100_000:
        return f"{size:,} bytes"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
