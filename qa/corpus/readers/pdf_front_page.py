"""The front page of a paper in print: which of its lines are title, authors, abstract and so on.

The lines come in the order in which the PDF writes them, which in practice is the order of reading.
Sizes are in points, places are from the page's lower left corner.
"""

# ruff: noqa: RUF001 (the rules contain quotation marks and dashes of many scripts)

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from qa.corpus.readers.fields import Entry

_SAME_SIZE = 0.07  # share by which lines of the same size differ
_LEAST_ABSTRACT = 30  # words; a shorter text is none, or a part of one
_MOST_ABSTRACT = 1000
_LONGEST_TITLE = 350  # characters

_ABSTRACT = re.compile(
    r"(?:\d\.?\s)?(?:structured\s|author\s|extended\s)?(?P<word>abstract|a\s?b\s?s\s?t\s?r\s?a\s?c\s?t|"
    r"summary|synopsis|zusammenfassung|kurzfassung|resumen|résumé|resume|resumo|riassunto|sommario|"
    r"samenvatting|sammanfattning|аннотация|摘\s?要)"
    r"(?:\s?[:.]\s?|\s?[-\u2013\u2014\u2212]+\s?|\s+(?=[A-Z0-9])|$)",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"(?:(?:\d|I|A)\.?\s{0,3})?(?:introduction|introducción|einleitung|einführung|introdução|"
    r"introduzione|background|motivation|overview)\.?:?",
    re.IGNORECASE,
)
_KEYWORDS = re.compile(
    r"(?:additional\s)?(?:key\s?-?words(?:\sand\sphrases)?|index\sterms|schlüsselwörter|"
    r"palabras\sclave|mots[-\s]clés|palavras[-\s]chave|parole\schiave)\s?[:.\u2013\u2014-]*\s*",
    re.IGNORECASE,
)
_RUN_IN_KEYWORDS = re.compile(r"(?<=[.!?])\s(?:Key\s?-?words|Index\sTerms)\s?[:\u2013\u2014]\s*")
_AFTER_ABSTRACT = re.compile(
    r"(?:ccs\sconcepts|categories\sand\ssubject|general\sterms|acm\sreference|jel\b|msc\b|pacs\b|"
    r"(?:\d{4}\s)?mathematics\ssubject|(?:references|contents)$|table\sof\scontents|article\s(?:info|history)|"
    r"(?:©|\(c\)|copyright)\s|permission\sto\smake|\*?\s?corresponding\sauthor|"
    r"correspondence(?:\sto)?:|e-?mails?:|(?:manuscript\s)?received:?\s\d|preprint\b|how\sto\scite|"
    r"doi:|https?://doi|this\swork\s(?:was|is)\s(?:supported|licensed)|\*\s?equal\scontribution|"
    r"(?-i:(?:\d|I)\.?\s+[A-Z][a-z]+$))",
    re.IGNORECASE,
)
_NO_TITLE = re.compile(
    r"arxiv|preprint|under\sreview|published\s|proceedings|journal\sof|vol(?:ume|\.)?\s\d|issn|"
    r"(?:research|original|review|full|short)\s?(?:article|paper|length)|article$|letters?$|doi|https?:|"
    r"www\.|contents\slists|available\sonline|open\saccess|received|accepted|\d+$|page\s\d|"
    r"technical\sreport|working\spaper|discussion\spaper|abstract|accepted\smanuscript|see\sdiscussions",
    re.IGNORECASE,
)
_AFFILIATION = re.compile(
    r"\b(?:universit|institut|department|dept|school|college|laborator|lab\b|labs\b|cent(?:er|re)\b|"
    r"faculty|academy|hospital|clinic|research|inc\b|ltd|corp|gmbh|google|microsoft|facebook|meta\sai|"
    r"deepmind|openai|amazon|nvidia|street|avenue|road|city|usa|u\.s\.a|china|germany|france|italy|"
    r"spain|japan|korea|india|canada|kingdom|netherlands|switzerland|school|division|technolog|"
    r"engineering|science|faculté|université|universität|universidad|équipe|cnrs|email|member,|"
    r"fellow,|ieee|abteilung|group\sof|correspond|author)",
    re.IGNORECASE,
)
_MEMBER = re.compile(r",?\s*(?:(?:Senior|Student|Life)\s)?(?:Member|Fellow),?\s(?:IEEE|ACM)")
_DATE = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec)\b\.?|\b(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:(?:[^\W\d_]\.?-?){1,3}|[^\W\d_][^\W\d_'’\u2010.-]*(?:[-'’\u2010][^\W\d_]+)*\.?)"
    r"(?:\s(?:(?:[^\W\d_]\.?-?){1,3}|[^\W\d_][^\W\d_'’\u2010.-]*(?:[-'’\u2010][^\W\d_]+)*\.?)){1,4}"
)
_OPEN = {"self", "zero", "two", "three"}  # words that keep their hyphen where a line ends after it
_PARTICLES = {
    "de", "la", "van", "von", "der", "den", "del", "di", "da", "dos", "du", "le", "el", "al", "ten",
    "ter", "bin", "ibn", "y", "e", "zu", "zur", "af", "jr", "jr.", "st.",
}  # fmt: skip
_MARKS = re.compile(r"[\d*∗†‡§¶‖#♯⋆★☆✉♣♠♦♥\u00b9\u00b2\u00b3\u2070-\u209f^{}$()\[\]]+")
_SEPARATOR = re.compile(r"\s*(?:,|;|·|•|\||&|\band\b|\bund\b|\by\b|\bet\b|\t)\s*")
_DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>]+", re.IGNORECASE)
_ARXIV = re.compile(r"arxiv:\s?(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})", re.IGNORECASE)
_YEAR = re.compile(r"(?<![\d.])(?:19[5-9]\d|20[0-4]\d)(?![\d.]\d)")
_YEAR_MARKED = re.compile(
    r"(?:published|accepted|©|\(c\)|copyright|publication\sdate|available\sonline)\D{0,30}"
    r"(?:\d{1,2}\s?\w{0,9}\.?,?\s)?((?:19|20)\d\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page, or its part in one column."""

    text: str
    level: str  # without raised letters, such as marks of footnotes; a tab for a wide gap
    left: float
    right: float
    low: float
    height: float  # of its letters
    bold: bool
    starts_bold: bool  # its first word is

    @property
    def words(self) -> int:
        """How many words it has."""
        return len(self.text.split())


@dataclass(frozen=True, slots=True)
class Page:
    """A page's lines, upright ones only; `turned` is the text that runs up its side."""

    width: float
    height: float
    lines: Sequence[Line]
    turned: str = ""


def read_front_page(pages: Sequence[Page], title: str) -> Entry | None:
    """Return what the first pages say of a paper; None if they do not look like one's.

    `title` is what the file's own metadata say, which often is wrong.
    """
    at, found = next(
        (
            (at, found)
            for at, page in enumerate(pages)
            if (found := _abstract(page, pages[at + 1] if at + 1 < len(pages) else None))
        ),
        (0, None),
    )
    page = pages[at]
    end = found.begin if found else len(page.lines)
    chosen = _title(page, end)
    if not chosen and at:  # it is on a page of its own
        page, end = pages[0], len(pages[0].lines)
        chosen = _title(page, end)
    if not chosen:
        return None
    text = _joined([page.lines[at].level for at in chosen], _vocabulary(pages))
    entry = Entry(
        title=_of_metadata(title, text) or text,
        abstract=found.text if found else "",
        authors=list(_authors(page, chosen[-1] + 1, end)),
        year=_year(pages, pages[at], found),
        doi=_doi(pages),
        arxiv=_arxiv(pages),
        keywords=found.keywords if found else (),
    )
    return entry if found or entry.doi or entry.arxiv else None


# The abstract


@dataclass(frozen=True, slots=True)
class _Abstract:
    """An abstract, and the numbers of its first line and of the line after it."""

    begin: int
    end: int
    text: str
    keywords: Sequence[str]


def _abstract(page: Page, following: Page | None) -> _Abstract | None:
    """Return the abstract on a page; it may go on on the page that follows."""
    lines = page.lines
    for at, line in enumerate(lines):
        heading = _ABSTRACT.match(line.text)
        if heading and _is_heading(line, heading):
            rest = line.text[heading.end() :]
            begin = at if rest else at + 1
            end = _end_of_block(lines, begin, inside=bool(rest))
            texts = [rest] if rest else []
            texts += [below.text for below in lines[begin + bool(rest) : end]]
            found = _made(page, at, end, texts, following)
            if found is not None:
                return found
    return _unmarked_abstract(page)


def _is_heading(line: Line, heading: re.Match[str]) -> bool:
    """Tell whether a line that begins with a word such as `abstract` is or has its heading."""
    rest = line.text[heading.end() :]
    if not rest:
        return True
    marked = heading[0].rstrip()[-1:] in ":.-\u2013\u2014\u2212"
    return (marked or heading["word"].isupper() or line.starts_bold) and not rest[:1].islower()


def _made(
    page: Page, begin: int, end: int, texts: Sequence[str], following: Page | None
) -> _Abstract | None:
    text = _joined(texts, _vocabulary([page]))
    if following is not None and end >= _last_body_line(page) and text[-1:] not in '.!?)”"':
        onward = _end_of_block(following.lines, 0, inside=False)
        more = [line.text for line in following.lines[:onward]]
        text = _joined([*texts, *more], _vocabulary([page, following]))
    keywords = list(_keywords(page.lines, end))
    if label := _RUN_IN_KEYWORDS.search(text):  # in the abstract's last line
        keywords = _separated(text[label.end() :])
        text = text[: label.start()]
    if not _LEAST_ABSTRACT <= len(text.split()) <= _MOST_ABSTRACT:
        return None
    return _Abstract(begin, end, text, keywords)


def _last_body_line(page: Page) -> int:
    """Return the number of the last line that is no page number or running foot."""
    for at in range(len(page.lines) - 1, -1, -1):
        if page.lines[at].low > 0.09 * page.height and page.lines[at].words > 3:
            return at
    return 0


def _end_of_block(lines: Sequence[Line], begin: int, *, inside: bool) -> int:
    """Return the number of the line after the abstract that begins at a line."""
    size = _size_of_block(lines, begin + inside)
    pitch = _pitch(lines, begin)
    words = 0
    for at in range(begin, len(lines)):
        line = lines[at]
        if at > begin and _ends(lines, at, size, pitch, words):
            return at
        words += line.words
    return len(lines)


def _size_of_block(lines: Sequence[Line], begin: int) -> float:
    heights = [line.height for line in lines[begin : begin + 6] if line.words > 3]
    return median(heights) if heights else 0.0


def _pitch(lines: Sequence[Line], begin: int) -> float:
    """Return the usual distance between two lines from a line on."""
    gaps = [
        above.low - below.low
        for above, below in pairwise(lines[begin : begin + 9])
        if 0 < above.low - below.low < 4 * above.height
    ]
    return median(gaps) if gaps else 1.5 * lines[begin].height if begin < len(lines) else 12.0


def _ends(lines: Sequence[Line], at: int, size: float, pitch: float, words: int) -> bool:
    """Tell whether an abstract of so many words ends before a line."""
    line, before = lines[at], lines[at - 1]
    text = line.text
    if _INTRODUCTION.fullmatch(text) or _KEYWORDS.match(text) or _AFTER_ABSTRACT.match(text):
        return True
    complete = before.text.rstrip()[-1:] in '.!?)”"’]'
    if size and abs(line.height - size) > _SAME_SIZE * size and (line.words > 2 or complete):
        return complete or abs(line.height - size) > 0.2 * size
    gap = before.low - line.low
    if gap < -pitch:  # up to another column
        return complete and words >= _LEAST_ABSTRACT
    heading = line.bold and not before.bold and line.words < 9 and not _IS_PART.match(text)
    if heading and complete and text[-1:] not in ".:":
        return True
    return gap > 2.4 * pitch and complete and words >= _LEAST_ABSTRACT


_IS_PART = re.compile(
    r"(?:background|objectives?|aims?|purpose|methods?|materials|results?|findings|conclusions?|"
    r"significance|discussion|design|setting|participants|interpretation|importance|context)\b",
    re.IGNORECASE,
)


def _unmarked_abstract(page: Page) -> _Abstract | None:
    """Return the paragraph between the authors and the introduction, which is the abstract."""
    lines = page.lines
    introduction = next(
        (at for at, line in enumerate(lines) if _INTRODUCTION.fullmatch(line.text)), None
    )
    if introduction is None:
        return None
    title = _title(page, introduction)
    begin = title[-1] + 1 if title else 0
    end = next(
        (at for at in range(begin, introduction) if _KEYWORDS.match(lines[at].text)), introduction
    )
    # The last lines of running text of one size before the introduction.
    start = end
    while start > begin and _is_prose(lines[start - 1], lines[start] if start < end else None):
        start -= 1
    return _made(page, start, end, [line.text for line in lines[start:end]], None)


def _is_prose(line: Line, below: Line | None) -> bool:
    names = sum(word[:1].isupper() for word in line.text.split()) > 0.5 * line.words
    if names and _AFFILIATION.search(line.text):
        return False
    if below is None:
        return line.words > 0
    same = abs(line.height - below.height) <= _SAME_SIZE * below.height
    near = 0 < line.low - below.low < 2.2 * below.height
    return same and near and line.words > 4 and "@" not in line.text


def _keywords(lines: Sequence[Line], at: int) -> Iterator[str]:
    """Yield the keywords that begin at a line."""
    for start in range(at, min(at + 3, len(lines))):
        label = _KEYWORDS.match(lines[start].text)
        if label is None:
            continue
        texts = [lines[start].text[label.end() :]]
        for line in lines[start + 1 : start + 4]:
            gap = lines[start].low - line.low
            if not 0 < gap < 5 * line.height or _INTRODUCTION.fullmatch(line.text):
                break
            if abs(line.height - lines[start].height) > _SAME_SIZE * line.height or line.bold:
                break
            texts.append(line.text)
        yield from _separated(_joined(texts, set()))
        return


def _separated(text: str) -> list[str]:
    """Return the keywords in a text; what is longer than they are is left out."""
    words = (word.strip(" .") for word in re.split(r"[,;·•]", text))
    return [word for word in words if 0 < len(word.split()) <= 6]


# The title and the authors


def _title(page: Page, end: int) -> list[int]:
    """Return the numbers of the title's lines: the largest text above line `end`."""
    groups = list(_groups(page, end))
    if not groups:
        return []
    body = median(line.height for line in page.lines)

    def rank(group: list[int]) -> tuple[float, float]:
        lines = [page.lines[at] for at in group]
        words = sum(line.words for line in lines)
        size = median(line.height for line in lines)
        weight = min(1.0, (words + 1) / 4) * (1.08 if all(line.bold for line in lines) else 1.0)
        return size * weight, lines[0].low

    best = max(groups, key=rank)
    large = median(page.lines[at].height for at in best) > 1.05 * body
    return best if large or page.lines[best[0]].bold or best[0] < 6 else []


def _groups(page: Page, end: int) -> Iterator[list[int]]:
    """Yield runs of neighbouring lines of one size that may be a title."""
    group: list[int] = []
    for at, line in enumerate(page.lines[:end]):
        last = page.lines[group[-1]] if group else None
        if last is not None and _goes_on(last, line):
            group.append(at)
            continue
        if group and _may_be_title(page, group):
            yield group
        group = [at]
    if group and _may_be_title(page, group):
        yield group


def _goes_on(last: Line, line: Line) -> bool:
    same = abs(line.height - last.height) <= _SAME_SIZE * last.height and line.bold == last.bold
    return same and 0 < last.low - line.low < 1.75 * last.height


def _may_be_title(page: Page, group: Sequence[int]) -> bool:
    lines = [page.lines[at] for at in group]
    text = " ".join(line.text for line in lines)
    letters = sum(character.isalpha() for character in text)
    high = lines[0].low > 0.4 * page.height
    return (
        high
        and letters >= 6
        and len(text) <= _LONGEST_TITLE
        and "@" not in text
        and not _NO_TITLE.match(text)
        and not _ABSTRACT.fullmatch(text)
    )


def _of_metadata(title: str, printed: str) -> str:
    """Return the title of the file's metadata if it is what is printed, else an empty text."""
    title = " ".join(title.split())
    same = bool(title) and _letters(title) == _letters(printed)
    return title if same and not printed.isupper() else ""


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def _authors(page: Page, begin: int, end: int) -> Iterator[str]:
    """Yield the names in the lines between title and abstract."""
    seen: set[str] = set()
    for line in page.lines[begin:end]:
        text = _MEMBER.sub("", line.level)
        if "@" in text or _AFFILIATION.search(text) or _DATE.search(text):
            continue
        for part in _SEPARATOR.split(_MARKS.sub(" ", text)):
            name = " ".join(part.split()).strip(" ,.-") if part else ""
            name += "." if re.search(r"\b[A-Z]$", name) and f"{name}." in text else ""
            if _is_name(name) and name not in seen:
                seen.add(name)
                yield name


def _is_name(text: str) -> bool:
    words = text.split()
    if not _NAME.fullmatch(text) or len(text) > 50:
        return False
    proper = [word for word in words if word.lower() not in _PARTICLES]
    return len(proper) >= 2 and all(not word[0].islower() for word in proper)


# The numbers


def _doi(pages: Sequence[Page]) -> str:
    """Return the first DOI above the references of the first pages."""
    for page in pages[:2]:
        for line in page.lines:
            if re.match(r"references\b", line.text, re.IGNORECASE):
                return ""
            if found := _DOI.search(line.text):
                return found[0]
    return ""


def _arxiv(pages: Sequence[Page]) -> str:
    for page in pages[:2]:
        if found := _ARXIV.search(page.turned):
            return found[1]
        for line in page.lines:
            if line.low > 0.85 * page.height and (found := _ARXIV.search(line.text)):
                return found[1]
    return ""


def _year(pages: Sequence[Page], page: Page, found: _Abstract | None) -> str:
    """Return the year of the stamp at the side, of a notice, or of a line outside of the text."""
    for text in (pages[0].turned, page.turned):
        if year := _YEAR.search(text):
            return year[0]
    inside = range(found.begin, found.end) if found else range(0)
    outside = [line for at, line in enumerate(page.lines) if at not in inside and line.words < 30]
    for line in outside:
        if marked := _YEAR_MARKED.search(line.text):
            return marked[1]
    margin = [
        line
        for at, line in enumerate(page.lines)
        if at not in inside
        and line.words < 30
        and (line.low > 0.9 * page.height or line.low < 0.12 * page.height or at < inside.start)
    ]
    if page is not pages[0]:
        margin = [*margin, *pages[0].lines]
    return next((year[0] for line in margin if (year := _YEAR.search(line.text))), "")


# Text


def _joined(texts: Sequence[str], vocabulary: set[str]) -> str:
    """Return lines as one text, words put together that were cut at the end of a line."""
    text = ""
    for line in (" ".join(text.split()) for text in texts):
        if not text:
            text = line
        elif text[-1] in "-\u2010\xad" and line[:1].islower():
            text = _with_word(text, line, vocabulary)
        elif text[-1] in "-\u2010\xad" and text[-2:-1].isalnum() and line[:1].isalnum():
            text += line  # `English-` and `French`
        else:
            text = f"{text} {line}"
    return text.replace("\xad", "-")


def _with_word(text: str, line: str, vocabulary: set[str]) -> str:
    """Return text and line, whose first word goes on with the text's last one."""
    head = re.search(r"[^\W\d_]*$", text[:-1])
    tail = re.match(r"[^\W\d_]+", line)
    first, second = head[0] if head else "", tail[0] if tail else ""
    compound = text[: -1 - len(first)].endswith("-") if first else True
    known = (first + second).lower() in vocabulary
    compound = compound or line[len(second) :].startswith("-") or first.lower() in _OPEN
    apart = second.lower() in vocabulary and first.lower() in vocabulary
    if not known and (compound or not first or (apart and len(first) > 3 and len(second) > 3)):
        return f"{text[:-1]}-{line}"
    return text[:-1] + line


def _vocabulary(pages: Sequence[Page]) -> set[str]:
    """Return the whole words of the pages, in lower case."""
    words = set()
    for page in pages:
        for line in page.lines:
            inner = line.text.split()
            words.update(re.findall(r"[^\W\d_]{2,}", " ".join(inner[1:-1]).lower()))
    return words
