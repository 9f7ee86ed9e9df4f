"""What happens to a question, told while it happens: what is looked for, read, learned, and why."""

import math
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from qa.answering.events import Learned, Ranked, ReadingOver, RoundRead, Scored
from qa.answering.results import Answer
from qa.answering.safe_text import clean_line
from qa.answering.wording import WHY
from qa.cli.display.answer import print_hanging
from qa.corpus.papers import Paper
from qa.llm.messages import Usage
from qa.retrieval import scoring, stopping
from qa.retrieval.relevance import Relevance, Verdict
from qa.retrieval.retriever import PseudoFeedback, Search

TERMS = 8  # the weightiest ones are told
CHANGES = 6  # of terms that rose, and of those that fell
LEAST = 0.005  # change of a term's weight that is told
INDENT = 12  # columns, with a label in them
STYLES = {Relevance.YES: "green", Relevance.PARTLY: "yellow", Relevance.NO: "dim", None: "red"}


class VerboseLog:
    """Prints what the pipeline's events tell, in lines that fit a terminal."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def tell(self, event: object) -> None:
        """Print what the event tells; nothing for an event that only moves a progress line."""
        match event:
            case Ranked():
                self._asked(event)
            case RoundRead():
                self._round(event)
            case Learned():
                self._learned(event)
            case ReadingOver():
                why = WHY[event.stopped] if event.stopped else "nothing to read"
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
            calls = _counted(spent["calls"], "call")
            self._labelled(kind, calls, f"{sent:,} tokens sent", f"{received:,} received")

    def _asked(self, event: Ranked) -> None:
        search = event.search
        self._line("Question", "bold")
        self._labelled("embedded", *clean_line(search.embedded).split(), glue=" ")
        self._labelled("words", *(search.asked.terms or ["none"]))
        self._labelled("ranked", f"{_counted(event.papers, 'paper')} in {event.seconds:.2f} s")

    def _round(self, event: RoundRead) -> None:
        usage = event.judged.usage
        parts = [f"Round {event.coverage.rounds}: {_counted(len(event.papers), 'paper')}"]
        if event.judged.cached:
            parts.append(f"{event.judged.cached} judged before")
        if usage.calls:
            parts += [_counted(usage.calls, "call"), _tokens(usage)]
        self._line(", ".join([*parts, f"{event.seconds:.2f} s"]), "bold")
        self._row(("score", "verdict", "proof"), "paper", "dim")
        for paper, verdict in zip(event.papers, event.judged.verdicts, strict=True):
            self._row(_judged(event.search, paper, verdict), paper.title, STYLES[verdict.relevance])

    def _learned(self, event: Learned) -> None:
        search, before = event.search, event.before
        terms, known = _terms(search), _terms(before)
        risen = {term: terms.get(term, 0.0) - known.get(term, 0.0) for term in {**known, **terms}}
        fallen = {term: -change for term, change in risen.items()}
        self._labelled("terms", *_weights(terms, TERMS))
        self._labelled("rose", *_weights(risen, CHANGES, "+"))
        self._labelled("fell", *_weights(fallen, CHANGES, "-"))
        turned, away = _degrees(search, before), _degrees(search, search, asked=True)
        self._labelled("vector", f"turned by {turned:.0f}°", f"{away:.0f}° from the question's own")
        left = math.ceil(stopping.papers_left(search.history))
        patience = f"{_counted(left, 'more paper')} without an answer" if left > 0 else "used up"
        upcoming = [f"{event.upcoming} are read next"] if event.upcoming else []
        self._labelled("patience", patience, *upcoming)

    def _scored(self, event: Scored) -> None:
        search, blind = event.search, event.search.pseudo
        if blind is None:
            return
        first = dict(zip(blind.first.ids, blind.first.scores, strict=True))
        trusted = set(blind.first.ids[: blind.assumed_relevant])
        self._line(
            "Scores for the question as asked, and moved to the best papers, taken for true", "bold"
        )
        self._row(("asked", "moved", ""), "paper", "dim")
        for paper in _leading(event.papers, search):
            scores = (f"{first.get(paper.id, 0.0):.2f}", f"{search.score(paper.id):.2f}")
            told = "true" if paper.id in trusted else ""
            self._row((*scores, told), paper.title, None)
        turned = _degrees(search, search, asked=True)
        self._labelled(
            "true", f"{blind.assumed_relevant} papers", f"they turn the vector by {turned:.0f}°"
        )
        self._labelled("answers", *_answerable(blind))
        self._labelled("cut", *_cut(search))
        self._out.print()

    def _row(self, cells: Sequence[str], title: str, style: str | None) -> None:
        """Print one paper in one line, cutting its title where a terminal ends."""
        head = f"  {cells[0]:>5}  {cells[1]:8}  {cells[2]:6}  "
        room = max(20, self._out.width - cell_len(head) - 1)
        title = clean_line(title)
        if cell_len(title) > room:
            title = set_cell_size(title, room - 1).rstrip() + "…"
        self._out.print(Text(head + title, style=style or ""), soft_wrap=True)

    def _labelled(self, label: str, *items: str, glue: str = ", ") -> None:
        """Print the items behind a label, those for which a line has no room on further lines."""
        room = max(20, self._out.width - INDENT - 1)
        for number, line in enumerate(_filled(items, glue, room)):
            head = f"  {'' if number else label:9} "
            self._out.print(Text.assemble((head, "cyan"), line), soft_wrap=True)

    def _line(self, text: str, style: str) -> None:
        print_hanging(self._out, Text(text, style=style), 2)


def _judged(search: Search, paper: Paper, verdict: Verdict) -> tuple[str, str, str]:
    told = verdict.relevance.value if verdict.relevance else "unjudged"
    proof = ",".join(map(str, verdict.sentences))
    return f"{search.score(paper.id):.2f}", told, proof


def _filled(items: Sequence[str], glue: str, room: int) -> list[str]:
    """The items with `glue` between them, in lines of at most `room` columns."""
    lines: list[str] = []
    for item in items:
        if lines and cell_len(lines[-1] + glue + item) <= room:
            lines[-1] += glue + item
        else:
            lines.append(item)
    return [line + glue.rstrip() for line in lines[:-1]] + lines[-1:]


def _terms(search: Search) -> Mapping[str, float]:
    """The terms looked for; the question's own weigh 1 together, as they do once it has moved."""
    if search.history:
        return search.moved.terms
    total = sum(search.asked.terms.values()) or 1.0
    return {term: weight / total for term, weight in search.asked.terms.items()}


