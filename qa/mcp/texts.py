"""The results as readable text, for clients that show or pass on text alone."""

from collections.abc import Iterable

from qa.answering.results import Stopped
from qa.answering.terminal_text import clean, clean_line
from qa.cli.display.render import WHY
from qa.mcp.results import (
    AskResult,
    FoundPaper,
    PaperRecord,
    PapersResult,
    ReadingCoverage,
    SearchResult,
    StatusResult,
)


def ask_text(result: AskResult) -> str:
    """The answer, or the evidence for one."""
    blocks = [clean(result.answer)] if result.answer else []
    blocks += [*_paper_blocks(result.papers)]
    if result.nearest:
        blocks += ["Nothing answers. What comes closest:", *_paper_blocks(result.nearest)]
    told = [_coverage(result), *(f"Warning: {clean_line(w.detail)}" for w in result.warnings)]
    return "\n".join([*blocks, *told, *result.notes, *result.next])


def search_text(result: SearchResult) -> str:
    """The ranking."""
    among = _among(result.candidates, result.corpus, result.filter)
    shown = f"{len(result.papers)} best of {among}, by score alone."
    return "\n".join([shown, *_paper_blocks(result.papers), *result.notes])


def papers_text(result: PapersResult) -> str:
    """The papers, and which ids name none."""
    return "\n\n".join([*map(paper_text, result.papers), *result.missing])


def paper_text(paper: PaperRecord) -> str:
    """One paper, its abstract in numbered sentences."""
    about = ["; ".join(paper.authors), paper.venue, str(paper.year or ""), paper.url]
    head = [paper.title, ", ".join(part for part in about if part), f"id {paper.id}"]
    numbered = (
        f"({place.sentence}) {clean_line(paper.abstract[place.start : place.end])}"
        for place in paper.sentences
    )
    keywords = [f"Keywords: {', '.join(paper.keywords)}"] if paper.keywords else []
    sources = f"From {', '.join(paper.sources)}"
    lines = [*head, *keywords, sources]
    return "\n".join([*(clean_line(line) for line in lines if line), *numbered])


def status_text(result: StatusResult) -> str:
    """The state of the corpus."""
    rows = {name: value for name, value in result if value not in (None, [], "")}
    return "\n".join(f"{name}: {clean_line(_shown(value))}" for name, value in rows.items())


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _paper_blocks(papers: Iterable[FoundPaper]) -> Iterable[str]:
    for paper in papers:
        about = (paper.authors, paper.venue, str(paper.year or ""), paper.url)
        told = ", ".join(clean_line(part) for part in about if part)
        match = "" if paper.match == "ranked" else f", {paper.match}"
        yield f"[{paper.n}] {clean_line(paper.title)} (id {paper.id}{match})"
        if told:
            yield f"  {told}"
        for one in paper.evidence:
            yield f"  ({one.sentence}) “{clean_line(one.text)}”"


def _coverage(result: AskResult) -> str:
    coverage = result.coverage
    among = _among(coverage.candidates, coverage.corpus, coverage.filter)
    if result.model is None:
        more = f" {result.left_out} more match." if result.left_out else ""
        return f"Ranked {among} by score alone; no model has read them.{more}"
    return f"{result.model} read {coverage.read} of {among}: {_verdicts(coverage)}."


def _verdicts(coverage: ReadingCoverage) -> str:
    told = [f"{coverage.relevant} answer", f"{coverage.partly} in part"]
    told += [f"{coverage.unjudged} unjudged"] if coverage.unjudged else []
    why = f" ({WHY[Stopped(coverage.stopped)]})" if coverage.stopped else ""
    return ", ".join(told) + why


def _among(candidates: int, corpus: int, filters: str | None) -> str:
    return (
        f"{candidates} papers ({clean_line(filters)}) of {corpus}"
        if filters
        else f"{corpus} papers"
    )
