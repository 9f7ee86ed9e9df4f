"""Tables of papers: one row a paper, each cell words of its abstract, or empty."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from qa.answering.assemble import listed_papers
from qa.answering.cell_cache import CellCache
from qa.answering.events import Filling, TableBegun
from qa.answering.reader_cells import FILE, ReaderCells
from qa.answering.reading import Limits
from qa.answering.results import Answer, AnswerWarning, ListedPaper
from qa.answering.table import UNREADABLE, Column, Expected, Table, checked_columns
from qa.answering.table_filler import Filled, TableFiller, nearest_cells, table_of
from qa.answering.writer import NumberedPaper
from qa.corpus.filters import EVERYTHING, Filters
from qa.errors import ChatError, UsageError
from qa.library.chat_model import verdicts_path
from qa.library.library import NO_LIMITS, AskOptions, EventListener, Library, ignore_event
from qa.library.waiting import blocking
from qa.llm.messages import Chat
from qa.llm.prompts import load_prompt

NOT_FILLED = "So it fills no table; --trust-judge has it filled all the same."
PROMPTS = ("table.system", "table.user")


async def afill_table(  # noqa: PLR0913 - each is a setting of its own
    library: Library,
    question: str | None,
    columns: Sequence[str],
    *,
    papers: Sequence[str] = (),
    limits: Limits = NO_LIMITS,
    filters: Filters = EVERYTHING,
    cached: bool = True,
    on_event: EventListener = ignore_event,
) -> Table:
    """Return a table with a row for each paper that answers the question.

    `columns` are texts such as "Data set" or "Code: is the code released?"; see `Column.parse`.
    With `papers`, ids or the starts of ids, these papers make the rows and the question is not
    asked. A value stands in its abstract, or there is none. Cells that the model filled before are
    not asked for again, unless `cached` is false. `fill_table` waits. Raises QAError.
    """
    wanted = checked_columns(columns)
    if papers:
        rows = given(library, papers)
        return await fill_rows(library, question, wanted, rows, None, on_event, cached=cached)
    options = AskOptions(limits, filters, cached=cached, write=False, on_event=on_event)
    answer = (await library.answer(question or "", options)).answer
    return await fill_rows(
        library, question, wanted, answer.papers, answer, on_event, cached=cached
    )


fill_table = blocking(afill_table)


async def fill_rows(  # noqa: PLR0913, PLR0917 - what a table is made of
    library: Library,
    question: str | None,
    columns: tuple[Column, ...],
    rows: Sequence[ListedPaper],
    answer: Answer | None,
    on_event: EventListener = ignore_event,
    *,
    cached: bool = True,
) -> Table:
    """Return the table of these papers; `answer` is the one that chose them, if one did.

    Without a model, or where the one that there is was not believed as a judge, no cell has a
    value.
    """
    papers, own = library.papers_of(rows), reader_cells(library)
    if (library.model if answer is None else answer.model) is None:
        cells = own.over(nearest_cells(columns, papers, library.retriever()), columns, papers)
        return table_of(question, columns, rows, Filled(cells), answer)
    chat = library.chat()
    try:
        unfit = await library.why_unfit(chat, on_event) if rows else ""
        if unfit:
            cells = own.over(nearest_cells(columns, papers, library.retriever()), columns, papers)
            warning = AnswerWarning("unreliable_judge", f"{unfit} {NOT_FILLED}")
            return table_of(question, columns, rows, Filled(cells), answer, warnings=(warning,))
        filler = _filler(library, chat, cached=cached, on_event=on_event)
        on_event(TableBegun(expected=filler.expected(columns, papers)))
        filled = await filler.fill(columns, papers)
    except ChatError as exc:  # the entrance test could not be taken
        unread = {paper.id: (UNREADABLE,) * len(columns) for paper in papers}
        filled = Filled(unread, failure=exc)
    finally:
        await chat.close()
    filled = replace(filled, cells=own.over(filled.cells, columns, papers))
    return table_of(question, columns, rows, filled, answer, library.model, library.base_url)


def known_table(
    library: Library,
    question: str | None,
    columns: tuple[Column, ...],
    rows: Sequence[ListedPaper],
) -> Table:
    """Return the table as far as it is known, without asking a model anything. Raises QAError."""
    papers = library.papers_of(rows)
    if library.model is None:
        cells = nearest_cells(columns, papers, library.retriever())
    else:
        filler = _filler(library, library.chat(), cached=True, on_event=ignore_event)
        known = filler.known(columns, papers)
        cells = {
            paper.id: tuple(known.get(paper.id, {}).get(column, UNREADABLE) for column in columns)
            for paper in papers
        }
    filled = Filled(reader_cells(library).over(cells, columns, papers))
    return table_of(question, columns, rows, filled, None, library.model, library.base_url)


def reader_cells(library: Library) -> ReaderCells:
    """Return the reader's corrections of cells, which `fill_table` puts above the model's."""
    return ReaderCells(library.config.store / FILE)


def expected_table(  # noqa: PLR0913 - each is a setting of its own
    library: Library,
    question: str | None,
    columns: Sequence[str],
    *,
    papers: Sequence[str] = (),
    filters: Filters = EVERYTHING,
    cached: bool = True,
) -> Expected:
    """Return what filling a table will take, without asking the model anything.

    Without `papers` these are the papers that the ranking lists: the question is not asked, so that
    nobody knows yet which ones answer. Raises QAError.
    """
    wanted = checked_columns(columns)
    if papers:
        ids = [entry.id for entry in given(library, papers)]
    else:
        asked = library.understood(question or "", filters)
        ranking = library.retriever(asked.filters).rank_unjudged(asked.question).ranking
        ids = list(ranking.ids[: ranking.listed])
    filler = _filler(library, library.chat(), cached=cached, on_event=ignore_event)
    return filler.expected(wanted, library.generation.papers(ids))


def given(library: Library, starts: Sequence[str]) -> tuple[ListedPaper, ...]:
    """Return the papers whose ids begin like these, numbered from 1; raises UsageError."""
    papers = []
    for start in dict.fromkeys(starts):
        found = library.papers_with(start) if start else []
        if not found:
            raise UsageError(f"No paper has an id that begins with {start!r}.")
        if len(found) > 1:
            raise UsageError(f"{len(found)} ids begin with {start!r}: give more of it.")
        papers += found
    numbered = enumerate(dict.fromkeys(papers), start=1)
    return listed_papers([NumberedPaper(n, paper, (), 0.0) for n, paper in numbered])


def _filler(library: Library, chat: Chat, *, cached: bool, on_event: EventListener) -> TableFiller:
    system, user = (load_prompt(name, library.config.prompts) for name in PROMPTS)
    parts = (library.identity, system.text, user.text)
    model = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return TableFiller(
        chat,
        system,
        user,
        CellCache(verdicts_path(library.config), model) if cached else None,
        one_by_one=library.runs_here,
        on_filled=lambda done, of: on_event(Filling(done=done, of=of)),
    )
