"""What reaches the terminal cannot steer it, however it is cut into pieces."""
# ruff: noqa: RUF001 (other scripts must come through)

import unicodedata

import pytest
from chat_server import ChatServer
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import LabelModel

import qa as package
from qa.answering.safe_text import CleanStream, clean, clean_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("\x9d0;owned\x9ctitle", "title"),
        ("\x1bP1;2|payload\x1b\\text", "text"),
        ("\x1bcreset", "reset"),
        ("bell\x07, back\x08space, null\x00", "bell, backspace, null"),
        ("one\r\ntwo\rthree\x85four\u2028five", "one\ntwo\nthree\nfour\nfive"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("ze\u200bro \u2066wi\u2069dth\ufeff", "zero width"),
        ("hidden\U000e0041", "hidden"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("\x1b]0;never ended, so it is text", "0;never ended, so it is text"),
        ("tab\tand\nnewline stay", "tab\tand\nnewline stay"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_what_steers_a_terminal_is_removed(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_line_is_one_line() -> None:
    assert clean_line(" A title\r\n over\ttwo  lines\x1b[2K ") == "A title over two lines"


PIECES = [
    "\x1b",
    "[",
    "]",
    "31",
    ";",
    "m",
    "\x07",
    "\\",
    "\x9b",
    "\x9d",
    "\x9c",
    "P",
    "a",
    " ",
    "\n",
]
PIECES += ["\r", "\x1b[", "\x1b]0;", "\u202e", "\ud83d", "\x85", "x" * 300]
NASTY = st.lists(st.sampled_from(PIECES)).map("".join) | st.text(max_size=30)


@given(NASTY)
def test_nothing_unsafe_is_left_and_cleaning_again_changes_nothing(text: str) -> None:
    shown = clean(text)
    kinds = {unicodedata.category(c) for c in shown if c not in "\n\t"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert clean(shown) == shown
    shown.encode()


@given(NASTY, st.lists(st.integers(1, 9), max_size=40))
def test_pieces_show_the_same_as_the_whole(text: str, sizes: list[int]) -> None:
    stream, shown, rest = CleanStream(), "", text
    for size in sizes:
        shown += stream.feed(rest[:size])
        rest = rest[size:]
    assert shown + stream.feed(rest) + stream.flush() == clean(text)


class SteeringModel(LabelModel):
    """A model whose answer has escape sequences in it."""

    def _answer(self, prompt: str) -> str:
        return super()._answer(prompt).replace("qualifies", "\x1b[2J\u202equalifies\x1b]0;x\x07")


def test_escapes_of_the_model_do_not_reach_a_listener(seeds: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    with ChatServer(model=SteeringModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        with package.open_corpus() as library:
            answer = library.ask("which papers train without backprop?", on_event=heard.append)
    pieces = [event.text for event in heard if isinstance(event, package.Piece)]
    assert "qualifies" in answer.answer
    assert "".join(pieces) == answer.answer == clean(answer.answer)
