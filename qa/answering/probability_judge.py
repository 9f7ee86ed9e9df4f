"""A judge for small models: one call a paper, and the probability that the reply begins with Yes.

Small models say "yes" to nearly everything, and yet their probability of "yes" is higher for papers
that answer. So the word itself does not count: the log-odds of "Yes", together with the paper's
ranking score, must reach a line that the entrance test has drawn for this model. A reply of one
token costs little more than its prompt, and a server's prompt cache has the part before the paper.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qa.answering.judge import PARALLEL, Judged
from qa.answering.verdict_cache import VerdictCache
from qa.corpus.papers import Paper
from qa.errors import ChatBadReply, ChatContextTooLong, ChatError, ChatRefused
from qa.llm.messages import Chat, Message, Usage
from qa.llm.prompts import Prompt, one_line
from qa.retrieval.relevance import Relevance, Verdict

SCORE_WEIGHT = 2.0  # of the ranking score, as a share of the best, beside log-odds
TYPICAL_SCORE = 0.6  # with which a paper's log-odds stand for themselves
LEAST_MASS = 0.05  # of "yes" and "no" together: below it the model has not answered the question
SURELY = 1e-6  # the least probability of one word, so that log-odds are finite


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where a model's "yes" begins: at a `line` of log-odds, moved by the ranking score."""

    line: float

    def certainty(self, log_odds: float, score: float) -> float:
        """Return how far a paper is above the line; below 0 it does not answer.

        `score` is the paper's share of the best ranking score.
        """
        return log_odds + SCORE_WEIGHT * (score - TYPICAL_SCORE) - self.line


class ProbabilityJudge:
    """A judge that asks about each paper alone and reads the probability of "Yes".

    `score` returns a paper's share of the best ranking score for a question. `on_judged` is called
    with the number of papers judged so far and of how many.
    """

    def __init__(  # noqa: PLR0913 - each is a part of its own
        self,
        chat: Chat,
        system: Prompt,
        user: Prompt,
        *,
        calibration: Calibration,
        score: Callable[[str, str], float],
        cache: VerdictCache | None = None,
        on_judged: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        self._chat = chat
        self._system = system
        self._user = user
        self._calibration = calibration
        self._score = score
        self._cache = cache
        self._on_judged = on_judged

    async def judge(self, question: str, papers: Sequence[Paper]) -> Judged:
        """Return a verdict for each paper; those that a failing server leaves are unjudged."""
        kept = self._cache.get(question, papers) if self._cache else {}
        known = {id_: verdict.probability for id_, verdict in kept.items()}
        slots, done = asyncio.Semaphore(PARALLEL), 0

        async def asked(paper: Paper) -> tuple[float | None, Judged]:
            nonlocal done
            probability, spent = known.get(paper.id), Judged((), cached=1)
            if probability is None:
                async with slots:
                    probability, spent = await self._ask(question, paper)
            done += 1
            self._on_judged(done, len(papers))
            return probability, spent

        replies = await asyncio.gather(*map(asked, papers))
        pairs = zip(papers, replies, strict=True)
        found = [self._verdict(question, paper, probability) for paper, (probability, _) in pairs]
        if self._cache:
            self._cache.put(question, papers, (v for v in found if v.paper_id not in known))
        parts = [spent for _, spent in replies]
        return Judged(
            tuple(found),
            sum((part.usage for part in parts), Usage()),
            sum(part.cached for part in parts),
            next((part.failure for part in parts if part.failure), None),
            self._cache.trouble if self._cache else None,
        )

    async def _ask(self, question: str, paper: Paper) -> tuple[float | None, Judged]:
        """Return the probability of "yes", None where the reply tells none, and what it took."""
        material = f"Title: {one_line(paper.title)}\nAbstract: {one_line(paper.abstract)}"
        user = self._user.fill(question=question, paper=material)
        messages = [Message("system", self._system.text), Message("user", user)]
        try:
            reply = await self._chat.first_token(messages)
        except (ChatBadReply, ChatRefused, ChatContextTooLong):
            return None, Judged((), Usage(calls=1))
        except ChatError as exc:
            return None, Judged((), failure=exc)
        return yes_probability(reply.first_tokens), Judged((), reply.usage)

    def _verdict(self, question: str, paper: Paper, probability: float | None) -> Verdict:
        if probability is None:
            return Verdict(paper.id, None)
        score = self._score(question, paper.id)
        certainty = self._calibration.certainty(log_odds(probability), score)
        relevance = Relevance.YES if certainty >= 0 else Relevance.NO
        return Verdict(paper.id, relevance, probability=probability, certainty=certainty)


def yes_probability(first_tokens: Mapping[str, float]) -> float | None:
    """Return the probability of "yes" against "no", in whatever case; None if neither is likely.

    `first_tokens` are the likeliest first tokens with the logarithms of their probabilities.
    """
    mass = {"yes": 0.0, "no": 0.0}
    for token, logarithm in first_tokens.items():
        word = token.strip(" _*\"'.\n").lower()
        if word in mass:
            mass[word] += math.exp(min(logarithm, 0.0))
    total = sum(mass.values())
    return mass["yes"] / total if total >= LEAST_MASS else None


def log_odds(probability: float) -> float:
    """Return the logarithm of p / (1 - p), finite also for 0 and 1."""
    share = min(max(probability, SURELY), 1 - SURELY)
    return math.log(share / (1 - share))
