import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.retrieval.query import (
    QuestionForm,
    asks_for_number,
    content_words,
    encodable,
    form_of,
    has_content,
    keyword_terms,
    strip_asking,
)


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("which papers train without backprop?", "train without backprop"),
        ("Which of the papers use S4?", "use S4"),
        ("for learning on graphs, which papers give code?", "for learning on graphs, give code"),
        ("which papers are about pruning?", "pruning"),
        ("List all papers that use dropout", "use dropout"),
        ("Are there any studies on weight decay?", "weight decay"),
        ("What papers are there about state space models?", "state space models"),
        ("I\u2019m looking for papers on Mamba", "Mamba"),
        ("papers about Mamba", "Mamba"),
        ("Give me a list of articles about GNNs.", "GNNs."),
        ("What work exists on soft robots?", "soft robots"),
        ("what recent research is there on honey bees?", "honey bees"),
        ("Is there any evidence that tea calms?", "tea calms"),
        ("What is known about moss?", "moss"),
        ("What has been done about noise?", "noise"),
        ("what do researchers say about sleep?", "sleep"),
    ],
)
def test_topic_leaves_out_the_words_that_ask_for_papers(question, subject):
    assert strip_asking(question) == subject


@pytest.mark.parametrize(
    "question",
    [
        "How does the forward-forward algorithm work",
        "Abstract interpretation of networks",
        "What works best for small data",
        "What rules work for small data",
        "Results on moss",
        "Compare S4 with its diagonal variant DSS.",
    ],
)
def test_topic_keeps_questions_that_do_not_ask_for_papers(question):
    assert strip_asking(question) == question


def test_a_question_of_nothing_but_asking_words_stays_as_it_is():
    assert strip_asking("which papers?") == "which papers?"
    assert content_words("which papers?") == ["which", "papers"]


@given(st.text())
def test_no_text_is_lost_altogether(question):
    assert strip_asking(question) or not question.strip()
    assert list(keyword_terms(question)) == content_words(question)


def test_content_words_are_in_lower_case_and_once():
    assert content_words("which papers prune Networks, and networks of networks?") == [
        "prune",
        "networks",
    ]


def test_compounds_are_looked_up_by_their_parts():
    assert content_words("post-training quantization") == ["post", "training", "quantization"]


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("How many layers does it have?", True),
        ("What share of the weights is pruned?", True),
        ("What average speedup is reported?", True),
        ("which papers train without backprop?", False),
        ("How does S4 work?", False),
    ],
)
def test_questions_for_a_figure_are_recognised(question, number):
    assert asks_for_number(question) is number


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("which papers train without backprop?", QuestionForm.SET),
        ("how many papers use dropout?", QuestionForm.SET),
        ("Which methods help with long-tailed data?", QuestionForm.SET),
        ("How can memory use be reduced when fine-tuning?", QuestionForm.SET),
        ("local learning rules", QuestionForm.SET),
        ("How many layers does it have?", QuestionForm.FACT),
        ("What optimizer does GPT-2 use?", QuestionForm.FACT),
        ("Who proposed dropout?", QuestionForm.FACT),
        ("By what factor is training faster?", QuestionForm.FACT),
        ("Who proposes new activation functions?", QuestionForm.SET),
        ("who has studied moss?", QuestionForm.SET),
        ("What is known about moss?", QuestionForm.SET),
        ("What long-term evidence is there for the use of tea against a cold?", QuestionForm.SET),
        ("Theoretical results on what happens to networks as depth grows", QuestionForm.SET),
        ("Is there a scaling law for local learning?", QuestionForm.EXPLANATION),
        ("Does tea calm?", QuestionForm.EXPLANATION),
        ("How does the forward-forward algorithm work?", QuestionForm.EXPLANATION),
        ("Why do deep networks generalise?", QuestionForm.EXPLANATION),
        ("What is wrong with Pre-LN?", QuestionForm.EXPLANATION),
        ("Aspirin lowers the risk of stroke in old people.", QuestionForm.EXPLANATION),
    ],
)
def test_the_form_of_a_question_tells_how_many_papers_it_is_after(question, form):
    assert form_of(question) is form


def test_a_question_for_papers_alone_has_no_content():
    assert not has_content("which papers are there?")
    assert not has_content("which papers were published?")
    assert has_content("which papers are about graphs?")


@given(st.text(st.characters()))
def test_any_text_is_made_encodable_and_keeps_its_length(text):
    safe = encodable(text + "\ud800")
    safe.encode()
    assert len(safe) == len(text) + 1
    assert encodable(safe) == safe
