"""JSON amid prose, thinking sections, and the choice of a model."""

import contextlib
import json

import pytest
from chat_server import ChatServer, Hang, Raw, Status
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import (
    ChatAuthError,
    ChatBadReply,
    ChatError,
    ChatModelNotFound,
    ChatRateLimited,
    ChatTimeout,
    ChatUnreachable,
    ConfigError,
)
from qa.llm.models import DEFAULT_MODEL, choose_model
from qa.llm.replies import ThinkingFilter, extract_json, without_thinking

KEY = "sk-test-0123456789abcdef"
VERDICT = {"papers": [{"key": "P1", "relevance": "yes", "sentences": [1, 2]}]}


class TestJson:
    @pytest.mark.parametrize(
        "text",
        [
            "{}",
            "\ufeff {} \n",
            "```json\n{}\n```",
            "```\n{}```",
            "Sure! Here it is:\n```JSON\n{}\n```\nAnything else?",
            "Here it is: {} Anything else?",
            "As [1] says, [2] too: {} and [3].",
        ],
    )
    def test_it_is_found_wherever_it_stands(self, text):
        assert extract_json(text.replace("{}", json.dumps(VERDICT))) == VERDICT

    def test_an_array_is_json_too(self):
        assert extract_json("The list: [1, 2]") == [1, 2]

    def test_the_longest_object_counts(self):
        assert extract_json('e.g. {"a": 1}: {"a": 1, "b": 2}') == {"a": 1, "b": 2}

    def test_braces_in_strings_do_not_confuse(self):
        assert extract_json('so: {"a": "}{ ``` ["}') == {"a": "}{ ``` ["}

    def test_line_breaks_in_strings_are_forgiven(self):
        assert extract_json('{"a": "one\ntwo"}') == {"a": "one\ntwo"}

    @pytest.mark.parametrize(
        "text",
        ["", "yes", "42", '"text"', "null", "{a: 1}", '{"a": ', "[" * 100_000, "{" * 100_000],
    )
    def test_a_reply_without_it_is_told(self, text):
        with pytest.raises(ChatBadReply, match="asked for JSON"):
            extract_json(text)

    @settings(deadline=None)
    @given(st.text(), st.dictionaries(st.text(), st.integers() | st.text(), min_size=1), st.text())
    def test_it_never_fails_in_another_way(self, before, value, after):
        found = extract_json(before + json.dumps(value) + after)
        assert isinstance(found, dict | list)

    @settings(deadline=None)
    @given(st.text(alphabet='{}[]",:1 a\\`'))
    def test_nonsense_is_json_or_told(self, text):
        with contextlib.suppress(ChatBadReply):
            assert isinstance(extract_json(text), dict | list)


class TestThinking:
    @pytest.mark.parametrize(
        ("text", "reply"),
        [
            ("yes", "yes"),
            ("<think>hm</think>yes", "yes"),
            (" <think>\n\n</think>\n\nyes\n", "yes\n"),
            ("<think>never closed", ""),
            ("hm\n</think>\n\nyes", "yes"),
            ("[1] uses <think> and </think> tags.", "[1] uses <think> and </think> tags."),
            ("<thi", "<thi"),
            ("<thinking>", "<thinking>"),
        ],
    )
    def test_only_the_reply_is_left(self, text, reply):
        assert without_thinking(text) == reply

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(["<think>", "</think>", "<", "hm", "\n", "think>", "/"])))
    def test_pieces_give_what_the_whole_gives(self, pieces):
        whole = ThinkingFilter()
        torn = ThinkingFilter()
        expected = whole.feed("".join(pieces)) + whole.rest()
        assert "".join(torn.feed(piece) for piece in pieces) + torn.rest() == expected

    def test_a_supposed_section_that_never_closes_was_none(self):
        thinking = ThinkingFilter(opened=True)
        assert thinking.feed("[1] says so.") == ""
        assert thinking.rest() == "[1] says so."

    def test_a_supposed_section_may_open_after_all(self):
        thinking = ThinkingFilter(opened=True)
        assert thinking.feed("<think>hm</think>yes") == "yes"


class TestChoice:
    @pytest.mark.parametrize(
        "settings",
        [
            (None, None, None),
            ("", "", ""),
            ("none", KEY, None),
            ("None", None, "http://localhost:1/v1"),
        ],
    )
    def test_no_model_without_settings_or_when_unwanted(self, settings):
        assert choose_model(*settings) is None

    @pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1"])
    def test_a_key_alone_means_openais_small_model(self, base_url):
        assert choose_model(None, KEY, base_url) == DEFAULT_MODEL

    def test_a_name_is_taken_as_it_is(self):
        assert choose_model(" gpt-4o-mini ", KEY, None) == "gpt-4o-mini"
        assert choose_model("llama3.3", None, "http://localhost:1/v1") == "llama3.3"

    def test_a_name_without_key_or_server_is_told(self):
        with pytest.raises(ChatAuthError, match=r"OPENAI_API_KEY.*OPENAI_BASE_URL"):
            choose_model("gpt-4o-mini", None, None)

    def test_an_address_without_scheme_is_told(self):
        with pytest.raises(ConfigError, match="http://localhost:8080"):
            choose_model(None, None, "localhost:8080")

    def test_a_server_gives_its_first_model(self):
        with ChatServer(models=["qwen3", "llama3.3"]) as server:
            assert choose_model(None, None, server.url) == "qwen3"

    def test_a_name_that_would_write_to_the_terminal_is_passed_over(self):
        with ChatServer(models=["\x1b[2Jllama", "qwen3"]) as server:
            assert choose_model(None, None, server.url) == "qwen3"

    def test_models_that_do_not_chat_are_passed_over(self):
        with ChatServer(models=["nomic-embed-text", "whisper-1", "llama3.3"]) as server:
            assert choose_model(None, None, server.url) == "llama3.3"

    @pytest.mark.parametrize(
        ("listing", "error", "words"),
        [
            ([], ChatModelNotFound, "no model loaded"),
            (Status(401), ChatAuthError, "does not accept the key"),
            (Status(404), ChatModelNotFound, "set QA_MODEL"),
            (Status(400), ChatModelNotFound, "set QA_MODEL"),
            (Status(503), ChatRateLimited, "too busy"),
            (Raw(b"<html>", "text/html"), ChatModelNotFound, "set QA_MODEL"),
            (Raw(b'{"data": 7}'), ChatModelNotFound, "set QA_MODEL"),
            (Raw(b'{"data": [{"id": "x"'), ChatModelNotFound, "set QA_MODEL"),
        ],
    )
    def test_a_listing_that_is_none_is_told(self, listing, error, words):
        with ChatServer(models=listing) as server, pytest.raises(error, match=words) as caught:
            choose_model(None, KEY, server.url)
        assert server.host in str(caught.value)
        assert KEY not in str(caught.value)

    def test_a_server_that_hangs_is_told(self):
        with ChatServer(models=Hang()) as server, pytest.raises(ChatTimeout, match="QA_MODEL"):
            choose_model(None, None, server.url, seconds=0.2)

    def test_no_server_is_told(self):
        with ChatServer() as gone:
            pass
        with pytest.raises(ChatUnreachable, match="is it running"):
            choose_model(None, None, gone.url)

    def test_an_address_without_its_path_gets_a_hint(self):
        with ChatServer() as server, pytest.raises(ChatError, match=f"{server.host}/v1"):
            choose_model(None, None, f"http://{server.host}")
