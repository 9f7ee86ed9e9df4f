"""What `--verbose` prints: the query, each round's papers and verdicts, and what was learned."""

import math
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from qa.answering.events import Learned, Ranked, ReadingOver, RoundRead, Scored
from qa.answering.results import Answer
from qa.answering.safe_text import clean_line
from qa.answering.wording import WHY_STOPPED, counted
from qa.cli.display.answer import print_hanging
from qa.corpus.papers import Paper
from qa.llm.messages import Usage
from qa.retrieval import scoring, stopping
from qa.retrieval.relevance import Relevance, Verdict
from qa.retrieval.search import PseudoFeedback, Search

MAX_TERMS = 8  # of a query, by weight
MAX_CHANGES = 6  # of terms that rose, and of terms that fell
MIN_CHANGE = 0.005  # of a term's weight; less is rounded to 0.00
INDENT = 12  # columns of a label
STYLES = {Relevance.YES: "green", Relevance.PARTLY: "yellow", Relevance.NO: "dim", None: "red"}


class VerboseLog:
    """Prints the pipeline's events in lines that fit the terminal."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def log(self, event: object) -> None:
        """Print an event; nothing for one that only moves the progress line."""
        match event:
            case Ranked():
                self._query(event)
            case RoundRead():
                self._round(event)
            case Learned():
                self._learned(event)
            case ReadingOver():
                why = WHY_STOPPED[event.stopped] if event.stopped else "nothing to read"
                self._line(f"Reading ends: {why}.", "bold")
                self._out.print()
            case Scored():
                self._scored(event)

    def sum_up(self, answer: Answer) -> None:
        """Print where time and tokens went."""
        took = answer.seconds
        stages = {"rank": took.rank, "judge": took.judge, "write": took.write, "all": took.total}
        times = [f"{name} {seconds:.2f} s" for name, seconds in stages.items() if seconds]
        self._labelled("time", *times)
        for kind, spent in answer.usage.by_kind.items():
            sent, received = spent["prompt_tokens"], spent["completion_tokens"]
            calls = counted(spent["calls"], "call", "calls")
            self._labelled(kind, calls, f"{sent:,} tokens sent", f"{received:,} received")

    def _query(self, event: Ranked) -> None:
        search = event.search
        self._line("Question", "bold")
        self._labelled("embedded", *clean_line(search.embedded).split(), glue=" ")
        self._labelled("words", *(search.asked.terms or ["none"]))
        self._labelled(
            "ranked", f"{counted(event.papers, 'paper', 'papers')} in {event.seconds:.2f} s"
        )

    def _round(self, event: RoundRead) -> None:
        usage = event.judged.usage
        parts = [f"Round {event.coverage.rounds}: {counted(len(event.papers), 'paper', 'papers')}"]
        if event.judged.cached:
            parts.append(f"{event.judged.cached} judged before")
        if usage.calls:
            parts += [counted(usage.calls, "call", "calls"), _tokens(usage)]
        self._line(", ".join([*parts, f"{event.seconds:.2f} s"]), "bold")
        self._row(("score", "verdict", "proof"), "paper", "dim")
        for paper, verdict in zip(event.papers, event.judged.verdicts, strict=True):
            self._row(_judged(event.search, paper, verdict), paper.title, STYLES[verdict.relevance])

    def _learned(self, event: Learned) -> None:
        search, before = event.search, event.before
        terms, known = _terms(search), _terms(before)
        risen = {term: terms.get(term, 0.0) - known.get(term, 0.0) for term in {**known, **terms}}
        fallen = {term: -change for term, change in risen.items()}
        self._labelled("terms", *_weights(terms, MAX_TERMS))
        self._labelled("rose", *_weights(risen, MAX_CHANGES, "+"))
        self._labelled("fell", *_weights(fallen, MAX_CHANGES, "-"))
        turned, away = _degrees(search, before), _degrees(search, search, asked=True)
        self._labelled("vector", f"turned by {turned:.0f}°", f"{away:.0f}° from the question's own")
        left = math.ceil(stopping.papers_left(search.history))
        patience = (
            f"{counted(left, 'more paper', 'more papers')} without an answer"
            if left > 0
            else "used up"
        )
        upcoming = [f"{event.upcoming} are read next"] if event.upcoming else []
        self._labelled("patience", patience, *upcoming)

    def _scored(self, event: Scored) -> None:
        search, blind = event.search, event.search.pseudo
        if search.similarity is None:
            return
        if blind is None:
            self._line("Scores for the question as asked", "bold")
            for paper in _leading(event.papers, search):
                self._row((f"{search.score(paper.id):.2f}", "", ""), paper.title, None)
        else:
            self._moved(search, blind, event.papers)
        self._labelled("answers", *_answerable(search.similarity, search.missing))
        self._labelled("cut", *_cut(search))
        self._out.print()

    def _moved(self, search: Search, blind: PseudoFeedback, papers: Sequence[Paper]) -> None:
        """Print the scores before and after pseudo-relevance feedback."""
        first = dict(zip(blind.first.ids, blind.first.scores, strict=True))
        trusted = set(blind.first.ids[: blind.assumed_relevant])
        self._line(
            "Scores for the question as asked, and moved to the best papers, taken for true", "bold"
        )
        self._row(("asked", "moved", ""), "paper", "dim")
        for paper in _leading(papers, search):
            scores = (f"{first.get(paper.id, 0.0):.2f}", f"{search.score(paper.id):.2f}")
            self._row((*scores, "true" if paper.id in trusted else ""), paper.title, None)
        turned = _degrees(search, search, asked=True)
        self._labelled(
            "true", f"{blind.assumed_relevant} papers", f"they turn the vector by {turned:.0f}°"
        )

    def _row(self, cells: Sequence[str], title: str, style: str | None) -> None:
        """Print one paper on one line, its title cut to the terminal's width."""
        head = f"  {cells[0]:>5}  {cells[1]:8}  {cells[2]:6}  "
        room = max(20, self._out.width - cell_len(head) - 1)
        title = clean_line(title)
        if cell_len(title) > room:
            title = set_cell_size(title, room - 1).rstrip() + "…"
        self._out.print(Text(head + title, style=style or ""), soft_wrap=True)

    def _labelled(self, label: str, *items: str, glue: str = ", ") -> None:
        """Print the items after a label, on as many lines as they need."""
        room = max(20, self._out.width - INDENT - 1)
        for number, line in enumerate(_filled(items, glue, room)):
            head = f"  {'' if number else label:9} "
            self._out.print(Text.assemble((head, "cyan"), line), soft_wrap=True)

    def _line(self, text: str, style: str) -> None:
        print_hanging(self._out, Text(text, style=style), 2)


