"""A judge that is tested before it is believed, and watched while it reads."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from qa.answering.entrance_test import Examined, TestResult, unfit_text
from qa.answering.judge import Judge, Judged
from qa.corpus.papers import Paper
from qa.llm.messages import Usage
from qa.retrieval.relevance import Verdict

# "Yes" to every paper of a first round, or to most of two, is rare, and may be right. Papers ranked
# far down tell, of which hardly one can answer.
FIRST_ROUND, TWO_ROUNDS, MOST = 10, 20, 0.9
DISTANT = 8  # papers from far down that are judged then
LIKE_THE_BEST = 0.5  # share of "yes" among them from which the judge is not believed


class CheckedJudge:
    """Judges the papers of one question as the entrance test found best for the model.

    `examine` returns the test's result, `choose` the judge that goes with it and one that does not
    look at ranking scores, `distant` papers from far down the question's ranking: none where the
    corpus is too small to tell.
    """

    def __init__(
        self,
        name: str,
        examine: Callable[[], Awaitable[Examined]],
        choose: Callable[[TestResult], tuple[Judge, Judge]],
        distant: Callable[[str], Sequence[Paper]],
    ) -> None:
        self._name = name
        self._examine = examine
        self._choose = choose
        self._distant = distant
        self._judges: tuple[Judge, Judge] | None = None
        self._read = self._yes = 0
        self._watched = True  # until papers from far down have cleared it

    async def judge(self, question: str, papers: Sequence[Paper]) -> Judged:
        """Return a verdict for each paper, or in `unfit` why the model is not believed."""
        spent = Usage()
        if self._judges is None:
            examined = await self._examine()
            spent, result = examined.usage, examined.result
            if result is None:
                unjudged = tuple(Verdict(paper.id, None) for paper in papers)
                return Judged(unjudged, spent, failure=examined.failure)
            if why := unfit_text(self._name, result):
                return Judged((), spent, unfit=why)
            self._judges = self._choose(result)
        judge, without_scores = self._judges
        judged = await judge.judge(question, papers)
        unfit, more = await self._doubt(question, judged, without_scores)
        return replace(judged, usage=spent + judged.usage + more, unfit=unfit)

    async def _doubt(self, question: str, judged: Judged, judge: Judge) -> tuple[str | None, Usage]:
        """Return why the model is not believed any more, None if it is; and what this took.

        `judge` must not look at ranking scores: the low ones far down would say "no" in its place.
        """
        self._read += sum(verdict.relevance is not None for verdict in judged.verdicts)
        self._yes += sum(verdict.qualifies for verdict in judged.verdicts)
        if not self._watched or not says_yes_to_all(self._yes, self._read):
            return None, Usage()
        distant = self._distant(question)
        if not distant:
            return None, Usage()
        control = await judge.judge(question, distant)
        usable = sum(verdict.relevance is not None for verdict in control.verdicts)
        yes = sum(verdict.qualifies for verdict in control.verdicts)
        if not usable or yes < LIKE_THE_BEST * usable:
            self._watched = usable == 0
            return None, control.usage
        return (
            f"{self._name} is not fit to judge: it said yes to {self._yes} of the {self._read} "
            f"papers ranked best, and also to {yes} of {usable} ranked far down."
        ), control.usage


def says_yes_to_all(yes: int, read: int) -> bool:
    """Return whether a judge has said "yes" to suspiciously many of the papers read."""
    return yes == read >= FIRST_ROUND or (read >= TWO_ROUNDS and yes >= MOST * read)
