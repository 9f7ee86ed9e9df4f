"""HTML: an answer or a table as one file that works offline, with the evidence in its abstract.

The file has no script and loads nothing. Everything that comes from a corpus or a model is text.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from qa.answering.citations import find_citations
from qa.answering.reading import Reading
from qa.answering.results import Answer
from qa.answering.safe_text import clean, clean_line
from qa.answering.table import Cell, CellState, Column, Row, Table
from qa.answering.wording import cells_line, qualifier, title_of
from qa.corpus.papers import Paper
from qa.export.references import ExportedPaper

EMPTY_CELLS = {
    CellState.STATED: "",
    CellState.NOT_STATED: "not stated",
    CellState.UNREADABLE: "not read",
    CellState.DOUBTED: "in doubt",
}


def answer_html(
    answer: Answer, papers: Sequence[ExportedPaper], coverage: str, readings: Sequence[Reading] = ()
) -> str:
    """Return the answer as a page: text, warnings, papers with evidence, and the reading log.

    `coverage` is the line that says how much was read and what may be missing.
    """
    by_judge = answer.model is not None and answer.coverage.candidates
    parts = [
        f"<h1>{_line(answer.question)}</h1>",
        f'<div class="answer">{_answer_text(answer)}</div>' if by_judge else "",
        f'<p class="coverage">{_line(coverage)}</p>',
        _listed(_line(warning.detail) for warning in answer.warnings),
        *(f"<article {_anchor(paper.n)}>{_paper(paper)}</article>" for paper in papers),
        _reading_log(readings),
    ]
    return page(answer.question, "\n".join(filter(None, parts)))


def papers_html(papers: Sequence[ExportedPaper]) -> str:
    """Return the papers as a page, each with its abstract."""
    articles = (f"<article {_anchor(paper.n)}>{_paper(paper)}</article>" for paper in papers)
    return page("Papers", "\n".join(["<h1>Papers</h1>", *articles]))


def table_html(table: Table, papers: Sequence[Paper], coverage: str) -> str:
    """Return the table as a page; a cell shows its sentence when it is pointed at or focused.

    `papers` are those of the rows, in their order.
    """
    heads = "".join(f'<th scope="col">{_line(column.name)}</th>' for column in table.columns)
    rows = "\n".join(
        _row(row, paper, table.columns) for row, paper in zip(table.rows, papers, strict=True)
    )
    title = table.question or "Table of papers"
    grid = f'<thead><tr><th scope="col">Paper</th>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>'
    region = 'class="scroll" tabindex="0" role="region" aria-label="Table"'
    parts = [
        f"<h1>{_line(title)}</h1>",
        f"<div {region}><table>{grid}</table></div>",
        f'<p class="coverage">{_line(coverage)}</p>' if coverage else "",
        f'<p class="coverage">{_line(cells_line(table))}</p>',
        _listed(_line(warning.detail) for warning in table.warnings),
    ]
    return page(title, "\n".join(filter(None, parts)))


def page(title: str, body: str) -> str:
    """Return a whole document with our stylesheet in it; `body` is HTML, `title` is text."""
    style = files("qa.export").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_line(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def highlighted(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the text as HTML with these parts of it marked; `spans` are character offsets."""
    return "".join(
        f"<mark>{_text(part)}</mark>" if marked else _text(part)
        for part, marked in segments(text, spans)
    )


def segments(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[str, bool]]:
    """Return the text in parts, each with whether it is marked; `spans` are character offsets."""
    parts, done = [], 0
    for first, end in sorted(spans):
        start = max(first, done)
        if start < end:
            parts += [(text[done:start], False), (text[start:end], True)]
            done = end
    return [part for part in [*parts, (text[done:], False)] if part[0]]


def _text(text: str) -> str:
    return escape(clean(text))


def _line(text: str) -> str:
    return escape(clean_line(text))


def _anchor(n: int) -> str:
    return f'id="p{n}"'


def _listed(items: Iterable[str]) -> str:
    lines = "".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="warnings">{lines}</ul>' if lines else ""


