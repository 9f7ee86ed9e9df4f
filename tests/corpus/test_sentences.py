"""Sentences: where they end, where they do not, and that their offsets are exact."""
# ruff: noqa: RUF001 (the full stops of many scripts are the matter here)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.corpus.sentences import LONGEST, Sentence, split_sentences


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in split_sentences(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "As shown by Hinton et al. (2006), it works.",
        "See (Xie et al. 2020) and Lee et al. [2018] for the bound.",
        "Some tasks, e.g. ImageNet, i.e. Vision tasks, cf. Table 2, are hard.",
        "As Fig. 3 and Eq. (4) show, cats vs. Dogs is easy w.r.t. ImageNet.",
        "We thank Dr. Smith, J. R. Doe and St. Mary for this.",
        "In E. coli the growth rate is 0.5 per hour.",
        "It reaches 94.5% with v1.2.3 of the code.",
        "The code (https://github.com/a.b/c?d=e.f) is out.",
        "It runs... and then it stops.",
        "The samples are i.i.d. Gaussian.",
        "We ask (is it so? We think it is.) and answer.",
        "The loss $f(x). Then$ is 10times smaller with h=hcirc g, \\eg, sim30% less.",
        "Vemos p.ej. Madrid en la fig. 2 de este trabajo.",
        "SpaRTAN achieves 77. 7% accuracy.",
        "The bound of Assos et al. (COLT 2023) and [Bun et al. FOCS 2015] holds.",
        "It was recommended by approx. 20 people at Acme Inc. in Paris.",
    ],
)
def test_one_sentence_stays_one(sentence: str) -> None:
    assert texts(sentence) == [sentence]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It works.", "We show why."),
        ("Does it work?", "It does!"),
        ('He says "it works."', "We agree."),
        ("They work (really).", "(They do.)"),
        ("It was made in 2021.", "3D models are harder."),
        ("It is highlighted by Lu et al.", "Traditional approaches fail."),
        ("Cats, dogs, etc.", "All of them are animals."),
        ("The feature dimension is D.", "To see this, count."),
        ("It lowers the loss.", "xLSTM is better."),
        ("It trains each layer.", "the weights stay."),
        ("The code is at github.com/edwardjhu/TP4.", "Try it."),
        ("¿Funciona?", "¡Sí, funciona!"),
        ("La red aprende.", "Este trabajo lo muestra."),
        ("It works.[12]", "We show why."),
        ("It takes 1 ms.", "Then it waits for MT."),
        ("This helps MT.", "Chart QA needs more."),
        ("So far.\n\nConclusion without a stop", "- an item"),
        ("The answer is no.", "However, it holds."),
    ],
)
def test_two_sentences_are_two(first: str, second: str) -> None:
    joint = "\n" if second.startswith("-") else " "
    assert texts(first + joint + second)[-1] == second
    assert " ".join(texts(first)) in " ".join(texts(first + joint + second))
    assert len(texts(first + joint + second)) == len(texts(first)) + 1


def test_full_stops_of_other_scripts_need_no_space() -> None:
    assert texts("我们提出一种方法。它有效吗？有效！") == [
        "我们提出一种方法。",
        "它有效吗？",
        "有效！",
    ]
    assert texts("यह काम करता है। हम दिखाते हैं।") == ["यह काम करता है।", "हम दिखाते हैं।"]


def test_a_lost_space_after_the_stop_is_seen() -> None:
    assert texts("It runs on many platforms.Code is available.") == [
        "It runs on many platforms.",
        "Code is available.",
    ]
    assert texts("Call tf.keras.The there.") == ["Call tf.keras.The there."]


def test_html_leftovers_do_not_glue_sentences() -> None:
    assert texts("<p>It works.</p><p>We show why.</p>") == [
        "<p>It works.</p>",
        "<p>We show why.</p>",
    ]


def test_list_numbers_stay_with_their_item() -> None:
    text = "We add: 1. We find x. 2. We find y. (3). How to stop? (4) Done."
    assert texts(text) == [
        "We add: 1. We find x.",
        "2. We find y.",
        "(3). How to stop?",
        "(4) Done.",
    ]


def test_an_unclosed_bracket_hides_no_sentence() -> None:
    assert len(texts("We see (that it works. It is good. It is fast.")) == 3


def test_text_without_a_stop_is_cut_where_it_can_be_quoted() -> None:
    text = ", ".join(f"item {i} of a very long list" for i in range(200))
    pieces = texts(text)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert all(piece.endswith(",") for piece in pieces[:-1])
    assert max(map(len, texts("字" * 5000))) <= LONGEST


def test_no_text_has_no_sentence() -> None:
    assert split_sentences("") == split_sentences(" \n\t") == ()
    assert texts("...") == ["..."]


ODD_PIECES = [
    "We",
    "it",
    "3",
    "e.g.",
    "al.",
    ".",
    "!",
    "?",
    "(",
    ")",
    "[1]",
    "$",
    '"',
    "'a'",
    "<br>",
]
ODD_PIECES += [
    "</p>",
    "\n",
    "\n\n",
    "U.S.",
    "。",
    "x.Y",
    "0.5",
    ";",
    ",",
    "\u2028",
    " ",
    "word " * 130,
]
ODD_TEXT = st.text() | st.lists(st.sampled_from(ODD_PIECES)).map(" ".join)


@given(ODD_TEXT)
def test_sentences_hold_every_character_once_in_order(text: str) -> None:
    sentences = split_sentences(text)
    assert [s.number for s in sentences] == list(range(1, len(sentences) + 1))
    end = 0
    for sentence in sentences:
        assert text[sentence.start : sentence.end] == sentence.text == sentence.text.strip() != ""
        assert len(sentence.text) <= LONGEST
        assert not text[end : sentence.start].strip()
        end = sentence.end
    assert not text[end:].strip()


def test_sentences_are_data() -> None:
    assert split_sentences(" Yes. ") == (Sentence(1, "Yes.", 1, 5),)


def test_parts_of_a_structured_abstract_may_be_joined_by_semicolons():
    text = "Most events were mild.; It was 5 mg (n=3).; Others (Smith et al.; Jones) agree."
    assert [sentence.text for sentence in split_sentences(text)] == [
        "Most events were mild.;",
        "It was 5 mg (n=3).;",
        "Others (Smith et al.; Jones) agree.",
    ]
