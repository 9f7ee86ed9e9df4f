import pytest

from qa.answering.answer_repair import (
    CitationRepair,
    RepetitionGuard,
    added_findings,
    why_useless,
)

PAPERS = {
    1: "Hopfield Networks is All You Need\nThe network has continuous states. It stores patterns "
    "and retrieves a pattern with one update, with exponentially small errors.",
    2: "Early Exit\nLayer skipping gives a speedup of 1.86 times on summarisation.",
    3: "Depth Dropout\nSkipping layers of the decoder while training gives faster inference.",
}
QUESTION = "How many update steps does a Hopfield network need?"


def repaired(text, *, size=3, papers=PAPERS, question=QUESTION):
    repair = CitationRepair(papers, question)
    pieces = [repair.feed(text[i : i + size]) for i in range(0, len(text), size)]
    return "".join(pieces) + repair.flush(), repair


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_sentence_gets_the_one_paper_that_has_its_numbers_and_words(size):
    text, _ = repaired("Layer skipping gives a speedup of 1.86 times. Good.", size=size)
    assert text == "Layer skipping gives a speedup of 1.86 times [2]. Good."


def test_a_number_as_short_as_the_answer_of_a_small_model_is_cited():
    assert repaired("1 update step")[0] == "1 update step [1]"


def test_what_two_papers_state_is_left_alone():
    papers = {1: PAPERS[2], 2: PAPERS[2]}
    text = "Layer skipping gives a speedup of 1.86 times."
    assert repaired(text, papers=papers)[0] == text


def test_a_number_that_no_paper_has_is_not_cited():
    text = "Layer skipping gives a speedup of 2.5 times."
    assert repaired(text)[0] == text


def test_words_of_no_paper_are_not_cited():
    text = "Tomatoes grow best in 1 pot on sunny balconies."
    assert repaired(text)[0] == text


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "It needs one update [1]. Skipping gives 1.86 times [2].",
        "It needs one update. [1] Skipping gives 1.86 times. [2]",
        "These papers do:\n- Early Exit skips layers [2].\n- Depth Dropout as well [3].",
        "Two of them do.\n\n1. **Early Exit** [2]\n2. Depth Dropout [3]\n",
        "| paper | speedup |\n|---|---|\n| Early Exit | 1.86 [2] |\n",
        "See [2",
        "",
    ],
)
def test_an_answer_that_cites_passes_as_it_is(text, size):
    assert repaired(text, size=size)[0] == text


def test_what_was_added_is_marked_where_it_stands():
    text, repair = repaired("Layer skipping gives a speedup of 1.86 times. Good.")
    (finding,) = added_findings(repair.added, text)
    assert finding.kind == "citation_added"
    assert text[finding.start : finding.end] == "[2]"
    assert "The program added [2]" in finding.detail


def test_an_answer_without_any_citation_is_useless():
    assert "cites none" in why_useless("It is one.", QUESTION)
    assert why_useless("It is one [1].", QUESTION) is None


def test_an_answer_that_is_a_citation_alone_is_useless():
    assert "no words" in why_useless("[1]", QUESTION)


def test_an_answer_in_another_language_is_useless():
    spanish = "La red necesita solamente una actualización para recuperar el patrón guardado [1]. "
    assert "another language" in why_useless(spanish * 4, QUESTION)
    chinese = "网络只需要一次更新就能检索到存储的模式 [1]。"
    assert "another language" in why_useless(chinese, QUESTION)
    assert why_useless(spanish * 4, "¿Cuántos pasos necesita la red?") is None


def test_a_list_of_titles_is_no_other_language():
    titles = "\n".join(f"- {text.splitlines()[0]} for Networks [1]" for text in PAPERS.values())
    assert why_useless(titles * 8, QUESTION) is None


def test_a_sentence_that_comes_again_and_again_ends_the_answer():
    guard = RepetitionGuard()
    sentence = "The network needs one update to retrieve a pattern [1]. "
    ends = [guard.feed(piece) for piece in [sentence] * 3]
    assert ends == [False, False, True]


def test_short_sentences_and_different_ones_may_come_often():
    guard = RepetitionGuard()
    lines = "".join(f"- Paper number {n} of the list qualifies [{n}]\n- Yes.\n" for n in range(50))
    assert not guard.feed(lines)
