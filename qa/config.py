"""The settings of one run; the only place that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs

from qa.errors import ConfigError

APP = "ask-papers"
LOCAL_EMBEDDING = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set from outside, checked and with defaults filled in."""

    corpus: Path
    store: Path
    cache: Path  # weights and verdicts: can be deleted at any time
    prompts: Path | None = None  # a folder whose files replace the bundled ones by name
    model: str | None = None  # None: choose by key and base URL; "none": no model
    embed_model: str = LOCAL_EMBEDDING
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    chroma_url: str | None = None
    chroma_token: str | None = field(default=None, repr=False)
    timeout: float | None = None  # seconds that one call of the chat model may take

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """The settings that the environment asks for.

        Raises ConfigError for a value that cannot be used.
        """

        def value(name: str) -> str | None:
            return environ.get(name, "").strip() or None

        def path(name: str, default: Path) -> Path:
            given = value(name)
            return Path(given).expanduser() if given else default

        return cls(
            corpus=path("QA_CORPUS", bundled("seeds")),
            store=path("QA_STORE", platformdirs.user_data_path(APP) / "stores"),
            cache=path("QA_CACHE", platformdirs.user_cache_path(APP)),
            prompts=path("QA_PROMPTS", Path()) if value("QA_PROMPTS") else None,
            model=value("QA_MODEL"),
            embed_model=value("QA_EMBED_MODEL") or LOCAL_EMBEDDING,
            api_key=value("OPENAI_API_KEY"),
            base_url=_url("OPENAI_BASE_URL", value("OPENAI_BASE_URL")),
            chroma_url=_url("QA_CHROMA_URL", value("QA_CHROMA_URL")),
            chroma_token=value("QA_CHROMA_TOKEN"),
            timeout=_seconds("QA_TIMEOUT", value("QA_TIMEOUT")),
        )


def configured(
    corpus: Path | str | None = None, model: str | None = None, config: Config | None = None
) -> Config:
    """The settings given, or else the environment's, with corpus and model put in their place."""
    config = config or Config.from_env(os.environ)
    if corpus is not None:
        config = replace(config, corpus=Path(corpus).expanduser())
    return config if model is None else replace(config, model=model)


def bundled(name: str) -> Path:
    """A folder that comes with the program: beside the package, or within it in a wheel."""
    package = Path(__file__).parent
    installed = package / "_bundled" / name
    return installed if installed.is_dir() else package.parent / name


def _url(name: str, given: str | None) -> str | None:
    if given is None or given.startswith(("http://", "https://")):
        return given
    right = "http://localhost:8000" if "://" in given else f"http://{given}"
    raise ConfigError(f"{name} is {given!r}, which is no web address. Write it like {name}={right}")


def _seconds(name: str, given: str | None) -> float | None:
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{name} is {given!r}; it must be a number of seconds above 0.")
    return seconds
