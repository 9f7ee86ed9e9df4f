"""What becomes of documents: papers, or nothing, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.headers import NAMES
from qa.errors import UsageError
from qa.llama_index.loaded import Loaded, put_together
from qa.llama_index.papers import papers_in

_NO_FILE = "documents"  # the source of papers that come from no file
_NAMED = 5  # documents that a line about them names
_COLUMNS = "{'title': 'headline'}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of documents: their papers, those without any, and how many are full texts."""

    papers: tuple[Record, ...]
    skipped: tuple[Skipped, ...]
    full_texts: int

    @property
    def trouble_lines(self) -> list[str]:
        """What was shortened or left out, a line each."""
        lines = []
        if self.full_texts:
            are = "is a full text" if self.full_texts == 1 else "are full texts"
            what = "of each the abstract is taken, or the beginning if it marks none"
            lines.append(f"{self.full_texts:,} of the documents {are}: {what}.")
        for reason in dict.fromkeys(entry.reason for entry in self.skipped):
            names = [entry.source for entry in self.skipped if entry.reason == reason]
            distinct = list(dict.fromkeys(names))
            more = ", …" if len(distinct) > _NAMED else ""
            lines.append(f"{len(names):,} skipped, {reason}: {', '.join(distinct[:_NAMED])}{more}")
        return lines


def taken_in(documents: Iterable[Loaded], columns: Mapping[str, str] | None = None) -> Taken:
    """The papers in the documents.

    `columns` gives by field (`title`, `abstract`, `year` ...) the user's own name for it in the
    documents' metadata. Raises UsageError for a field that there is not.
    """
    own = _checked({} if columns is None else columns)
    papers: list[Record] = []
    skipped: list[Skipped] = []
    full_texts = 0
    for document in put_together(documents):
        found = papers_in(document, own)
        source = document.file_name or _NO_FILE
        papers += (replace(entry, source=source) for entry in found if isinstance(entry, Record))
        skipped += (entry for entry in found if isinstance(entry, Skipped))
        full_texts += document.is_full_text and len(found) == 1 and isinstance(found[0], Record)
    return Taken(tuple(papers), tuple(skipped), full_texts)


def _checked(columns: object) -> dict[str, str]:
    """The user's own names by field; raises UsageError for what are none."""
    if not isinstance(columns, Mapping):
        raise UsageError(f"columns is {_brief(columns)}; give a dict, such as {_COLUMNS}.")
    own: dict[str, str] = {}
    for field, name in columns.items():
        if not isinstance(field, str) or not isinstance(name, str):
            given = f"{_brief(field)}: {_brief(name)}"
            raise UsageError(f"columns has {{{given}}}; both must be text, such as {_COLUMNS}.")
        own[field] = name
    if unknown := sorted(own.keys() - NAMES.keys()):
        raise UsageError(f"There is no field {unknown[0]}: the fields are {', '.join(NAMES)}.")
    return own


def _brief(thing: object) -> str:
    """A text or None as it is, anything else by its type: it may be long, or fail to tell."""
    return repr(thing) if thing is None or isinstance(thing, str) else type(thing).__name__
