"""Papers in XML: PubMed, JATS, Atom, RSS, the ACL Anthology, EndNote and Zotero RDF.

PubMed        https://dtd.nlm.nih.gov/ncbi/pubmed/doc/out/250101/index.html
JATS          https://jats.nlm.nih.gov/publishing/tag-library/1.3/
Atom          RFC 4287; arXiv's own elements: https://info.arxiv.org/help/api/user-manual.html
RSS           2.0, and 1.0 (RDF) with Dublin Core and PRISM, as journals have it
ACL           https://github.com/acl-org/acl-anthology, `data/xml`
EndNote       as EndNote writes it by File > Export
Zotero RDF    as Zotero writes it by File > Export Library
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element

from qa.corpus.papers import Record, Skipped, UnreadableFile
from qa.corpus.readers.fields import Entry, author_names
from qa.corpus.readers.xml import xml_records
from qa.corpus.words import author_name

_Reader = Callable[[Element], Entry | None]  # returns None for what is no paper

# Elements that are left out unread: full texts, and other papers than the record itself.
_IGNORED = {
    "body", "back", "floats-group", "sub-article", "response", "ref-list", "ReferenceList",
    "CommentsCorrectionsList", "ChemicalList", "GrantList", "related-article", "related-object",
}  # fmt: skip
# Elements that are paragraphs or lines of their own, in any of the formats.
_BLOCKS = {
    "p", "sec", "title", "break", "list", "list-item", "disp-formula", "AbstractText", "td", "tr",
    "subtitle", "label", "def-item",
}  # fmt: skip
_NOT_TEXT = {"fn", "object-id", "ext-link-uri", "annotation"}  # inside of titles and abstracts
_NOTE_MARKS = {"fn", "aff", "author-notes", "corresp"}  # what a mark such as `*` refers to
_OTHER_ABSTRACTS = {
    "graphical", "teaser", "toc", "toc-abstract", "key-points", "highlights", "precis",
    "web-summary", "plain-language-summary", "executive-summary", "editor", "short",
    "author-highlights",
}  # fmt: skip
_LATEX_DOCUMENT = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.DOTALL)
_HTML_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_HTML = re.compile(r"<(?:p|div|img|a|br|span|h\d|ul|strong|b|em|i)\b[^<>]*>", re.IGNORECASE)
# What arXiv's feeds have before the abstract, and journals' before the description.
_BEFORE_ABSTRACT = re.compile(
    r"\A\s*arXiv:\S+ Announce Type: [\w-]+\s*(?:Abstract:\s*)?"
    r"|\A[^.]{1,80}, Published online: [^;]{1,40};\s*(?:doi:\S+\s*)?"
)
_ADDRESS = re.compile(r"\S+@\S+ \((.+)\)")  # RSS: `smith@example.org (Jane Smith)`
_NO_TITLE = "[Not Available]."  # PubMed, where the title is only in another language


def read_xml(chunks: Iterable[str], source: str) -> Iterator[Record | Skipped]:
    """Yield the papers of an XML file; raises UnreadableFile for XML that holds none."""
    readers: dict[str, _Reader] = {}

    def records_of(root: str) -> Collection[str]:
        if root == "html":
            raise UnreadableFile("it is a web page", "Open it in a browser and print it to PDF.")
        if root not in _FORMATS:
            raise UnreadableFile(f"it is XML of an unknown kind, <{root}>", _OTHER_XML)
        readers.update(_FORMATS[root])
        return readers

    count = 0
    containers: dict[str, str] = {}  # titles of journals by their address
    waiting: list[tuple[Entry, str, str]] = []  # entry, its place, the address of its journal
    volume: Element | None = None
    try:
        for record in xml_records(chunks, records_of, _IGNORED):
            element = record.element
            if element.tag == "meta":
                volume = element
            elif element.tag in ("Journal", "Series"):
                containers[element.get("about", "")] = _first(element, "title")
            else:
                count += 1
                where = f"record {count}, line {record.line}"
                if volume is not None:
                    _inherit(element, volume)
                entry = readers[element.tag](element)
                container = _container(element)
                if entry is None:
                    continue
                if container:
                    waiting.append((entry, where, container))
                else:
                    yield entry.record(source, where)
    except UnreadableFile as error:
        if not count:
            raise
        yield Skipped(source, str(error), f"after {count} records")
    for entry, where, container in waiting:
        yield replace(entry, venue=containers.get(container, "")).record(source, where)


_OTHER_XML = "Import it into Zotero or JabRef, and export the library as BibTeX or RIS from there."


def _text(element: Element | None) -> str:
    """Return the text of an element, formulas and emphasis included, paragraphs apart."""
    return "".join(_pieces(element)).strip() if element is not None else ""


def _pieces(element: Element) -> Iterator[str]:
    block = element.tag in _BLOCKS
    if block:
        yield "\n"
    if element.tag == "tex-math":
        found = _LATEX_DOCUMENT.search(element.text or "")
        yield found[1] if found else element.text or ""
    elif element.tag not in _NOT_TEXT and element.get("ref-type") not in _NOTE_MARKS:
        yield _own(element, element.text)
        children: Iterable[Element] = element
        if element.tag == "alternatives":  # the same formula in several ways
            children = sorted(element, key=lambda child: child.tag != "math")[:1]
        for child in children:
            yield from _pieces(child)
            yield _own(element, child.tail)
    if block:
        yield "\n"


def _own(element: Element, text: str | None) -> str:
    """Return a piece of an element's own text; space between the parts of a formula is none."""
    if text and not text.strip() and element.tag in _MATH:
        return ""
    return text or ""


