from qa.answering.results import Coverage, Stopped
from qa.answering.wording import long_reading_line, missing_text, worth_reading_on
from qa.retrieval.estimate import Estimate


def test_the_estimate_is_said_as_more_papers_among_the_unread():
    left = Estimate(20.4, 19, 24, 0.93)
    assert missing_text(left, found=19, unread=491) == "probably 0 to 5 more among the 491 unread"


def test_no_more_and_nothing_to_say():
    none = Estimate(3.0, 3, 3, 1.0)
    assert missing_text(none, found=3, unread=9) == "probably no more among the 9 unread"
    assert not missing_text(none, found=3, unread=0)
    assert not missing_text(None, found=0, unread=558)


def test_reading_on_is_offered_where_another_answer_is_expected():
    coverage = Coverage(
        100, 100, read=50, relevant=9, stopped=Stopped.DRY, estimate=Estimate(10.5, 9, 14, 0.9)
    )
    assert worth_reading_on(coverage)
    assert not worth_reading_on(Coverage(100, 100, stopped=Stopped.EXHAUSTED))


def test_a_long_reading_is_foretold_in_papers_tokens_and_minutes():
    line = long_reading_line(200, 788, 80_000, 640)
    assert (
        line
        == "About 200 more papers to read (at most 788): 80,000 tokens, 11 minutes at this pace."
    )
