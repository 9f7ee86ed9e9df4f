"""Papers in JSON: arXiv's snapshot, Semantic Scholar, OpenAlex, CSL, Crossref, BEIR and alike.

A file may be one list, one object around the papers, or objects one after the other. It is read as
a stream: one object is held at a time, and one that is broken does not end the reading.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from qa.corpus.papers import LONGEST_ENTRY, TOO_LONG, Record, Skipped
from qa.corpus.readers import fields
from qa.corpus.readers.fields import Entry, author_names, bare_name, column_names
from qa.corpus.readers.latex import text_from_latex
from qa.corpus.words import author_name

Names = Mapping[str, Sequence[str]]  # by field, the members that may hold it, the best first

# Members that hold more fields of the same paper.
_SAME_PAPER = (
    "metadata", "content", "attributes", "row", "source", "externalids", "ids", "paper"
)  # fmt: skip
# Members that hold lists of other papers.
_OTHER_PAPERS = (
    "references", "citations", "relatedworks", "referencedworks", "reference", "cites"
)  # fmt: skip
# Members of an object that describes data or a program: its title and description are no paper's.
_OTHER_DOCUMENT = {"$schema", "$defs", "$ref", "openapi", "swagger", "properties"}
# Where a value is an object: its members that may hold the text, the best first.
_TEXT = ("value", "text", "name", "displayname", "title", "literal", "fullname", "raw")
_VENUE = ("source", "displayname", "name", "title", "value", "raw")
_DATE = ("dateparts", "created", "raw", "value", "year", "date")
_LINK = ("landingpageurl", "url", "href", "value")
_KEYWORD = ("displayname", "name", "tag", "keyword", "term", "value")
_PERSON = ("author", "name", "displayname", "fullname", "rawauthorname", "literal", "value")

# Characters; a longer object is the one around the papers, or is skipped.
_MAX_OBJECT = LONGEST_ENTRY
_ARRAY_WITHIN = 1 << 18  # characters that may come before the papers in the object around them
_CONTEXT = 100  # characters kept before the current place: the indentation of its line
_SEPARATORS = re.compile(r"[\s,\ufeff\x1e]*")  # \x1e is before each object of a JSON text sequence
_INDENT = re.compile(r"[ \t]*")
_FIRST_KEY = re.compile(r'\{\s*("[^"\\]{1,200}"\s*:)')
_ARRAY = re.compile(r"\[\s*(?=\{)")
_TITLE = re.compile(r'"title"\s*:', re.IGNORECASE)


def read_json(
    chunks: Iterable[str], source: str, columns: Mapping[str, str]
) -> Iterator[Record | Skipped]:
    """Yield each paper of a text in pieces; `columns` are the user's names of members, by field."""
    names: Names = column_names(columns)
    count = 0
    for line, value in json_objects(chunks):
        for members in [value] if isinstance(value, str) else _papers(value, names):
            count += 1
            where = f"record {count}, line {line}"
            if isinstance(members, str):
                yield Skipped(source, members, where)
            else:
                yield entry_of(members, names).record(source, where, bare_titles=False)


def _papers(value: Mapping[str, object], names: Names, depth: int = 3) -> list[dict[str, object]]:
    """Return the members of each paper in an object, by bare names.

    The object is a paper itself, or is wrapped around papers at most `depth` levels below.
    """
    if not _OTHER_DOCUMENT.isdisjoint(value):
        return []
    members = _flat(value)
    if depth and not _has(members, names["abstract"]):
        inside = [
            paper
            for key, member in members.items()
            if key not in _OTHER_PAPERS
            for item in (member if isinstance(member, list) else [member])
            if isinstance(item, Mapping)
            for paper in _papers(item, names, depth - 1)
        ]
        if any(_is_paper(paper, names, all) for paper in inside):
            return [paper for paper in inside if _is_paper(paper, names, any)]
    return [members]


def _is_paper(
    members: Mapping[str, object], names: Names, all_or_any: Callable[[Iterable[bool]], bool]
) -> bool:
    """Tell whether there are a title and an abstract (`all`), or one of them (`any`)."""
    return all_or_any(_has(members, names[field]) for field in ("title", "abstract"))


def _has(members: Mapping[str, object], keys: Iterable[str]) -> bool:
    return any(members.get(key) for key in keys)