def _judged(search: Search, paper: Paper, verdict: Verdict) -> tuple[str, str, str]:
    relevance = verdict.relevance.value if verdict.relevance else "unjudged"
    return f"{search.score(paper.id):.2f}", relevance, ",".join(map(str, verdict.sentences))


def _filled(items: Sequence[str], glue: str, room: int) -> list[str]:
    """Return the items joined by `glue`, in lines of at most `room` columns."""
    lines: list[str] = []
    for item in items:
        if lines and cell_len(lines[-1] + glue + item) <= room:
            lines[-1] += glue + item
        else:
            lines.append(item)
    return [line + glue.rstrip() for line in lines[:-1]] + lines[-1:]


def _terms(search: Search) -> Mapping[str, float]:
    """Return the query's terms with their weights.

    Those of the question as asked are scaled to a sum of 1, as relevance feedback does.
    """
    if search.history:
        return search.moved.terms
    total = sum(search.asked.terms.values()) or 1.0
    return {term: weight / total for term, weight in search.asked.terms.items()}


def _weights(terms: Mapping[str, float], most: int, sign: str = "") -> list[str]:
    """Return the `most` terms of highest weight, each with its weight."""
    best = sorted(terms.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [
        f"{clean_line(term)} {sign}{weight:.2f}" for term, weight in best if weight > MIN_CHANGE
    ]


def _degrees(search: Search, before: Search, *, asked: bool = False) -> float:
    """Return the degrees by which the query vector has turned since `before`.

    With `asked`, since the question as asked.
    """
    vector = before.asked.vector if asked else before.moved.vector
    return math.degrees(math.acos(min(1.0, float(search.moved.vector @ vector))))


def _leading(papers: Iterable[Paper], search: Search) -> list[Paper]:
    return sorted(papers, key=lambda paper: -search.score(paper.id))


def _answerable(similarity: float, missing: Sequence[str]) -> tuple[str, str]:
    """Return whether the scores say that the corpus answers the question, and why."""
    least = scoring.ANSWERABLE_WITHOUT_WORD if missing else scoring.ANSWERABLE
    lacking = (
        f" where {' and '.join(map(clean_line, missing))} is in no abstract" if missing else ""
    )
    similar = f"the best similarity is {similarity:.2f}"
    if scoring.is_answerable(similarity, missing=bool(missing)):
        return f"likely: {similar}", f"at least {least}{lacking}"
    return f"no: {similar}", f"less than {least}{lacking}"


def _cut(search: Search) -> list[str]:
    """Return how many papers the scores put on the list, and between which scores it ends."""
    cut, sure, scores = search.ranking.listed, search.ranking.likely, search.ranking.scores
    if not cut:
        return ["no paper is listed"]
    after = [f"the next one has {scores[cut]:.2f}"] if cut < len(scores) else []
    listed = f"{counted(cut, 'paper', 'papers')} down to {scores[cut - 1]:.2f}"
    return [listed, *after, f"{sure} likely"]


def _tokens(usage: Usage) -> str:
    return f"{'about ' if usage.estimated else ''}{usage.total_tokens:,} tokens"
