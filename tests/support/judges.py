"""Judges for the entrance test: perfect, erring, tossing coins, saying yes to all."""

import random

from qa.answering.entrance_test import ANSWERS, tasks
from qa.answering.judge import Judged
from qa.llm.messages import Usage
from qa.retrieval.relevance import Relevance, Verdict

ANSWERING = {task.question: task.papers[ANSWERS].title for task in tasks()}


class FunctionJudge:
    """Says what a function of question and title returns: "yes", "partly", "no", None or P(yes)."""

    def __init__(self, says):
        self._says = says
        self.judged = []  # titles

    async def judge(self, question, papers):
        self.judged += [paper.title for paper in papers]
        verdicts = tuple(
            self._verdict(paper.id, self._says(question, paper.title)) for paper in papers
        )
        return Judged(verdicts, Usage(calls=1, prompt_tokens=100))

    def _verdict(self, paper_id, said):
        if isinstance(said, float):
            relevance = Relevance.YES if said >= 0.5 else Relevance.NO
            return Verdict(paper_id, relevance, probability=said)
        return Verdict(paper_id, said and Relevance(said))


def knows(question, title):
    return "yes" if ANSWERING.get(question) == title else "no"


def erring(share, seed):
    """Return a judge of the test that errs on a share of the abstracts, at random."""
    chance = random.Random(seed)

    def says(question, title):
        return knows(question, title) if chance.random() >= share else OTHER[knows(question, title)]

    return FunctionJudge(says)


OTHER = {"yes": "no", "no": "yes"}


def always(said):
    return FunctionJudge(lambda _, __: said)