_MATH = {"math", "mrow", "msub", "msup", "msubsup", "mfrac", "mstyle", "semantics", "mover"}


def _first(element: Element, *paths: str) -> str:
    """Return the text of the first of these elements that has any."""
    return next((text for path in paths for e in element.findall(path) if (text := _text(e))), "")


def _all(element: Element, path: str) -> list[str]:
    return [_text(found) for found in element.findall(path)]


def _with_attribute(element: Element, path: str, attribute: str, value: str) -> str:
    """Return the text of the first of these elements whose attribute has the value."""
    found = (e for e in element.findall(path) if e.get(attribute, "").lower() == value)
    return _text(next(found, None))


def _person(name: Element, given: str, family: str, suffix: str = "") -> str:
    parts = (given, family, suffix) if suffix else (given, family)
    return " ".join(text for part in parts if (text := _first(name, part)))


# PubMed


def _pubmed(record: Element) -> Entry:
    citation = record if record.tag == "MedlineCitation" else record.find("MedlineCitation")
    if citation is None:
        return _pubmed_book(record)
    found = citation.find("Article")
    article = citation if found is None else found
    title = _first(article, "ArticleTitle")
    pmid = _first(citation, "PMID")
    doi = _with_attribute(article, "ELocationID", "EIdType", "doi") or _with_attribute(
        record, "PubmedData/ArticleIdList/ArticleId", "IdType", "doi"
    )
    return Entry(
        title=_first(article, "VernacularTitle") or title if title == _NO_TITLE else title,
        abstract=_pubmed_abstract(article) or _pubmed_abstract(citation, "OtherAbstract"),
        authors=_pubmed_authors(article.find("AuthorList")),
        year=_first(article, "Journal/JournalIssue/PubDate/Year", "Journal/JournalIssue/PubDate")
        or _first(article, "ArticleDate/Year"),
        venue=_first(article, "Journal/Title", "Journal/ISOAbbreviation"),
        doi=doi,
        links=[f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/"] if pmid and not doi else [],
        keywords=_all(citation, "KeywordList/Keyword")
        or _all(citation, "MeshHeadingList/MeshHeading/DescriptorName"),
    )


def _pubmed_book(record: Element) -> Entry:
    found = record.find("BookDocument")
    book = record if found is None else found
    return Entry(
        title=_first(book, "ArticleTitle", "Book/BookTitle"),
        abstract=_pubmed_abstract(book),
        authors=_pubmed_authors(book.find("AuthorList"))
        or _pubmed_authors(book.find("Book/AuthorList")),
        year=_first(book, "ContributionDate/Year", "Book/PubDate/Year"),
        venue=_first(book, "Book/BookTitle"),
        doi=_with_attribute(book, "ArticleIdList/ArticleId", "IdType", "doi"),
        keywords=_all(book, "KeywordList/Keyword"),
    )


def _pubmed_abstract(parent: Element, name: str = "Abstract") -> str:
    """Return the parts of an abstract, each with its label: `METHODS: We measured`."""
    abstract = parent.find(name)
    parts = []
    for part in abstract.findall("AbstractText") if abstract is not None else ():
        label, text = part.get("Label", ""), _text(part)
        shown = label and label.upper() not in ("UNLABELLED", "UNASSIGNED")
        parts.append(f"{label}: {text}" if shown else text)
    return "\n".join(parts)


def _pubmed_authors(authors: Element | None) -> list[str]:
    return [
        _first(author, "CollectiveName")
        or _person(author, "ForeName", "LastName", "Suffix")
        or _person(author, "Initials", "LastName")
        for author in (authors if authors is not None else ())
    ]


# JATS


def _jats(article: Element) -> Entry | None:
    front = article.find("front")
    meta = article.find("front/article-meta") if front is not None else article.find("front-stub")
    if meta is None:
        return None
    title = _first(meta, "title-group/article-title")
    subtitle = _first(meta, "title-group/subtitle")
    return Entry(
        title=": ".join(part for part in (title, subtitle) if part),
        abstract=_jats_abstract(meta),
        authors=list(_jats_authors(meta)),
        year=_jats_year(meta),
        venue=_first(article, "front/journal-meta//journal-title", "front/journal-meta/journal-id"),
        doi=_with_attribute(meta, "article-id", "pub-id-type", "doi"),
        arxiv=_with_attribute(meta, "article-id", "pub-id-type", "arxiv"),
        links=[uri.get("href", "") for uri in meta.findall("self-uri")],
        keywords=_all(meta, "kwd-group/kwd"),
    )


def _jats_abstract(meta: Element) -> str:
    """Return the article's own abstract: not its highlights, nor its translation if there are."""
    kinds = [(a, a.get("abstract-type", "").lower()) for a in meta.findall("abstract")]
    own = [abstract for abstract, kind in kinds if kind not in _OTHER_ABSTRACTS]
    chosen = [*own, *meta.findall("trans-abstract")]
    return next((text for abstract in chosen if (text := _jats_text(abstract))), "")


def _jats_text(abstract: Element) -> str:
    """Return the text of an abstract without its own heading: `Methods: We measured`."""
    for own in abstract.findall("title"):
        abstract.remove(own)
    for section in abstract.iter("sec"):
        heading = section.find("title")
        label = _text(heading).rstrip(":. ")
        if heading is not None:
            section.remove(heading)
            if label:
                paragraph = section.find(".//p")
                target = section if paragraph is None else paragraph
                target.text = f"{label}: {target.text or ''}"
    return _text(abstract)


def _jats_authors(meta: Element) -> Iterator[str]:
    for person in meta.findall("contrib-group/contrib"):
        if person.get("contrib-type", "author") == "author":
            name = person.find(".//name")
            if name is not None:
                yield _person(name, "given-names", "surname", "suffix")
            else:
                yield _first(person, ".//string-name", "collab")


def _jats_year(meta: Element) -> str:
    """Return the year of publication: of the earliest version that has a date."""
    dates = [date for date in meta.findall("pub-date") if _first(date, "year")]
    return min((_first(date, "year") for date in dates), default="")


# Atom and RSS


def _atom(entry: Element) -> Entry | None:
    identity = _first(entry, "id")
    if "arxiv.org/api/errors" in identity:
        return None
    links = [link.get("href", "") for link in entry.findall("link")]
    return Entry(
        title=_feed_text(_first(entry, "title")),
        abstract=_feed_text(_first(entry, "summary", "content")),
        authors=[_first(author, "name") for author in entry.findall("author")] or _creators(entry),
        year=_first(entry, "published", "issued", "updated"),
        venue=_first(entry, "journal_ref", "publicationName"),
        doi=_first(entry, "doi"),
        links=[identity, *links],
        keywords=[kind.get("term", "") for kind in entry.findall("category")],
    )


def _rss(item: Element) -> Entry:
    identity = _first(item, "doi", "identifier")
    return Entry(
        title=_feed_text(_first(item, "title")),
        abstract=_feed_text(_first(item, "description", "encoded")),
        authors=_creators(item),
        year=_first(item, "publicationDate", "pubDate", "date"),
        venue=_first(item, "publicationName"),
        doi=identity,
        links=[_first(item, "link"), _first(item, "guid"), identity],
        keywords=_all(item, "category") + _all(item, "subject"),
    )


def _creators(item: Element) -> list[str]:
    names = _all(item, "creator") or [_ADDRESS.sub(r"\1", text) for text in _all(item, "author")]
    return [name for text in names for name in author_names(_feed_text(text))]


def _feed_text(text: str) -> str:
    """Return text as feeds have it, which may be HTML, without what is before an abstract."""
    if _HTML.search(text):
        text = _HTML_TAG.sub(" ", text)
    return _BEFORE_ABSTRACT.sub("", text, count=1)


# ACL Anthology


def _acl(paper: Element) -> Entry:
    url = _first(paper, "url")
    return Entry(
        title=_first(paper, "title"),
        abstract=_first(paper, "abstract"),
        authors=[_person(author, "first", "last") for author in paper.findall("author")],
        year=_first(paper, "year"),
        venue=_first(paper, "journal-title", "booktitle"),
        doi=_first(paper, "doi"),
        links=[url if "/" in url else f"https://aclanthology.org/{url}/"] if url else [],
    )


def _inherit(paper: Element, volume: Element) -> None:
    """Give a paper the year and the name of the volume that it is in, where it has none itself."""
    for name in ("year", "booktitle", "journal-title"):
        inherited = volume.find(name)
        if inherited is not None and paper.find(name) is None:
            paper.append(inherited)


# EndNote


def _endnote(record: Element) -> Entry:
    return Entry(
        title=_first(record, "titles/title"),
        abstract=_first(record, "abstract"),
        authors=[author_name(name) for name in _all(record, "contributors/authors/author")],
        year=_first(record, "dates/year", "dates/pub-dates/date"),
        venue=_first(record, "periodical/full-title", "titles/secondary-title"),
        doi=_first(record, "electronic-resource-num"),
        links=_all(record, "urls//url"),
        keywords=_all(record, "keywords/keyword"),
    )


# Zotero RDF


def _zotero(item: Element) -> Entry | None:
    kind = _first(item, "itemType")
    if kind in ("", "attachment", "note", "annotation"):
        return None
    identity = item.get("about", "")
    addresses = [*_all(item, "identifier//value"), identity]
    return Entry(
        title=_first(item, "title"),
        abstract=_first(item, "abstract"),
        authors=[
            _first(person, "givenName", "givenname") + " " + _first(person, "surname")
            for person in item.findall("authors/Seq/li/Person")
        ],
        year=_first(item, "date"),
        venue=_first(item, "isPartOf//title", "presentedAt//title"),
        doi=next((text for text in _all(item, ".//identifier") if "10." in text), ""),
        links=[address for address in addresses if address.startswith("http")],
        keywords=_all(item, "subject"),
    )


def _container(item: Element) -> str:
    """Return the address of the journal that a Zotero item is in, where it is given by address."""
    part = item.find("isPartOf")
    return part.get("resource", "") if part is not None else ""


_PUBMED: dict[str, _Reader] = {"PubmedArticle": _pubmed, "PubmedBookArticle": _pubmed}
_ZOTERO_ITEMS = (
    "Description", "Article", "Book", "BookSection", "Document", "Thesis", "Report", "Manuscript",
    "Patent", "Data", "Legislation", "Letter", "Interview", "Recording", "MotionPicture", "Image",
    "Memo", "Attachment",
)  # fmt: skip
# The readers of each format's records, by the outermost element.
_FORMATS: dict[str, dict[str, _Reader]] = {
    "PubmedArticleSet": _PUBMED,
    "PubmedBookArticleSet": _PUBMED,
    "PubmedArticle": _PUBMED,
    "MedlineCitationSet": {"MedlineCitation": _pubmed},
    "article": {"article": _jats},
    "articles": {"article": _jats},
    "pmc-articleset": {"article": _jats},
    "OAI-PMH": {"article": _jats},
    "feed": {"entry": _atom},
    "entry": {"entry": _atom},
    "rss": {"item": _rss},
    "RDF": {
        "item": _rss,
        **dict.fromkeys(("Journal", "Series"), _zotero),
        **dict.fromkeys(_ZOTERO_ITEMS, _zotero),
    },
    "collection": {"meta": _acl, "paper": _acl},
    "xml": {"record": _endnote},
    "records": {"record": _endnote},
}
ROOTS = tuple(_FORMATS)