def _flat(value: Mapping[str, object]) -> dict[str, object]:
    """Return the members by bare names, and in their place those of objects of the same paper.

    A member of the outer object wins over one of the same name inside.
    """
    flat = {bare_name(key): _unwrapped(item) for key, item in value.items()}
    for key in _SAME_PAPER:
        if isinstance(inside := flat.get(key), Mapping):
            del flat[key]
            for own, item in inside.items():
                flat[bare_name(own)] = flat.get(bare_name(own)) or _unwrapped(item)
    return flat


def _unwrapped(value: object) -> object:
    """Return a value without the `{"value": ...}` that OpenReview puts around each."""
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


def entry_of(members: Mapping[str, object], names: Names) -> Entry:
    """Return the entry of a paper whose members are given by bare names."""

    def values(field: str) -> list[object]:
        return [members[key] for key in names[field] if members.get(key)]

    def text(field: str, keys: Sequence[str] = _TEXT) -> str:
        return next((found for value in values(field) if (found := _text(value, keys))), "")

    arxiv = "submitter" in members or "authorsparsed" in members  # arXiv's own metadata
    plain = text_from_latex if arxiv else str  # they are LaTeX source
    numbers = [_text(value) for value in values("arxiv")]
    return Entry(
        title=plain(text("title")),
        abstract=plain(next((found for v in values("abstract") if (found := _abstract(v))), "")),
        authors=next((authors for v in values("authors") if (authors := _authors(v))), ()),
        year=next((day for v in values("year") if fields.year_of(day := _text(v, _DATE))), ""),
        venue=text("venue", _VENUE),
        doi=text("doi"),
        arxiv=next((number for number in numbers if fields.arxiv_of(number, ())), ""),
        links=[_text(value, _LINK) for value in values("links")],
        keywords=(
            text("keywords").split()  # categories: `cs.LG stat.ML`
            if arxiv
            else next((keywords for v in values("keywords") if (keywords := _keywords(v))), ())
        ),
    )


