"""What the chat model is sent: prompt files with `$name` variables, and papers as text in them.

Each bundled prompt is replaceable by a file of the same name in the folder QA_PROMPTS.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from string import Template

from qa.config import bundled
from qa.corpus.papers import Paper
from qa.errors import PromptError

# The variables that each prompt must use, no more and no fewer.
VARIABLES = {
    "judge.system": frozenset[str](),
    "judge.user": frozenset({"question", "papers", "count"}),
    "judge_one.system": frozenset[str](),
    "judge_one.user": frozenset({"question", "paper"}),
    "answer.system": frozenset[str](),
    "answer.user": frozenset({"question", "papers", "note"}),
    "followup.system": frozenset[str](),
    "followup.user": frozenset({"earlier", "papers", "question"}),
    "table.system": frozenset[str](),
    "table.user": frozenset({"columns", "paper", "count"}),
}


# What a paper's text must not contain: the keys and tags by which prompts tell papers and columns.
KEY = re.compile(r"\[([PC]?\d+)\]")
TAG = re.compile(r"<(/?\s*(?:papers?|columns)\b)", re.IGNORECASE)
CONTROL_CATEGORIES = {"Cc", "Zl", "Zp"}  # of Unicode: control characters, line separators


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt's text, which uses its variables and no others."""

    name: str
    text: str

    def fill(self, **values: str) -> str:
        """Return the text with every variable replaced; values are inserted as they are."""
        return Template(self.text).substitute(values)


def load_prompt(name: str, replacements: Path | None) -> Prompt:
    """Return the prompt from `replacements/<name>.txt` if that file exists, else the bundled one.

    Raises PromptError if the file cannot be read or its variables are not those of `VARIABLES`.
    """
    path = _path(name, replacements)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PromptError(f"The prompt {path} cannot be read: {exc}") from exc
    template = Template(text)
    found = frozenset(template.get_identifiers())
    expected = VARIABLES[name]
    if not template.is_valid() or found != expected:
        raise PromptError(
            f"The prompt {path} must use {_listed(expected)}, and uses {_listed(found)}. "
            "Write a plain dollar sign as $$."
        )
    return Prompt(name, text)


def as_material(key: str, paper: Paper, sentences: tuple[int, ...] | None = None) -> str:
    """Return the paper as the model sees it: `[key] title`, then `(number) sentence` lines.

    `sentences` are the numbers of those to show, in the abstract's order; None shows all.
    """
    chosen = [s for s in paper.sentences if sentences is None or s.number in sentences]
    lines = [f"[{key}] {one_line(paper.title)}"]
    lines += [f"({s.number}) {one_line(s.text)}" for s in chosen]
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Return untrusted text on one line, without control characters, keys and tags of prompts."""
    plain = "".join(" " if unicodedata.category(c) in CONTROL_CATEGORIES else c for c in text)
    return TAG.sub(r"(\1", KEY.sub(r"(\1)", " ".join(plain.split())))


def _path(name: str, replacements: Path | None) -> Path:
    if replacements is not None:
        if not replacements.is_dir():
            raise PromptError(f"QA_PROMPTS is {replacements}, which is not a folder.")
        _check_names(replacements)
        given = replacements / f"{name}.txt"
        if given.exists():
            return given
    return bundled("prompts") / f"{name}.txt"


def _check_names(folder: Path) -> None:
    """Raise PromptError for a file that replaces no prompt: it would be ignored silently."""
    expected = {f"{name}.txt" for name in VARIABLES}
    unknown = sorted({path.name for path in folder.glob("*.txt")} - expected)
    unknown += sorted({path.name for path in folder.iterdir()} & set(VARIABLES))
    if unknown:
        names = ", ".join(sorted(expected))
        raise PromptError(f"{folder / unknown[0]} replaces no prompt; they are called {names}.")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(names)) or "no variables"
