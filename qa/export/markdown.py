"""Markdown: a numbered list of papers with their evidence, and the answer above it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qa.answering.results import Answer
from qa.answering.safe_text import clean, clean_line
from qa.answering.wording import qualifier
from qa.export.references import ExportedPaper

_SIGNS = re.compile(r"([\\`*_\[\]<>~|#$])")


def markdown(references: Sequence[ExportedPaper]) -> str:
    """The references as a numbered list, each with the sentences that prove it."""
    return "\n".join(map(_item, references))


def answer_markdown(answer: Answer, references: Sequence[ExportedPaper], coverage: str) -> str:
    """The answer as a document: the question, what was written, the papers, the coverage."""
    parts = [f"# {escaped(clean_line(answer.question))}"]
    if answer.model is not None and answer.coverage.candidates:
        parts.append(clean(answer.answer))  # without a model it only repeats the evidence
    if references:
        parts.append(markdown(references).rstrip("\n"))
    parts.append(f"*{escaped(coverage)}*")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """The text with every character that Markdown takes for markup written as itself."""
    return _SIGNS.sub(r"\\\1", text)


def _item(reference: ExportedPaper) -> str:
    paper, entry = reference.paper, reference.entry
    about = [escaped(", ".join(paper.authors))]
    about.append(", ".join(filter(None, (escaped(paper.venue or ""), str(paper.year or "")))))
    about.append(f"<{paper.link}>" if paper.link else "")
    head = f"{reference.n}. **{escaped(paper.title)}**"
    if entry and qualifier(entry):
        head += f" ({qualifier(entry)})"
    lines = [". ".join([head, *filter(None, about)])]
    # A paragraph of its own below the number, or the quotation would run into the line above.
    lines += [f"\n    > “{escaped(quote)}”" for quote in reference.quotes]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Section:
    """One question of a conversation, with all that is written of it."""

    typed: str
    asked: str | None  # how it was understood, where that has to be told
    answer: Answer
    references: Sequence[ExportedPaper]
    coverage: str


def transcript(title: str, sections: Iterable[Section]) -> str:
    """The document: a title, and a section of its own for each question."""
    return "\n".join([f"# {escaped(clean_line(title))}\n", *map(_section, sections)])


def _section(section: Section) -> str:
    answer = replace(section.answer, question=section.typed)
    text = "#" + answer_markdown(answer, section.references, section.coverage)
    if section.asked is None:
        return text
    heading, _, rest = text.partition("\n\n")
    return f"{heading}\n\n*{escaped(clean_line(section.asked))}*\n\n{rest}"