def _text(value: object, keys: Sequence[str] = _TEXT, depth: int = 4) -> str:
    """Return the first text in a value: in an object, under the first of the keys that has one."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and depth:
        flat = {bare_name(key): item for key, item in value.items()}
        return _text([flat[key] for key in keys if key in flat], keys, depth)
    if isinstance(value, list) and depth:
        return next((text for item in value[:50] if (text := _text(item, keys, depth - 1))), "")
    # YAML, whose values come here too, reads a day as a date.
    return str(value) if isinstance(value, int | float | date) and value is not True else ""


def _abstract(value: object) -> str:
    """Return the abstract, joined from its parts or from an inverted index (word: positions)."""
    if isinstance(value, list):
        return "\n".join(_text(part) for part in value)
    if isinstance(value, Mapping):
        index = value.get("InvertedIndex", value)
        if isinstance(index, Mapping) and all(isinstance(at, list) for at in index.values()):
            words = [
                (at, word) for word, places in index.items() for at in places if isinstance(at, int)
            ]
            return " ".join(word for _, word in sorted(words))
    return _text(value)


def _authors(value: object) -> list[str]:
    if isinstance(value, str):
        return author_names(value)
    return [_author(item) for item in (value if isinstance(value, list) else [value])]


def _author(value: object) -> str:
    """Return an author's name as `Given Family`.

    CSL has `given` and `family`, arXiv `[family, given, suffix, affiliation]`.
    """
    if isinstance(value, list):
        return author_name(",".join(part for part in value[:3] if isinstance(part, str) and part))
    if isinstance(value, Mapping):
        flat = {bare_name(key): item for key, item in value.items()}
        given = _text([flat.get(key) for key in ("given", "firstname", "forename", "first")])
        particle = _text(flat.get("nondroppingparticle"))
        family = _text([flat.get(key) for key in ("family", "lastname", "surname", "last")])
        if family:
            return " ".join(part for part in (given, particle, family) if part)
    return author_name(_text(value, _PERSON))


def _keywords(value: object) -> list[str]:
    if isinstance(value, str):
        return fields.keyword_list(value)
    return [_text(item, _KEYWORD) for item in value] if isinstance(value, list) else []


def json_objects(chunks: Iterable[str]) -> Iterator[tuple[int, dict[str, object] | str]]:
    """Yield line number and value of each object; in place of the value why there is none."""
    cursor, first = _Cursor(chunks), True
    while character := cursor.next():
        if character != "{":
            cursor.skip()
            continue
        line = cursor.line()
        try:
            value: dict[str, object] | str = cursor.value()
        except _BrokenError as error:
            if first and cursor.enter():
                continue
            value = error.reason
            cursor.skip_broken()
        first = False
        yield line, value


class _BrokenError(Exception):
    """The object at the cursor cannot be decoded."""

    reason = "malformed entry"


class _TooLongError(_BrokenError):
    """The object at the cursor has no end within _MAX_OBJECT characters."""

    reason = TOO_LONG


class _Cursor:
    """A place in a stream of text. As much of the text is held as decoding one object needs."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self._text = ""
        self._at = 0
        self._line = 1
        self._counted = 0  # characters of the text whose line ends are in `_line`
        self._decode = json.JSONDecoder(object_pairs_hook=_one_paper).raw_decode

    def next(self) -> str:
        """Go to the next character that is no separator and return it; empty at the end."""
        while True:
            found = _SEPARATORS.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def line(self) -> int:
        """Return the number of the line that the cursor is in."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def skip(self) -> None:
        """Go on by one character, or by the string that begins here."""
        if self._text[self._at] == '"':
            try:
                self._at = self._decoded()[1]
            except _BrokenError:
                self._at += 1
        else:
            self._at += 1

    def value(self) -> dict[str, object]:
        """Return the object that begins here and go to its end; raises _BrokenError."""
        value, end = self._decoded()
        if not isinstance(value, dict):
            raise _BrokenError
        self._at = end
        return value

    def enter(self) -> bool:
        """Go to the papers inside the object that begins here; False if it is not around papers."""
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

    def skip_broken(self) -> None:
        """Go from a broken object to the beginning of the next one like it."""
        beginning = self._beginning_like_this()
        self._at += 1
        while not (found := beginning.search(self._text, self._at)):
            self._at = max(self._at, len(self._text) - 1000)
            if not self._more():
                self._at = len(self._text)
                return
        self._at = found.end() - 1

    def _beginning_like_this(self) -> re.Pattern[str]:
        """Return a pattern for the beginning of objects like the one that begins here.

        An object at the beginning of a line is recognized by its indentation, else by its first
        key.
        """
        line = self._text.rfind("\n", max(0, self._at - _CONTEXT), self._at) + 1
        indent = self._text[line : self._at] if line or self._at < _CONTEXT else "no indent"
        if _INDENT.fullmatch(indent):
            return re.compile(rf"\n{indent}\{{")
        key = _FIRST_KEY.match(self._text, self._at)
        return re.compile(rf"\{{(?=\s*{re.escape(key[1])})" if key else r"\{")

    def _decoded(self) -> tuple[object, int]:
        """Return the value that begins here and where it ends; raises _BrokenError.

        More of the text is read as long as the value is cut off at its end.
        """
        while True:
            held = len(self._text) - self._at
            try:
                return self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut_off = (
                    error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - 16
                )
                if not cut_off:
                    raise _BrokenError from error
                if held > _MAX_OBJECT:
                    raise _TooLongError from error
            except RecursionError as error:
                # The objects inside are nested as deep, so they are skipped: on to the next line.
                line_end = self._text.find("\n", self._at)
                self._at = line_end if line_end >= 0 else len(self._text) - 1
                raise _BrokenError from error
            except ValueError as error:
                raise _BrokenError from error
            if not self._more():
                raise _BrokenError
            while len(self._text) - self._at < 2 * held and self._more():
                pass  # twice as much each time, so that decoding again takes linear time in all

    def _more(self) -> bool:
        """Read the next piece of the text and forget what is no longer needed; False at the end."""
        self.line()
        chunk = next(self._chunks, "")
        if chunk:
            start = max(self._at - _CONTEXT, 0)
            self._text = self._text[start:] + chunk
            self._at = self._counted = self._at - start
        return bool(chunk)


def _one_paper(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object; raises ValueError if it is two papers, with a brace lost between them."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key.lower() for key, _ in pairs]
        if keys.count("title") > 1 or keys.count("abstract") > 1:
            raise ValueError("two titles or abstracts")
    return found
