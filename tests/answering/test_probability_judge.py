import asyncio
import math

import pytest
from fakes import papers

from qa.answering.probability_judge import (
    TYPICAL_SCORE,
    Calibration,
    ProbabilityJudge,
    log_odds,
    yes_probability,
)
from qa.answering.verdict_cache import VerdictCache
from qa.errors import ChatAuthError, ChatBadReply
from qa.llm.messages import Reply, Usage
from qa.llm.prompts import load_prompt

QUESTION = "which papers train without backprop?"


class FirstTokens:
    """Gives the log-odds of "Yes" by the paper's number, or raises an error."""

    model = "scripted"

    def __init__(self, says):
        self._says = says
        self.prompts = []

    async def first_token(self, messages):
        self.prompts.append(messages[-1].content)
        said = self._says(int(messages[-1].content.split("Paper ")[1].split("\n")[0]))
        if isinstance(said, Exception):
            raise said
        tokens = {"Yes": -1.0, " no": -1.0 - said, "Maybe": -6.0} if said is not None else {}
        return Reply("Yes", "length", Usage(calls=1, prompt_tokens=300), tokens)


def judged(chat, count=3, *, line=0.0, score=lambda _, __: TYPICAL_SCORE, cache=None):
    system, user = load_prompt("judge_one.system", None), load_prompt("judge_one.user", None)
    judge = ProbabilityJudge(
        chat, system, user, calibration=Calibration(line), score=score, cache=cache
    )
    return asyncio.run(judge.judge(QUESTION, papers(count)))


def test_what_is_above_the_line_answers():
    found = judged(FirstTokens(float), line=0.5)
    assert [v.relevance for v in found.verdicts] == ["no", "yes", "yes"]
    assert found.verdicts[1].probability == pytest.approx(1 / (1 + math.exp(-1)))
    assert found.usage.calls == 3


def test_the_ranking_score_moves_a_paper_over_the_line():
    better = {paper.id: 1.0 - place / 2 for place, paper in enumerate(papers(3))}
    found = judged(FirstTokens(lambda _: 0.0), score=lambda _, paper_id: better[paper_id])
    assert [v.relevance for v in found.verdicts] == ["yes", "no", "no"]


def test_the_question_comes_before_the_paper_so_that_servers_cache_it():
    chat = FirstTokens(lambda _: 0.0)
    judged(chat)
    assert all(prompt.startswith(f"Question: {QUESTION}") for prompt in chat.prompts)


def test_a_reply_without_probabilities_is_no_verdict():
    found = judged(FirstTokens(lambda n: None if n == 1 else 1.0))
    assert [v.relevance for v in found.verdicts] == ["yes", None, "yes"]


def test_a_spoiled_reply_is_no_verdict_and_a_failing_server_a_failure():
    found = judged(FirstTokens(lambda n: ChatBadReply("cut off") if n else 1.0))
    assert found.failure is None
    assert [v.relevance for v in found.verdicts] == ["yes", None, None]
    found = judged(FirstTokens(lambda n: ChatAuthError("wrong key") if n else 1.0))
    assert isinstance(found.failure, ChatAuthError)
    assert found.verdicts[0].relevance == "yes"


def test_probabilities_are_kept_and_follow_a_line_that_is_drawn_anew(tmp_path):
    cache = VerdictCache(tmp_path / "v.sqlite", "model")
    chat = FirstTokens(lambda _: 1.0)
    assert judged(chat, line=0.5, cache=cache).verdicts[0].relevance == "yes"
    again = judged(chat, line=1.5, cache=cache)
    assert again.cached == 3
    assert again.verdicts[0].relevance == "no"
    assert len(chat.prompts) == 3


@pytest.mark.parametrize(
    ("tokens", "probability"),
    [
        ({"Yes": math.log(0.6), "No": math.log(0.2)}, 0.75),
        ({"Yes": math.log(0.3), " yes": math.log(0.3), "NO": math.log(0.2)}, 0.75),
        ({"**Yes": math.log(0.5), "No.": math.log(0.5)}, 0.5),
        ({"Yes": math.log(0.9)}, 1.0),
        ({"The": -0.1, "Yes": -9.0}, None),
        ({}, None),
    ],
)
def test_yes_and_no_count_in_every_spelling(tokens, probability):
    found = yes_probability(tokens)
    assert found == (probability if probability is None else pytest.approx(probability))


def test_log_odds_are_finite():
    assert log_odds(1.0) == pytest.approx(-log_odds(0.0))
