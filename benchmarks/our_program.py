"""This project's own program, as the other benchmarks run it: its commands, and its retriever."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from measurement import Measurement, measure

from qa.corpus.papers import Paper, Record
from qa.corpus.readers.corpus import read_corpus
from qa.index.dedupe import MergedPapers

QUESTIONS = (
    "which papers train without backprop?",
    "How can memory use be reduced when fine-tuning large language models?",
    "What do graph neural networks miss when dependencies are long-range?",
    "Which methods help with long-tailed data?",
    "Is there a scaling law for alternatives to backpropagation?",
)
NOTHING_FOUND = 3  # the exit code of `ask` where the corpus does not answer


@dataclass(frozen=True, slots=True)
class OurProgram:
    """`qa` and `ask` without a chat model, on one corpus and a store folder."""

    corpus: Path
    store: Path

    def rebuild(self, *options: str) -> Measurement:
        """Run `qa rebuild`."""
        return measure([_script("qa"), "rebuild", *options], self.environment())

    def ask(self, question: str, *options: str) -> Measurement:
        """Run `ask QUESTION` in a process of its own."""
        command = [_script("ask"), question, *options]
        return measure(command, self.environment(), accepted=(0, NOTHING_FOUND))

    def corpus_size(self) -> int:
        """Return how many papers the store says it holds."""
        answer = json.loads(self.ask("Which papers are there?", "--json").output)
        return int(answer["coverage"]["corpus"])

    def environment(self) -> dict[str, str]:
        """Return this process's environment with our settings in place of the user's."""
        return clean_environment() | {
            "QA_CORPUS": str(self.corpus.resolve()),
            "QA_STORE": str(self.store.resolve()),
            "QA_MODEL": "none",
            **{name: os.environ[name] for name in ("QA_CACHE",) if name in os.environ},
        }


def clean_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without anybody's settings and keys: all sides run on defaults."""
    ours = ("QA_", "OPENAI_")
    return {name: value for name, value in environ.items() if not name.startswith(ours)}


def read_papers(corpus: Path, *, at_most: int | None = None) -> list[Paper]:
    """Return the distinct papers of a corpus, or of its first records, as `qa rebuild` does."""
    entries = read_corpus(corpus).records()
    records = (entry for entry in entries if isinstance(entry, Record))
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(MergedPapers(Path(scratch) / "merged.sqlite")) as merged,
    ):
        merged.add_records(islice(records, at_most))
        ids = list(merged.digests())
        return [paper for batch in merged.papers(ids, size=1000) for paper in batch]


def write_jsonl(papers: list[Paper], path: Path) -> Path:
    """Write the papers as a JSON-lines corpus and return its path."""
    rows = ({"_id": p.id, "title": p.title, "text": p.abstract} for p in papers)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _script(name: str) -> str:
    """Return the console script beside this Python; it is what users start."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        sys.exit(f"There is no `{name}` beside {sys.executable}: run `pip install .` there first.")
    return found