def _weights(terms: Mapping[str, float], most: int, sign: str = "") -> list[str]:
    """The weightiest of the terms, each with its weight."""
    best = sorted(terms.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [f"{clean_line(term)} {sign}{weight:.2f}" for term, weight in best if weight > LEAST]


def _degrees(search: Search, before: Search, *, asked: bool = False) -> float:
    """The angle by which the question's vector has turned, since `before` or since it was asked."""
    vector = before.asked.vector if asked else before.moved.vector
    return math.degrees(math.acos(min(1.0, float(search.moved.vector @ vector))))


def _leading(papers: Iterable[Paper], search: Search) -> list[Paper]:
    return sorted(papers, key=lambda paper: -search.score(paper.id))


def _answerable(blind: PseudoFeedback) -> tuple[str, str]:
    """Why the corpus is taken to answer the question, or not."""
    similar = f"the best similarity is {blind.similarity:.2f}"
    if blind.similarity >= scoring.ANSWERABLE:
        return f"likely: {similar}", f"at least {scoring.ANSWERABLE}"
    return f"no: {similar}", f"less than {scoring.ANSWERABLE}"


def _cut(search: Search) -> list[str]:
    """How many papers the scores put on the list, and between which scores it ends."""
    cut, sure, scores = search.ranking.listed, search.ranking.likely, search.ranking.scores
    if not cut:
        return ["no paper is listed"]
    after = [f"the next one has {scores[cut]:.2f}"] if cut < len(scores) else []
    listed = f"{_counted(cut, 'paper')} down to {scores[cut - 1]:.2f}"
    return [listed, *after, f"{sure} as good as certain"]


def _tokens(usage: Usage) -> str:
    return f"{'about ' if usage.estimated else ''}{usage.total_tokens:,} tokens"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