def _answer_text(answer: Answer) -> str:
    """Return the written answer as paragraphs and lists, its citations as links to the papers."""
    text, numbers = clean(answer.answer), {paper.n for paper in answer.papers}
    parts, done = [], 0
    for citation in find_citations(text):
        known = [r for r in citation.references if r.known(numbers)]
        for reference in known:
            parts.append(escape(text[done : reference.start]))
            label = escape(text[reference.start : reference.end])
            parts.append(f'<a href="#p{reference.low}">{label}</a>')
            done = reference.end
    parts.append(escape(text[done:]))
    return "".join(f"<p>{line}</p>" for line in "".join(parts).split("\n") if line.strip())


def _paper(exported: ExportedPaper) -> str:
    paper, listed = exported.paper, exported.listed
    about = ", ".join(filter(None, (*paper.authors, paper.venue or "", str(paper.year or ""))))
    link = f" {_link(paper.link, paper.link)}" if paper.link else ""
    kind = listed and (listed.relevance or listed.likelihood)
    badge = f' <span class="badge {kind}">{_badge(exported)}</span>' if kind else ""
    spans = [(item.start, item.end) for item in listed.evidence] if listed else []
    quoted = [] if paper.title_only else exported.quotes
    quotes = "".join(f"<blockquote>{escape(quote)}</blockquote>" for quote in quoted)
    return (
        f"<h2>[{exported.n}] {_line(title_of(paper))}{badge}</h2>"
        f'<p class="about">{_line(about)}{link}</p>{quotes}' + _abstract(paper, spans)
    )


def _abstract(paper: Paper, spans: Sequence[tuple[int, int]]) -> str:
    if paper.title_only:
        return ""
    text = highlighted(paper.abstract, spans)
    return f"<details><summary>Abstract</summary><p>{text}</p></details>"


def _badge(exported: ExportedPaper) -> str:
    listed = exported.listed
    if listed is None:
        return ""
    return qualifier(listed) or ("answers" if listed.relevance else "likely")


def web_address(url: str | None) -> str | None:
    """Return the address if it is one of the web; others could run code."""
    return url if url and url.lower().startswith(("https://", "http://")) else None


def _link(url: str | None, text: str) -> str:
    """Return the text as a link, if the address is one of the web."""
    address = web_address(url)
    return f'<a href="{escape(address)}">{_line(text)}</a>' if address else _line(text)


def _reading_log(readings: Sequence[Reading]) -> str:
    if not readings:
        return ""
    rows = "".join(
        f"<tr><td>{entry.round}</td><td>{_line(entry.paper.title)}</td>"
        f"<td>{entry.verdict.relevance or 'no verdict'}</td></tr>"
        for entry in readings
    )
    return (
        f"<details><summary>Reading log: {len(readings):,} papers</summary><table><thead><tr>"
        '<th scope="col">Round</th><th scope="col">Paper</th><th scope="col">Verdict</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></details>"
    )


def _row(row: Row, paper: Paper, columns: Sequence[Column]) -> str:
    cells = "".join(
        f"<td>{_cell(cell, paper, f'{row.n}-{place}')}</td>"
        for place, (cell, _) in enumerate(zip(row.cells, columns, strict=True))
    )
    title = _link(row.url, row.title)
    return f'<tr {_anchor(row.n)}><th scope="row">[{row.n}] {title}</th>{cells}</tr>'


def _cell(cell: Cell, paper: Paper, key: str) -> str:
    if cell.sentence is None:
        return f'<span class="{cell.state}">{EMPTY_CELLS[cell.state]}</span>'
    sentence = paper.sentences[cell.sentence - 1]
    if cell.value is None or cell.start is None or cell.end is None:
        return f'<span class="nearest">{_text(sentence.text)}</span>'
    shown = _line(cell.value)
    if cell.answer:
        shown = f"<b>{cell.answer}</b> {shown}"
    span = (cell.start - sentence.start, cell.end - sentence.start)
    proof = highlighted(sentence.text, [span])
    return (
        f'<span class="cell" tabindex="0" aria-describedby="c{key}">{shown}'
        f'<span class="proof" role="tooltip" id="c{key}">({sentence.number}) {proof}</span></span>'
    )
