"""How one chat model is asked to judge papers: the judge of each way, their caches and the test."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qa.answering.checked_judge import DISTANT, CheckedJudge
from qa.answering.entrance_test import (
    ABSTRACTS,
    TOKENS,
    EntranceTest,
    Examined,
    TestResult,
    TestResults,
    Way,
    examine,
)
from qa.answering.events import Judging, TestingJudge
from qa.answering.judge import Judge, ModelJudge
from qa.answering.probability_judge import TYPICAL_SCORE, Calibration, ProbabilityJudge
from qa.answering.verdict_cache import VerdictCache
from qa.corpus.papers import Paper
from qa.llm.messages import Chat
from qa.llm.prompts import Prompt
from qa.retrieval.retriever import Retriever
from qa.retrieval.search import Search

PROMPTS = ("judge.system", "judge.user", "judge_one.system", "judge_one.user")
ENOUGH = 3 * DISTANT  # papers in the lower half of a ranking, so that some tell of the far end

Listener = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What verdicts and test results of a model depend on, beside questions and papers."""

    name: str
    place: str  # its server, or its file's content
    prompts: Mapping[str, Prompt]  # those of PROMPTS
    runs_here: bool  # where a reply takes longer than its prompt

    @property
    def test_key(self) -> str:
        """Return what a result of the entrance test depends on."""
        return self._digest(PROMPTS)

    def cache(self, path: Path, way: Way) -> VerdictCache:
        """Return the verdicts that were given this way."""
        return VerdictCache(path, self._digest(PROMPTS[:2] if way is Way.VERDICTS else PROMPTS[2:]))

    def _digest(self, prompts: Sequence[str]) -> str:
        texts = (self.name, self.place, *(self.prompts[name].text for name in prompts))
        return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def entrance_test(model: ModelIdentity, path: Path) -> EntranceTest:
    """Return the model's entrance test, with what `path`, the file of verdicts, knows of it."""
    return EntranceTest(TestResults(path, model.test_key))


@dataclass(frozen=True, slots=True)
class ModelJudges:
    """The judges that one chat model can be, for one question.

    `path` is the file of verdicts; None: none are kept or used. Progress goes to `on_event`, a line
    for the user to `on_notice`.
    """

    model: ModelIdentity
    chat: Chat
    retriever: Retriever
    path: Path | None
    on_event: Listener
    on_notice: Callable[[str], None]

    def trusted(self) -> Judge:
        """Return a judge whose verdicts are believed."""
        return self._verdicts(self.path, self._show_judging)

    def checked(self, test: EntranceTest) -> Judge:
        """Return a judge that is tested first, if it has not been, and watched while it reads."""
        # The scores of the answer without a judge, by which it lists papers.
        rank = cache(self.retriever.rank_unjudged)

        def choose(result: TestResult) -> tuple[Judge, Judge]:
            if result.way is Way.VERDICTS:
                return (self.trusted(),) * 2
            by_scores = self._probabilities(
                result.calibration,
                lambda question, paper_id: rank(question).score(paper_id),
                self.path,
                self._show_judging,
            )
            return by_scores, self._probabilities(
                result.calibration, lambda _, __: TYPICAL_SCORE, self.path, _ignore
            )

        def distant(question: str) -> Sequence[Paper]:
            return self._distant(rank(question))

        return CheckedJudge(self.model.name, lambda: self.examined(test), choose, distant)

    async def examined(self, test: EntranceTest) -> Examined:
        """Return the result of the entrance test, which is taken now if it has not been."""
        return await test.result(self._take)

    async def _take(self) -> Examined:
        self.on_notice(
            f"Testing the judge once: {ABSTRACTS} short abstracts, about {TOKENS:,} tokens."
        )
        return await examine(
            self._verdicts(None, _ignore),
            self._probabilities(Calibration(0.0), lambda _, __: TYPICAL_SCORE, None, _ignore),
            probabilities_first=self.model.runs_here,
            on_done=lambda done: self.on_event(TestingJudge(done=done, of=ABSTRACTS)),
        )

    def _verdicts(self, path: Path | None, on_judged: Callable[[int, int], None]) -> Judge:
        return ModelJudge(
            self.chat,
            self.model.prompts["judge.system"],
            self.model.prompts["judge.user"],
            self.model.cache(path, Way.VERDICTS) if path else None,
            one_by_one=self.model.runs_here,
            on_judged=on_judged,
        )

    def _probabilities(
        self,
        calibration: Calibration,
        score: Callable[[str, str], float],
        path: Path | None,
        on_judged: Callable[[int, int], None],
    ) -> Judge:
        return ProbabilityJudge(
            self.chat,
            self.model.prompts["judge_one.system"],
            self.model.prompts["judge_one.user"],
            calibration=calibration,
            score=score,
            cache=self.model.cache(path, Way.PROBABILITIES) if path else None,
            on_judged=on_judged,
        )

    def _distant(self, search: Search) -> Sequence[Paper]:
        """Return papers from the lower half of the ranking; none where it is short."""
        ids = search.ranking.ids
        far = ids[len(ids) // 2 :]
        if len(far) < ENOUGH:
            return ()
        return self.retriever.papers(far[:: len(far) // DISTANT][:DISTANT])

    def _show_judging(self, done: int, of: int) -> None:
        self.on_event(Judging(done=done, of=of))


def _ignore(_: object, __: object) -> None:
    """Tell nobody of progress."""
