import asyncio
from collections import Counter

import pytest
from judges import ANSWERING, OTHER, FunctionJudge, always, erring, knows

from qa.answering.entrance_test import (
    ABSTRACTS,
    ANSWERS,
    KINDS,
    SHARES,
    TOKENS,
    EntranceTest,
    Examined,
    LogOdds,
    TestResult,
    TestResults,
    Way,
    Yeses,
    examine,
    tasks,
)
from qa.answering.judge import Judged
from qa.errors import ChatAuthError
from qa.llm.messages import CHARACTERS_PER_TOKEN
from qa.llm.prompts import as_material, load_prompt
from qa.retrieval.relevance import Verdict


def examined(verdicts, probabilities=None, *, probabilities_first=False):
    other = probabilities or always(None)
    return asyncio.run(examine(verdicts, other, probabilities_first=probabilities_first))


def way_of(verdicts, probabilities=None, **options):
    return examined(verdicts, probabilities, **options).result.way


def test_every_abstract_is_asked_about_and_no_kind_has_always_the_same_place():
    assert sum(len(task.papers) for task in tasks()) == ABSTRACTS
    places = {kind: Counter(list(task.papers).index(kind) for task in tasks()) for kind in KINDS}
    assert all(max(count.values()) <= 3 for count in places.values())


def test_each_answer_serves_another_question_as_an_unrelated_abstract():
    unrelated = [task.papers["unrelated"].title for task in tasks()]
    assert sorted(unrelated) == sorted(ANSWERING.values())
    assert all(task.papers["unrelated"] != task.papers[ANSWERS] for task in tasks())


def test_it_takes_about_as_many_tokens_as_the_user_is_told():
    system, user = load_prompt("judge.system", None).text, load_prompt("judge.user", None).text
    papers = [as_material("P1", paper) for task in tasks() for paper in task.papers.values()]
    sent = len(tasks()) * (len(system) + len(user) + 160) + sum(map(len, papers))
    assert 0.75 * TOKENS < sent / CHARACTERS_PER_TOKEN < 1.1 * TOKENS


def test_a_judge_that_knows_the_answers_goes_on_with_verdicts_and_takes_no_other_test():
    probabilities = always(0.5)
    assert way_of(FunctionJudge(knows), probabilities) is Way.VERDICTS
    assert probabilities.judged == []


@pytest.mark.parametrize("said", ["yes", "partly", "no"])
def test_a_judge_that_says_the_same_of_everything_is_not_fit(said):
    assert way_of(always(said)) is None


def test_a_judge_that_takes_the_same_subject_for_an_answer_is_not_fit():
    shared = {(task.question, task.papers[SHARES].title) for task in tasks()}
    lenient = FunctionJudge(lambda q, t: "yes" if (q, t) in shared else knows(q, t))
    assert way_of(lenient) is None


def test_a_judge_without_any_usable_verdict_is_not_fit_and_soon_left_alone():
    silent = always(None)
    result = examined(silent).result
    assert result.way is None
    assert "no usable verdict on 24 of 24" in result.describe()
    assert len(silent.judged) == 3


def test_of_forty_judges_that_err_on_a_tenth_at_most_two_are_not_believed():
    ways = [way_of(erring(0.1, seed)) for seed in range(40)]
    assert ways.count(None) <= 2


def test_of_forty_judges_that_toss_coins_hardly_one_is_believed():
    ways = [way_of(erring(0.5, seed)) for seed in range(200)]
    assert ways.count(Way.VERDICTS) == 0


def test_whoever_passes_by_a_few_verdicts_takes_the_test_twice():
    errs = iter([True] * 5 + [False] * 19 + [True] * 24)
    lucky = FunctionJudge(lambda q, t: OTHER[knows(q, t)] if next(errs) else knows(q, t))
    assert way_of(lucky) is None
    assert len(lucky.judged) == 2 * ABSTRACTS


def test_the_figures_are_told():
    assert (
        "yes to 8 of 8 test abstracts that have nothing to do"
        in examined(always("yes")).result.describe()
    )


def small_model(question, title):
    """Say yes to all, but with a higher probability where it is right."""
    shared = {task.question: task.papers[SHARES].title for task in tasks()}
    if knows(question, title) == "yes":
        return 0.8
    return 0.6 if shared[question] == title else 0.3


def test_a_model_whose_probabilities_alone_separate_is_asked_for_those():
    result = examined(always("yes"), FunctionJudge(small_model)).result
    assert result.way is Way.PROBABILITIES
    line = result.calibration.line
    assert 0.41 < line < 1.38  # the log-odds of 0.6 and 0.8


def test_probabilities_that_do_not_separate_do_not_help():
    chance = erring(0.5, 3)
    tossing = FunctionJudge(lambda q, t: 0.7 if chance._says(q, t) == "yes" else 0.4)
    assert way_of(always("yes"), tossing) is None


def test_a_weak_model_that_runs_here_is_asked_for_short_replies_only():
    verdicts = FunctionJudge(knows)
    blurred = dict.fromkeys(list(ANSWERING.values())[:4], 0.62)
    weak = FunctionJudge(lambda q, t: blurred.get(t, small_model(q, t)))
    assert way_of(verdicts, weak, probabilities_first=True) is Way.PROBABILITIES
    assert verdicts.judged == []


def test_a_strong_model_that_runs_here_goes_on_with_verdicts():
    strong = FunctionJudge(lambda q, t: 0.9 if knows(q, t) == "yes" else 0.05)
    assert way_of(FunctionJudge(knows), strong, probabilities_first=True) is Way.VERDICTS


class FailingJudge:
    async def judge(self, question, papers):  # noqa: ARG002
        verdicts = tuple(Verdict(paper.id, None) for paper in papers)
        return Judged(verdicts, failure=ChatAuthError("wrong key"))


def test_a_call_that_fails_says_nothing_of_the_model():
    found = examined(FailingJudge())
    assert found.result is None
    assert isinstance(found.failure, ChatAuthError)


RESULT = TestResult(Yeses(8, 7.5, 8, 0, 8), LogOdds((1.0,) * 8, (0.1,) * 8, (-1.0,) * 8))


def test_a_result_is_kept_for_the_same_model_only(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    TestResults(path, "model a").put(RESULT)
    assert TestResults(path, "model a").get() == RESULT
    assert TestResults(path, "model b").get() is None


def test_a_file_that_cannot_be_used_only_means_another_test(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"no database" * 100)
    results = TestResults(path, "model")
    results.put(RESULT)
    assert results.get() is None


def test_questions_at_the_same_time_take_one_test(tmp_path):
    test = EntranceTest(TestResults(tmp_path / "v.sqlite", "model"))
    taken = []

    async def take():
        taken.append(1)
        await asyncio.sleep(0)
        return Examined(RESULT)

    async def three():
        return await asyncio.gather(*(test.result(take) for _ in range(3)))

    assert [found.result for found in asyncio.run(three())] == [RESULT] * 3
    assert len(taken) == 1


def test_after_a_test_that_failed_the_next_question_takes_it(tmp_path):
    test = EntranceTest(TestResults(tmp_path / "v.sqlite", "model"))
    brought = [Examined(None, failure=ChatAuthError("wrong key")), Examined(RESULT)]

    async def take():
        return brought.pop(0)

    assert asyncio.run(test.result(take)).result is None
    assert asyncio.run(test.result(take)).result == RESULT
    assert test.known() == RESULT
