"""README and the pages of docs/: their blocks, and a folder in which their commands are run.

A page shows commands in `console` blocks, behind `$ `. What they print stands in a `text` block
behind a comment that names the command:

    <!-- output: qa papers --year 2021- -->

or directly behind a `python` block. A command ends with exit code 0 unless the comment before its
`console` block says otherwise: `<!-- exit code 3 -->`.
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from chat_server import ChatServer
from paths import CORPORA, DOCS, README, ROOT
from scripted_model import QUESTIONS
from table_model import LABELS, TableModel

from qa.config import bundled
from qa.index.layout import StoreLayout

PAGES = (README, *sorted(DOCS.glob("*.md")))
COLUMNS = 80  # of the terminal that commands print to
OWN_SETTINGS = ("QA_", "OPENAI_", "OTEL_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
# Files that the pages speak of as the reader's own, and what stands in for them.
OWN_FILES = {
    "library.bib": CORPORA / "zotero.bib",
    "export.ris": CORPORA / "zotero.ris",
    "savedrecs.txt": CORPORA / "web_of_science.txt",
    "library.enw": CORPORA / "endnote.enw",
    "pubmed.nbib": CORPORA / "pubmed.nbib",
    "pdfs/kites.pdf": CORPORA / "kites.pdf",
    "zotero.sqlite": CORPORA / "zotero.sqlite",
    "library.rdf": CORPORA / "zotero.rdf",
    "pubmed.xml": CORPORA / "pubmed.xml",
    "article.xml": CORPORA / "jats.xml",
    "arxiv.atom": CORPORA / "arxiv.atom",
    "journal.rss": CORPORA / "journal.rss",
    "2020.acl.xml": CORPORA / "acl.xml",
    "endnote.xml": CORPORA / "endnote.xml",
    "table.xlsx": CORPORA / "parks.xlsx",
    "references.json": CORPORA / "csl.json",
    "scopus.csv": CORPORA / "scopus.csv",
    "arxiv-metadata.json": CORPORA / "arxiv.json",
    "notes/paper.md": CORPORA / "paper.md",
    "papers/library.bib": CORPORA / "zotero.bib",
}
OWN_TEXTS = {
    "ids.txt": "\n".join(list(LABELS["papers"])[:3]) + "\n",
    "table.csv": "Article Title,Abstract\nMoss on Roofs,Moss grows on roofs in the north.\n",
    "questions.jsonl": "\n".join(QUESTIONS.read_text(encoding="utf-8").splitlines()[:4]),
    "questions.txt": "which papers study feedback alignment?\nwhich papers play chess?\n",
}
# Commands that are parsed and not run, and why. `tests/test_docs.py` holds that each is needed.
BACKPROP = 'ask "which papers train without backprop?"'
NOT_RUN = {
    "pytest": "it would run the tests within the tests",
    "ruff check . && ruff format --check . && mypy && codespell": ".ci/run does",
    "export OPENAI_API_KEY=sk-…": "a setting",
    "export OPENAI_BASE_URL=http://localhost:11434/v1": "a setting",
    "export QA_CHROMA_URL=https://api.trychroma.com QA_CHROMA_TOKEN=ck-…": "a setting",
    "export QA_CHROMA_TENANT=… QA_CHROMA_DATABASE=…": "a setting",
    "chroma run --path ./chroma --port 8000": "tests/index/test_chroma_server.py does",
    "QA_CHROMA_URL=http://localhost:8000 qa rebuild": "tests/index/test_chroma_server.py does",
    f"QA_CHROMA_URL=http://localhost:8000 {BACKPROP}": "tests/index/test_chroma_server.py does",
    f"QA_MODEL=~/models/model.gguf {BACKPROP}": "tests/llm/llama_cpp/test_llama_cpp.py does",
    f"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 {BACKPROP}": "tests/tracing does",
    "claude mcp add ask-papers -- qa mcp --corpus ~/papers": "tests/mcp/test_transport.py does",
    "claude mcp add --transport http ask-papers http://127.0.0.1:8765/mcp": (
        "tests/mcp/test_transport.py checks the address"
    ),
    "qa corpora": "what it prints depends on the machine; tests/cli/test_corpora.py does",
    "qa corpora --remove ~/papers": "tests/cli/test_corpora.py does",
    "qa corpora --remove-missing": "tests/cli/test_corpora.py does",
    "qa web": "it serves until it is stopped; tests/web does",
    "qa mcp --http --port 8765": "it serves until it is stopped; tests/mcp/test_transport.py does",
}
_BLOCK = re.compile(
    r"^(?:<!-- (?P<marker>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# What differs from one run to the next: time taken, dates, sizes, names made of them.
_VARYING = {
    r"\d+\.\d+ s\b": "N s",
    r'"(rank|judge|write|total)": [\d.]+': r'"\1": N',
    r"\d{4}-\d\d-\d\dT[\d:]+\+00:00": "DATE",
    r"g-\d{8}-\d{6}-[0-9a-f]{6}": "GENERATION",
    r"-[0-9a-f]{8}\b": "-PATH",
    r"[\d.]+ MB": "N MB",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `marker` is the comment in the line before it, if any."""

    language: str
    text: str
    marker: str
    start: int  # of the text, in the page
    end: int
    follows_python: bool = False  # nothing but an empty line stands between them

    @property
    def commands(self) -> list[str]:
        if self.language != "console":
            return []
        lines = self.text.splitlines()
        assert all(line.startswith("$ ") for line in lines), self.text
        return [line[2:].partition(" #")[0].rstrip() for line in lines]

    @property
    def shown_command(self) -> str | None:
        """The command whose output this block shows."""
        kind, _, command = self.marker.partition(": ")
        return command if kind == "output" else None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in _BLOCK.finditer(text):
        after_python = bool(found) and found[-1].language == "python"
        block = Block(
            match["language"],
            match["text"],
            match["marker"] or "",
            *match.span("text"),
            follows_python=after_python and not text[end : match.start()].strip(),
        )
        found.append(block)
        end = match.end()
    return found


