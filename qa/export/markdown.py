"""Markdown: a numbered list of papers with their evidence, and the answer above it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qa.answering.results import Answer
from qa.answering.safe_text import clean, clean_line
from qa.answering.wording import qualifier
from qa.export.references import ExportedPaper

_SIGNS = re.compile(r"([\\`*_\[\]<>~|#$])")


@dataclass(frozen=True, slots=True)
class Section:
    """One question of a conversation and its answer."""

    typed: str
    asked: str | None  # how the question was understood, where that is not plain
    answer: Answer
    papers: Sequence[ExportedPaper]
    coverage: str  # the coverage line


def markdown(papers: Sequence[ExportedPaper]) -> str:
    """Return the papers as a numbered list, each with the sentences that an answer rests on."""
    return "\n".join(map(_item, papers))


def answer_markdown(answer: Answer, papers: Sequence[ExportedPaper], coverage: str) -> str:
    """Return the answer as a document: question, written text, papers, and the coverage line."""
    parts = [f"# {escaped(clean_line(answer.question))}"]
    if answer.model is not None and answer.coverage.candidates:
        parts.append(clean(answer.answer))  # without a model it only repeats the evidence
    if papers:
        parts.append(markdown(papers).rstrip("\n"))
    parts.append(f"*{escaped(coverage)}*")
    return "\n\n".join(parts) + "\n"


def transcript(title: str, sections: Iterable[Section]) -> str:
    """Return the conversation as a document: a title, and a section for each question."""
    return "\n".join([f"# {escaped(clean_line(title))}\n", *map(_section, sections)])


def escaped(text: str) -> str:
    """Return the text with every character that Markdown takes for markup escaped."""
    return _SIGNS.sub(r"\\\1", text)


def _item(exported: ExportedPaper) -> str:
    paper, listed = exported.paper, exported.listed
    about = [escaped(", ".join(paper.authors))]
    about.append(", ".join(filter(None, (escaped(paper.venue or ""), str(paper.year or "")))))
    about.append(f"<{paper.link}>" if paper.link else "")
    head = f"{exported.n}. **{escaped(paper.title)}**"
    if paper.title_only:
        head += " (title only)"
    if listed and qualifier(listed):
        head += f" ({qualifier(listed)})"
    lines = [". ".join([head, *filter(None, about)])]
    # A paragraph of its own below the number, or the quotation would run into the line above.
    quotes = [] if paper.title_only else exported.quotes
    lines += [f"\n    > “{escaped(quote)}”" for quote in quotes]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> str:
    answer = replace(section.answer, question=section.typed)
    text = "#" + answer_markdown(answer, section.papers, section.coverage)
    if section.asked is None:
        return text
    heading, _, rest = text.partition("\n\n")
    return f"{heading}\n\n*{escaped(clean_line(section.asked))}*\n\n{rest}"
