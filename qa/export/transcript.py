"""A conversation as Markdown: every question with its answer, papers and evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qa.answering.results import Answer
from qa.answering.terminal_text import clean_line
from qa.export.markdown import answer_markdown, escaped
from qa.export.reference import Reference


@dataclass(frozen=True, slots=True)
class Section:
    """One question of a conversation, with all that is written of it."""

    typed: str
    asked: str | None  # how it was understood, where that has to be told
    answer: Answer
    references: Sequence[Reference]
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
