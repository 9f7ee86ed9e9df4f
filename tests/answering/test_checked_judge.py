import asyncio

from fakes import papers
from judges import FunctionJudge, always

from qa.answering.checked_judge import CheckedJudge, says_yes_to_all
from qa.answering.entrance_test import Examined, TestResult, Yeses
from qa.errors import ChatAuthError
from qa.llm.messages import Usage

FIT = TestResult(Yeses(8, 0, 0, 0, 8))
UNFIT = TestResult(Yeses(8, 8, 8, 0, 8))
FAR = papers(8)


def checked(judge, result=FIT, *, far=FAR, failure=None):
    async def examine():
        return Examined(result, Usage(calls=8), failure)

    return CheckedJudge("small", examine, lambda _: (judge, judge), lambda _: far)


def rounds(judge, *sizes):
    async def read():
        return [await judge.judge("which?", papers(size)) for size in sizes]

    return asyncio.run(read())


def test_a_model_that_failed_the_test_is_asked_nothing():
    judge = always("yes")
    (judged,) = rounds(checked(judge, UNFIT), 10)
    assert "small is not fit to judge" in judged.unfit
    assert "yes to 8 of 8" in judged.unfit
    assert judge.judged == []


def test_the_first_round_pays_for_the_test():
    first, second = rounds(checked(always("no")), 10, 10)
    assert (first.usage.calls, second.usage.calls) == (9, 1)


def test_yes_to_all_is_found_out_by_papers_from_far_down():
    (judged,) = rounds(checked(always("yes")), 10)
    assert "yes to 10 of the 10 papers ranked best, and also to 8 of 8 ranked far down" in (
        judged.unfit
    )


def test_yes_to_nearly_all_is_found_out_within_two_rounds():
    count = iter(range(100))
    nearly = FunctionJudge(lambda _, __: "no" if next(count) == 4 else "yes")
    first, second = rounds(checked(nearly), 10, 10)
    assert first.unfit is None
    assert second.unfit is not None


def test_a_judge_that_rightly_says_yes_to_the_best_is_cleared_for_good():
    count = iter(range(100))
    right = FunctionJudge(lambda _, __: "no" if 10 <= next(count) < 18 else "yes")
    judge = checked(right)
    first, second, third = rounds(judge, 10, 10, 10)
    assert [first.unfit, second.unfit, third.unfit] == [None] * 3
    assert len(right.judged) == 10 + len(FAR) + 10 + 10


def test_a_small_corpus_has_no_papers_from_far_down():
    (judged,) = rounds(checked(always("yes"), far=[]), 10)
    assert judged.unfit is None


def test_a_test_that_failed_is_the_failure_of_the_judge():
    error = ChatAuthError("wrong key")
    (judged,) = rounds(checked(always("yes"), None, failure=error), 10)
    assert judged.failure is error
    assert judged.unfit is None


def test_few_papers_or_mixed_verdicts_are_no_ground_for_suspicion():
    assert not says_yes_to_all(9, 9)
    assert not says_yes_to_all(9, 10)
    assert says_yes_to_all(18, 20)
    assert not says_yes_to_all(17, 20)
