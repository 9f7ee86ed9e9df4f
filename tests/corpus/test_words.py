import pytest

from qa.corpus.words import author_name, content_word_spans, folded


def test_case_accents_and_space_do_not_count():
    assert folded("  Jürgen   ŠKVOR ") == folded("jurgen skvor")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("de la Cruz, María", "María de la Cruz"),
        ("Thompson, Frank R., III", "Frank R. Thompson III"),
        ("Ada Lovelace", "Ada Lovelace"),
        ("Marsh, Mia (57190000001)", "Mia Marsh"),
        ("others", ""),
    ],
)
def test_names_are_given_name_first(text, name):
    assert author_name(text) == name


def test_content_words_are_found_with_their_places():
    text = "The long-tailed data. We show THEM."
    assert [text[a:b] for a, b in content_word_spans(text)] == ["long", "tailed", "data"]
    assert [text[a:b] for a, b in content_word_spans(text, since=9)] == ["tailed", "data"]
    assert content_word_spans("") == content_word_spans("of the") == ()
