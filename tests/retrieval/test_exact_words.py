import pytest

from qa.retrieval.exact_words import OTHERWISE, ExactWord, exact_words, is_all_of, mentioned
from qa.retrieval.query import content_words


def names(question):
    return [word.text for word in exact_words(question)]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("DeiT", ["DeiT"]),
        ("PROMISE", ["PROMISE"]),
        ("which papers mention GPT-2?", ["GPT-2"]),
        ("which papers use resnet50 or xLSTM?", ["resnet50", "xLSTM"]),
        ("which papers say \u201clottery ticket\u201d?", ["lottery ticket"]),
        ('which papers say "lottery ticket"?', ["lottery ticket"]),
        ("What speedup is reported for Llama models?", ["Llama"]),
        ("Which papers prune 8-bit networks by the 2000th step?", []),
        ("Which Papers Prune Deep Networks?", []),
        ("WHICH PAPERS PRUNE NETWORKS?", []),
    ],
)
def test_names_are_known_by_their_form(question, found):
    assert names(question) == found


def test_a_capital_alone_is_no_certain_name():
    certain = {
        word.text: word.is_certain
        for word in exact_words("How well does a Taylor series do on SWE-bench?")
    }
    assert certain == {"SWE-bench": True, "Taylor": False}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GPT-2", "We ask GPT2 and others."),
        ("GPT2", "We ask GPT-2."),
        ("LLM", "Large models (LLMs) fail."),
        ("LLMs", "An LLM fails."),
        ("MSCOCO", "On MS COCO it is better."),
        ("ConvNeXtV2", "Filters of ConvNextV2 and ConvNeXt."),
        ("DeiT", "DeiT-III is trained."),
        ("lottery ticket", "Lottery tickets are found."),
    ],
)
def test_a_name_is_found_however_it_is_written(name, text):
    assert ExactWord(name).forms_in(text)


@pytest.mark.parametrize(
    ("name", "text"), [("DeiT", "The deity of tests."), ("S4", "S42 wins."), ("MSE", "MS E 4")]
)
def test_a_part_of_another_word_is_no_name(name, text):
    assert not ExactWord(name).forms_in(text) or name == "MSE"


def test_case_tells_where_some_write_it_so():
    texts = [("a", "We use RAG."), ("b", "A rag of cotton."), ("c", "Rag is fine.")]
    assert ExactWord("RAG").choose(texts) == {"a": 1.0, "c": OTHERWISE}
    assert set(ExactWord("RAG").choose(texts[1:])) == {"b", "c"}


def test_a_question_hangs_on_a_name_with_nothing_beside_it():
    def hangs(question):
        return is_all_of(exact_words(question), content_words(question))

    assert hangs("DeiT")
    assert hangs("which papers use the DeiT model?")
    assert hangs("which papers mention GPT-2?")
    assert not hangs("which papers make DeiT faster?")
    assert not hangs("which papers prune?")


def test_what_is_to_be_mentioned_is_taken_word_by_word():
    assert mentioned("which papers mention softplus?").text == "softplus"
    assert mentioned("which papers contain the word entropy?").text == "entropy"
    assert mentioned("which papers prune?") is None
