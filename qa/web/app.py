"""The routes of the page: what each address shows, and what each form does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from qa.answering.reading import Limits
from qa.answering.table import Column, checked_columns
from qa.answering.wording import coverage_line
from qa.config import Config, error_text
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.errors import QAError, UsageError
from qa.export.formats import Format, TableFormat, export_papers
from qa.export.html import answer_html, web_address
from qa.export.json import answer_json
from qa.export.markdown import answer_markdown
from qa.export.references import answer_papers
from qa.library.chat_model import HOW_TO_WRITE
from qa.library.library import Library
from qa.library.session import Session
from qa.library.waiting import in_thread
from qa.retrieval.query import checked_question
from qa.web.asking import Run, Runs
from qa.web.history import FILE, Entry, History
from qa.web.pages import STATIC, Card, answer_lines, curve, rendered
from qa.web.screening import UPCOMING, Rankings, Screening, answer_of, found_by_reading, screen
from qa.web.security import LocalRequestsOnly
from qa.web.table_view import Tables

F = TypeVar("F", Format, TableFormat)

PAGE = 50  # papers on a page of the list
AT_ONCE = 0.5  # seconds in which an answer without a model is there, without showing progress
MOST_UPCOMING = 500  # papers that nobody has judged on one page
MORE = 20  # further papers to judge at each "show more"
NOT_FINISHED = "This question was not answered to the end. Read on to go on with it."
MODEL_KNOWN_FOR = 30.0  # seconds until the chat model's server is asked for its name again
FILTER_FIELDS = ("year", "author", "venue", "source")
MEDIA_TYPES = {
    Format.BIBTEX: "application/x-bibtex",
    Format.RIS: "application/x-research-info-systems",
    Format.CSV: "text/csv",
    Format.MARKDOWN: "text/markdown",
    Format.JSON: "application/json",
    Format.HTML: "text/html",
}
SUFFIXES = {Format.BIBTEX: "bib", Format.MARKDOWN: "md"}  # the others are called as their format


class WebApp:
    """The page of one corpus; `asgi` is what a server runs."""

    def __init__(self, config: Config, port: int, on_notice: Callable[[str], None]) -> None:
        self._config = config
        self._session = Session(config, on_notice)
        self._history = History(config.store / FILE)
        self._runs = Runs(self._session, self._keep)
        self._rankings = Rankings()
        self._tables = Tables(self._session, self._rankings)
        self._model: tuple[str | None, str] | None = None  # its name, and what is wrong with it
        self._model_known = 0.0  # when that was found out
        get, post = ["GET"], ["POST"]
        routes = [
            Route("/", self.home, methods=get),
            Route("/ask", self.ask, methods=post),
            Route("/q/{id}", self.question, methods=get),
            Route("/q/{id}/events", self.events, methods=get),
            Route("/q/{id}/papers", self.question_papers, methods=get),
            Route("/q/{id}/stop", self.stop, methods=post),
            Route("/q/{id}/read-on", self.read_on, methods=post),
            Route("/q/{id}/verdict", self.verdict, methods=post),
            Route("/q/{id}/undo", self.undo, methods=post),
            Route("/q/{id}/delete", self.delete, methods=post),
            Route("/q/{id}/export/{form}", self.export, methods=get),
            Route("/q/{id}/table", self.table, methods=get),
            Route("/q/{id}/table", self.add_column, methods=post),
            Route("/q/{id}/table/rows", self.table_rows, methods=get),
            Route("/q/{id}/table/export/{form}", self.export_table, methods=get),
            Route("/q/{id}/cell", self.correct_cell, methods=post),
            Route("/papers", self.papers, methods=get),
            Route("/papers/{id}", self.paper, methods=get),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        app = Starlette(routes=routes, exception_handlers={QAError: self._failed})
        self.asgi: ASGIApp = LocalRequestsOnly(app, port)

    async def close(self) -> None:
        """End what runs, and close the corpus."""
        await self._runs.close()
        await self._tables.close()
        self._session.close()

    async def home(self, _: Request) -> Response:
        """Show the question box and the earlier questions."""
        headings = await in_thread(self._history.headings)
        return await self._page("home.html", headings=headings)

    async def ask(self, request: Request) -> Response:
        """Begin to answer a question, and show its page."""
        form = await _form(request)
        question = checked_question(form.get("question", ""))
        if self._runs.full:
            raise HTTPException(429, "Too many questions are being answered: wait for one.")
        entry = Entry(question, _filters(form))
        await self._keep(entry)
        self._runs.start(entry, Limits())
        await self._runs.wait(entry.id, AT_ONCE)
        return RedirectResponse(f"/q/{entry.id}", 303)

    async def question(self, request: Request) -> Response:
        """Show a question with its progress, or with its answer and papers."""
        id_ = request.path_params["id"]
        run = self._runs.get(id_)
        if run is not None:
            return await self._page("question.html", **_running(run))
        entry = await self._entry(id_)
        screening = await self._screened(entry, _number(request, "show", UPCOMING))
        async with self._session.library() as library:
            readings = await in_thread(lambda: library.readings(entry.rounds))
        sort = request.query_params.get("sort", "")
        shown = _answered(entry, screening) | {"screening": screening.sorted(sort)}
        return await self._page("question.html", **shown, readings=readings, sort=sort)

    async def question_papers(self, request: Request) -> Response:
        """Return the lists of a question's papers alone."""
        entry = await self._entry(request.path_params["id"])
        shown = _number(request, "show", UPCOMING)
        return await self._lists(entry, shown, request.query_params.get("sort", ""))

    async def events(self, request: Request) -> Response:
        """Send the state of a question whenever it changes, as server-sent events."""
        run = self._runs.get(request.path_params["id"])
        return StreamingResponse(
            _event_stream(run), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def stop(self, request: Request) -> Response:
        """Stop reading."""
        id_ = request.path_params["id"]
        await self._runs.stop(id_)
        return RedirectResponse(f"/q/{id_}", 303)

    async def read_on(self, request: Request) -> Response:
        """Read further for a question: twice as many papers as were read."""
        id_ = request.path_params["id"]
        if self._runs.get(id_) is None:
            entry = await self._entry(id_)
            read = entry.answer.coverage.read if entry.answer else 0
            limits = Limits(2 * read, exhaustive=True) if read else Limits()
            self._runs.start(replace(entry, answer=None), limits)
        return RedirectResponse(f"/q/{id_}", 303)

    async def verdict(self, request: Request) -> Response:
        """Keep the reader's verdict on a paper, and show the lists that follow from it."""
        form = await _form(request)
        entry = await self._entry(request.path_params["id"])
        given = form.get("verdict", "")
        relevance = None if given == "none" else given
        async with self._session.library() as library:
            await in_thread(
                lambda: library.overrule(entry.question, form.get("paper", ""), relevance)
            )
        return await self._after_verdict(request, entry, form)

    async def undo(self, request: Request) -> Response:
        """Take back the reader's last verdict for a question."""
        form = await _form(request)
        entry = await self._entry(request.path_params["id"])
        async with self._session.library() as library:
            await in_thread(lambda: library.undo_overrule(entry.question))
        return await self._after_verdict(request, entry, form)

    async def delete(self, request: Request) -> Response:
        """Forget a question."""
        id_ = request.path_params["id"]
        await self._runs.discard(id_)
        await in_thread(lambda: self._history.delete(id_))
        return RedirectResponse("/", 303)

    async def export(self, request: Request) -> Response:
        """Send an answer's papers, with the reader's verdicts, as a file."""
        entry = await self._entry(request.path_params["id"])
        form = _form_named(Format, request.path_params["form"])
        async with self._session.library() as library:
            text = await in_thread(lambda: _exported(library, entry, self._rankings, form))
        return _download(text, f"papers-{entry.id}", form)

    async def table(self, request: Request) -> Response:
        """Show the table of a question's papers."""
        entry = await self._entry(request.path_params["id"])
        return await self._page("table.html", entry=entry, table=await self._tables.view(entry))

    async def table_rows(self, request: Request) -> Response:
        """Return the rows alone, while they are being filled."""
        entry = await self._entry(request.path_params["id"])
        table = await self._tables.view(entry)
        return HTMLResponse(rendered("rows.html", entry=entry, table=table))

    async def add_column(self, request: Request) -> Response:
        """Add or remove a column, and fill what is missing."""
        form = await _form(request)
        entry = await self._entry(request.path_params["id"])
        columns = entry.columns
        if form.get("column", "").strip():
            columns = (*columns, form["column"].strip())
        if removed := form.get("remove"):
            columns = tuple(text for text in columns if Column.parse(text).name != removed)
        if columns:
            checked_columns(columns)
        entry = replace(entry, columns=columns)
        await self._keep(entry)
        self._tables.fill(entry)
        await self._tables.wait(entry, AT_ONCE)
        return RedirectResponse(f"/q/{entry.id}/table", 303)

    async def export_table(self, request: Request) -> Response:
        """Send the table as a file."""
        entry = await self._entry(request.path_params["id"])
        form = _form_named(TableFormat, request.path_params["form"])
        text = await self._tables.exported(entry, form)
        return _download(text, f"table-{entry.id}", Format(form.value))

    async def correct_cell(self, request: Request) -> Response:
        """Keep the reader's correction of a cell."""
        entry = await self._entry(request.path_params["id"])
        await self._tables.correct(entry, await _form(request))
        return RedirectResponse(f"/q/{entry.id}/table", 303)

    async def papers(self, request: Request) -> Response:
        """Show the papers of the corpus, or the best for some words, page by page."""
        query = request.query_params.get("q", "").strip()
        filters = _filters(request.query_params)
        page = _number(request, "page", 1)
        async with self._session.library() as library:
            shown, count = await in_thread(lambda: _page_of(library, query, filters, page))
        values = {name: request.query_params.get(name, "") for name in FILTER_FIELDS}
        return await self._page(
            "papers.html",
            papers=shown,
            count=count,
            query=query,
            values=values,
            page=page,
            pages=-(-count // PAGE),
            start=PAGE * (page - 1) + 1,
        )

    async def paper(self, request: Request) -> Response:
        """Show one paper with all that is known of it."""
        async with self._session.library() as library:
            found = await in_thread(lambda: library.papers_with(request.path_params["id"]))
        if len(found) != 1:
            raise HTTPException(404, "No paper has this id.")
        (paper,) = found
        return await self._page("paper.html", paper=paper, link=web_address(paper.link))

    async def _after_verdict(
        self, request: Request, entry: Entry, form: Mapping[str, str]
    ) -> Response:
        if "text/html-fragment" in request.headers.get("accept", ""):
            shown = form.get("show", "")
            number = int(shown) if shown.isdecimal() else UPCOMING
            return await self._lists(entry, number, form.get("sort", ""))
        return RedirectResponse(f"/q/{entry.id}#papers", 303)

    async def _lists(self, entry: Entry, upcoming: int, sort: str) -> Response:
        shown = (await self._screened(entry, upcoming)).sorted(sort)
        return HTMLResponse(
            rendered("lists.html", entry=entry, screening=shown, more=MORE, sort=sort)
        )

    async def _screened(self, entry: Entry, upcoming: int) -> Screening:
        most = min(upcoming, MOST_UPCOMING)
        async with self._session.library() as library:
            return await in_thread(lambda: screen(library, entry, self._rankings, upcoming=most))

    async def _entry(self, id_: str) -> Entry:
        entry = await in_thread(lambda: self._history.get(id_))
        if entry is None:
            raise HTTPException(404, "There is no such question: it may have been deleted.")
        return entry

    async def _keep(self, entry: Entry) -> None:
        await in_thread(lambda: self._history.put(entry))

    async def _page(self, template: str, **values: object) -> Response:
        """Return a whole page: with what the corpus and the model are."""
        loop = asyncio.get_running_loop()
        if self._model is None or loop.time() - self._model_known > MODEL_KNOWN_FOR:
            self._model, self._model_known = await self._chat_model(), loop.time()
        model, trouble = self._model
        return HTMLResponse(
            rendered(
                template,
                corpus=self._config.corpus.name,
                model=model,
                trouble=trouble,
                how_to_write=HOW_TO_WRITE,
                more=MORE,
                **values,
            )
        )

    async def _chat_model(self) -> tuple[str | None, str]:
        """Return the chat model's name, and why it is not known where that is an error."""
        try:
            return await self._session.model(), ""
        except QAError as exc:
            return None, str(exc)

    async def _failed(self, _: Request, error: Exception) -> Response:
        """Show an error that the user can act on."""
        assert isinstance(error, QAError)  # noqa: S101 - these alone are handed over
        status = 400 if isinstance(error, UsageError) else 500
        page = await self._page("error.html", message=error_text(error, self._config))
        page.status_code = status
        return page


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent."""
    body = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(body, keep_blank_values=True))


def _filters(given: Mapping[str, object]) -> Filters:
    """Return the filters of a form or an address; raises UsageError."""
    years, authors, venues, sources = (
        [part.strip() for part in str(given.get(name, "")).split(";") if part.strip()]
        for name in FILTER_FIELDS
    )
    return Filters.parse(years=years, authors=authors, venues=venues, sources=sources)


def _form_named(kind: type[F], name: str) -> F:
    """Return the format of this name; raises HTTPException."""
    try:
        return kind(name)
    except ValueError as exc:
        raise HTTPException(404, "There is no such format.") from exc


def _download(text: str, name: str, form: Format) -> Response:
    """Return a text as a file to be saved."""
    file = f"{name}.{SUFFIXES.get(form, form.value)}"
    disposition = {"Content-Disposition": f'attachment; filename="{file}"'}
    return Response(text, media_type=MEDIA_TYPES[form], headers=disposition)


def _number(request: Request, name: str, default: int) -> int:
    given = request.query_params.get(name, "")
    return max(1, min(int(given), 10**6)) if given.isdecimal() and len(given) < 8 else default


def _running(run: Run) -> dict[str, object]:
    """Return what a page shows of a question that is being answered."""
    return {
        "entry": run.entry,
        "running": True,
        "line": f"{run.line}; {run.left}" if run.left else run.line,
        "points": curve(run.curve),
        "counts": run.curve[-1] if run.curve else None,
        "lines": answer_lines(run.text, {p.n for p in run.papers}, run.findings),
        "cards": [Card.of(entry.n, entry.paper, entry.sentences) for entry in run.papers],
        "warnings": (),
        "error": run.error,
        "screening": None,
    }


def _answered(entry: Entry, screening: Screening) -> dict[str, object]:
    """Return what a page shows of a question that has its answer."""
    answer = entry.answer
    points = list(found_by_reading(entry.rounds))
    items = (*screening.found, *screening.upcoming, *screening.refused)
    written = answer.answer if answer and answer.model else ""
    return {
        "entry": entry,
        "running": False,
        "line": coverage_line(answer) if answer else NOT_FINISHED,
        "points": curve(points),
        "counts": points[-1] if points else None,
        "lines": answer_lines(written, (i.n for i in items if i.n), entry.findings),
        "cards": [Card(item.n, item.paper, item.spans) for item in items if item.n],
        "warnings": [w.detail for w in answer.warnings] if answer else (),
        "error": "",
    }


async def _event_stream(run: Run | None) -> AsyncIterator[str]:
    """Yield the states of a run as events; the last one tells that it is over."""
    if run is not None:
        async for state in run.states():
            html = rendered("live.html", **_running(state))
            yield _event("state", {"html": html})
    yield _event("done", {"error": run.error if run else ""})


def _event(name: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _page_of(library: Library, query: str, filters: Filters, page: int) -> tuple[list[Paper], int]:
    """Return the papers of one page and how many there are in all: ranked where words are given."""
    retriever = library.retriever(filters)
    ids = retriever.rank(checked_question(query)).ranking.ids if query else retriever.ids()
    start = PAGE * (page - 1)
    return library.generation.papers(list(ids[start : start + PAGE])), len(ids)


def _exported(library: Library, entry: Entry, rankings: Rankings, form: Format) -> str:
    """Return the papers that answer by the verdicts of today, in a format."""
    answer = answer_of(entry, screen(library, entry, rankings))
    if form == Format.JSON:
        return answer_json(answer, library.config.corpus.name)
    papers = answer_papers(answer, library.papers_of(answer.papers))
    if form == Format.MARKDOWN:
        return answer_markdown(answer, papers, coverage_line(answer))
    if form == Format.HTML:
        return answer_html(answer, papers, coverage_line(answer), library.readings(entry.rounds))
    return export_papers(papers, form)
