"""What is said of an answer's warnings: each under its own number, and no more than are read."""

from qa.answering.results import Answer, AnswerWarning, Coverage, Outcome
from qa.cli.display.answer import MAX_WARNINGS, warning_lines, warnings_beside


def answer(*warnings):
    coverage = Coverage(corpus=2, candidates=2)
    return Answer("q", Outcome.ANSWERED, "m", "e", "text", (), coverage, warnings=warnings)


def uncited(count):
    return [AnswerWarning("uncited_sentence", f"No paper is cited for “{n}”") for n in range(count)]


def others(count):
    return [
        AnswerWarning("unsupported_number", f"“{n}” does not stand there.") for n in range(count)
    ]


def test_warnings_of_the_same_words_get_one_number_each():
    same = AnswerWarning("unsupported_number", "Same.")
    lines = warning_lines(
        answer(same, AnswerWarning("wrong_count", "Other."), same), {"Same.": [3, 4]}
    )
    assert lines == ["Warning: Other.", "(!3) Same.", "(!4) Same."]


def test_lines_come_in_the_order_of_their_numbers():
    first, second = others(2)
    lines = warning_lines(answer(first, second), {first.detail: [2], second.detail: [1]})
    assert [line[:4] for line in lines] == ["(!1)", "(!2)"]


def test_more_marks_than_warnings_do_no_harm():
    assert warning_lines(answer(*others(1)), {others(1)[0].detail: [1, 2], "Gone.": [3]}) == [
        "(!1) “0” does not stand there."
    ]


def test_sentences_without_a_citation_are_told_singly_a_few_times_only():
    lines = warning_lines(answer(*others(1), *uncited(103)))
    assert len(lines) == 7
    assert lines[-1] == "No paper is cited for 98 more sentences."
    assert len(warning_lines(answer(*uncited(6)))) == 6


def test_a_long_list_ends_with_how_many_are_left():
    assert len(warning_lines(answer(*others(MAX_WARNINGS)))) == MAX_WARNINGS
    lines = warning_lines(answer(*others(301)))
    assert len(lines) == MAX_WARNINGS + 1
    assert lines[-1] == "… and 281 more: ask … --json lists all."


def test_every_warning_is_told_or_counted():
    lines = warning_lines(answer(*others(50), *uncited(103)))
    assert lines[MAX_WARNINGS - 1] == "No paper is cited for 98 more sentences."
    assert lines[-1] == f"… and {153 - 98 - (MAX_WARNINGS - 1)} more: ask … --json lists all."


def test_beside_a_document_many_warnings_are_a_count():
    grave = AnswerWarning("partial_answer", "The answer is not complete.")
    assert len(warnings_beside(answer(*others(MAX_WARNINGS)), ())) == MAX_WARNINGS
    assert warnings_beside(answer(grave, *others(300)), {grave.kind}) == [
        "Warning: The answer is not complete.",
        "301 warnings: the document lists them.",
    ]
