"""Papers in JSON: arXiv's snapshot, Semantic Scholar, OpenAlex, CSL, Crossref, BEIR and alike."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers import fields
from qa.corpus.readers.entry import Entry
from qa.corpus.readers.headers import bare, bare_names
from qa.corpus.readers.json_objects import json_objects
from qa.corpus.readers.latex import text_from_latex
from qa.corpus.readers.names import name, names

Names = Mapping[str, Sequence[str]]  # of a field: the members that may hold it, the best first

# Members that hold more fields of the same paper, and lists in it of other papers.
_INSIDE = ("metadata", "content", "attributes", "row", "source", "externalids", "ids", "paper")
_OTHERS = ("references", "citations", "relatedworks", "referencedworks", "reference", "cites")
# What the text of a value is called that is an object.
_TEXT = ("value", "text", "name", "displayname", "title", "literal", "fullname", "raw")
_VENUE = ("source", "displayname", "name", "title", "value", "raw")
_DATE = ("dateparts", "created", "raw", "value", "year", "date")
_LINK = ("landingpageurl", "url", "href", "value")
_WORD = ("displayname", "name", "tag", "keyword", "term", "value")
_PERSON = ("author", "name", "displayname", "fullname", "rawauthorname", "literal", "value")


def read_works(
    chunks: Iterable[str], source: str, columns: Mapping[str, str]
) -> Iterator[Record | Skipped]:
    """Yield each paper; `columns` gives the user's own names for members, by field."""
    known: Names = bare_names(columns)
    count = 0
    for line, value in json_objects(chunks):
        for work in [None] if value is None else _works(value, known):
            count += 1
            where = f"record {count}, line {line}"
            if work is None:
                yield Skipped(source, "malformed entry", where)
            else:
                yield entry_of(work, known).paper(source, where)


def _works(value: Mapping[str, object], known: Names, depth: int = 3) -> list[dict[str, object]]:
    """Return the papers in an object, by bare names: itself, or those it is wrapped around."""
    work = _flat(value)
    if depth and not _has(work, known["abstract"]):
        members = [item for key, item in work.items() if key not in _OTHERS]
        inside = [
            found
            for member in members
            for item in (member if isinstance(member, list) else [member])
            if isinstance(item, Mapping)
            for found in _works(item, known, depth - 1)
        ]
        if any(_is_paper(found, known, all) for found in inside):
            return [found for found in inside if _is_paper(found, known, any)]
    return [work]


def _is_paper(
    work: Mapping[str, object], known: Names, enough: Callable[[Iterable[bool]], bool]
) -> bool:
    return enough(_has(work, known[field]) for field in ("title", "abstract"))


def _has(work: Mapping[str, object], keys: Iterable[str]) -> bool:
    return any(work.get(key) for key in keys)


def _flat(value: Mapping[str, object]) -> dict[str, object]:
    """Return the members by their bare names, with those of objects inside where they add any."""
    flat = {bare(key): _unwrapped(item) for key, item in value.items()}
    for key in _INSIDE:
        if isinstance(inside := flat.get(key), Mapping):
            del flat[key]
            for own, item in inside.items():
                flat[bare(own)] = flat.get(bare(own)) or _unwrapped(item)
    return flat


def _unwrapped(value: object) -> object:
    """Return a value without the `{"value": ...}` that some put around each."""
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


def entry_of(work: Mapping[str, object], known: Names) -> Entry:
    """Return the entry of a paper whose members have bare names."""

    def values(field: str) -> list[object]:
        return [work[key] for key in known[field] if work.get(key)]

    def text(field: str, keys: Sequence[str] = _TEXT) -> str:
        return next((found for value in values(field) if (found := _text(value, keys))), "")

    arxiv = "submitter" in work or "authorsparsed" in work
    plain = text_from_latex if arxiv else str  # arXiv's own metadata are LaTeX source
    numbers = [_text(value) for value in values("arxiv")]
    return Entry(
        title=plain(text("title")),
        abstract=plain(next((found for v in values("abstract") if (found := _abstract(v))), "")),
        authors=next((people for v in values("authors") if (people := _authors(v))), ()),
        year=next((day for v in values("year") if fields.year_of(day := _text(v, _DATE))), ""),
        venue=text("venue", _VENUE),
        doi=text("doi"),
        arxiv=next((number for number in numbers if fields.arxiv_of(number, ())), ""),
        links=[_text(value, _LINK) for value in values("links")],
        keywords=(
            text("keywords").split()  # categories: `cs.LG stat.ML`
            if arxiv
            else next((words for v in values("keywords") if (words := _keywords(v))), ())
        ),
    )


def _text(value: object, keys: Sequence[str] = _TEXT, depth: int = 4) -> str:
    """Return the text of a value: a list's first, an object's under the first of the keys."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and depth:
        flat = {bare(key): item for key, item in value.items()}
        return _text([flat[key] for key in keys if key in flat], keys, depth)
    if isinstance(value, list) and depth:
        return next((text for item in value[:50] if (text := _text(item, keys, depth - 1))), "")
    # Dates are no numbers, but a day in YAML.
    return str(value) if isinstance(value, int | float | date) and value is not True else ""


def _abstract(value: object) -> str:
    """Return the abstract, put together again from its parts or from an index of its words."""
    if isinstance(value, list):
        return "\n".join(_text(part) for part in value)
    if isinstance(value, Mapping):
        index = value.get("InvertedIndex", value)
        if isinstance(index, Mapping) and all(isinstance(at, list) for at in index.values()):
            places = [
                (at, word) for word, ats in index.items() for at in ats if isinstance(at, int)
            ]
            return " ".join(word for _, word in sorted(places))
    return _text(value)


def _authors(value: object) -> list[str]:
    if isinstance(value, str):
        return names(value)
    return [_author(item) for item in (value if isinstance(value, list) else [value])]


def _author(value: object) -> str:
    """Return a person's name; CSL has `given` and `family`.

    arXiv has `[family, given, suffix, affiliation]`.
    """
    if isinstance(value, list):
        return name(",".join(part for part in value[:3] if isinstance(part, str) and part))
    if isinstance(value, Mapping):
        flat = {bare(key): item for key, item in value.items()}
        given = _text([flat.get(key) for key in ("given", "firstname", "forename", "first")])
        particle = _text(flat.get("nondroppingparticle"))
        family = _text([flat.get(key) for key in ("family", "lastname", "surname", "last")])
        if family:
            return " ".join(part for part in (given, particle, family) if part)
    return name(_text(value, _PERSON))


def _keywords(value: object) -> list[str]:
    if isinstance(value, str):
        return fields.words(value)
    return [_text(item, _WORD) for item in value] if isinstance(value, list) else []
