"""Titles that an answer names: where they are, and whose they are."""

import pytest

from qa.answering.verify.titles import find_named_titles, is_title_of, nearest_title

TITLE = "NoProp: Training Neural Networks without Back-propagation"


@pytest.mark.parametrize(
    "answer",
    [
        f"**{TITLE}** [1]",
        f"*{TITLE}* [1]",
        f"**{TITLE} [1]**",
        f'"{TITLE}" [1]',
        f"- {TITLE} [1]: it works",
        f"1. **{TITLE}** ([1]) works",
        f"__{TITLE}.__ [1]",
    ],
)
def test_a_title_is_found_before_its_marker(answer):
    (named,), _ = find_named_titles(answer)
    assert named.text == TITLE
    assert answer[named.start : named.end] == TITLE
    assert named.marked
    assert named.looks_like_title


@pytest.mark.parametrize(
    "answer",
    ["**Key idea:** it works [1].", "**Local Learning Rules**: it works", "the *best* of all [1]"],
)
def test_a_label_does_not_look_like_a_title(answer):
    assert not any(named.looks_like_title for named in find_named_titles(answer)[0])


@pytest.mark.parametrize(
    "text",
    [TITLE, TITLE.lower(), "NoProp", "Training Neural Networks without Backpropagation"],
)
def test_a_title_is_known_in_parts_and_other_spelling(text):
    assert is_title_of(TITLE, text)


@pytest.mark.parametrize("text", ["Training", "NoProp 2", "Training Networks without Noise", ""])
def test_another_title_is_not_known(text):
    assert not is_title_of(TITLE, text)


def test_a_misspelt_title_has_a_nearest_one():
    titles = [TITLE, "Hopfield Networks is All You Need"]
    assert nearest_title("NoProp: Training Neural Nets without Back-propagation", titles) == TITLE
    assert nearest_title("Tomatoes on Balconies in Three Summers", titles) is None


def test_title_that_a_list_item_goes_on_from_is_known():
    title = "Forward Learning with Top-Down Feedback: Empirical and Analytical Characterization"
    assert is_title_of(title, f"{title} trains without a backward pass")
    assert is_title_of(title, f"{title} (with code)")
    assert not is_title_of(title, f"{title} Of Recurrent Networks")
