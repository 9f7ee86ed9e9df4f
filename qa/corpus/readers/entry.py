"""One entry of a bibliography as its file has it, before it is a paper."""

from collections.abc import Iterable
from dataclasses import dataclass

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers import fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The fields of an entry, as written; empty where there are none."""

    title: str = ""
    abstract: str = ""
    authors: Iterable[str] = ()  # each `Given Family`
    year: str = ""  # any date with a year in it
    venue: str = ""
    doi: str = ""
    arxiv: str = ""
    links: Iterable[str] = ()  # addresses; a DOI or an arXiv number may stand in one, too
    keywords: Iterable[str] = ()

    def paper(self, source: str, where: str) -> Record | Skipped:
        """Return the record, or why the entry is none: a paper has a title and an abstract."""
        title = fields.present(self.title, "title")
        abstract = fields.unlabelled(fields.present(self.abstract, "abstract"))
        if not title or not abstract:
            return Skipped(source, "no abstract" if title else "no title", where)
        links = [link for link in self.links if link]
        venue = fields.present(self.venue)
        return Record(
            title=title,
            abstract=abstract,
            source=source,
            authors=fields.distinct(fields.plain(name) for name in self.authors),
            year=fields.year_of(self.year),
            venue=venue or None,
            doi=fields.doi_of(self.doi, links),
            arxiv_id=fields.arxiv_of(self.arxiv, [self.doi, *links, venue]),
            url=fields.link_of(links),
            keywords=fields.distinct(fields.plain(word).strip(" .;,*") for word in self.keywords),
        )
