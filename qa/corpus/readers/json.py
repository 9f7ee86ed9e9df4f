"""Papers in JSON: arXiv's snapshot, Semantic Scholar, OpenAlex, CSL, Crossref, BEIR and alike."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers import fields
from qa.corpus.readers.fields import Entry, bare_name, bare_names, name, names
from qa.corpus.readers.latex import text_from_latex

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


def read_json(
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
    flat = {bare_name(key): _unwrapped(item) for key, item in value.items()}
    for key in _INSIDE:
        if isinstance(inside := flat.get(key), Mapping):
            del flat[key]
            for own, item in inside.items():
                flat[bare_name(own)] = flat.get(bare_name(own)) or _unwrapped(item)
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
        flat = {bare_name(key): item for key, item in value.items()}
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
        flat = {bare_name(key): item for key, item in value.items()}
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


_LONGEST = 1 << 22  # characters of one object; what is longer is around the papers, or broken
_BETWEEN = re.compile(r"[\s,\ufeff\x1e]*")  # \x1e begins each object of a JSON text sequence
_INDENT = re.compile(r"[ \t]*")
_FIRST_KEY = re.compile(r'\{\s*("[^"\\]{1,200}"\s*:)')
_ARRAY = re.compile(r"\[\s*(?=\{)")
_TITLE = re.compile(r'"title"\s*:', re.IGNORECASE)
_ARRAY_WITHIN = 1 << 18  # characters that may stand before the papers in what is around them


def json_objects(chunks: Iterable[str]) -> Iterator[tuple[int, dict[str, object] | None]]:
    """Yield line number and value of each object; None in place of one that is broken."""
    place, first = _Place(chunks), True
    while opening := place.next():
        if opening != "{":
            place.step()
            continue
        line = place.line()
        try:
            value: dict[str, object] | None = place.value()
        except _BrokenError:
            if first and place.enter():
                continue
            value = None
            place.resume()
        first = False
        yield line, value


class _BrokenError(Exception):
    pass


class _Place:
    """A place in a stream of text, of which it holds as much as decoding one object needs."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self._text = ""
        self._at = 0
        self._line = 1
        self._counted = 0  # characters of the text whose line ends are in `_line`
        self._decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode

    def next(self) -> str:
        """Go to the next character that is not blank and return it; empty at the end."""
        while True:
            found = _BETWEEN.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def line(self) -> int:
        """Return the number of the line the place is in."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def step(self) -> None:
        """Go on by a character, or behind the string that begins here."""
        if self._text[self._at] == '"':
            try:
                self._at = self._decoded()[1]
            except _BrokenError:
                self._at += 1
        else:
            self._at += 1

    def value(self) -> dict[str, object]:
        """Return the object that begins here and go behind it."""
        value, end = self._decoded()
        if not isinstance(value, dict):
            raise _BrokenError
        self._at = end
        return value

    def enter(self) -> bool:
        """Go to the papers inside a broken object that is the frame around them, if it is one."""
        for array in _ARRAY.finditer(self._text, self._at, self._at + _ARRAY_WITHIN):
            if _TITLE.search(self._text, self._at, array.start()):
                return False  # it is a paper itself
            try:
                inside, _ = self._decode(self._text, array.end())
            except (ValueError, RecursionError):
                continue
            if isinstance(inside, dict) and any(key.lower() == "title" for key in inside):
                self._at = array.end()
                return True
        return False

    def resume(self) -> None:
        """Go on to where, after a broken object, the next one like it begins."""
        beginning = self._like_this()
        self._at += 1
        while not (found := beginning.search(self._text, self._at)):
            self._at = max(self._at, len(self._text) - 1000)
            if not self._more():
                self._at = len(self._text)
                return
        self._at = found.end() - 1

    def _like_this(self) -> re.Pattern[str]:
        """Return what finds the next object like the one that begins here.

        One on a line of its own is known by its indentation, else by its first key.
        """
        line = self._text.rfind("\n", max(0, self._at - 100), self._at) + 1
        indent = self._text[line : self._at] if line or self._at < 100 else "no indent"
        if _INDENT.fullmatch(indent):
            return re.compile(rf"\n{indent}\{{")
        key = _FIRST_KEY.match(self._text, self._at)
        return re.compile(rf"\{{(?=\s*{re.escape(key[1])})" if key else r"\{")

    def _decoded(self) -> tuple[object, int]:
        while True:
            held = len(self._text) - self._at
            try:
                return self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut_off = (
                    error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - 16
                )
                if held > _LONGEST or not cut_off:
                    raise _BrokenError from error
            except RecursionError as error:
                # What stands inside is as deep: on to the next line.
                line_end = self._text.find("\n", self._at)
                self._at = line_end if line_end >= 0 else len(self._text) - 1
                raise _BrokenError from error
            except ValueError as error:
                raise _BrokenError from error
            if not self._more():
                raise _BrokenError
            while len(self._text) - self._at < 2 * held and self._more():
                pass  # twice as much each time: decoding anew takes no longer than once through

    def _more(self) -> bool:
        self.line()
        chunk = next(self._chunks, "")
        if chunk:
            start = max(self._at - 100, 0)  # the line's indentation tells objects apart
            self._text = self._text[start:] + chunk
            self._at = self._counted = self._at - start
        return bool(chunk)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object; raises ValueError for two papers run into one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key.lower() for key, _ in pairs]
        if keys.count("title") > 1 or keys.count("abstract") > 1:
            raise ValueError("two titles or abstracts")
    return found
