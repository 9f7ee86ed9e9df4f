"""XML, read as a stream: the elements that are records, one after the other.

Nothing outside of the file is opened, and a file that declares entities of its own is refused:
they are how a small file becomes a large one. A record is held while it is read, and no more.
"""

import html
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from qa.corpus.papers import UnreadableFile

MAX_RECORD = 10_000_000  # bytes of one record, and of one piece of markup
_MAX_DEPTH = 200  # elements around an element
_MAX_ELEMENTS = 500_000  # in a record: 100 MB
# What XML does not allow and exports have all the same.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))
_DECLARATION = b"<?xml"
_DOWNLOAD_AGAIN = "Download or export it again."


@dataclass(frozen=True, slots=True)
class XmlRecord:
    """An element that is a record. Names are without namespace."""

    line: int  # 1-based
    element: Element


def xml_records(
    chunks: Iterable[str],
    records_of: Callable[[str], Collection[str]],
    ignored: Collection[str] = (),
) -> Iterator[XmlRecord]:
    """Yield the elements that are records, in the order of their ends.

    `records_of` gets the name of the outermost element and returns the names of those that are
    records, or raises UnreadableFile. Elements in `ignored` are left out with all that is in them.
    Raises UnreadableFile where the text is no XML, is cut off, or too large for memory.
    """
    parser = _Parser(records_of, frozenset(ignored))
    for chunk in chunks:
        yield from parser.feed(chunk.encode(errors="replace").translate(None, _CONTROLS))
    yield from parser.feed(b"", final=True)


class _Parser:
    """Expat parsers, one for each file in the text; they build records and drop everything else."""

    def __init__(
        self, records_of: Callable[[str], Collection[str]], ignored: frozenset[str]
    ) -> None:
        self._records_of = records_of
        self._ignored = ignored
        self._found: list[XmlRecord] = []  # complete, and not yielded yet
        self._start_file(line=0)

    def _start_file(self, line: int) -> None:
        """Make a parser for a file before which there are `line` lines."""
        self._lines_before = line
        self._names: Collection[str] = ()
        self._depth = 0  # of elements, while none is ignored
        self._skipped = 0  # depth within an ignored element; 0: outside of any
        self._builder: TreeBuilder | None = None  # of the record that is being read
        self._record = 0, 0  # depth and line of that record
        self._begin = 0  # its first byte, and every byte that is ignored later is added
        self._elements = 0  # in it
        self._fed = 0  # bytes
        self._held = b""  # the last of them, from which the parser has made nothing yet
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.EntityDeclHandler = _refuse_entity
        # With this, an entity of HTML in a feed that declares none comes to us and is no error.
        parser.UseForeignDTD(True)  # noqa: FBT003
        parser.SkippedEntityHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    def feed(self, content: bytes, *, final: bool = False) -> Iterator[XmlRecord]:
        """Parse the next piece of the text and yield the records that end in it."""
        held = self._held + content
        try:
            self._parser.Parse(content, final)
        except expat.ExpatError as error:
            yield from self._taken()
            begins = len(self._held) + self._parser.ErrorByteIndex - self._fed
            place = held.find(_DECLARATION, max(0, begins - len(_DECLARATION)))
            if self._depth or not self._names or place < 0:
                line = self._lines_before + error.lineno
                reason = f"damaged XML: {expat.ErrorString(error.code)}, line {line}"
                raise UnreadableFile(reason, _DOWNLOAD_AGAIN) from error
            # Another file begins here, as after `cat *.xml > all.xml`.
            self._start_file(self._lines_before + self._parser.ErrorLineNumber - 1)
            yield from self.feed(held[place:], final=final)
            return
        yield from self._taken()
        self._fed += len(content)
        # The parser stands still at the beginning of what it does not know the end of.
        self._held = held[len(held) - (self._fed - self._parser.CurrentByteIndex) :]
        self._check_size()

    def _taken(self) -> list[XmlRecord]:
        found, self._found = self._found, []
        return found

    def _check_size(self) -> None:
        """Raise UnreadableFile if what the parser holds is too large."""
        record = self._fed - self._begin if self._builder and not self._skipped else 0
        if max(len(self._held), record) > MAX_RECORD:
            raise _too_large()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = _local(name)
        if not self._depth:
            self._names = self._records_of(name)
        elif name in self._ignored:
            self._ignore()
            return
        self._depth += 1
        self._check_depth(self._depth)
        builder = self._builder
        if builder is None:
            if name not in self._names:
                return
            builder = self._begin_record()
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise _too_large()
        if attributes and any(":" in key for key in attributes):
            attributes = {_local(key): value for key, value in attributes.items()}
        builder.start(name, attributes)

    def _begin_record(self) -> TreeBuilder:
        self._builder = TreeBuilder()
        self._parser.CharacterDataHandler = self._builder.data
        self._record = self._depth, self._lines_before + self._parser.CurrentLineNumber
        self._begin = self._parser.CurrentByteIndex
        self._elements = 0
        return self._builder

    def _end(self, name: str) -> None:
        if self._builder is not None:
            element = self._builder.end(_local(name) if ":" in name else name)
            if self._depth == self._record[0]:
                self._found.append(XmlRecord(self._record[1], element))
                self._builder = None
                self._parser.CharacterDataHandler = None
        self._depth -= 1

    def _ignore(self) -> None:
        """Begin to skip an element."""
        self._skipped = 1
        self._begin -= self._parser.CurrentByteIndex
        self._parser.StartElementHandler = self._start_ignored
        self._parser.EndElementHandler = self._end_ignored
        self._parser.CharacterDataHandler = None

    def _start_ignored(self, *_: object) -> None:
        self._skipped += 1
        self._check_depth(self._skipped)

    def _end_ignored(self, _: str) -> None:
        self._skipped -= 1
        if not self._skipped:
            self._begin += self._parser.CurrentByteIndex
            self._parser.StartElementHandler = self._start
            self._parser.EndElementHandler = self._end
            self._parser.CharacterDataHandler = self._builder.data if self._builder else None

    def _check_depth(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise _too_large()

    def _entity(self, name: str, is_parameter: bool) -> None:  # noqa: FBT001 - expat calls it
        if not is_parameter and self._builder and not self._skipped:
            self._builder.data(html.unescape(f"&{name};"))


def _local(name: str) -> str:
    """Return a name without its prefix, which says the namespace."""
    return name.rpartition(":")[2] if ":" in name else name


def _refuse_entity(*_: object) -> None:
    raise UnreadableFile(
        "it is XML that declares entities of its own, which are not expanded",
        "Write it again without them: `xmllint --noent --dropdtd FILE > NEW.xml`.",
    )


def _too_large() -> UnreadableFile:
    reason = f"it has an XML record of more than {MAX_RECORD // 1_000_000} MB"
    return UnreadableFile(reason, "Take that record out.")
