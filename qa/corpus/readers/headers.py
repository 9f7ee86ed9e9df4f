"""What people and programs call the fields of a paper, in tables and in JSON."""

import re
from collections.abc import Mapping

_NOT_LETTERS = re.compile(r"[\W_]+")

# For each field its names without spaces and signs, the best first: of several that a file has,
# the first with content counts.
NAMES: dict[str, tuple[str, ...]] = {
    "title": (
        "title", "articletitle", "documenttitle", "papertitle", "primarytitle", "worktitle",
        "titleofpaper", "publicationname", "displayname", "ti", "t1",
    ),
    "abstract": (
        "abstract", "abstracttext", "abstractnote", "paperabstract", "notesabstract", "abstracts",
        "abstracten", "abstractenglish", "abstractinvertedindex",
        "indexedabstract", "ab", "n2", "summary", "text", "description",
    ),
    "authors": (
        "authorsparsed", "authorfullnames", "authors", "author", "authornames", "authorlist",
        "authorsnames", "authorstring", "firstauthors", "creators", "creator", "authorships",
        "af", "au",
    ),
    "year": (
        "year", "publicationyear", "pubyear", "publishedyear", "yearpublished", "yearofpublication",
        "py", "issued", "publicationdate", "datepublished", "publisheddate", "published", "date",
        "coverdate", "pubdate", "dateofpublication", "publishedat", "y1", "versions", "updatedate",
    ),
    "venue": (
        "sourcetitle", "journal", "journalname", "journaltitle", "containertitle", "venue",
        "publicationtitle", "journalbook", "booktitle", "secondarytitle", "conference",
        "conferencename", "publicationvenue", "primarylocation", "hostvenue", "journalref",
        "so", "t2", "jf", "source",
    ),
    "doi": ("doi", "digitalobjectidentifier", "articledoi", "doilink", "di"),
    "arxiv": ("arxivid", "arxiv", "arxivnumber", "eprint", "id"),
    "links": (
        "url", "link", "landingpageurl", "paperurl", "articleurl", "abstracturl", "htmlurl",
        "primarylocation", "urls", "links", "pdfurl", "pdflink", "openaccesspdf", "doilink",
        "openurllink", "entryid", "ur",
    ),
    "keywords": (
        "keywords", "authorkeywords", "keyword", "de", "kw", "tags", "manualtags", "indexkeywords",
        "fieldsofstudy", "categories", "meshterms",
    ),
}  # fmt: skip


def bare(name: str) -> str:
    """Return a name as NAMES has it: `Author(s)` and `author_s` are `authors`."""
    return _NOT_LETTERS.sub("", name).lower()


def bare_names(own: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return NAMES with the user's own names, by field, in place of the known ones."""
    return {**NAMES, **{field: (bare(name),) for field, name in own.items()}}
