"""How papers are put before the chat model: under short keys, sentences under numbers.

Abstracts are data. Each stands on lines of its own, without control characters, and nothing in it
can look like the key of another paper or like the line that ends the material.
"""

import re
import unicodedata

from qa.corpus.papers import Paper

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
