import pytest

from qa.retrieval.proof import best_sentences, is_about_the_work

SET = "which papers train without backprop?"


def first(question, *sentences, cosines=None):
    places = best_sentences(question, sentences, cosines or [0.5] * len(sentences))
    return sentences[places[0]] if places else None


def test_what_the_authors_do_is_shown_before_background():
    background = "Backpropagation is the standard method for networks."
    own = "We train networks without backprop."
    assert first(SET, background, own, cosines=[0.55, 0.5]) == own
    assert first(SET, "Recently, backprop has been widely used to train.", own) == own


@pytest.mark.parametrize(
    "sentence",
    [
        "\u00a9 2022 by the authors.",
        "Copyright 2021 Elsevier B.V. All rights reserved.",
        "This work was supported by the National Science Foundation.",
        r"\\begin{center} We train without backprop",
        "ClinicalTrials.gov NCT0001234 is the trial of this study.",
        "Code is available at https://github.com/x/y.",
        "2.",
    ],
)
def test_what_says_nothing_about_the_work_is_never_shown(sentence):
    assert not is_about_the_work(sentence)
    assert first(SET, sentence) is None


def test_code_is_shown_where_it_is_asked_for():
    code = "Code is available at https://github.com/x/y."
    assert first("which papers release code?", "We prune networks well.", code) == code


def test_a_figure_is_shown_where_a_number_is_asked_for():
    plain, figure = "The network learns from many labels.", "It has eleven layers and more."
    assert first("How many layers does it have?", plain, figure, cosines=[0.6, 0.55]) == figure
    assert first("Why does it learn?", figure, plain, cosines=[0.5, 0.55]) == plain


def test_a_figure_in_the_unit_asked_for_comes_first():
    size, time = "Training uses batches of 32868 images.", "Training takes 76 minutes on a pod."
    assert first("How long does training take?", size, time, cosines=[0.6, 0.6]) == time


def test_where_no_sentence_is_near_nothing_is_quoted():
    assert first(SET, "Cats sleep all day long.", cosines=[0.1]) is None


def test_no_sentences_have_no_proof():
    assert best_sentences(SET, [], []) == ()


def test_what_authors_did_counts_for_a_set_and_what_they_found_for_a_fact():
    aim, result = "This paper presents a rule for moss.", "Moss grows by a third more."
    assert first("Which papers study moss?", result, aim) == aim
    assert first("Does moss grow more with a rule?", aim, result) == result


def test_a_definition_is_background():
    definition = "Moss is a plant that grows in damp and shady places."
    assert first(SET, "An opening.", definition, "Rules for moss change over time.") != definition
