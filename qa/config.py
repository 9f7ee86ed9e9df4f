"""The settings of one run; the only place that reads the environment."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs

from qa.errors import Action, ConfigError, QAError, UsageError

APP = "ask-papers"
# Headers in which the openai package describes this machine to every server; they are left out.
MACHINE_HEADERS = (
    *("X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime", "X-Stainless-Runtime-Version"),
    *("X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-Async"),
)
_WEB_ADDRESS = re.compile(r"https?://[^/?#\s]")
_HOST = re.compile(r"[\w.-]+(:\d+)?(/[^/\s]\S*)?/?")  # a web address without http://
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
    chroma_tenant: str | None = None
    chroma_database: str | None = None
    timeout: float | None = None  # seconds that one call of the chat model may take
    trust_judge: bool = False  # believe the chat model's verdicts without testing it
    default_corpus: Path | None = None  # what commands use that name no corpus; None: not known

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Return the settings of an environment; raises ConfigError for a value of no use."""

        def value(name: str) -> str | None:
            return environ.get(name, "").strip() or None

        def path(name: str, default: Path) -> Path:
            given = value(name)
            return Path(given).expanduser() if given else default

        corpus = path("QA_CORPUS", bundled("seeds"))
        return cls(
            corpus=corpus,
            store=path("QA_STORE", platformdirs.user_data_path(APP) / "stores"),
            cache=path("QA_CACHE", platformdirs.user_cache_path(APP)),
            prompts=path("QA_PROMPTS", Path()) if value("QA_PROMPTS") else None,
            model=value("QA_MODEL"),
            embed_model=value("QA_EMBED_MODEL") or LOCAL_EMBEDDING,
            api_key=value("OPENAI_API_KEY"),
            base_url=_url("OPENAI_BASE_URL", value("OPENAI_BASE_URL")),
            chroma_url=_url("QA_CHROMA_URL", value("QA_CHROMA_URL")),
            chroma_token=value("QA_CHROMA_TOKEN"),
            chroma_tenant=value("QA_CHROMA_TENANT"),
            chroma_database=value("QA_CHROMA_DATABASE"),
            timeout=_seconds("QA_TIMEOUT", value("QA_TIMEOUT")),
            trust_judge=_switch("QA_TRUST_JUDGE", value("QA_TRUST_JUDGE")),
            default_corpus=corpus,
        )

    @property
    def rebuild_command(self) -> str:
        """The command that brings the corpus's store up to date, to be copied as it is."""
        return "qa rebuild" if self._is_default else f"qa rebuild {shlex.quote(str(self.corpus))}"

    @property
    def corpus_option(self) -> str:
        """What must follow other commands, so that they use this corpus; empty where they do."""
        return "" if self._is_default else f" --corpus {shlex.quote(str(self.corpus))}"

    @property
    def _is_default(self) -> bool:
        default = self.default_corpus
        return default is not None and _absolute(self.corpus) == _absolute(default)


def configured(
    corpus: Path | str | None = None,
    model: str | None = None,
    config: Config | None = None,
    *,
    trust_judge: bool = False,
) -> Config:
    """Return `config`, or else the environment's, with what else is given in its place.

    Raises ConfigError, UsageError.
    """
    config = config or Config.from_env(os.environ)
    if corpus is not None:
        if isinstance(corpus, str) and not corpus.strip():
            raise UsageError("The corpus has an empty name: name a folder or a file.")
        config = replace(config, corpus=Path(corpus).expanduser())
    if trust_judge:
        config = replace(config, trust_judge=True)
    return config if model is None else replace(config, model=model)


def error_text(error: QAError, config: Config | None = None) -> str:
    """Return what happened and, where a command helps, that command.

    `config` has the corpus that was asked, and which one is the default: the environment's if it
    is left out.
    """
    hint = error.hint
    if hint is None:
        return str(error)
    command = configured(hint.corpus, None, config).rebuild_command
    if hint.action is Action.NAME_COLUMN:
        return f"{error} Name the column with: {command} --column {hint.column}=NAME"
    return f"{error} Rebuild the store with: {command}"


@dataclass(frozen=True, slots=True)
class Traces:
    """Where our commands send OpenTelemetry spans.

    It is read from the environment without importing OpenTelemetry, which takes long.
    """

    exporters: tuple[str, ...] = ()  # "otlp", "console"; none: no spans are made
    protocol: str = "grpc"
    endpoint: str = ""  # as it was given

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Traces":
        """Return the settings of an environment; OpenTelemetry reads the other variables itself."""

        def value(name: str) -> str:
            special = environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", "").strip()
            return special or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()

        endpoint = value("ENDPOINT")
        wanted = environ.get("OTEL_TRACES_EXPORTER", "").lower() or ("otlp" if endpoint else "")
        exporters = tuple(name.strip() for name in wanted.split(",") if name.strip())
        if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or "none" in exporters:
            return cls()
        protocol = value("PROTOCOL") or ("http/protobuf" if _speaks_http(endpoint) else "grpc")
        return cls(exporters, protocol, endpoint)


def _speaks_http(endpoint: str) -> bool:
    """Return whether a collector's address is one for HTTP: it has HTTP's port, or a path."""
    _, _, rest = endpoint.rpartition("://")
    host, _, path = rest.partition("/")
    return host.endswith(":4318") or bool(path)


def configured_traces() -> Traces:
    """Return where the environment wants our commands' spans."""
    return Traces.from_env(os.environ)


def content_is_traced() -> bool:
    """Return whether spans may hold questions, prompts and answers."""
    wanted = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "")
    return wanted.strip().lower() in {"true", "1", "span_only", "span_and_event"}


def has_display() -> bool:
    """Return whether a browser window can be opened: not over a plain remote shell."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def refuse_telemetry() -> None:
    """Turn ONNX Runtime's telemetry off, unless the user has set its variable.

    Its packages for Linux and macOS send telemetry by default from version 1.29 on, and read the
    variable when they are imported: there is no other way to turn it off.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def bundled(name: str) -> Path:
    """Return a folder that comes with the program: beside the package, or in it in a wheel."""
    package = Path(__file__).parent
    installed = package / "_bundled" / name
    return installed if installed.is_dir() else package.parent / name


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()


def _url(name: str, given: str | None) -> str | None:
    if given is None or _WEB_ADDRESS.match(given):
        return given
    right = f"http://{given}" if _HOST.fullmatch(given) else "http://localhost:8000"
    raise ConfigError(f"{name} is {given!r}, which is no web address. Write it like {name}={right}")


def _switch(name: str, given: str | None) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if given is not None and given.lower() not in known:
        raise ConfigError(f"{name} is {given!r}; it must be 1 or 0.")
    return known[given.lower()] if given else False


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