def comparable(text: str) -> str:
    """The text without line breaks and without what differs from one run to the next."""
    for pattern, name in _VARYING.items():
        text = re.sub(pattern, name, text)
    return " ".join(text.split())


def without_installation(command: str) -> str:
    """The command without parts that begin with pip, which would install this project again."""
    return " && ".join(part for part in command.split(" && ") if not part.startswith("pip "))


@dataclass(frozen=True)
class Run:
    """What a command printed to its terminal, and its exit code."""

    output: str
    exit_code: int


class Desk:
    """A home folder with the project in it, where a reader of the pages types the commands.

    The bundled papers are indexed, no chat model is set. For a command that names a chat model of
    OpenAI's, a server on this machine stands in, whose model judges by the labels of
    tests/seed_questions.jsonl and fills tables by those of tests/table_labels.json. Use it as a
    context manager.
    """

    def __init__(self, folder: Path, *, store: Path, weights: Path) -> None:
        self._root = folder
        self.home = folder / "home" / "me"
        self.project = self.home / "ask-papers"
        self.store = self.home / ".local" / "share" / "ask-papers" / "stores"
        self.cache = self.home / ".cache" / "ask-papers"
        self._server = ChatServer(model=TableModel())
        self.project.mkdir(parents=True)
        for name in ("seeds", "tests", "prompts"):
            (self.project / name).symlink_to(ROOT / name)
        for name, source in OWN_FILES.items():
            (self.project / name).parent.mkdir(exist_ok=True)
            shutil.copy(source, self.project / name)
        for name, text in OWN_TEXTS.items():
            (self.project / name).write_text(text, encoding="utf-8")
        # Other tests may have put the stores of other corpora beside the bundled one's.
        seeds = StoreLayout.of(store, bundled("seeds")).folder
        shutil.copytree(seeds, self.store / seeds.name)
        shutil.copytree(weights, self.cache, ignore=shutil.ignore_patterns("verdicts*", "*.lock"))

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    @cached_property
    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OWN_SETTINGS)}
        programs = str(Path(sys.executable).parent)
        return kept | {
            "HOME": str(self.home),
            "PATH": os.pathsep.join((programs, kept.get("PATH", ""))),
            "QA_STORE": str(self.store),
            "QA_TRUST_JUDGE": "1",  # the pages show what a model does that has passed the test
            "QA_CACHE": str(self.cache),
            "TERM": "dumb",  # a terminal without colours and without a progress line
        }

    def run(self, command: str) -> Run:
        """Run the command by the shell, in a terminal of 80 columns."""
        environment = dict(self._environment)
        if re.search(r"(QA_MODEL=|--model )gpt-", command):
            environment["OPENAI_BASE_URL"] = self._server.url
        return self._run(["bash", "-o", "pipefail", "-c", command], environment)

    def run_python(self, code: str) -> Run:
        """Run a Python program; `output` is its stdout, or its stderr if it failed."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.project,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(done.stderr if done.returncode else done.stdout, done.returncode)

    def coloured(self, command: str) -> str:
        """What the command prints to a terminal of 80 columns with colours, stderr at the end."""
        environment = self._environment | {"TERM": "xterm-256color"}
        printed, done = in_terminal(["bash", "-c", command], self.project, environment, stderr=True)
        assert done.returncode == 0, printed
        return printed

    def _run(self, words: list[str], environment: dict[str, str]) -> Run:
        printed, done = in_terminal(words, self.project, environment)
        for path in (self._root, Path(os.path.realpath(self._root))):
            printed = printed.replace(str(path), "")
        printed = printed.replace(str(ROOT), "/home/me/ask-papers")
        return Run("\n".join(map(str.rstrip, printed.splitlines())) + "\n", done.returncode)


def in_terminal(
    words: list[str], folder: Path, environment: dict[str, str], *, stderr: bool = False
) -> tuple[str, subprocess.Popen[bytes]]:
    """Run the words in a pseudo-terminal; with `stderr` that stream is kept apart until the end."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.PIPE if stderr else terminal,
    ) as process:
        os.close(terminal)
        pieces = []
        with suppress(OSError):  # how Linux says that the other side is closed
            while piece := os.read(reader, 65536):
                pieces.append(piece)
        os.close(reader)
        if process.stderr:
            pieces.append(process.stderr.read())
    return b"".join(pieces).decode().replace("\r\n", "\n"), process


def outputs(page: Path, desk: Desk) -> list[tuple[Block, Run | None]]:
    """Run all of a page from top to bottom; return each block of output with the run it shows.

    Commands in NOT_RUN are left out. A block that shows no run of the page comes with None.
    """
    runs: dict[str, Run] = {}
    python: Run | None = None
    shown: list[tuple[Block, Run | None]] = []
    for block in blocks(page):
        for command in map(without_installation, block.commands):
            if not command or command in NOT_RUN:
                continue
            runs[command] = run = desk.run(command)
            expected = int(block.marker.removeprefix("exit code ") or 0)
            assert run.exit_code == expected, f"{page.name}: {command}\n{run.output}"
        if block.language == "python":
            python = desk.run_python(block.text)
            assert python.exit_code == 0, f"{page.name}: {block.text}\n{python.output}"
        elif block.language == "text":
            run = python if block.follows_python else runs.get(block.shown_command or "")
            shown.append((block, run))
    return shown


def extras() -> set[str]:
    """The extras that the project can be installed with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])
