"""Prompts: text files with `$name` variables, each replaceable by a file of the same name."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from string import Template

from qa.config import bundled
from qa.corpus.papers import Paper
from qa.errors import PromptError

VARIABLES = {
    "judge.system": frozenset[str](),
    "judge.user": frozenset({"question", "papers", "count"}),
    "answer.system": frozenset[str](),
    "answer.user": frozenset({"question", "papers", "note"}),
    "followup.system": frozenset[str](),
    "followup.user": frozenset({"earlier", "papers", "question"}),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt's text, already known to use its variables and no others."""

    name: str
    text: str

    def fill(self, **values: str) -> str:
        """The text with every variable replaced; values are inserted as they are."""
        return Template(self.text).substitute(values)


def load_prompt(name: str, replacements: Path | None) -> Prompt:
    """The prompt from `replacements/<name>.txt` if there is such a file, else the bundled one.

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
    """Refuse a text that no prompt is called by: it would be passed over in silence."""
    right = {f"{name}.txt" for name in VARIABLES}
    strange = sorted({path.name for path in folder.glob("*.txt")} - right)
    strange += sorted({path.name for path in folder.iterdir()} & set(VARIABLES))
    if strange:
        names = ", ".join(sorted(right))
        raise PromptError(f"{folder / strange[0]} replaces no prompt; they are called {names}.")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(names)) or "no variables"


_KEY = re.compile(r"\[(P?\d+)\]")
_TAG = re.compile(r"<(/?\s*papers\b)", re.IGNORECASE)


def as_material(key: str, paper: Paper, sentences: tuple[int, ...] | None = None) -> str:
    """The paper as the model sees it: `[key] title`, then `(number) sentence` lines.

    With `sentences` only those of its abstract, in the abstract's order; else all.
    """
    chosen = [s for s in paper.sentences if sentences is None or s.number in sentences]
    lines = [f"[{key}] {one_line(paper.title)}"]
    lines += [f"({s.number}) {one_line(s.text)}" for s in chosen]
    return "\n".join(lines)


def one_line(text: str) -> str:
    """The text on one line, harmless: no control characters, no keys, no closing tag."""
    plain = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    return _TAG.sub(r"(\1", _KEY.sub(r"(\1)", " ".join(plain.split())))
