import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from qa.cli.display.annotate import Wrapper


def wrapped(*pieces, width=20, terminal=True):
    out = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    wrapper = Wrapper(out)
    for piece in pieces:
        wrapper.write(piece)
    wrapper.end()
    return out.file.getvalue()


def test_lines_break_between_words():
    assert wrapped("one two three four five six") == "one two three four\nfive six\n"


def test_words_split_across_pieces_stay_whole():
    assert wrapped("one two thr", "ee fo", "ur five six") == "one two three four\nfive six\n"


def test_list_items_hang():
    assert wrapped("- one two three four five\n- six") == "- one two three four\n  five\n- six\n"


def test_paragraphs_stay_apart():
    assert wrapped("one\n\ntwo") == "one\n\ntwo\n"


def test_pipe_gets_the_text_as_it_is():
    text = "one two three four five six  seven\n- eight"
    assert wrapped(text, terminal=False) == text + "\n"


def test_word_is_shown_before_the_next_one_comes():
    out = Console(file=io.StringIO(), width=20, force_terminal=True, color_system=None)
    wrapper = Wrapper(out)
    wrapper.write("one tw")
    assert out.file.getvalue() == "one"
    wrapper.write("o ")
    assert out.file.getvalue() == "one two"


@given(st.text(alphabet="ab -\n1.", max_size=120), st.integers(1, 9))
def test_wrapping_changes_nothing_but_white_space(text, size):
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert wrapped(*pieces).split() == text.split()


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=12), max_size=30))
def test_no_line_is_wider_than_the_terminal(words):
    assert all(len(line) <= 20 for line in wrapped(" ".join(words)).splitlines())
