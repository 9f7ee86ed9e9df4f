import io
import re

import pytest
from fakes import paper
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from qa.answering.events import Piece
from qa.answering.verify.checks import AnswerChecker
from qa.answering.writer import NumberedPaper
from qa.cli.display.annotate import AnnotatedStream
from qa.retrieval.relevance import Relevance

ABSTRACT = "The method reads 16k tokens. It gains 12% on CIFAR-10."
PAPERS = tuple(
    NumberedPaper(
        n,
        paper(n, "The method reads 16k tokens. It gains 12% on CIFAR-10."),
        (1,),
        1.0,
        relevance=Relevance.YES,
    )
    for n in (1, 2)
)


def pieces(answer, size):
    """Yield what the pipeline makes of an answer that comes in pieces of a size."""
    checker = AnswerChecker({p.n: (p.paper.title, p.paper.abstract) for p in PAPERS}, question="q")
    cut = [answer[start : start + size] for start in range(0, len(answer), size)]
    for checked in [*map(checker.feed, cut), checker.finish()]:
        yield Piece(text=checked.text, papers=PAPERS, findings=checked.findings)


def console():
    return Console(file=io.StringIO(), width=10**6, color_system=None)


def shown(answer, size=5):
    out = console()
    marked = AnnotatedStream(out)
    for piece in pieces(answer, size):
        marked.feed(piece)
    marked.end()
    return out.file.getvalue(), marked


def test_faultless_answer_shows_as_it_is():
    answer = "It reads 16k tokens [1].\n\n- It gains 12% [2].\n"
    assert shown(answer)[0] == answer


def test_wrong_count_is_marked_behind_the_answer():
    text, marked = shown("Five papers do so [1]. It gains 12% [2].")
    assert text == "Five papers do so [1]. It gains 12% [2]. (!1)\n"
    assert list(marked.numbers.values()) == [[1]]


def test_citation_that_leads_nowhere_is_marked_in_place():
    assert shown("It gains 12% [7].")[0].startswith("It gains 12% [7?].")


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_mark_stands_behind_the_sentence_and_its_citation(size):
    text, marked = shown("It gains 99% [1]. It reads 16k tokens [2].\n\n- It gains 12% [1].", size)
    assert text == "It gains 99% [1]. (!1) It reads 16k tokens [2].\n\n- It gains 12% [1].\n"
    assert list(marked.numbers.values()) == [[1]]


def test_last_sentence_is_checked_when_the_answer_ends():
    assert shown("It gains 99% [1].")[0] == "It gains 99% [1]. (!1)\n"


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_mark_stands_behind_the_row_of_a_table(size):
    table = "| a | b |\n| --- | --- |\n| It is fast | {} |\n| It gains 12% | [1] |{}\n\nIt is slow."
    text, _ = shown(table.format("-", ""), size)
    assert text == table.format("- | (!1)", "").replace("(!1) |", "(!1)") + " (!2)\n"


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_mark_of_a_sentence_stands_before_a_marker_that_begins_the_next(size):
    text, _ = shown("It is fast. [2] shows that it gains 12%.", size)
    assert text == "It is fast. (!1) [2] shows that it gains 12%.\n"


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_mark_does_not_slip_into_the_next_list_item(size):
    text, _ = shown("It gains 12% [1]. It is fast.\n- It gains 12% [1].", size)
    assert text == "It gains 12% [1]. It is fast. (!1)\n- It gains 12% [1].\n"


def test_every_mark_has_a_number_of_its_own():
    text, marked = shown("It gains 99% [1]. It is fast. It reads 17k tokens [2].")
    assert text.count("(!") == len(marked.numbers) == 3


def test_findings_of_the_same_words_keep_their_own_numbers():
    text, marked = shown("It is fast. It gains 99% [1]. It is fast. It is fast.")
    assert text == "It is fast. (!1) It gains 99% [1]. (!2) It is fast. (!3) It is fast. (!4)\n"
    assert sorted(marked.numbers.values()) == [[1, 3, 4], [2]]


LISTED = """These papers qualify:

1. It gains 12% [1]
2. It is slow
{}. Mono-Forward is local
{}. FOTON is forward only [2]
   - It is fast
   - It gains 12% [1].

9. It is 12%. [1] It is good.
"""


@pytest.mark.parametrize("signs", ["4.", "10)", "(4)", "**4.", "a.", "100.", "-", "*", "+", "•"])
def test_marks_stand_in_the_same_places_however_the_answer_is_cut(signs):
    sign = signs.rstrip(".")
    answer = LISTED.format(sign, sign) if signs.endswith(".") else LISTED.replace("{}.", signs)
    answer = answer.replace("FOTON", "FOTON**") if signs.startswith("**") else answer
    whole = shown(answer, len(answer))[0]
    assert "Mono-Forward is local (!2)\n" in whole
    assert "slow (!1)\n" in whole
    assert "fast (!3)\n" in whole
    assert whole.endswith("9. It is 12%. [1] It is good. (!4)\n")
    assert re.sub(r" \(!\d\)", "", whole) == answer
    assert {shown(answer, size)[0] for size in range(1, 8)} == {whole}


SENTENCES = ("It gains 12% [1].", "It gains 99% [2].", "It is fast.", "It is [7].", "Both [1][2].")


@given(
    st.lists(st.sampled_from(SENTENCES), min_size=1),
    st.sampled_from([" ", "\n", "\n\n", "\n- ", "\n12. "]),
    st.integers(1, 9),
)
def test_pieces_do_not_change_what_is_shown(sentences, gap, size):
    answer = gap.join(sentences)
    assert shown(answer, size)[0] == shown(answer, 10**6)[0]
