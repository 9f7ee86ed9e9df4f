"""Fill a table: ask the chat model about each paper, keep each cell, and go on where one ended."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from qa.answering.assemble import model_usage
from qa.answering.cell_cache import CellCache
from qa.answering.judge import ATTEMPTS, PARALLEL
from qa.answering.results import Answer, AnswerWarning, ListedPaper
from qa.answering.table import (
    SCHEMA,
    UNREADABLE,
    Cell,
    CellState,
    Column,
    Expected,
    Row,
    Table,
    exact_schema,
    read_cells,
)
from qa.corpus.papers import Paper
from qa.errors import ChatBadReply, ChatContextTooLong, ChatError, ChatRefused
from qa.llm.messages import CHARACTERS_PER_TOKEN, Chat, Message, Usage
from qa.llm.prompts import Prompt, as_material, one_line
from qa.retrieval.retriever import Retriever
from qa.retrieval.search import Search

REPLY_TOKENS = 40  # of one cell: its key, its sentence and a few words


@dataclass(frozen=True, slots=True)
class Filled:
    """The cells of each paper by its id, one for each column, and what they took."""

    cells: Mapping[str, tuple[Cell, ...]]
    usage: Usage = field(default_factory=Usage)
    failure: ChatError | None = None  # why the rest could not be asked for
    cache_trouble: str | None = None  # why cells could not be read or kept, in a sentence


class TableFiller:
    """Asks a chat model for the cells of papers, several papers at a time.

    `one_by_one` is for small models whose server knows the whole of JSON Schema: one call for each
    cell, under a schema that leaves only the cell open. `on_filled` is called with the number of
    papers done so far and of how many.
    """

    def __init__(  # noqa: PLR0913 - each is a part of its own
        self,
        chat: Chat,
        system: Prompt,
        user: Prompt,
        cache: CellCache | None = None,
        *,
        one_by_one: bool = False,
        on_filled: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        self._chat = chat
        self._system = system
        self._user = user
        self._cache = cache
        self._one_by_one = one_by_one
        self._on_filled = on_filled

    async def fill(self, columns: Sequence[Column], papers: Sequence[Paper]) -> Filled:
        """Return the cells of each paper.

        Cells that are known from before cost nothing. When the server fails, no further call is
        made: the cells that are left are unreadable, and the next run asks for them alone.
        """
        known = self.known(columns, papers)
        run = _Run(len(papers))
        slots = asyncio.Semaphore(PARALLEL)

        async def row(paper: Paper) -> tuple[Cell, ...]:
            cells = dict(known.get(paper.id, {}))
            missing = [column for column in columns if column not in cells]
            for group in self._groups(missing):
                async with slots:
                    if run.failure is None:
                        cells |= await self._asked(group, paper, run)
            run.done += 1
            self._on_filled(run.done, run.of)
            return tuple(cells.get(column, UNREADABLE) for column in columns)

        rows = await asyncio.gather(*map(row, papers))
        return Filled(
            {paper.id: cells for paper, cells in zip(papers, rows, strict=True)},
            run.usage,
            run.failure,
            self._cache.trouble if self._cache else None,
        )

    def known(
        self, columns: Sequence[Column], papers: Sequence[Paper]
    ) -> dict[str, dict[Column, Cell]]:
        """Return the cells that are kept from before, by paper id and column."""
        return self._cache.get(columns, papers) if self._cache else {}

    def expected(self, columns: Sequence[Column], papers: Sequence[Paper]) -> Expected:
        """Return what `fill` will take; cells that are known cost nothing."""
        known = self.known(columns, papers)
        calls, sent, received, asked = 0, 0, 0, 0
        for paper in papers:
            missing = [column for column in columns if column not in known.get(paper.id, {})]
            asked += bool(missing)
            for group in self._groups(missing):
                characters = sum(len(m.content) for m in self._messages(_keyed(group), paper))
                calls += 1
                sent += characters // CHARACTERS_PER_TOKEN
                received += REPLY_TOKENS * len(group)
        return Expected(asked, calls, Usage(calls, sent, received, estimated=True))

    def _groups(self, columns: Sequence[Column]) -> list[Sequence[Column]]:
        """Return the columns as they are asked for together."""
        if self._one_by_one:
            return [[column] for column in columns]
        return [columns] if columns else []

    async def _asked(
        self, columns: Sequence[Column], paper: Paper, run: "_Run"
    ) -> dict[Column, Cell]:
        """Return the usable cells of one paper, kept for the next time."""
        found: dict[Column, Cell] = {}
        for _ in range(ATTEMPTS):
            missing = [column for column in columns if column not in found]
            if not missing:
                break
            try:
                found |= await self._call(missing, paper, run)
            except ChatError as exc:
                run.failure = exc
                break
        if self._cache:
            self._cache.put(paper, found)
        return found

    async def _call(
        self, columns: Sequence[Column], paper: Paper, run: "_Run"
    ) -> dict[Column, Cell]:
        keyed = _keyed(columns)
        schema = exact_schema(keyed, paper) if self._one_by_one else SCHEMA
        try:
            reply = await self._chat.complete(self._messages(keyed, paper), schema=schema)
        except (ChatBadReply, ChatRefused, ChatContextTooLong):
            run.usage += Usage(calls=1)
            return {}
        run.usage += reply.usage
        cells = read_cells(reply.text, keyed, paper)
        return {keyed[key]: cell for key, cell in cells.items()}

    def _messages(self, keyed: Mapping[str, Column], paper: Paper) -> list[Message]:
        user = self._user.fill(
            columns="\n".join(_described(key, column) for key, column in keyed.items()),
            paper=as_material("P1", paper),
            count=str(len(keyed)),
        )
        return [Message("system", self._system.text), Message("user", user)]


def table_of(  # noqa: PLR0913, PLR0917 - what a table is made of
    question: str | None,
    columns: tuple[Column, ...],
    papers: Sequence[ListedPaper],
    filled: Filled,
    answer: Answer | None,
    model: str | None = None,
    base_url: str | None = None,
    warnings: tuple[AnswerWarning, ...] = (),
) -> Table:
    """Return the table of these papers; `answer` is the one that chose them, if one did."""
    told = [*(answer.warnings if answer else ()), *warnings]
    if filled.failure is not None:
        said = f"{filled.failure} The same command again asks only for what is missing."
        told.append(AnswerWarning("table_incomplete", f"The table is not complete: {said}"))
    if filled.cache_trouble:
        told.append(AnswerWarning("cell_cache", filled.cache_trouble))
    spent = model_usage({"table": filled.usage}, model, base_url)
    return Table(
        question,
        model,
        columns,
        tuple(
            Row(p.n, p.id, p.title, filled.cells[p.id], p.relevance, p.likelihood, p.url)
            for p in papers
        ),
        answer.coverage if answer else None,
        tuple(told),
        answer.usage.plus(spent) if answer else spent,
    )


def nearest_cells(
    columns: Sequence[Column], papers: Sequence[Paper], retriever: Retriever
) -> dict[str, tuple[Cell, ...]]:
    """Return cells without values by paper id: each has the sentence nearest to the column's words.

    This is what can be said where no model has read the papers.
    """
    searches = [retriever.rank(f"{column.name} {column.asks}") for column in columns]

    def nearest(paper: Paper, search: Search) -> Cell:
        number = next(iter(retriever.best_sentences(search, paper, 1)), None)
        if number is None:
            return UNREADABLE
        place = paper.sentences[number - 1]
        if paper.title_only:  # the title is its sentence: it has no place in an abstract
            return Cell(CellState.UNREADABLE, sentence=number)
        return Cell(CellState.UNREADABLE, None, None, number, place.start, place.end)

    return {paper.id: tuple(nearest(paper, search) for search in searches) for paper in papers}


@dataclass(slots=True)
class _Run:
    """How far one table has come."""

    of: int
    done: int = 0
    usage: Usage = field(default_factory=Usage)
    failure: ChatError | None = None


def _keyed(columns: Sequence[Column]) -> dict[str, Column]:
    return {f"C{i}": column for i, column in enumerate(columns, start=1)}


def _described(key: str, column: Column) -> str:
    asks = f": {one_line(column.asks)}" if column.asks != column.name else ""
    return f"[{key}] {one_line(column.name)}{asks}{' (yes or no)' if column.yes_no else ''}"
